//! TLS to a proxy under test, for a client that speaks plain HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The file with the certificate and its key.
pub(super) const CERTIFICATE: &str = "example.org.pem";

/// Makes a certificate for 127.0.0.1, and writes it with its key into the folder.
pub(super) fn certify(folder: &Path) -> PathBuf {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let file = folder.join(CERTIFICATE);
    std::fs::write(&file, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    file
}

/// Carries each connection over TLS to a proxy, whose certificate has to be that of `trusted` or signed with it.
pub(super) struct Tunnel {
    pub(super) address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Tunnel {
    /// A tunnel to this port. The certificate is read for each connection: a proxy may have yet to make it.
    pub(super) fn start(port: u16, trusted: PathBuf) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((plain, _)) = listener.accept().await {
                tokio::spawn(carry(plain, port, trusted.clone()));
            }
        });
        Self { address, _runtime: runtime }
    }
}

/// Whatever breaks ends the connection, as it would without a tunnel.
async fn carry(mut plain: TcpStream, port: u16, trusted: PathBuf) -> Option<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).ok()?).ok()?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let proxy = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    proxy.set_nodelay(true).ok()?;
    plain.set_nodelay(true).ok()?;
    let name = ServerName::try_from("127.0.0.1").ok()?;
    let mut secured = TlsConnector::from(Arc::new(config)).connect(name, proxy).await.ok()?;
    copy_bidirectional(&mut plain, &mut secured).await.ok()?;
    Some(())
}

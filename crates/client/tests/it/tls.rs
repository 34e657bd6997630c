//! https, against a server that speaks TLS with a certificate made for the test.

use std::sync::Arc;

use claviger_client::{Client, Error};
use claviger_http::api::ApiService;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Server;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{OPERATOR_KEY, Running};

/// An authority behind TLS: its port, and the root of its certificate as PEM.
async fn behind_tls(running: &Running, names: &[&str]) -> (u16, String) {
    let (root, config) = certified(names);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, service) = (TlsAcceptor::from(Arc::new(config)), ApiService::new(running.state.clone()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate ends the handshake.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let _ =
                    Server::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, root)
}

fn certified(names: &[&str]) -> (String, ServerConfig) {
    let mut subject = CertificateParams::new(Vec::new()).unwrap();
    subject.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(subject, KeyPair::generate().unwrap()).unwrap();
    let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    (issuer.pem(), config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
}

fn client(url: &str, root: Option<&str>) -> Client {
    let builder = Client::builder(url).key(OPERATOR_KEY);
    root.map_or_else(|| builder.clone(), |root| builder.clone().root_certificates(root)).build().unwrap()
}

#[tokio::test]
async fn a_certificate_of_a_root_that_is_trusted() {
    let running = Running::start().await;
    let (port, root) = behind_tls(&running, &["localhost", "127.0.0.1"]).await;
    for host in ["localhost", "127.0.0.1"] {
        let client = client(&format!("https://{host}:{port}"), Some(&root));
        assert_eq!(client.whoami().await.unwrap().kind, "key", "{host}");
        // Once more on the same connection.
        client.whoami().await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_of_anybody_else_is_refused() {
    let running = Running::start().await;
    let (port, _) = behind_tls(&running, &["localhost"]).await;
    let (other, _) = certified(&["localhost"]);
    let url = format!("https://localhost:{port}");
    for root in [None, Some(other.as_str())] {
        match client(&url, root).whoami().await {
            Err(error @ Error::Unreachable { .. }) => {
                let told = error.to_string();
                assert!(told.contains("certificate") && !told.contains(OPERATOR_KEY), "{told}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let running = Running::start().await;
    let (port, root) = behind_tls(&running, &["keys.example.org"]).await;
    for host in ["localhost", "127.0.0.1"] {
        let error = client(&format!("https://{host}:{port}"), Some(&root)).whoami().await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_tls_and_what_is_no_certificate() {
    let running = Running::start().await;
    // The address of plain HTTP, called as https: the key is not sent.
    let url = running.url.replace("http:", "https:");
    let (root, _) = certified(&["localhost"]);
    let error = client(&url, Some(&root)).whoami().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    for pem in ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let built = Client::builder("https://localhost").root_certificates(pem).build();
        assert!(matches!(built, Err(Error::Address { .. })), "{pem}");
    }
}

//! How an authority is connected to: TCP, and TLS with the roots that are trusted.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

use crate::address::Base;
use crate::error::Result;

#[cfg(feature = "tls")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
pub(crate) type Connector = HttpConnector;

fn tcp(base: &Base, timeout: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timeout));
    connector.enforce_http(!base.secure);
    connector
}

/// What makes connections to this address. With `roots` (certificates as PEM) those are trusted and no others,
/// else the roots of the machine.
#[cfg(feature = "tls")]
pub(crate) fn connector(base: &Base, roots: Option<&[u8]>, timeout: Duration) -> Result<Connector> {
    use hyper_rustls::ConfigBuilderExt;

    let wrong = |reason| crate::Error::Address { address: base.text.clone(), reason };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|_| wrong("TLS could not be set up"))?;
    let tls = match roots {
        Some(pem) => {
            let roots = named_roots(pem);
            tls.with_root_certificates(roots.ok_or_else(|| wrong("the root certificates are not PEM"))?)
        }
        // The machine's are read for https only: a machine that talks to itself needs none.
        None if base.secure => tls.with_native_roots().map_err(|_| {
            wrong("this machine has no root certificates; install its package `ca-certificates`")
        })?,
        None => tls.with_root_certificates(rustls::RootCertStore::empty()),
    };
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth());
    let builder = if base.secure { builder.https_only() } else { builder.https_or_http() };
    Ok(builder.enable_http1().wrap_connector(tcp(base, timeout)))
}

#[cfg(feature = "tls")]
fn named_roots(pem: &[u8]) -> Option<rustls::RootCertStore> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        store.add(certificate.ok()?).ok()?;
    }
    if store.is_empty() { None } else { Some(store) }
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as with TLS")]
pub(crate) fn connector(base: &Base, _roots: Option<&[u8]>, timeout: Duration) -> Result<Connector> {
    Ok(tcp(base, timeout))
}

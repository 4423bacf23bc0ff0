//! TLS settings as control gives them to the pool: certificates of listeners, and how servers are spoken to.
//!
//! Building one of them checks it. Two that were built from the same settings are equal.

mod acceptor;
mod certificate;
mod connector;
pub mod hello;
mod names;

use std::sync::{Arc, LazyLock};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use acceptor::{Acceptor, Alpn, ClientAuth};
pub use certificate::Certificate;
pub use connector::{Connector, Trust};
pub(crate) use names::Named;

/// What is wrong with settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no certificate in it")]
    NoCertificate,
    #[error("there is no private key in it")]
    NoKey,
    #[error("it is no PEM file: {0}")]
    Pem(rustls::pki_types::pem::Error),
    #[error("the key does not belong to the certificate")]
    OtherKey,
    #[error("{0}")]
    Refused(String),
}

/// Protocol versions that are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    #[default]
    Tls12,
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        static ONLY_13: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => &ONLY_13,
        }
    }
}

/// Names of protocols in ALPN.
pub(crate) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(Error::Pem)?;
    if chain.is_empty() { Err(Error::NoCertificate) } else { Ok(chain) }
}

/// Authorities from a PEM file.
fn roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate).map_err(|error| Error::Refused(error.to_string()))?;
    }
    Ok(roots)
}

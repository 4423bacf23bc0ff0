//! TLS towards servers.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Certificate, Error, HTTP2, MinVersion, provider, roots};

/// Whose certificates count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those signed by the authorities of this host.
    System,
    /// Those signed by the authorities of this PEM file.
    Authorities(Vec<u8>),
    /// Any.
    Anyone,
}

/// What an upstream needs for TLS.
#[derive(Clone)]
pub struct Connector {
    trust: Trust,
    /// Name that is asked for and looked for in the certificate; without one it is the server's host name, or its address.
    name: Option<String>,
    certificate: Option<Certificate>,
    http2: bool,
    config: Arc<ClientConfig>,
    id: u64,
}

impl Connector {
    /// `certificate`: ours, for servers that ask for one. `http2`: whether that is what they have to speak.
    pub fn new(
        trust: Trust,
        name: Option<String>,
        certificate: Option<Certificate>,
        http2: bool,
    ) -> Result<Self, Error> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let refused = |error: &dyn fmt::Display| Error::Refused(error.to_string());
        if let Some(name) = &name {
            ServerName::try_from(name.as_str()).map_err(|error| refused(&error))?;
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(MinVersion::Tls12.versions())
            .map_err(|error| refused(&error))?;
        let builder = match &trust {
            Trust::System => builder.with_root_certificates(system_roots()?),
            Trust::Authorities(pem) => builder.with_root_certificates(roots(pem)?),
            Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)),
        };
        let mut config = match &certificate {
            Some(own) => builder
                .with_client_auth_cert(own.certified.cert.clone(), own.key.clone_key())
                .map_err(|error| refused(&error))?,
            None => builder.with_no_client_auth(),
        };
        if http2 {
            config.alpn_protocols = vec![HTTP2.to_vec()];
        }
        let id = IDS.fetch_add(1, Relaxed);
        Ok(Self { trust, name, certificate, http2, config: Arc::new(config), id })
    }

    /// Tells its connections from those of others; not 0.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn session(&self, host: Option<&str>, server: IpAddr) -> Result<ClientConnection, rustls::Error> {
        let name = match self.name.as_deref().or(host.map(|host| host.trim_end_matches('.'))) {
            Some(name) => {
                ServerName::try_from(name.to_owned()).map_err(|error| rustls::Error::General(error.to_string()))?
            }
            None => ServerName::from(server),
        };
        ClientConnection::new(Arc::clone(&self.config), name)
    }
}

fn system_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(Error::Refused(format!("this host has no certificate authorities; name some with ca{why}")));
    }
    Ok(roots)
}

/// Takes any certificate, but still has the server prove that it has the key.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        self.trust == other.trust
            && self.name == other.name
            && self.certificate == other.certificate
            && self.http2 == other.http2
    }
}

impl Eq for Connector {}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}

//! TLS towards clients.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use super::names::Names;
use super::{Certificate, Error, HTTP1, HTTP2, MinVersion, provider, roots};

/// How clients are asked for certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// Authorities, a PEM file.
    pub ca: Vec<u8>,
    /// Whether a client without one is turned away.
    pub required: bool,
}

/// What is offered to clients for the time after the handshake (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    Http1,
    /// That, and HTTP/1.
    Http2,
    /// It is nobody's business.
    Nothing,
}

/// What a listener needs for TLS.
#[derive(Clone)]
pub struct Acceptor {
    certificates: Vec<Certificate>,
    min_version: MinVersion,
    client_auth: Option<ClientAuth>,
    alpn: Alpn,
    names: Arc<Names>,
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// The first certificate is for clients that ask for no name or an unknown one. `alpn`: what is offered on top.
    pub fn new(
        certificates: Vec<Certificate>,
        min_version: MinVersion,
        client_auth: Option<ClientAuth>,
        alpn: Alpn,
    ) -> Result<Self, Error> {
        if certificates.is_empty() {
            return Err(Error::NoCertificate);
        }
        let refused = |error: &dyn fmt::Display| Error::Refused(error.to_string());
        let names = Arc::new(Names::new(certificates.clone()));
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(min_version.versions())
            .map_err(|error| refused(&error))?;
        let builder = match &client_auth {
            Some(auth) => builder.with_client_cert_verifier(verifier(auth)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Resolver(Arc::clone(&names))));
        config.alpn_protocols = match alpn {
            Alpn::Http2 => vec![HTTP2.to_vec(), HTTP1.to_vec()],
            Alpn::Http1 => vec![HTTP1.to_vec()],
            Alpn::Nothing => Vec::new(),
        };
        // Without state here: a client may come back to any worker.
        config.ticketer = Ticketer::new().map_err(|error| refused(&error))?;
        Ok(Self { certificates, min_version, client_auth, alpn, names, config: Arc::new(config) })
    }

    pub(crate) fn session(&self) -> Result<ServerConnection, rustls::Error> {
        ServerConnection::new(Arc::clone(&self.config))
    }

    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.names
    }
}

fn verifier(auth: &ClientAuth) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&auth.ca)?), provider());
    let builder = if auth.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| Error::Refused(error.to_string()))
}

#[derive(Debug)]
struct Resolver(Arc<Names>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificate = self.0.find(hello.server_name(), hello.signature_schemes())?;
        Some(Arc::clone(&certificate.certified))
    }
}

impl PartialEq for Acceptor {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
            && self.min_version == other.min_version
            && self.client_auth == other.client_auth
            && self.alpn == other.alpn
    }
}

impl Eq for Acceptor {}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acceptor").field(&self.certificates).field(&self.min_version).finish()
    }
}

//! Where requests come from.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::tls::Named;
use crate::worker::Worker;

/// Where requests come from: the same for all of a connection.
#[derive(Debug, Clone)]
pub struct Origin {
    pub worker: Rc<Worker>,
    pub peer: SocketAddr,
    /// Its address as it is passed on.
    pub address: Rc<str>,
    /// Name of its listener.
    pub listener: Arc<str>,
    pub tls: Option<Rc<Secured>>,
    pub version: Version,
    /// Our end of the connection, where requests have no connection of their own.
    pub local: Option<Rc<SocketAddr>>,
    /// Of all connections of the process.
    pub number: u64,
}

/// What the TLS handshake has found out.
#[derive(Debug)]
pub struct Secured {
    pub named: Named,
    /// As OpenSSL calls it.
    pub version: Option<&'static str>,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

impl Origin {
    pub fn new(worker: Rc<Worker>, listener: Arc<str>, peer: SocketAddr) -> Self {
        let number = worker.number();
        let (address, version) = (Rc::from(""), Version::Http1);
        let mut origin = Self { worker, peer, address, listener, tls: None, version, local: None, number };
        origin.set_peer(peer);
        origin
    }

    pub fn set_peer(&mut self, peer: SocketAddr) {
        self.peer = peer;
        self.address = peer.ip().to_canonical().to_string().into();
    }
}

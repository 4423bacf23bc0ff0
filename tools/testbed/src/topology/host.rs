//! A namespace that plays one part, with the addresses it was given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use anyhow::Result;

use super::plan::{MAX_HOSTS, Net};
use crate::Namespace;

/// A client, director, router or server. Derefs to its [`Namespace`].
#[derive(Clone, Debug)]
pub struct Host {
    pub(super) ns: Namespace,
    pub(super) name: String,
    pub(super) device: &'static str,
    pub(super) mac: [u8; 6],
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
}

impl Host {
    /// `client-1`, `director`, `router`, `server-1` …
    pub fn role(&self) -> &str {
        &self.name
    }

    /// The device with [`Self::v4`] and [`Self::v6`]; of the director the client side, of the router the director's.
    pub fn device(&self) -> &str {
        self.device
    }

    /// Hardware address of [`Self::device`].
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    pub fn v4(&self) -> Ipv4Addr {
        self.v4
    }

    pub fn v6(&self) -> Ipv6Addr {
        self.v6
    }

    /// The address of the family of `like`.
    pub fn address_like(&self, like: IpAddr) -> IpAddr {
        if like.is_ipv4() { self.v4.into() } else { self.v6.into() }
    }

    /// Hardware address of any device of this host, e.g. the director's `back`.
    pub fn mac_of(&self, device: &str) -> Result<[u8; 6]> {
        let text = self.run(&["cat", &format!("/sys/class/net/{device}/address")])?;
        let bytes: Vec<u8> =
            text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
        bytes.try_into().map_err(|_| anyhow::anyhow!("{device} has no Ethernet address: {text}"))
    }

    /// Adds an address (`10.0.0.101/32`, `fd00::101/128`) without duplicate address detection, and never as the
    /// preferred source of IPv6 packets.
    pub fn add_address(&self, device: &str, address: &str) -> Result<()> {
        let flags = if address.contains(':') { " nodad preferred_lft 0" } else { "" };
        self.ip(&format!("addr add {address} dev {device}{flags}\n"))
    }

    pub(super) fn numbered(ns: Namespace, kind: &str, index: usize, net: Net) -> Self {
        debug_assert!(index < MAX_HOSTS);
        let first = if net == Net::Client { 2 } else { 11 };
        let number = first + index as u8;
        Self {
            ns,
            name: format!("{kind}-{}", index + 1),
            device: super::plan::HOST_DEVICE,
            mac: super::segment::mac(net as u8, number),
            v4: net.v4(number).0,
            v6: net.v6(number).0,
        }
    }
}

impl Deref for Host {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.ns
    }
}

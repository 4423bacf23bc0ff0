//! Who a server is, apart from any snapshot, and its form in shared words.
//!
//! ```text
//! word 0   USED, CONFIGURED, MARK, SERVICE_V6, SERVER_V6 (8 bits) | 0 (16) | protocol (8) | service port (16) | server port (16)
//! word 1-2 service address, or the firewall mark
//! word 3-4 server address
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a service is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceKey {
    /// Address and port; port 0 stands for all ports.
    Address(IpAddr, u16),
    /// A firewall mark. `ipv6` tells the services of the two families apart.
    Mark { mark: u32, ipv6: bool },
}

/// A server of a service. Two servers with the same identity are the same server, however often it was removed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// IP protocol number; 0 for a service by mark.
    pub protocol: u8,
    pub service: ServiceKey,
    pub address: IpAddr,
    /// 0 = the packet keeps its destination port.
    pub port: u16,
}

pub(super) const WORDS: usize = 5;
const USED: u64 = 1 << 63;
pub(super) const CONFIGURED: u64 = 1 << 62;
const MARK: u64 = 1 << 61;
const SERVICE_V6: u64 = 1 << 60;
const SERVER_V6: u64 = 1 << 59;

impl Identity {
    /// Where the search for the server begins. Part of the format: another process must search in the same order.
    pub(super) fn hash(&self) -> u64 {
        self.words().into_iter().fold(0, |hash: u64, word| {
            let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ (mixed >> 32)
        })
    }

    pub(super) fn words(&self) -> [u64; WORDS] {
        let (service, service_port, service_flags) = match self.service {
            ServiceKey::Address(address, port) => (bits(address), port, if address.is_ipv6() { SERVICE_V6 } else { 0 }),
            ServiceKey::Mark { mark, ipv6 } => (mark.into(), 0, if ipv6 { MARK | SERVICE_V6 } else { MARK }),
        };
        let server = bits(self.address);
        let server_flags = if self.address.is_ipv6() { SERVER_V6 } else { 0 };
        let ports = u64::from(self.protocol) << 32 | u64::from(service_port) << 16 | u64::from(self.port);
        [
            USED | CONFIGURED | service_flags | server_flags | ports,
            (service >> 64) as u64,
            service as u64,
            (server >> 64) as u64,
            server as u64,
        ]
    }

    pub(super) fn read(words: [u64; WORDS]) -> Option<Self> {
        let [head, service_high, service_low, server_high, server_low] = words;
        if head & USED == 0 {
            return None;
        }
        let service = u128::from(service_high) << 64 | u128::from(service_low);
        let server = u128::from(server_high) << 64 | u128::from(server_low);
        let service = if head & MARK != 0 {
            ServiceKey::Mark { mark: service as u32, ipv6: head & SERVICE_V6 != 0 }
        } else {
            ServiceKey::Address(address(service, head & SERVICE_V6 != 0), (head >> 16) as u16)
        };
        Some(Self {
            protocol: (head >> 32) as u8,
            service,
            address: address(server, head & SERVER_V6 != 0),
            port: head as u16,
        })
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(bits: u128, ipv6: bool) -> IpAddr {
    if ipv6 { Ipv6Addr::from_bits(bits).into() } else { Ipv4Addr::from_bits(bits as u32).into() }
}

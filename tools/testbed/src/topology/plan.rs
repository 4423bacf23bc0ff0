//! The address plan, the same in every topology.
//!
//! | who | IPv4 | IPv6 |
//! |---|---|---|
//! | clients | 10.0.0.2/24, .3 … | fd00::2/64, ::3 … |
//! | director, client side | 10.0.0.1/24 | fd00::1/64 |
//! | VIP | 10.0.0.100/32 | fd00::100/128 |
//! | director (or router), server side | 10.1.0.1/16 | fd00:1::1/64 |
//! | servers | 10.1.0.11/16, .12 … | fd00:1::11/64, ::12 … |
//! | director towards the router | 10.2.0.1/24 | fd00:2::1/64 |
//! | router towards the director | 10.2.0.2/24 | fd00:2::2/64 |

use std::net::{Ipv4Addr, Ipv6Addr};

/// The service address.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// The service address, IPv6.
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
/// The director's device towards the clients; its only one when one-armed.
pub const FRONT: &str = "front";
/// The director's device towards the servers.
pub const BACK: &str = "back";
/// The one device of clients and servers.
pub const HOST_DEVICE: &str = "eth0";
/// The router's device towards the director.
pub const ROUTER_NEAR: &str = "near";
/// The router's device towards the servers.
pub const ROUTER_FAR: &str = "far";
/// The most clients or servers of one topology: their last address octet has to fit.
pub const MAX_HOSTS: usize = 80;

/// A network of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Net {
    Client,
    Server,
    Router,
}

impl Net {
    pub(crate) fn v4(self, host: u8) -> (Ipv4Addr, u8) {
        match self {
            Self::Client => (Ipv4Addr::new(10, 0, 0, host), 24),
            Self::Server => (Ipv4Addr::new(10, 1, 0, host), 16),
            Self::Router => (Ipv4Addr::new(10, 2, 0, host), 24),
        }
    }

    /// The decimal digits of `host` are the last group, so that 10.1.0.11 and fd00:1::11 belong together.
    pub(crate) fn v6(self, host: u8) -> (Ipv6Addr, u8) {
        let group = match self {
            Self::Client => 0,
            Self::Server => 1,
            Self::Router => 2,
        };
        let digits = u16::from(host / 100) << 8 | u16::from(host / 10 % 10) << 4 | u16::from(host % 10);
        (Ipv6Addr::new(0xfd00, group, 0, 0, 0, 0, 0, digits), 64)
    }

    pub(crate) fn prefixes(self) -> [&'static str; 2] {
        match self {
            Self::Client => ["10.0.0.0/24", "fd00::/64"],
            Self::Server => ["10.1.0.0/16", "fd00:1::/64"],
            Self::Router => ["10.2.0.0/24", "fd00:2::/64"],
        }
    }
}

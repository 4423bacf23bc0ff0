//! What is believed of what peers say about clients, and how we say it ourselves.

use std::net::IpAddr;

/// Fields that tell servers where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Peers that are believed.
    pub trusted: Networks,
    pub style: Style,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    Both,
}

/// What is done with fields whose names hold an underscore, which some servers read as a hyphen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Underscores {
    #[default]
    Drop,
    Pass,
    /// The request is answered with 400.
    Refuse,
}

/// Addresses, by network and length of its prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    pub fn new(networks: Vec<(IpAddr, u8)>) -> Self {
        Self(networks)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, length)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same(u32::from(*network).into(), u32::from(address).into(), 32_u8.saturating_sub(*length))
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same(u128::from(*network), u128::from(address), 128_u8.saturating_sub(*length))
            }
            _ => false,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &(IpAddr, u8)> {
        self.0.iter()
    }
}

/// Whether two numbers differ only in so many bits at their end.
fn same(one: u128, other: u128, host_bits: u8) -> bool {
    (one ^ other).checked_shr(host_bits.into()).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests;

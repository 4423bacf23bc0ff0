//! What defaults and checks need to know of the host.

use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};

/// Facts about the host; given from outside so that validation itself looks at nothing but its input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Name of the host, the default of `node.name`.
    pub hostname: String,
    /// Cores that are online; `None` = unknown, cores are not checked.
    pub cores: Option<BTreeSet<u16>>,
}

impl Environment {
    /// Asks the running kernel. What it does not tell stays unknown.
    pub fn detect() -> Self {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let cores = std::fs::read_to_string("/sys/devices/system/cpu/online").ok();
        Self { hostname: hostname.trim().to_owned(), cores: cores.and_then(|list| parse_cores(list.trim())) }
    }
}

/// Those of `addresses` that this host holds now, found by binding a socket to each: no packet is sent. Where the kernel
/// allows binding to foreign addresses (`ip_nonlocal_bind`) all of them count as held.
pub fn held(addresses: impl IntoIterator<Item = IpAddr>) -> BTreeSet<IpAddr> {
    addresses.into_iter().filter(|ip| UdpSocket::bind((*ip, 0)).is_ok()).collect()
}

/// The kernel's list format: `0-3,6`.
fn parse_cores(list: &str) -> Option<BTreeSet<u16>> {
    let mut cores = BTreeSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse::<u16>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_cores("0-2,5"), Some([0, 1, 2, 5].into()));
        assert_eq!(parse_cores("0"), Some([0].into()));
        assert_eq!(parse_cores("x"), None);
    }

    #[test]
    fn loopback_is_held_and_documentation_addresses_are_not() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert!(held([loopback]).contains(&loopback));
        if std::fs::read_to_string("/proc/sys/net/ipv4/ip_nonlocal_bind").is_ok_and(|v| v.trim() == "0") {
            assert!(held([IpAddr::from([192, 0, 2, 77])]).is_empty());
        }
    }
}

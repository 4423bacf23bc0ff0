//! Path MTUs towards tunnel servers, learned from routers that could not pass an outer packet on. The kernel keeps such values with its
//! routes (`net/ipv4/route.c`); the packets here do not use those.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::pipeline::Now;
use crate::servers::ServerId;

/// The kernel forgets a learned MTU after ten minutes (`net.ipv4.route.mtu_expires`).
const LIFETIME_MS: u64 = 600_000;

/// Less than this is not believed, else whoever forges one message slows a server down for all (`net.ipv4.route.min_pmtu`; for IPv6 the
/// least MTU there is, RFC 8201 §4). A router that knows no path MTU discovery reports 0 (RFC 1191 §5).
const LEAST_V4: u16 = 552;
const LEAST_V6: u16 = 1280;

/// The learned MTU of each server, shared by the workers: milliseconds of its end, and the MTU in the low 16 bits. 0 = none.
#[derive(Debug)]
pub struct PathMtus(Box<[AtomicU64]>);

impl PathMtus {
    /// `servers`: how many server ids there can be.
    pub fn new(servers: usize) -> Self {
        Self((0..servers).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes what a router said about the way to the server at `address`; returns it, raised to what can be believed. A larger value than
    /// the one known is ignored: routers only ever report less.
    pub fn learn(&self, id: ServerId, address: IpAddr, mtu: u16, now: Now) -> u16 {
        let mtu = mtu.max(if address.is_ipv4() { LEAST_V4 } else { LEAST_V6 });
        if mtu < self.get(id, now).unwrap_or(u16::MAX)
            && let Some(word) = self.0.get(id.index() as usize)
        {
            word.store(((now.millis + LIFETIME_MS) << 16) | u64::from(mtu), Relaxed);
        }
        mtu
    }

    /// The learned MTU, if any is in force.
    #[inline(always)]
    pub fn get(&self, id: ServerId, now: Now) -> Option<u16> {
        let word = self.0.get(id.index() as usize)?.load(Relaxed);
        (word != 0 && now.millis < word >> 16).then_some(word as u16)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

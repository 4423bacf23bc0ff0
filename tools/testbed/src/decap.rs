//! The far end of a tunnel in user space, for kernels without tunnel devices: raw sockets take IPIP (IPv4 and IPv6
//! inside and outside) and GRE, a UDP socket takes GUE, and the inner packet enters the host's own stack.
//!
//! ```text
//!   eth0 ─ kernel (defragments) ─ raw socket ─ strip outer header ─ packet socket on decap0 ═ veth ═ decap1 ─ kernel
//! ```
//!
//! A veth pair with both ends in the server's namespace does what a TUN device would, without an ioctl.

mod unwrap;

use std::net::{Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::Namespace;
use crate::probe::FrameSender;

/// The UDP port of GUE.
pub const GUE_PORT: u16 = 6080;
/// How often an idle thread looks whether it shall stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);
/// The hardware address of `decap1`, where inner packets arrive.
const INNER_MAC: [u8; 6] = [0x02, b'h', b'g', 0xfd, 0, 1];
/// The hardware address of `decap0`, where they come from.
const OUTER_MAC: [u8; 6] = [0x02, b'h', b'g', 0xfd, 0, 0];

/// The kinds of tunnels, as indexes of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// IPv4 or IPv6 inside, IPv4 outside, no header between.
    OverV4,
    /// IPv4 or IPv6 inside, IPv6 outside, no header between.
    OverV6,
    /// GRE over IPv4 or IPv6.
    Gre,
    /// GUE over IPv4 or IPv6.
    Gue,
}

/// A running decapsulator; stops on drop.
#[derive(Debug)]
pub struct Decapsulator {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    packets: [AtomicU64; 4],
    malformed: AtomicU64,
    undelivered: AtomicU64,
}

impl Decapsulator {
    /// Opens the sockets in the namespace and creates the devices `decap0` and `decap1` there.
    pub fn start(ns: &Namespace) -> Result<Self> {
        let (inner, outer) = (mac_text(INNER_MAC), mac_text(OUTER_MAC));
        ns.ip(&format!(
            "link add decap0 address {outer} mtu 65535 type veth peer name decap1 address {inner} mtu 65535\n\
             link set decap0 up\nlink set decap1 up\n"
        ))?;
        // Inner packets come from clients and, with the VIP on both sides, from what looks like ourselves.
        ns.sysctl(&[("ipv4/conf/decap1/rp_filter", "0"), ("ipv4/conf/decap1/accept_local", "1")])?;
        let mut decapsulator = Self { shared: Arc::default(), threads: Vec::new() };
        for source in Source::ALL {
            let receiver = ns.enter(|| source.open())??;
            receiver.set_read_timeout(Some(STOP_INTERVAL))?;
            let sender = FrameSender::open(ns, "decap0")?;
            let shared = Arc::clone(&decapsulator.shared);
            let work = move || forward(source, &receiver, &sender, &shared);
            decapsulator.threads.push(std::thread::Builder::new().name("decap".to_owned()).spawn(work)?);
        }
        Ok(decapsulator)
    }

    /// Packets unwrapped so far.
    pub fn packets(&self, tunnel: Tunnel) -> u64 {
        self.shared.packets[tunnel as usize].load(Ordering::Relaxed)
    }

    /// Packets that were no valid encapsulation.
    pub fn malformed(&self) -> u64 {
        self.shared.malformed.load(Ordering::Relaxed)
    }

    /// Packets unwrapped that the host's stack did not take.
    pub fn undelivered(&self) -> u64 {
        self.shared.undelivered.load(Ordering::Relaxed)
    }
}

impl Drop for Decapsulator {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A socket that receives encapsulated packets.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// Raw: outer IPv4 (`true`) or IPv6, and the protocol number.
    Raw(bool, u8),
    Gue,
}

impl Source {
    const ALL: [Self; 7] = [
        Self::Raw(true, unwrap::IPV4),
        Self::Raw(true, unwrap::IPV6),
        Self::Raw(true, unwrap::GRE),
        Self::Raw(false, unwrap::IPV4),
        Self::Raw(false, unwrap::IPV6),
        Self::Raw(false, unwrap::GRE),
        Self::Gue,
    ];

    fn open(self) -> Result<Socket> {
        match self {
            Self::Raw(v4, protocol) => {
                let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
                Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))
                    .with_context(|| format!("raw socket for protocol {protocol}"))
            }
            Self::Gue => {
                let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, GUE_PORT)).context("bind the GUE port")?;
                Ok(SockRef::from(&socket).try_clone()?)
            }
        }
    }

    fn tunnel(self) -> Tunnel {
        match self {
            Self::Raw(_, unwrap::GRE) => Tunnel::Gre,
            Self::Raw(true, _) => Tunnel::OverV4,
            Self::Raw(false, _) => Tunnel::OverV6,
            Self::Gue => Tunnel::Gue,
        }
    }

    fn inner(self, packet: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Raw(v4, protocol) => {
                // Raw IPv4 sockets deliver the outer header, raw IPv6 sockets do not.
                let payload = if v4 { unwrap::after_ipv4(packet)? } else { packet };
                if protocol == unwrap::GRE { unwrap::gre(payload) } else { Some(payload) }
            }
            Self::Gue => unwrap::gue(packet),
        }
    }
}

fn forward(source: Source, receiver: &Socket, sender: &FrameSender, shared: &Shared) {
    let mut buffer = vec![0; 65536];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok(length) = std::io::Read::read(&mut &*receiver, &mut buffer) else { continue };
        let frame = source.inner(&buffer[..length]).and_then(|inner| unwrap::frame(inner, INNER_MAC, OUTER_MAC));
        let Some(frame) = frame else {
            shared.malformed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        // Counted first: whoever sees an effect of the packet sees the count.
        shared.packets[source.tunnel() as usize].fetch_add(1, Ordering::Relaxed);
        if sender.send(&frame).is_err() {
            shared.undelivered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

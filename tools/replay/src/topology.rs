//! The network around the recorded director, and the `ip` lines that change it.
//!
//! ```text
//!  clients ─ router 10.0.0.2, fd00::2 ─ c0 [ 10.0.0.1, fd00::1, the VIPs | 10.1.0.1, fd00:1::1 ] s0 ─ servers 10.1.0.N, fd00:1::N
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};
use headgate_dataplane::fib::{Fib, Prefix};
use headgate_dataplane::snapshot::{Device, DeviceId, Hop, HopId, HopKind, Network};
use headgate_wire::MacAddr;

pub const CLIENT_SIDE: DeviceId = DeviceId(0);
pub const SERVER_SIDE: DeviceId = DeviceId(1);
const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0x0c, 1]);

/// Addresses that are the director's own.
pub const LOCAL: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)),
    IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1)),
];

/// What `ip` lines may change.
#[derive(Debug, Clone)]
pub struct Topology {
    mtu: [u16; 2],
    routes: Vec<(IpAddr, u8, IpAddr, DeviceId)>,
    neighbours: Vec<(DeviceId, IpAddr, MacAddr)>,
}

impl Default for Topology {
    fn default() -> Self {
        Self { mtu: [1500; 2], routes: Vec::new(), neighbours: Vec::new() }
    }
}

/// The device with this name.
///
/// # Errors
/// When there is none.
pub fn device(name: &str) -> Result<DeviceId> {
    match name {
        "c0" => Ok(CLIENT_SIDE),
        "s0" => Ok(SERVER_SIDE),
        _ => bail!("no device {name}"),
    }
}

impl Topology {
    /// Applies the arguments of one `ip` command.
    ///
    /// # Errors
    /// When the command is not one of those in the recordings.
    pub fn apply(&mut self, line: &str) -> Result<()> {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["link", "set", name, "mtu", mtu] => self.mtu[device(name)?.index()] = mtu.parse()?,
            ["route", "add", prefix, "via", router, "dev", name] => {
                let (address, length) = prefix.split_once('/').context("a prefix")?;
                self.routes.push((address.parse()?, length.parse()?, router.parse()?, device(name)?));
            }
            ["neigh", "replace", address, "lladdr", mac, "dev", name, ..] => {
                let bytes = mac.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<_>, _>>()?;
                let mac = MacAddr(bytes.as_slice().try_into()?);
                self.neighbours.push((device(name)?, address.parse()?, mac));
            }
            _ => bail!("ip {line}: not supported"),
        }
        Ok(())
    }

    /// The network as the pipeline sees it.
    ///
    /// # Errors
    /// When a route has bits outside its prefix.
    pub fn network(&self) -> Result<Network> {
        let mut builder = Builder::default();
        for local in LOCAL {
            let source = Some(local);
            builder.route(
                local,
                255,
                Hop { kind: HopKind::Local, device: CLIENT_SIDE, vlan: None, mtu: 65535, source },
            )?;
        }
        for (address, length, device, router) in [
            ("10.0.0.0", 24, CLIENT_SIDE, None),
            ("fd00::", 64, CLIENT_SIDE, None),
            ("10.1.0.0", 16, SERVER_SIDE, None),
            ("fd00:1::", 64, SERVER_SIDE, None),
            ("0.0.0.0", 0, CLIENT_SIDE, Some("10.0.0.2")),
            ("::", 0, CLIENT_SIDE, Some("fd00::2")),
        ] {
            let router = router.map(str::parse).transpose()?;
            builder.route(address.parse()?, length, self.hop(router, device))?;
        }
        for (address, length, router, device) in &self.routes {
            builder.route(*address, *length, self.hop(Some(*router), *device))?;
        }
        let mut neighbours =
            vec![(CLIENT_SIDE, "10.0.0.2".parse()?, ROUTER), (CLIENT_SIDE, "fd00::2".parse()?, ROUTER)];
        for n in 1..=254 {
            let mac = MacAddr([2, 0, 0, 0, 1, n]);
            neighbours.push((SERVER_SIDE, IpAddr::V4(Ipv4Addr::new(10, 1, 0, n)), mac));
            neighbours.push((SERVER_SIDE, IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, n.into())), mac));
        }
        neighbours.extend_from_slice(&self.neighbours);
        let devices = vec![self.device("c0", 0xc0, CLIENT_SIDE, 0), self.device("s0", 0x50, SERVER_SIDE, 1)];
        let (v4, v6) = (Fib::build(builder.v4), Fib::build(builder.v6));
        Ok(Network::new(devices, builder.hops, v4, v6, neighbours, LOCAL))
    }

    fn hop(&self, router: Option<IpAddr>, device: DeviceId) -> Hop {
        let kind = router.map_or(HopKind::OnLink, HopKind::Gateway);
        Hop { kind, device, vlan: None, mtu: self.mtu[device.index()], source: None }
    }

    fn device(&self, name: &str, mac: u8, id: DeviceId, net: u8) -> Device {
        Device {
            name: name.to_owned(),
            ifindex: u32::from(id.0) + 2,
            mac: MacAddr([2, 0, 0, 0, 0, mac]),
            mtu: self.mtu[id.index()],
            partial_checksums: false,
            ipv4: Some(Ipv4Addr::new(10, net, 0, 1)),
            ipv6: Some(Ipv6Addr::new(0xfd00, net.into(), 0, 0, 0, 0, 0, 1)),
        }
    }
}

#[derive(Default)]
struct Builder {
    hops: Vec<Hop>,
    v4: Vec<(Prefix<u32>, HopId)>,
    v6: Vec<(Prefix<u128>, HopId)>,
}

impl Builder {
    /// A length beyond the family's means a host route.
    fn route(&mut self, address: IpAddr, length: u8, hop: Hop) -> Result<()> {
        let id = HopId(self.hops.len() as u32);
        self.hops.push(hop);
        match address {
            IpAddr::V4(address) => self.v4.push((Prefix::new(address.to_bits(), length.min(32))?, id)),
            IpAddr::V6(address) => self.v6.push((Prefix::new(address.to_bits(), length.min(128))?, id)),
        }
        Ok(())
    }
}

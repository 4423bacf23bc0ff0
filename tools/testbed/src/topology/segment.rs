//! One layer-2 segment: a veth pair between two ports, a bridge in the switch namespace for more.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::Namespace;

/// A device to create on a segment.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) ns: Namespace,
    pub(crate) device: &'static str,
    pub(crate) mac: [u8; 6],
    pub(crate) v4: Vec<(Ipv4Addr, u8)>,
    pub(crate) v6: Vec<(Ipv6Addr, u8)>,
}

/// What all devices of a segment have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) mtu: u16,
    pub(crate) queues: u16,
    pub(crate) tx_off: bool,
    pub(crate) permanent_neighbours: bool,
}

/// Creates the segment `name`; bridges live in `switch`.
pub(crate) fn build(name: &str, ports: &[Port], link: Link, switch: &Namespace) -> Result<()> {
    if let [one, other] = ports {
        veth(&one.ns, one.device, one.mac, (&other.ns, other.device, other.mac), link)?;
    } else {
        bridged(name, ports, link, switch)?;
    }
    for port in ports {
        configure(port, ports, link)?;
    }
    Ok(())
}

/// `02:68:67:net:00:host`: locally administered, stable, readable in a capture.
pub(crate) fn mac(net: u8, host: u8) -> [u8; 6] {
    [0x02, b'h', b'g', net, 0, host]
}

pub(crate) fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn veth(ns: &Namespace, device: &str, address: [u8; 6], peer: (&Namespace, &str, [u8; 6]), link: Link) -> Result<()> {
    let queues = format!("numtxqueues {0} numrxqueues {0}", link.queues);
    let (mtu, address) = (link.mtu, format_mac(address));
    let (peer_ns, peer_device, peer_address) = (peer.0.name(), peer.1, format_mac(peer.2));
    ns.ip(&format!(
        "link add {device} address {address} mtu {mtu} {queues} type veth \
         peer name {peer_device} address {peer_address} mtu {mtu} {queues} netns {peer_ns}\n"
    ))
}

fn bridged(name: &str, ports: &[Port], link: Link, switch: &Namespace) -> Result<()> {
    switch.ip(&format!(
        "link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set {name} up\n"
    ))?;
    let mut lines = String::new();
    for (index, port) in ports.iter().enumerate() {
        let end = format!("{name}{index}");
        // 0xfe as the network part: never an address of a host.
        veth(&port.ns, port.device, port.mac, (switch, &end, mac(0xfe, index as u8)), link)?;
        writeln!(lines, "link set {end} master {name} up")?;
    }
    switch.ip(&lines)
}

fn configure(port: &Port, all: &[Port], link: Link) -> Result<()> {
    let device = port.device;
    if link.tx_off {
        port.ns.run(&["ethtool", "-K", device, "tx", "off"])?;
    }
    let mut lines = format!("link set {device} up\n");
    for (address, length) in &port.v4 {
        writeln!(lines, "addr add {address}/{length} dev {device}")?;
    }
    for (address, length) in &port.v6 {
        // A preferred /128 would win over the host's own address in the choice of source addresses.
        let usable = if *length == 128 { "preferred_lft 0" } else { "" };
        writeln!(lines, "addr add {address}/{length} dev {device} nodad {usable}")?;
    }
    if link.permanent_neighbours {
        for other in all.iter().filter(|other| other.mac != port.mac) {
            let mac = format_mac(other.mac);
            for (address, _) in &other.v4 {
                writeln!(lines, "neigh replace {address} lladdr {mac} dev {device} nud permanent")?;
            }
            for (address, _) in &other.v6 {
                writeln!(lines, "neigh replace {address} lladdr {mac} dev {device} nud permanent")?;
            }
        }
    }
    port.ns.ip(&lines)
}

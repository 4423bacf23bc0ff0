//! From options to a running [`Topology`].

use std::fmt::Write;

use anyhow::{Result, ensure};

use super::plan::{BACK, FRONT, HOST_DEVICE, MAX_HOSTS, Net, ROUTER_FAR, ROUTER_NEAR, VIP, VIP6};
use super::segment::{self, Link, Port, mac};
use super::{Host, Topology};
use crate::decap::Decapsulator;
use crate::{Namespace, names, privilege};

/// Options of a topology: one client, one server, two-armed, forwarding, real ARP and ND unless said otherwise.
#[derive(Clone, Debug)]
#[must_use = "nothing exists before build()"]
pub struct Builder {
    name: String,
    clients: usize,
    servers: usize,
    router: bool,
    one_armed: bool,
    flat: bool,
    queues: u16,
    client_mtu: u16,
    server_mtu: u16,
    tx_off: bool,
    permanent_neighbours: bool,
    forwarding: bool,
    vip: bool,
    vip_on_servers: bool,
    tunnel: bool,
    keep: bool,
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            clients: 1,
            servers: 1,
            router: false,
            one_armed: false,
            flat: false,
            queues: 1,
            client_mtu: 1500,
            server_mtu: 1500,
            tx_off: false,
            permanent_neighbours: false,
            forwarding: true,
            vip: true,
            vip_on_servers: false,
            tunnel: false,
            keep: false,
        }
    }

    /// Number of clients; more than one share a bridge.
    pub fn clients(mut self, count: usize) -> Self {
        self.clients = count;
        self
    }

    /// Number of servers; more than one share a bridge.
    pub fn servers(mut self, count: usize) -> Self {
        self.servers = count;
        self
    }

    /// Puts a router between director and servers; [`Self::server_mtu`] then holds behind it.
    pub fn router(mut self) -> Self {
        self.router = true;
        self
    }

    /// The director has one device; clients and servers are two networks on one wire.
    pub fn one_armed(mut self) -> Self {
        self.one_armed = true;
        self
    }

    /// One-armed, and servers reach clients directly: replies in direct routing bypass the director.
    pub fn flat(mut self) -> Self {
        self.flat = true;
        self.one_armed()
    }

    /// Queues of every veth end (receive and transmit).
    pub fn queues(mut self, count: u16) -> Self {
        self.queues = count;
        self
    }

    /// MTU in bytes of the clients' segment (default 1500).
    pub fn client_mtu(mut self, bytes: u16) -> Self {
        self.client_mtu = bytes;
        self
    }

    /// MTU in bytes of the servers' segment (default 1500).
    pub fn server_mtu(mut self, bytes: u16) -> Self {
        self.server_mtu = bytes;
        self
    }

    /// Turns transmit checksum offload off on every host, so no frame carries a partial checksum.
    pub fn tx_off(mut self) -> Self {
        self.tx_off = true;
        self
    }

    /// Fills all neighbour tables permanently: no ARP or ND among the hosts of a segment.
    pub fn permanent_neighbours(mut self) -> Self {
        self.permanent_neighbours = true;
        self
    }

    /// The director's kernel does not forward.
    pub fn no_forwarding(mut self) -> Self {
        self.forwarding = false;
        self
    }

    /// The director does not hold the VIP (the test or the daemon adds it).
    pub fn without_vip(mut self) -> Self {
        self.vip = false;
        self
    }

    /// Direct routing: servers hold the VIP on `lo` and keep silent about it. Their replies pass the director's kernel
    /// as a plain router unless the topology is [`Self::flat`].
    pub fn vip_on_servers(mut self) -> Self {
        self.vip_on_servers = true;
        self
    }

    /// Tunnelling: [`Self::vip_on_servers`] and a decapsulator in every server.
    pub fn tunnel(mut self) -> Self {
        self.tunnel = true;
        self.vip_on_servers()
    }

    /// Leaves everything up at the end and prints how to use and remove it.
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Creates it. Whatever was made before an error is removed again.
    ///
    /// # Errors
    /// Without root, for contradicting options, and for what the kernel refuses.
    pub fn build(self) -> Result<Topology> {
        self.check()?;
        names::sweep_leftovers();
        let mut topology = Topology::empty(&self.name, self.keep)?;
        self.create_hosts(&mut topology)?;
        self.create_segments(&mut topology)?;
        self.create_routes(&topology)?;
        if self.vip_on_servers {
            for server in &topology.servers {
                server.ip(&format!("addr add {VIP}/32 dev lo\naddr add {VIP6}/128 dev lo nodad preferred_lft 0\n"))?;
            }
        }
        if self.tunnel {
            let started: Result<Vec<_>> = topology.servers.iter().map(|host| Decapsulator::start(&host.ns)).collect();
            topology.decapsulators = started?;
        }
        Ok(topology)
    }

    fn check(&self) -> Result<()> {
        let hosts = 1..=MAX_HOSTS;
        ensure!(hosts.contains(&self.clients), "{} clients, allowed are 1 to {MAX_HOSTS}", self.clients);
        ensure!(hosts.contains(&self.servers), "{} servers, allowed are 1 to {MAX_HOSTS}", self.servers);
        ensure!(!(self.router && self.one_armed), "a router behind the director needs its second device");
        ensure!(self.queues > 0, "a device needs a queue");
        ensure!(
            !self.one_armed || self.client_mtu == self.server_mtu,
            "one wire has one MTU, not {} and {}",
            self.client_mtu,
            self.server_mtu
        );
        ensure!(privilege::is_root(), "network namespaces need root");
        Ok(())
    }

    fn create_hosts(&self, topology: &mut Topology) -> Result<()> {
        let director = topology.add_namespace("lb")?;
        prepare(&director, self.forwarding)?;
        let (client_side, host) = (Net::Client, 1);
        topology.director = Some(Host {
            ns: director,
            name: "director".to_owned(),
            device: FRONT,
            mac: mac(client_side as u8, host),
            v4: client_side.v4(host).0,
            v6: client_side.v6(host).0,
        });
        topology.devices = if self.one_armed { vec![FRONT] } else { vec![FRONT, BACK] };
        if self.router {
            let ns = topology.add_namespace("r")?;
            prepare(&ns, true)?;
            topology.router = Some(Host {
                ns,
                name: "router".to_owned(),
                device: ROUTER_NEAR,
                mac: mac(Net::Router as u8, 2),
                v4: Net::Router.v4(2).0,
                v6: Net::Router.v6(2).0,
            });
        }
        for index in 0..self.clients {
            let ns = topology.add_namespace(&format!("c{}", index + 1))?;
            prepare(&ns, false)?;
            topology.clients.push(Host::numbered(ns, "client", index, Net::Client));
        }
        for index in 0..self.servers {
            let ns = topology.add_namespace(&format!("s{}", index + 1))?;
            prepare(&ns, false)?;
            if self.vip_on_servers {
                ns.sysctl(&[("ipv4/conf/all/arp_ignore", "1"), ("ipv4/conf/all/arp_announce", "2")])?;
            }
            topology.servers.push(Host::numbered(ns, "server", index, Net::Server));
        }
        Ok(())
    }

    fn create_segments(&self, topology: &mut Topology) -> Result<()> {
        let switch = topology.add_namespace("sw")?;
        switch.sysctl(&[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")])?;
        let director = topology.director();
        let mut front = port(director, FRONT, Net::Client, 1);
        if self.vip {
            front.v4.push((VIP, 32));
            front.v6.push((VIP6, 128));
        }
        let clients = topology.clients.iter().map(|host| host_port(host, Net::Client));
        let servers = topology.servers.iter().map(|host| host_port(host, Net::Server));
        if self.one_armed {
            front.v4.push(Net::Server.v4(1));
            front.v6.push(Net::Server.v6(1));
            let ports: Vec<_> = clients.chain([front]).chain(servers).collect();
            return segment::build("front", &ports, self.link(self.client_mtu), &switch);
        }
        let ports: Vec<_> = clients.chain([front]).collect();
        segment::build("front", &ports, self.link(self.client_mtu), &switch)?;
        if let Some(router) = &topology.router {
            let ports = [port(director, BACK, Net::Router, 1), port(router, ROUTER_NEAR, Net::Router, 2)];
            segment::build("middle", &ports, self.link(1500), &switch)?;
            let ports: Vec<_> = [port(router, ROUTER_FAR, Net::Server, 1)].into_iter().chain(servers).collect();
            segment::build("rear", &ports, self.link(self.server_mtu), &switch)
        } else {
            let ports: Vec<_> = [port(director, BACK, Net::Server, 1)].into_iter().chain(servers).collect();
            segment::build("back", &ports, self.link(self.server_mtu), &switch)
        }
    }

    fn create_routes(&self, topology: &Topology) -> Result<()> {
        for host in &topology.clients {
            host.ip(&self.routes(Net::Client, Net::Server)?)?;
        }
        for host in &topology.servers {
            host.ip(&self.routes(Net::Server, Net::Client)?)?;
        }
        if let Some(router) = &topology.router {
            router.ip(&default_routes(Net::Router, 1)?)?;
            let mut lines = String::new();
            let gateways = [Net::Router.v4(2).0.to_string(), Net::Router.v6(2).0.to_string()];
            for (prefix, gateway) in Net::Server.prefixes().iter().zip(gateways) {
                writeln!(lines, "route add {prefix} via {gateway} dev {BACK}")?;
            }
            topology.director().ip(&lines)?;
        }
        Ok(())
    }

    /// The routes of a host in `own`; `other` is the network on the far side of the director.
    fn routes(&self, own: Net, other: Net) -> Result<String> {
        let mut lines = default_routes(own, 1)?;
        if self.flat {
            for prefix in other.prefixes() {
                writeln!(lines, "route add {prefix} dev {HOST_DEVICE}")?;
            }
        }
        Ok(lines)
    }

    fn link(&self, mtu: u16) -> Link {
        Link { mtu, queues: self.queues, tx_off: self.tx_off, permanent_neighbours: self.permanent_neighbours }
    }
}

fn default_routes(net: Net, gateway: u8) -> Result<String> {
    let mut lines = String::new();
    writeln!(lines, "route add default via {}", net.v4(gateway).0)?;
    writeln!(lines, "route add default via {}", net.v6(gateway).0)?;
    Ok(lines)
}

fn port(host: &Host, device: &'static str, net: Net, number: u8) -> Port {
    let (mac, v4, v6) = (mac(net as u8, number), vec![net.v4(number)], vec![net.v6(number)]);
    Port { ns: host.ns.clone(), device, mac, v4, v6 }
}

fn host_port(host: &Host, net: Net) -> Port {
    port(host, HOST_DEVICE, net, host.v4.octets()[3])
}

/// Values every host gets before it has devices, so that these inherit them. Nothing is inherited from the machine:
/// it may filter by reverse path or have IPv6 off.
fn prepare(ns: &Namespace, forwarding: bool) -> Result<()> {
    let forwarding = if forwarding { "1" } else { "0" };
    let scoped: Vec<(String, &str)> = PER_DEVICE
        .iter()
        .chain(&[("ipv6", "forwarding", forwarding)])
        .flat_map(|&(family, key, value)| {
            ["all", "default"].map(|scope| (format!("{family}/conf/{scope}/{key}"), value))
        })
        .collect();
    // ICMP errors are what tests look for; the default rate limit drops some of them.
    let mut values = vec![("ipv4/ip_forward", forwarding), ("ipv4/icmp_ratelimit", "0"), ("ipv6/icmp/ratelimit", "0")];
    values.extend(scoped.iter().map(|(key, value)| (key.as_str(), *value)));
    ns.sysctl(&values)?;
    ns.ip("link set lo up\n")
}

/// Family, key and value below `net/<family>/conf/<device>`.
const PER_DEVICE: [(&str, &str, &str); 10] = [
    ("ipv4", "rp_filter", "0"),
    // Replies of servers in direct routing come from an address that the director holds as well.
    ("ipv4", "accept_local", "1"),
    ("ipv4", "send_redirects", "0"),
    ("ipv4", "accept_redirects", "0"),
    ("ipv6", "accept_redirects", "0"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "router_solicitations", "0"),
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "dad_transmits", "0"),
];

//! Namespaces, backends and the daemon.
//!
//! Client, director and servers are on one wire, in two networks. Servers answer from their own address (NAT) through the director
//! and from the service address (direct routing, tunnel) straight to the client.

use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use headgate_testbed::topology::plan::{HOST_DEVICE, VIP, VIP6};
use headgate_testbed::traffic::HttpBackend;
use headgate_testbed::{Daemon, Topology};

use super::config;

/// Where NAT goes to, and the ports of direct routing and of the tunnel, which do not change.
const PORTS: [u16; 3] = [8080, 81, 82];
/// The routing table of the servers for answers from their own addresses.
const NAT_TABLE: &str = "100";

/// What the demo plays on. Fields are dropped in order: the daemon ends while its namespace is there.
pub struct Stage {
    pub daemon: Daemon,
    _backends: Vec<HttpBackend>,
    pub topology: Topology,
    binary: String,
}

impl Stage {
    pub fn set() -> Result<Self> {
        let binary = std::env::current_exe().context("where is this program?")?;
        let topology = Topology::new("demo").servers(2).flat().without_vip().tunnel().build()?;
        let mut backends = Vec::new();
        for server in topology.servers() {
            for (network, gateway, family) in [("10.1.0.0/16", "10.1.0.1", "-4"), ("fd00:1::/64", "fd00:1::1", "-6")] {
                let rule = ["ip", family, "rule", "add", "from", network, "lookup", NAT_TABLE];
                server.run(&rule)?;
                let route = ["ip", family, "route", "add", "default", "via", gateway, "dev", HOST_DEVICE];
                server.run(&[&route[..], &["table", NAT_TABLE]].concat())?;
            }
            for port in PORTS {
                backends.push(HttpBackend::start(server, server.role(), port)?);
            }
        }
        let daemon = Daemon::start(topology.director(), &binary, &config::file())?;
        Ok(Self { daemon, _backends: backends, topology, binary: binary.to_string_lossy().into_owned() })
    }

    pub fn vip(port: u16) -> SocketAddr {
        SocketAddr::from((VIP, port))
    }

    pub fn vip6(port: u16) -> SocketAddr {
        SocketAddr::from((VIP6, port))
    }

    /// How to use what `--keep` leaves. Not wrapped: the lines are to be pasted.
    pub fn instructions(&self) -> String {
        let socket = self.daemon.control_socket();
        let (socket, binary, client) = (socket.display(), &self.binary, self.topology.client().name());
        let mut text = String::from("\nIt is all still up. Namespaces:\n");
        let hosts = [self.topology.client(), self.topology.director()];
        for host in hosts.into_iter().chain(self.topology.servers()) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {:<10} {}", host.role(), host.name());
        }
        let _ = write!(
            text,
            "\nIn another terminal, as root:\n\
             \x20 N={client}\n\
             \x20 HG={binary}\n\
             \x20 S={socket}\n\
             \x20 ip netns exec $N curl -s http://10.0.0.100/        # NAT\n\
             \x20 ip netns exec $N curl -s http://10.0.0.100:81/     # direct\n\
             \x20 ip netns exec $N curl -s http://10.0.0.100:82/     # tunnel\n\
             \x20 ip netns exec $N curl -s 'http://[fd00::100]/'     # IPv6\n\
             \x20 $HG --socket $S services\n\
             \x20 $HG --socket $S connections\n\
             \x20 $HG --socket $S server web 10.1.0.11:8080 drain\n\
             \x20 $HG --socket $S status\n\n\
             Configuration (edit it, then: $HG --socket $S reload):\n\
             \x20 {}\n\n\
             Enter or Ctrl-C here takes it down.\n",
            self.daemon.config_file().display()
        );
        text
    }
}

//! The configuration of the demo: fragments that are shown where they matter, together the file of the daemon.

/// Devices and the addresses that clients talk to.
pub const BASE: &str = r#"[node]
name = "demo"

[dataplane]
interfaces = ["front"]
connections = 65536

[[address]]                 # held while the daemon runs
interface = "front"
address = "10.0.0.100/32"

[[address]]
interface = "front"
address = "fd00::100/128"
"#;

pub const NAT: &str = r#"[[service]]
name = "web"
protocol = "tcp"
address = "10.0.0.100:80"
forward = "nat"
scheduler = "wrr"
server = [
  { address = "10.1.0.11:8080", weight = 3 },
  { address = "10.1.0.12:8080", weight = 1 },
]
"#;

pub const DR: &str = r#"[[service]]
name = "direct"
protocol = "tcp"
address = "10.0.0.100:81"
forward = "dr"
scheduler = "rr"
server = [{ address = "10.1.0.11" }, { address = "10.1.0.12" }]
"#;

pub const TUNNEL: &str = r#"[[service]]
name = "far"
protocol = "tcp"
address = "10.0.0.100:82"
forward = "tunnel"
tunnel = { type = "ipip" }
scheduler = "rr"
server = [{ address = "10.1.0.11" }, { address = "10.1.0.12" }]
"#;

pub const V6: &str = r#"[[service]]
name = "web6"
protocol = "tcp"
address = "[fd00::100]:80"
forward = "nat"
scheduler = "rr"
server = [
  { address = "[fd00:1::11]:8080" },
  { address = "[fd00:1::12]:8080" },
]
"#;

/// One server, because both connections of iperf3 have to reach the same one.
pub const IPERF: &str = r#"[[service]]
name = "iperf"
protocol = "tcp"
address = "10.0.0.100:5201"
forward = "nat"
scheduler = "rr"
server = [{ address = "10.1.0.11:5201" }]
"#;

/// All of it.
pub fn file() -> String {
    [BASE, NAT, DR, TUNNEL, V6, IPERF].join("\n")
}

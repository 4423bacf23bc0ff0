use crate::config::{Environment, Model, parse};

use super::*;

fn model(text: &str) -> Model {
    let environment = Environment { hostname: "host".into(), cores: None };
    parse("t.toml", text, &environment).expect("a good file").model
}

fn shown(old: &str, new: &str) -> Vec<String> {
    diff(&model(old), &model(new)).iter().map(ToString::to_string).collect()
}

const OLD: &str = r#"
[dataplane]
interfaces = ["eth0"]
[[address]]
interface = "eth0"
address = "10.0.0.1/24"
[[service]]
name = "web"
protocol = "tcp"
address = "192.0.2.1:80"
forward = "nat"
[[service.server]]
address = "10.0.0.11:8080"
[[service.server]]
address = "10.0.0.12:8080"
[[service]]
name = "dns"
protocol = "udp"
address = "192.0.2.1:53"
"#;

#[test]
fn equal_models_have_no_difference() {
    assert_eq!(shown(OLD, OLD), Vec::<String>::new());
}

#[test]
fn every_kind_of_change_is_told() {
    let new = r#"
[control]
log = { level = "debug" }
[dataplane]
interfaces = ["eth0", "eth1"]
[dataplane.timeouts]
udp = "90s"
[dataplane.ipvs]
conn_reuse_mode = 0
[[address]]
interface = "eth1"
address = "10.0.0.1/24"
[[service]]
name = "mail"
protocol = "tcp"
address = "192.0.2.1:25"
[[service.server]]
address = "10.0.0.11"
[[service]]
name = "web"
protocol = "tcp"
address = "192.0.2.1:80"
forward = "nat"
scheduler = "sh"
scheduler_flags = ["port"]
persistence = {}
[[service.server]]
address = "10.0.0.12:8080"
weight = 3
max_connections = 9
[[service.server]]
address = "10.0.0.13:8080"
"#;
    assert_eq!(
        shown(OLD, new),
        [
            "control.log.level: info -> debug",
            "dataplane.interfaces: eth0 -> eth0, eth1 (takes effect at the next start)",
            "dataplane.timeouts.udp: 5m -> 90s",
            "dataplane.ipvs.conn_reuse_mode: 1 -> 0",
            "address 10.0.0.1/24 on eth0 removed",
            "address 10.0.0.1/24 on eth1 added",
            "service dns removed",
            "service mail added with 1 server",
            "service web: scheduler: wlc -> sh",
            "service web: scheduler_flags: none -> port",
            "service web: persistence: none -> 5m for /32",
            "service web: server 10.0.0.11:8080 removed",
            "service web: server 10.0.0.12:8080: weight: 1 -> 3",
            "service web: server 10.0.0.12:8080: max_connections: 0 -> 9",
            "service web: server 10.0.0.13:8080 added with weight 1",
        ]
    );
    let changes = diff(&model(OLD), &model(new));
    assert_eq!(changes.iter().filter(|c| c.needs_restart()).count(), 1);
}

const PROXY: &str = r#"
[[upstream]]
name = "app"
[[upstream.server]]
address = "10.0.0.11:8080"
[[upstream.server]]
address = "10.0.0.12:8080"
[[upstream]]
name = "old"
[[listener]]
name = "http"
address = ["0.0.0.0:80"]
[[listener.route]]
upstream = "app"
"#;

#[test]
fn every_kind_of_change_of_the_proxy_is_told() {
    assert_eq!(shown(PROXY, PROXY), Vec::<String>::new());
    let new = r#"
[proxy]
workers = [1]
[[upstream]]
name = "app"
balance = "hash"
retry = { on = ["error", "http_503"], tries = 2 }
[[upstream.server]]
address = "10.0.0.11:8080"
backup = true
[[upstream.server]]
address = "10.0.0.13:8080"
weight = 2
[[upstream]]
name = "new"
[[listener]]
name = "http"
address = ["0.0.0.0:80", "[::]:80"]
limits = { body = 0 }
[[listener.route]]
upstream = "app"
timeouts = { read = "1s" }
[[listener.route]]
path = "/old/"
redirect = "/new/"
[[listener]]
name = "more"
address = ["0.0.0.0:81"]
"#;
    assert_eq!(
        shown(PROXY, new),
        [
            "proxy.workers: auto -> 1 (takes effect at the next start)",
            "upstream old removed",
            "upstream app: balance: round_robin -> hash",
            "upstream app: hash: none -> uri, consistent",
            "upstream app: retry.on: error, timeout, invalid_header -> error, http_503",
            "upstream app: retry.tries: 0 -> 2",
            "upstream app: server 10.0.0.12:8080 removed",
            "upstream app: server 10.0.0.11:8080: backup: false -> true",
            "upstream app: server 10.0.0.13:8080 added with weight 2",
            "upstream new added with 0 servers",
            "listener http: address: 0.0.0.0:80 -> 0.0.0.0:80, [::]:80",
            "listener http: limits.body: 1GiB -> 0",
            "listener http: route: / => app (5s/1m/1m) -> / => app (5s/1m/1s), /old/ => 302 /new/",
            "listener more added",
        ]
    );
}

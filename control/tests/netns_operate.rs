//! What an operator does to a running daemon, under real traffic: drain and weights, persistence, counters, listings.

mod common;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};

use common::{Config, PATIENCE, at, finish, number, servers};
use headgate_testbed::traffic::{HttpBackend, HttpClient, UdpEcho, http_get, udp_ask};
use headgate_testbed::{Daemon, Namespace, Topology, privileged, wait_for};
use serde_json::Value;

const NAT: &str = "forward = \"nat\"";

#[test]
fn a_drained_server_keeps_its_connections_and_gets_no_new_ones() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("drain").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let daemon = web(&topology, NAT, &[1, 1]).start(&topology);
    let mut old = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    let drained = old.get("/").unwrap().server().unwrap().to_owned();
    let other = if drained == "server-1" { "server-2" } else { "server-1" };
    let address = address_of(&topology, &drained);

    for (words, state) in [(&["drain"][..], "drain"), (&["weight", "0"], "disabled")] {
        let report = daemon.json(&[&["server", "web", &address], words].concat()).unwrap();
        let shown = [&report["address"], &report["state"], &report["weight"], &report["effective_weight"]];
        assert_eq!(shown.map(Value::to_string).join(" "), format!("\"{address}\" \"{state}\" 1 0"), "{report}");
        assert_eq!(ask(topology.client(), 6), [(other.to_owned(), 6)].into());
        assert_eq!(old.get("/").unwrap().server(), Some(&*drained), "the connection from before goes on");
        let listed = server_of(&daemon, &address);
        assert_eq!((&listed["state"], number(&listed, "/active")), (&state.into(), 1), "{listed}");
        let said = daemon.run(&["server", "web", &address, "enable"]).unwrap();
        assert_eq!(said, format!("service web: server {address}: up, weight 1\n"));
        assert_eq!(ask(topology.client(), 4), [(drained.clone(), 2), (other.to_owned(), 2)].into());
    }

    // No server takes anything: new clients are refused at once, the old connection still works. A server is named without its
    // port as well.
    for server in topology.servers() {
        daemon.run(&["server", "web", &server.v4().to_string(), "drain"]).unwrap();
    }
    let refused = topology.client().enter(|| TcpStream::connect_timeout(&at(false, 80), PATIENCE)).unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(daemon.json(&["services", "web"]).unwrap()["services"][0]["up"], false);
    assert_eq!(old.get("/").unwrap().server(), Some(&*drained));
    finish(daemon);
}

#[test]
fn an_unknown_service_or_server_is_named_and_nothing_changes() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("unknown").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let first = topology.server(0).v4();
    let daemon = web(&topology, NAT, &[1, 1]).server(SocketAddr::new(first.into(), 81), "weight = 0").start(&topology);
    for (words, message) in [
        (["mail", "10.1.0.11", "drain"], "headgate: no service or upstream is called \"mail\"\n".to_owned()),
        (["web", "10.1.0.99:80", "drain"], "headgate: service \"web\" has no server 10.1.0.99:80\n".to_owned()),
        (
            ["web", "10.1.0.11", "drain"],
            "headgate: service \"web\" has several servers at 10.1.0.11: name the port\n".to_owned(),
        ),
    ] {
        let output = daemon.client(&[&["server"], &words[..]].concat()).unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), &*message), "{words:?}");
    }
    let output = daemon.client(&["services", "mail"]).unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), "headgate: no service is called \"mail\"\n"));
    assert_eq!(ask(topology.client(), 4), counts([2, 2]));
    finish(daemon);
}

#[test]
fn weighted_round_robin_is_exact_and_weights_change_under_way() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("wrr").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let daemon = web(&topology, "forward = \"nat\"\nscheduler = \"wrr\"", &[3, 1]).start(&topology);
    assert_eq!(ask(topology.client(), 12), counts([9, 3]));
    let second = address_of(&topology, "server-2");
    let said = daemon.run(&["server", "web", &second, "weight", "3"]).unwrap();
    assert_eq!(said, format!("service web: server {second}: up, weight 3 until the next reload (configured: 1)\n"));
    assert_eq!(ask(topology.client(), 12), counts([6, 6]));
    daemon.run(&["server", "web", &second, "weight", "9"]).unwrap();
    assert_eq!(ask(topology.client(), 12), counts([3, 9]));
    let weights = |server: Value| (number(&server, "/weight"), number(&server, "/effective_weight"));
    assert_eq!(weights(server_of(&daemon, &second)), (1, 9));
    // The change lasts until the next reload, even of the same file.
    assert_eq!(daemon.json(&["reload"]).unwrap()["ok"], true);
    assert_eq!(weights(server_of(&daemon, &second)), (1, 1));
    assert_eq!(ask(topology.client(), 12), counts([9, 3]));
    finish(daemon);
}

#[test]
fn persistence_keeps_a_client_on_its_server() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("persist").clients(3).servers(2).build().unwrap();
    let _backends = backends(&topology);
    let daemon = web(&topology, "forward = \"nat\"\npersistence = { timeout = \"5m\" }", &[1, 1]).start(&topology);
    let homes = topology.clients().iter().map(|client| only_server(client, 4)).collect::<Vec<_>>();
    assert!(homes[0] != homes[1] && homes[0] == homes[2], "each client has its turn: {homes:?}");
    let templates = listing(&daemon, &["--state", "template"]);
    assert_eq!(templates.len(), 3, "{templates:?}");
    for (client, home) in topology.clients().iter().zip(&homes) {
        let of_client = |row: &&Value| row["client"] == format!("{}:0", client.v4());
        let template = templates.iter().find(of_client).unwrap_or_else(|| panic!("{templates:?}"));
        assert_eq!(template["server"], address_of(&topology, home));
        assert_eq!((&template["virtual"], &template["service"]), (&"10.0.0.100:80".into(), &"web".into()));
        assert!(number(template, "/expires_s") > 200, "{template}");
    }
    let bound: u64 = servers(&daemon, "web").iter().map(|server| number(server, "/persistent")).sum();
    assert_eq!(bound, 3);
    // As in IPVS, a drained server keeps the clients whose template leads to it; only strangers go elsewhere.
    daemon.run(&["server", "web", &address_of(&topology, &homes[0]), "drain"]).unwrap();
    assert_eq!(only_server(&topology.clients()[0], 2), homes[0]);
    finish(daemon);
}

#[test]
fn persistence_by_network_and_templates_that_end_with_the_weight() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("netmask").clients(3).servers(2).build().unwrap();
    let _backends = backends(&topology);
    // 10.0.0.2 and .3 are one network of 31 bits, 10.0.0.4 is in the next.
    let keys = "forward = \"nat\"\npersistence = { timeout = \"5m\", netmask = 31 }";
    let extra = "ipvs = { expire_quiescent_template = true }";
    let daemon = web_of(Config::with(&topology, extra), &topology, keys, &[1, 1]).start(&topology);
    let homes = topology.clients().iter().map(|client| only_server(client, 3)).collect::<Vec<_>>();
    assert!(homes[0] == homes[1] && homes[0] != homes[2], "{homes:?}");
    let mut networks: Vec<_> =
        listing(&daemon, &["--state", "TEMPLATE"]).iter().map(|row| row["client"].clone()).collect();
    networks.sort_by_key(Value::to_string);
    assert_eq!(networks, ["10.0.0.2:0", "10.0.0.4:0"]);
    daemon.run(&["server", "web", &address_of(&topology, &homes[0]), "drain"]).unwrap();
    assert_eq!(only_server(&topology.clients()[0], 2), homes[2], "the old template has no say any more");
    daemon.run(&["server", "web", &address_of(&topology, &homes[0]), "enable"]).unwrap();
    assert_eq!(only_server(&topology.clients()[1], 2), homes[2], "and a new one was made");
    finish(daemon);
}

#[test]
fn counters_start_anew_and_rates_follow_the_traffic() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("counters").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let _echo = UdpEcho::start(topology.server(0), "s1", 53).unwrap();
    let daemon = web(&topology, NAT, &[1, 1])
        .service("dns", "udp", at(false, 53), NAT)
        .server(SocketAddr::new(topology.server(0).v4().into(), 53), "")
        .start(&topology);
    let idle = rates(&daemon.json(&["services", "web", "--rates"]).unwrap());
    assert_eq!(idle, [0; 5]);
    ask(topology.client(), 40);
    assert_eq!(udp_ask(topology.client(), at(false, 53), b"?", PATIENCE).unwrap(), b"s1 ?");
    // The estimator looks every two seconds.
    let mut seen = [0; 5];
    wait_for(PATIENCE, "rates", || {
        seen = rates(&daemon.json(&["services", "web", "--rates"]).unwrap());
        seen[0] > 0
    })
    .unwrap();
    assert!(seen.iter().all(|rate| *rate > 0) && seen[1] > seen[0] && seen[3] > 20 * seen[1], "{seen:?}");
    let printed = daemon.run(&["services", "web", "--rates"]).unwrap();
    assert!(printed.contains("CONN/s") && printed.contains("\n  total "), "{printed}");
    assert!(daemon.json(&["services", "web"]).unwrap()["services"][0]["stats"].get("rates").is_none());

    let connections = |answer: &Value, index: usize| number(&answer["services"][index], "/stats/connections");
    let before = daemon.json(&["services", "web", "--zero"]).unwrap();
    assert_eq!(connections(&before, 0), 40, "what was there is shown once more");
    let after = daemon.json(&["services"]).unwrap();
    assert_eq!((connections(&after, 0), connections(&after, 1)), (0, 1), "only the named service");
    ask(topology.client(), 2);
    let web = daemon.json(&["services", "web"]).unwrap();
    assert_eq!(connections(&web, 0), 2);
    let one_each = |server: &Value| number(server, "/stats/connections") == 1;
    assert!(servers(&daemon, "web").iter().all(one_each), "{web}");
    assert_eq!(connections(&daemon.json(&["services", "--zero"]).unwrap(), 1), 1);
    assert_eq!(connections(&daemon.json(&["services"]).unwrap(), 1), 0);
    finish(daemon);
}

#[test]
fn connections_are_listed_by_any_filter() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("filters").clients(2).servers(2).build().unwrap();
    let _backends = backends(&topology);
    let server6 = topology.server(1).v6();
    let daemon = web(&topology, NAT, &[1, 1])
        .service("web6", "tcp", at(true, 80), NAT)
        .server(SocketAddr::new(server6.into(), 80), "")
        .start(&topology);
    let [first, second] = topology.clients() else { panic!() };
    let mut open = Vec::new();
    for (client, v6) in [(first, false), (first, false), (second, false), (second, true)] {
        let mut connection = HttpClient::connect(client, at(v6, 80)).unwrap();
        let server = connection.get("/").unwrap().server().unwrap().to_owned();
        let ours = connection.local_addr().unwrap();
        let shown = if v6 { format!("[{server6}]:80") } else { address_of(&topology, &server) };
        open.push((ours.to_string(), shown, if v6 { "web6" } else { "web" }, connection));
    }
    // Once closed by both, it is no longer established.
    http_get(first, at(false, 80), "/").unwrap();
    wait_for(PATIENCE, "the end of a connection", || listing(&daemon, &["--state", "established"]).len() == 4).unwrap();
    for (ours, server, service, _) in &open {
        let rows = listing(&daemon, &[]);
        let row = rows.iter().find(|row| row["client"] == **ours).unwrap_or_else(|| panic!("no {ours} in {rows:?}"));
        let shown = [&row["protocol"], &row["server"], &row["service"], &row["forward"], &row["state"]];
        assert_eq!(
            shown,
            [&"tcp".into(), &Value::from(&**server), &Value::from(*service), &"nat".into(), &"ESTABLISHED".into()]
        );
        assert!((800..=900).contains(&number(row, "/expires_s")), "{row}");
    }
    let established = |filter: &[&str]| {
        let rows = listing(&daemon, &[&["--state", "Established"], filter].concat());
        let mut clients: Vec<_> = rows.iter().map(|row| row["client"].as_str().unwrap().to_owned()).collect();
        clients.sort_unstable();
        clients
    };
    let expect = |wanted: &dyn Fn(&str, &str, &str) -> bool| {
        let matching = open.iter().filter(|(client, server, service, _)| wanted(client, server, service));
        let mut clients: Vec<_> = matching.map(|(client, ..)| client.clone()).collect();
        clients.sort_unstable();
        clients
    };
    let [c1, c2] = [first, second].map(|client| client.v4().to_string());
    let s1 = topology.server(0).v4().to_string();
    let s6 = server6.to_string();
    assert_eq!(established(&["--service", "web6"]), expect(&|_, _, service| service == "web6"));
    assert_eq!(established(&["--client", &c1]), expect(&|client, _, _| client.starts_with(&c1)));
    assert_eq!(established(&["--server", &s1]), expect(&|_, server, _| server.starts_with(&s1)));
    assert_eq!(established(&["--server", &s6]).len(), 1);
    let both = expect(&|client, server, _| client.starts_with(&c2) && server.starts_with(&s1));
    assert_eq!(established(&["--client", &c2, "--server", &s1, "--service", "web"]), both);
    assert!(listing(&daemon, &["--service", "mail"]).is_empty());
    assert!(listing(&daemon, &["--client", "10.0.0.99"]).is_empty());

    let limited = daemon.json(&["connections", "--state", "ESTABLISHED", "--limit", "2"]).unwrap();
    let shown = limited["connections"].as_array().unwrap().len();
    assert_eq!((&limited["version"], &limited["total"], shown), (&1.into(), &4.into(), 2), "{limited}");
    let printed = daemon.run(&["connections", "--state", "ESTABLISHED", "--limit", "2"]).unwrap();
    assert!(printed.ends_with("\n2 of 4 connections; --limit 0 shows all\n"), "{printed}");
    assert!(daemon.run(&["connections", "--limit", "0"]).unwrap().ends_with("\n5 connections\n"));
    assert_eq!(daemon.run(&["connections", "--client", "10.0.0.99"]).unwrap().lines().last(), Some("no connections"));
    finish(daemon);
}

/// The service `web` on port 80 with the topology's servers; `keys` may name another scheduler than rr.
fn web(topology: &Topology, keys: &str, weights: &[u32]) -> Config {
    web_of(Config::new(topology), topology, keys, weights)
}

fn web_of(config: Config, topology: &Topology, keys: &str, weights: &[u32]) -> Config {
    let config = config.service("web", "tcp", at(false, 80), keys);
    topology.servers().iter().zip(weights).fold(config, |config, (server, weight)| {
        config.server(SocketAddr::new(server.v4().into(), 80), &format!("weight = {weight}"))
    })
}

/// A backend on port 80 in every server, called by its role.
fn backends(topology: &Topology) -> Vec<HttpBackend> {
    topology.servers().iter().map(|server| HttpBackend::start(server, server.role(), 80).unwrap()).collect()
}

/// `count` requests on a connection each: how many each server answered.
fn ask(client: &Namespace, count: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let answer = http_get(client, at(false, 80), "/").unwrap();
        *answers.entry(answer.server().unwrap().to_owned()).or_default() += 1;
    }
    answers
}

fn counts([first, second]: [usize; 2]) -> BTreeMap<String, usize> {
    [("server-1".to_owned(), first), ("server-2".to_owned(), second)].into()
}

/// The one server that answers `count` connections of a client.
fn only_server(client: &Namespace, count: usize) -> String {
    let answers = ask(client, count);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.into_keys().next().unwrap()
}

/// `IP:port` of a server by its role.
fn address_of(topology: &Topology, role: &str) -> String {
    let server = topology.servers().iter().find(|server| server.role() == role).unwrap();
    SocketAddr::new(IpAddr::from(server.v4()), 80).to_string()
}

/// The server in `services web --json`.
fn server_of(daemon: &Daemon, address: &str) -> Value {
    servers(daemon, "web").into_iter().find(|server| server["address"] == address).unwrap()
}

fn listing(daemon: &Daemon, filter: &[&str]) -> Vec<Value> {
    let answer = daemon.json(&[&["connections"], filter].concat()).unwrap();
    let rows = answer["connections"].as_array().unwrap().clone();
    assert_eq!(number(&answer, "/total"), rows.len() as u64);
    rows
}

/// connections, packets in, packets out, bytes in, bytes out per second of the first service.
fn rates(answer: &Value) -> [u64; 5] {
    ["connections", "packets_in", "packets_out", "bytes_in", "bytes_out"]
        .map(|key| number(&answer["services"][0], &format!("/stats/rates/{key}")))
}

fn text(output: &[u8]) -> &str {
    std::str::from_utf8(output).unwrap()
}

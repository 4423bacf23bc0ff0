//! Health checks of services, with real servers that fail.

mod common;

use std::net::SocketAddr;

use common::nginx::nginx;
use common::{Config, PATIENCE, at, finish, servers};
use headgate_testbed::topology::Host;
use headgate_testbed::traffic::{HttpBackend, UdpEcho, http_get};
use headgate_testbed::{Daemon, Topology, privileged, wait_for};
use serde_json::Value;

/// The servers of "web" in order, each with what is to be seen of it.
fn states(daemon: &Daemon) -> Vec<String> {
    servers(daemon, "web").iter().map(|server| server["state"].as_str().unwrap().to_owned()).collect()
}

fn await_states(daemon: &Daemon, wanted: &[&str]) {
    let mut last = Vec::new();
    let reached = wait_for(PATIENCE, &format!("{wanted:?}"), || {
        last = states(daemon);
        last == wanted
    });
    reached.unwrap_or_else(|error| panic!("{error}: {last:?}\n{}", daemon.log()));
}

fn web(daemon: &Daemon) -> Value {
    daemon.json(&["services", "web"]).unwrap()["services"][0].clone()
}

/// Who answers six requests.
fn answering(topology: &Topology) -> Vec<String> {
    let mut who: Vec<_> =
        (0..6).map(|_| http_get(topology.client(), at(false, 80), "/").unwrap().server().unwrap().to_owned()).collect();
    who.sort();
    who.dedup();
    who
}

#[test]
fn servers_leave_and_return_and_a_sorry_server_stands_in() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("health").servers(3).build().unwrap();
    let start = |host: &Host| HttpBackend::start(host, host.role(), 8080).unwrap();
    let [first, second, sorry] = [0, 1, 2].map(|index| start(topology.server(index)));
    let address = |index: usize| SocketAddr::new(topology.server(index).address_like(common::vip(false)), 8080);
    let told = topology.directory().join("told");
    let script = format!("['/bin/sh', '-c', 'echo $* >> {}', 'sh']", told.display());
    let keys = format!(
        "forward = \"nat\"\nsorry_server = \"{}\"\n\
         check = {{ type = \"http\", path = \"/healthz\", interval = \"100ms\", fall = 2 }}\n\
         [service.notify]\nup = {script}\ndown = {script}\nquorum_up = {script}\nquorum_down = {script}",
        address(2)
    );
    let config = Config::new(&topology).service("web", "tcp", at(false, 80), &keys);
    let config = config.server(address(0), "").server(address(1), "");
    let daemon = config.start(&topology);
    await_states(&daemon, &["up", "up"]);
    assert_eq!(answering(&topology), ["server-1", "server-2"]);
    assert_eq!(web(&daemon)["sorry_server"]["state"], "standby");

    first.set_healthy(false);
    await_states(&daemon, &["down", "up"]);
    assert_eq!(answering(&topology), ["server-2"]);
    let failing = &daemon.json(&["status"]).unwrap()["services"][0]["failing"][0];
    assert_eq!((&failing["address"], &failing["reason"]), (&address(0).to_string().into(), &"status 503".into()));
    assert_eq!(servers(&daemon, "web")[0]["effective_weight"], 0);
    let text = daemon.run(&["services"]).unwrap();
    assert!(text.contains("fails http GET /healthz since"), "{text}");

    drop(second);
    await_states(&daemon, &["down", "down"]);
    assert_eq!(web(&daemon)["up"], false);
    assert_eq!(web(&daemon)["sorry_server"]["state"], "up");
    assert_eq!(servers(&daemon, "web")[1]["check"]["reason"], "connection refused");
    assert_eq!(answering(&topology), ["server-3"]);

    first.set_healthy(true);
    await_states(&daemon, &["up", "down"]);
    assert_eq!(answering(&topology), ["server-1"]);
    let lines = [
        format!("SERVER web {} down", address(0)),
        format!("SERVER web {} down", address(1)),
        "SERVICE web down".to_owned(),
        format!("SERVER web {} up", address(0)),
        "SERVICE web up".to_owned(),
    ];
    let mut seen = String::new();
    let all = wait_for(PATIENCE, "all scripts have run", || {
        seen = std::fs::read_to_string(&told).unwrap_or_default();
        seen.lines().count() >= lines.len()
    });
    all.unwrap_or_else(|error| panic!("{error}: {seen}\n{}", daemon.log()));
    assert_eq!(seen.lines().collect::<Vec<_>>(), lines);
    // A reload that changes something else keeps what is known.
    let other = format!("[node]\nname = \"other\"\n{}", config.text());
    let report = daemon.reload(&other).unwrap();
    assert!(report.status.success(), "{report:?}");
    assert_eq!(states(&daemon), ["up", "down"]);
    drop(sorry);
    finish(daemon);
}

/// A server of another protocol, and its check.
struct Peer {
    name: &'static str,
    port: u16,
    protocol: &'static str,
    check: String,
    /// Of what fails when it is gone.
    reason: &'static str,
}

#[test]
fn servers_of_other_protocols_are_asked_in_their_own_way() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("checks").servers(1).build().unwrap();
    let server = topology.server(0);
    let ip = server.address_like(common::vip(false));
    let home = common::tls::certificates(server, &[("app", "DNS:app.test"), ("other", "DNS:other.test")]);
    let mail = server.spawn(&["aiosmtpd", "-n", "-l", &format!("{ip}:25")]).unwrap();
    let name_server = server
        .spawn(&[
            "dnsmasq",
            "-k",
            "-C",
            "/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--user=root",
            "--pid-file",
            &format!("--listen-address={ip}"),
            "--address=/www.test/192.0.2.1",
        ])
        .unwrap();
    let site = |name: &str, port: u16| {
        format!(
            "server {{ listen {ip}:{port} ssl; ssl_certificate {home}/{name}.pem; ssl_certificate_key {home}/{name}.key; \
             location / {{ return 200 \"hello\"; }} }}\n"
        )
    };
    let listening = [443, 444].map(|port| SocketAddr::new(ip, port));
    let secure = nginx(server, &listening, &(site("app", 443) + &site("other", 444)));
    let echo = UdpEcho::start(server, "echo", 7).unwrap();
    let https = format!(
        "type = \"https\", host = \"app.test\", tls = {{ ca = \"{home}/ca.pem\", server_name = \"app.test\" }}, body = \"^hello$\""
    );
    let peer =
        |name, port, protocol, check: &str, reason| Peer { name, port, protocol, check: check.to_owned(), reason };
    let peers = [
        peer("smtp", 25, "tcp", "type = \"smtp\"", "connection refused"),
        peer("dns", 53, "udp", "type = \"dns\", name = \"www.test\", record = \"A\"", "connection refused"),
        peer("https", 443, "tcp", &https, "connection refused"),
        peer("udp", 7, "udp", "type = \"udp\", payload = \"hello\", reply = \"hello$\"", "connection refused"),
        peer("ping", 9, "udp", "type = \"ping\"", ""),
    ];
    let keys = "interval = \"200ms\", timeout = \"5s\", fall = 1, start = \"down\"";
    let config = peers.iter().fold(Config::new(&topology), |config, Peer { name, port, protocol, check, .. }| {
        let keys = format!("forward = \"nat\"\ncheck = {{ {check}, {keys} }}");
        config.service(name, protocol, at(false, *port), &keys).server(SocketAddr::new(ip, *port), "")
    });
    // Whose certificate is for another name.
    let wrong = format!("forward = \"nat\"\ncheck = {{ {https}, {keys} }}");
    let config = config.service("wrong", "tcp", at(false, 444), &wrong).server(SocketAddr::new(ip, 444), "");
    let daemon = config.start(&topology);
    let state = |name: &str| servers(&daemon, name)[0].clone();
    for Peer { name, .. } in &peers {
        let up = wait_for(PATIENCE, name, || state(name)["state"] == "up");
        up.unwrap_or_else(|error| panic!("{error}: {}\n{}", state(name), daemon.log()));
    }
    let reason = || state("wrong")["check"]["reason"].as_str().unwrap_or_default().to_owned();
    wait_for(PATIENCE, "a reason", || reason() != "not checked so far").unwrap();
    assert!(reason().contains("certificate not valid for name \"app.test\""), "{}", reason());
    assert_eq!(state("wrong")["state"], "down");

    drop((mail, name_server, secure, echo));
    for Peer { name, reason, .. } in peers.iter().filter(|peer| !peer.reason.is_empty()) {
        let down = wait_for(PATIENCE, name, || state(name)["state"] == "down");
        down.unwrap_or_else(|error| panic!("{error}: {}\n{}", state(name), daemon.log()));
        assert_eq!(state(name)["check"]["reason"], *reason, "{name}");
    }
    assert_eq!(state("ping")["state"], "up");
    server.run(&["sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"]).unwrap();
    wait_for(PATIENCE, "no echo", || state("ping")["state"] == "down").unwrap();
    finish(daemon);
}

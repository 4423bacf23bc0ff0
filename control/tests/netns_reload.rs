//! Reloads under real traffic: a good file is applied at once, a bad one changes nothing, and connections live on in both cases.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Config, PATIENCE, at, download, finish, servers};
use headgate_testbed::traffic::{HttpBackend, HttpClient, Load, RunningLoad, http_get};
use headgate_testbed::{Daemon, Topology, privileged, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const NAT: &str = "forward = \"nat\"";

#[test]
fn sighup_applies_a_good_file_and_refuses_a_bad_one_under_load() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("sighup").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let config = web(&topology, &[0]);
    let mut daemon = config.start(&topology);
    assert_eq!(daemon.json(&["status"]).unwrap()["last_reload"], Value::Null);
    let mut kept = HttpClient::connect(topology.client(), at(false, 80)).unwrap();
    assert_eq!(kept.get("/").unwrap().server(), Some("server-1"));
    let load = load(&topology);

    // Another service, and another server for the present one.
    let good = web(&topology, &[0, 1]).service("more", "tcp", at(false, 81), NAT).server(server(&topology, 1), "");
    let reload = hang_up(&mut daemon, &good);
    assert_eq!(reload["ok"], true);
    let message = reload["message"].as_str().unwrap();
    assert!(message.contains("service web: server 10.1.0.12:80 added with weight 1"), "{message}");
    assert!(message.contains("service more added with 1 server"), "{message}");
    assert_eq!(http_get(topology.client(), at(false, 81), "/").unwrap().server(), Some("server-2"));
    assert_eq!(servers(&daemon, "web").len(), 2);
    assert_eq!(daemon.json(&["status"]).unwrap()["generation"], 2);

    let services = shape(&daemon);
    for (bad, error) in [
        ("[[service]]\nname = \"x\"\n", "headgate.toml:"),
        ("frobnicate = 1\n", "unknown key"),
        ("this is not TOML\n", "headgate.toml:"),
    ] {
        let bad = format!("{bad}{}", good.text());
        let reload = write_and_hang_up(&mut daemon, &bad);
        assert_eq!(reload["ok"], false);
        let message = reload["message"].as_str().unwrap();
        assert!(message.contains(error), "{message}");
        assert_eq!(
            (daemon.json(&["status"]).unwrap()["generation"].as_u64(), shape(&daemon)),
            (Some(2), services.clone())
        );
        moves_on(&load);
    }
    assert!(daemon.log().contains("reload refused: "), "{}", daemon.log());

    assert_eq!(kept.get("/").unwrap().server(), Some("server-1"), "the connection from before all of it");
    let report = load.stop().unwrap();
    assert_eq!(report.errors, 0, "{report:?}");
    download(topology.client(), at(false, 80));
    finish(daemon);
}

#[test]
fn reload_reports_what_changes_and_every_error() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("reload").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let config = web(&topology, &[0]);
    let daemon = config.start(&topology);
    let output = daemon.reload(config.text()).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "nothing changed: configuration 2 stays in use\n");

    let bad = "[dataplane]\ninterfaces = [\"front\", \"back\"]\nconnections = 1\n[dataplane.ipvs]\nsloppy = 1\n";
    let output = daemon.reload(bad).unwrap();
    assert_eq!(output.status.code(), Some(78));
    let printed = text(&output.stdout);
    assert!(printed.contains("headgate.toml:3: dataplane.connections: 1 is out of range"), "{printed}");
    assert!(printed.contains("headgate.toml:5: dataplane.ipvs.sloppy: unknown key"), "{printed}");
    assert!(printed.ends_with("2 errors: nothing changed, configuration 2 stays in use\n"), "{printed}");
    let output = daemon.client(&["reload", "--json"]).unwrap();
    assert_eq!(output.status.code(), Some(78));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines: Vec<_> =
        report["errors"].as_array().unwrap().iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!((&report["ok"], &report["generation"], &*lines), (&false.into(), &2.into(), &[3, 5][..]), "{report}");
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("server-1"));

    std::fs::remove_file(daemon.config_file()).unwrap();
    let output = daemon.client(&["reload"]).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stdout).contains("headgate.toml: cannot read the file"), "{}", text(&output.stdout));
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("server-1"));
    let last = daemon.json(&["status"]).unwrap()["last_reload"].clone();
    assert_eq!(last["ok"], false, "{last}");
    assert!(daemon.run(&["status"]).unwrap().contains("cannot read the file"));
    finish(daemon);
}

/// What is right by itself may still be refused by the host.
#[test]
fn a_file_that_cannot_be_carried_out_is_taken_back() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("undo").servers(2).build().unwrap();
    let _backends = backends(&topology);
    let config = web(&topology, &[0]);
    let daemon = config.start(&topology);
    let held = "[[address]]\ninterface = \"front\"\naddress = \"10.0.0.101/32\"\n";
    let absent = "[[address]]\ninterface = \"nowhere\"\naddress = \"10.0.0.102/32\"\n";
    let next = web(&topology, &[1]);
    let output = daemon.reload(&format!("{}{held}{absent}", next.text())).unwrap();
    assert_eq!(output.status.code(), Some(78));
    let printed = text(&output.stdout);
    assert!(printed.contains("cannot add 10.0.0.102/32 to nowhere"), "{printed}");
    assert!(!front_addresses(&topology).contains("10.0.0.101"), "an address of the refused file stayed");
    let shown = servers(&daemon, "web");
    assert_eq!((shown.len(), &shown[0]["address"]), (1, &"10.1.0.11:80".into()));
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("server-1"));

    let output = daemon.reload(&format!("{}{held}", next.text())).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(front_addresses(&topology).contains("10.0.0.101"));
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("server-2"));
    let output = daemon.reload(next.text()).unwrap();
    assert!(text(&output.stdout).contains("address 10.0.0.101/32 on front removed\n"), "{}", text(&output.stdout));
    assert!(!front_addresses(&topology).contains("10.0.0.101"));
    finish(daemon);
}

#[test]
fn the_log_level_changes_with_the_file() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("level").build().unwrap();
    let config = web(&topology, &[0]);
    let control = |level: &str| {
        format!("{}[control]\nsocket = \"@DIR@/headgate.sock\"\nlog = {{ level = \"{level}\" }}\n", config.text())
    };
    let daemon = Daemon::start(topology.director(), common::BINARY, &control("error")).unwrap();
    assert!(!daemon.log().contains("INFO"), "{}", daemon.log());
    assert_eq!(daemon.reload(&control("info")).unwrap().status.code(), Some(0));
    assert!(
        daemon.log().contains("INFO") && daemon.log().contains("control.log.level: error -> info"),
        "{}",
        daemon.log()
    );
    finish(daemon);
}

/// The service `web` with some of the topology's servers.
fn web(topology: &Topology, chosen: &[usize]) -> Config {
    let config = Config::new(topology).service("web", "tcp", at(false, 80), NAT);
    chosen.iter().fold(config, |config, index| config.server(server(topology, *index), ""))
}

fn server(topology: &Topology, index: usize) -> SocketAddr {
    SocketAddr::new(topology.server(index).v4().into(), 80)
}

fn backends(topology: &Topology) -> Vec<HttpBackend> {
    topology.servers().iter().map(|server| HttpBackend::start(server, server.role(), 80).unwrap()).collect()
}

/// New connections all the time, until it is stopped.
fn load(topology: &Topology) -> RunningLoad {
    let load = Load { keep_alive: false, clients: 2, duration: Duration::from_mins(1), ..Load::new(at(false, 80)) };
    load.start(topology.client()).unwrap()
}

/// The load gets answers now.
fn moves_on(load: &RunningLoad) {
    let before = load.requests();
    wait_for(PATIENCE, "answers under load", || load.requests() > before + 5).unwrap();
}

fn hang_up(daemon: &mut Daemon, config: &Config) -> Value {
    write_and_hang_up(daemon, config.text())
}

/// Replaces the file, sends SIGHUP and returns what the status says about this reload.
fn write_and_hang_up(daemon: &mut Daemon, config: &str) -> Value {
    let socket = format!("\n[control]\nsocket = \"{}\"\n", daemon.control_socket().display());
    std::fs::write(daemon.config_file(), format!("{config}{socket}")).unwrap();
    let reloads =
        |daemon: &Daemon| daemon.log().matches("reloaded: ").count() + daemon.log().matches("reload refused: ").count();
    let before = reloads(daemon);
    daemon.signal(Signal::SIGHUP).unwrap();
    wait_for(PATIENCE, "the reload", || reloads(daemon) > before).unwrap();
    daemon.json(&["status"]).unwrap()["last_reload"].clone()
}

/// The services without their counters.
fn shape(daemon: &Daemon) -> Vec<String> {
    let answer = daemon.json(&["services"]).unwrap();
    let services = answer["services"].as_array().unwrap().iter();
    let servers = |service: &Value| {
        let servers = service["servers"].as_array().unwrap().iter();
        servers
            .map(|server| format!("{} {} {}", server["address"], server["weight"], server["state"]))
            .collect::<Vec<_>>()
    };
    services.map(|service| format!("{} {} {:?}", service["name"], service["address"], servers(service))).collect()
}

fn front_addresses(topology: &Topology) -> String {
    topology.director().run(&["ip", "-brief", "address", "show", "dev", "front"]).unwrap()
}

fn text(output: &[u8]) -> &str {
    std::str::from_utf8(output).unwrap()
}

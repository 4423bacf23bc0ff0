//! What keeps the daemon from starting, said in words an operator can act on, and with nothing left behind.

mod common;

use std::net::SocketAddr;
use std::path::Path;

use common::{BINARY, Config, PATIENCE, at, finish};
use headgate_testbed::traffic::{HttpBackend, http_get};
use headgate_testbed::{Topology, privileged, wait_for};
use headgate_xsk::{Attach, AttachRequest, Device, Steering};

const NAT: &str = "forward = \"nat\"";
/// An address the daemon would hold.
const HELD: &str = "[[address]]\ninterface = \"front\"\naddress = \"10.0.0.101/32\"\n";

#[test]
fn a_missing_interface() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("missing").build().unwrap();
    let devices = "interfaces = [\"front\", \"wan9\"]";
    let said = refused(&topology, &web(&topology).text().replace("interfaces = [\"front\", \"back\"]", devices), 1);
    assert!(
        said.contains("headgate: cannot start: interface wan9: there is no interface wan9: No such device"),
        "{said}"
    );
    // An address comes after another one that could be added.
    let wrong_holder = HELD.replace("front", "wan9").replace("101", "102");
    let said = refused(&topology, &format!("{}{wrong_holder}", web(&topology).text()), 1);
    assert!(said.contains("headgate: cannot start: cannot add 10.0.0.102/32 to wan9: "), "{said}");
}

#[test]
fn an_mtu_that_af_xdp_has_no_frames_for() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("jumbo").client_mtu(9000).build().unwrap();
    let said = refused(&topology, web(&topology).text(), 1);
    let expected = "interface front: front: MTU 9000 needs frames of 9278 bytes, frame size is 4096";
    assert!(said.contains(expected), "{said}");
    // On veth it is the far end that decides what arrives, so the driver refuses.
    topology.director().ip("link set front mtu 1500\n").unwrap();
    let said = refused(&topology, web(&topology).text(), 1);
    assert!(said.contains("interface front: front refuses the steering program in "), "{said}");
    assert_eq!(said.matches("Numerical result out of range").count(), 1, "{said}");
    // The first that is too large, and the largest that README.md promises.
    topology.client().ip("link set eth0 mtu 3498\n").unwrap();
    topology.director().ip("link set front mtu 3819\n").unwrap();
    let said = refused(&topology, web(&topology).text(), 1);
    assert!(said.contains("MTU 3819 needs frames of 4097 bytes, frame size is 4096"), "{said}");
    topology.director().ip("link set front mtu 3498\n").unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let daemon = web(&topology).start(&topology);
    common::download(topology.client(), at(false, 80));
    common::upload(topology.client(), at(false, 80));
    finish(daemon);
}

#[test]
fn an_xdp_program_of_somebody_else() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("foreign").build().unwrap();
    let foreign = topology.director().enter(|| {
        let mut foreign = Steering::load().unwrap();
        let attached = foreign.attach(&Device::find("back").unwrap(), AttachRequest::Native).unwrap();
        assert_eq!(attached, Attach::Native);
        foreign
    });
    let foreign = foreign.unwrap();
    let id = foreign.program_id().unwrap();
    let said = refused(&topology, web(&topology).text(), 1);
    let expected =
        format!("back already has the XDP program headgate_steer (id {id}), which is not ours: detach it first");
    assert!(said.contains(&expected), "{said}");
    let link = topology.director().run(&["ip", "link", "show", "back"]).unwrap();
    assert!(link.contains(&format!("prog/xdp id {id}")), "the program was touched: {link}");
    drop(foreign);
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    wait_for(PATIENCE, "the foreign program to be gone", || !programs(&topology)).unwrap();
    let daemon = web(&topology).start(&topology);
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("s1"));
    finish(daemon);
}

#[test]
fn a_second_daemon_on_the_socket_or_the_devices() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("second").build().unwrap();
    let _backend = HttpBackend::start(topology.server(0), "s1", 80).unwrap();
    let daemon = web(&topology).start(&topology);
    let socket = daemon.control_socket();
    let said = start(&topology, &with_socket(web(&topology).text(), &socket), 1);
    let expected = format!("headgate: cannot start: control socket: another daemon listens on {}", socket.display());
    assert!(said.contains(&expected), "{said}");
    let said = start(&topology, web(&topology).text(), 1);
    assert!(said.contains("interface front: front already has the XDP program headgate_steer"), "{said}");
    // The first one noticed nothing.
    assert_eq!(http_get(topology.client(), at(false, 80), "/").unwrap().server(), Some("s1"));
    assert_eq!(daemon.json(&["status"]).unwrap()["pid"], daemon.pid());
    finish(daemon);
}

#[test]
fn more_workers_than_queues_or_cores() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("workers").build().unwrap();
    let with = |workers: &str| web_of(Config::with(&topology, &format!("workers = {workers}")), &topology);
    let said = refused(&topology, with("[0, 8191]").text(), 78);
    assert!(said.contains("dataplane.workers[1]: ") && said.contains("8191"), "{said}");
    assert!(said.contains("headgate: not started: 1 error in the configuration"), "{said}");
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let said = refused(&topology, with("[0, 1]").text(), 1);
    let expected = "dataplane.workers lists 2 cores, but interface front has only 1 queue(s) and every worker needs one; list \
                    fewer cores or give the interface more queues (ethtool -L front)";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_socket_that_cannot_be() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("socket").build().unwrap();
    let file = topology.directory().join("a-file");
    std::fs::write(&file, "precious").unwrap();
    let said = start(&topology, &with_socket(web(&topology).text(), &file), 1);
    assert!(said.contains(&format!("{} is in the way: it is not a socket", file.display())), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

fn web(topology: &Topology) -> Config {
    web_of(Config::new(topology), topology)
}

fn web_of(config: Config, topology: &Topology) -> Config {
    let server = SocketAddr::new(topology.server(0).v4().into(), 80);
    config.service("web", "tcp", at(false, 80), NAT).server(server, "")
}

/// Tries to start with `config`, and with an address to hold; what was said. Nothing may be left behind.
fn refused(topology: &Topology, config: &str, code: i32) -> String {
    let before = programs(topology);
    // The first section, so that it is the first address.
    let said = start(topology, &format!("{HELD}{config}"), code);
    wait_for(PATIENCE, "our programs to be gone", || programs(topology) == before).unwrap();
    let links = topology.director().run(&["ip", "-brief", "address"]).unwrap();
    assert!(!links.contains("headgate") && !links.contains("10.0.0.101"), "left behind: {links}");
    assert!(!topology.directory().join("refused.sock").exists());
    said
}

/// Runs the daemon with `config` until it ends by itself with `code`; its output.
fn start(topology: &Topology, config: &str, code: i32) -> String {
    let file = topology.directory().join("refused.toml");
    let socket = topology.directory().join("refused.sock");
    let complete = if config.contains("[control]") { config.to_owned() } else { with_socket(config, &socket) };
    std::fs::write(&file, complete).unwrap();
    let mut process = topology.director().spawn(&[BINARY, "run", "-c", file.to_str().unwrap()]).unwrap();
    let status = process.wait(PATIENCE);
    let said = process.log();
    assert_eq!(status.ok().and_then(|status| status.code()), Some(code), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn with_socket(config: &str, socket: &Path) -> String {
    format!("{config}\n[control]\nsocket = \"{}\"\n", socket.display())
}

/// Whether a device of the director has an XDP program.
fn programs(topology: &Topology) -> bool {
    topology.director().run(&["ip", "link"]).unwrap().contains("prog/xdp")
}

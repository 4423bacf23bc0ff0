//! The scheduler's position, counts and retired servers across publications and reloads.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use headgate_dataplane::fib::{Fib, Prefix};
use headgate_dataplane::sched::Request;
use headgate_dataplane::servers::Servers;
use headgate_dataplane::snapshot::{Hop, HopId, HopKind, Network, Settings, Snapshot};
use headgate_xsk::{PortMatch, ServiceKey, SharedWords};

use super::{snapshot, steering::steering};
use crate::config::{self, Environment};
use crate::daemon::registry::{Override, Registry};

fn registry() -> Registry {
    let words = SharedWords::new(c"headgate-test", Servers::words_needed(64), false).unwrap();
    Registry::new(Arc::new(Servers::new(words).unwrap()))
}

fn apply(registry: &mut Registry, scheduler: &str, servers: &[(&str, u32)]) {
    let mut text = format!(
        "[dataplane]\ninterfaces = [\"eth0\"]\n[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"10.0.0.100:80\"\n\
         forward = \"nat\"\nscheduler = \"{scheduler}\"\n"
    );
    for (address, weight) in servers {
        writeln!(text, "[[service.server]]\naddress = \"{address}\"\nweight = {weight}").unwrap();
    }
    let loaded = config::parse("test.toml", &text, &Environment { hostname: "test".into(), cores: None }).unwrap();
    registry.apply(&loaded.model).unwrap();
}

/// A host that holds `local`; everything else is nowhere.
fn network(local: &[&str]) -> Network {
    let hop = Hop {
        kind: HopKind::Unreachable,
        device: headgate_dataplane::snapshot::DeviceId(0),
        vlan: None,
        mtu: 1500,
        source: None,
    };
    let fib = Fib::build([(Prefix::new(0, 0).unwrap(), HopId(0))]);
    Network::new(Vec::new(), vec![hop], fib, Fib::default(), [], local.iter().map(|ip| ip.parse::<IpAddr>().unwrap()))
}

fn publish(registry: &Registry) -> Snapshot {
    snapshot(1, Settings::default(), registry, network(&["10.0.0.100"]))
}

/// The server that the next connection gets by this snapshot.
fn pick(registry: &Registry, snapshot: &Snapshot) -> String {
    let request = Request {
        client: "192.0.2.1".parse().unwrap(),
        client_port: 1,
        destination: "10.0.0.100".parse().unwrap(),
        protocol: 6,
        now_seconds: 0,
        random: 0,
    };
    let service = snapshot.services.find(6, "10.0.0.100".parse().unwrap(), 80).unwrap();
    service.pool.pick(registry.slab(), &request).unwrap().address.to_string()
}

const THREE: [(&str, u32); 3] = [("10.1.0.1:80", 1), ("10.1.0.2:80", 1), ("10.1.0.3:80", 1)];

#[test]
fn a_publication_without_a_change_keeps_the_position_of_the_scheduler() {
    for scheduler in ["rr", "wrr"] {
        let mut registry = registry();
        apply(&mut registry, scheduler, &THREE);
        let mut picks = Vec::new();
        for _ in 0..6 {
            // As after each neighbour that is resolved, and as after a reload that changes nothing.
            apply(&mut registry, scheduler, &THREE);
            picks.push(pick(&registry, &publish(&registry)));
        }
        let expected = ["10.1.0.3", "10.1.0.2", "10.1.0.1"].repeat(2);
        assert_eq!(picks, expected, "{scheduler}");
    }
}

#[test]
fn a_service_is_balanced_only_while_its_address_is_local() {
    let mut registry = registry();
    apply(&mut registry, "rr", &THREE);
    let elsewhere = network(&["10.0.0.1"]);
    assert!(steering(&registry, &elsewhere, []).services.is_empty());
    assert!(snapshot(1, Settings::default(), &registry, elsewhere).services.is_empty());
    assert!(!publish(&registry).services.is_empty());
}

#[test]
fn a_removed_server_is_steered_as_long_as_it_has_connections() {
    let mut registry = registry();
    apply(&mut registry, "rr", &THREE);
    let id = registry.services()[0].servers[0].id;
    registry.slab().bind(id, true);
    apply(&mut registry, "rr", &THREE[1..]);
    let server = ("10.1.0.1".parse().unwrap(), 6, 80);
    assert!(steering(&registry, &network(&["10.0.0.100"]), []).nat_servers.contains(&server));
    registry.slab().unbind(id, true);
    assert!(registry.prune());
    assert!(!steering(&registry, &network(&["10.0.0.100"]), []).nat_servers.contains(&server));
}

#[test]
fn a_removed_service_is_steered_as_long_as_it_has_connections_and_a_returning_server_takes_them_over() {
    let mut registry = registry();
    apply(&mut registry, "rr", &THREE);
    let id = registry.services()[0].servers[0].id;
    registry.slab().bind(id, true);
    apply(&mut registry, "rr", &[]);
    assert_eq!(registry.connections(), 1);
    let maps = steering(&registry, &network(&["10.0.0.100"]), []);
    let key = ServiceKey { addr: "10.0.0.100".parse().unwrap(), protocol: 6, ports: PortMatch::One(80) };
    assert!(maps.services.contains(&key));
    apply(&mut registry, "rr", &THREE);
    assert_eq!(registry.services()[0].servers[0].id, id);
    assert!(registry.retired().is_empty());
}

#[test]
fn a_runtime_change_holds_until_the_next_reload() {
    let mut registry = registry();
    apply(&mut registry, "rr", &THREE[..2]);
    let address = "10.1.0.2:80".parse().unwrap();
    assert_eq!(registry.change("web", address, Some(Override::Drain)).unwrap().effective_weight(), 0);
    let snapshot = publish(&registry);
    assert_eq!([pick(&registry, &snapshot), pick(&registry, &snapshot)], ["10.1.0.1", "10.1.0.1"]);
    apply(&mut registry, "rr", &THREE[..2]);
    assert_eq!(registry.services()[0].servers[1].effective_weight(), 1);
    assert!(registry.change("web", "10.9.9.9:80".parse().unwrap(), None).is_none());
    assert!(registry.change("mail", address, None).is_none());
}

//! Neighbours resolved and confirmed across a veth pair.
//!
//! ```text
//!   [ours] v0 ─── v0 [theirs]      192.0.2.1 / 2001:db8::1      192.0.2.2 / 2001:db8::2
//! ```

use super::{Namespace, address, mirror, privileged, wait_for};
use crate::netlink::commands::Commands;
use crate::netlink::model::NeighbourState;
use crate::netlink::state::NetState;

/// Two namespaces joined by a link; addresses work at once.
fn pair() -> (Namespace, Namespace) {
    let (ours, theirs) = (Namespace::new(), Namespace::new());
    for namespace in [&ours, &theirs] {
        namespace.set("net/ipv6/conf/default/accept_dad", "0");
    }
    ours.ip(&format!("link add v0 type veth peer name v0 netns {}", theirs.name));
    for (namespace, host) in [(&ours, 1), (&theirs, 2)] {
        namespace.ip(&format!("address add 192.0.2.{host}/24 dev v0"));
        namespace.ip(&format!("address add 2001:db8::{host}/64 dev v0 nodad"));
        namespace.ip("link set v0 up");
    }
    (ours, theirs)
}

fn mac_of(namespace: &Namespace) -> String {
    namespace.json("link show v0")[0]["address"].as_str().unwrap().to_owned()
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[test]
fn a_neighbour_is_resolved_and_kept_fresh() {
    if !privileged() {
        return;
    }
    let (ours, theirs) = pair();
    let mac = mac_of(&theirs);
    ours.block_on(|| async {
        let mut states = mirror().await;
        wait_for(&mut states, "the link carries packets", |state| {
            let usable = |address: &crate::netlink::model::Address| address.is_usable();
            state.interface_by_name("v0").is_some_and(|link| link.running) && state.addresses.iter().all(usable)
        })
        .await;
        let commands = Commands::open().unwrap();
        let index = states.borrow().interface_by_name("v0").unwrap().index;
        for (family, ip) in [("ipv4", address("192.0.2.2")), ("ipv6", address("2001:db8::2"))] {
            ours.set(&format!("net/{family}/neigh/v0/delay_first_probe_time"), "0");
            let is = |state: &NetState, expected: NeighbourState| {
                let neighbour = state.neighbours.get(&(index, ip));
                neighbour
                    .is_some_and(|found| found.state == expected && found.usable_mac().map(text) == Some(mac.clone()))
            };
            assert_eq!(states.borrow().neighbours.get(&(index, ip)), None);

            let state = states.borrow().clone();
            assert!(commands.confirm(&state, index, ip).await.unwrap(), "an unknown neighbour is asked for");
            wait_for(&mut states, "resolved", |state| is(state, NeighbourState::Reachable)).await;
            let state = states.borrow().clone();
            assert!(!commands.confirm(&state, index, ip).await.unwrap(), "a reachable neighbour is left alone");

            ours.ip(&format!("neighbour change {ip} dev v0 nud stale"));
            wait_for(&mut states, "stale", |state| is(state, NeighbourState::Stale)).await;
            let state = states.borrow().clone();
            assert!(commands.confirm(&state, index, ip).await.unwrap(), "a stale neighbour is checked");
            wait_for(&mut states, "reachable again", |state| is(state, NeighbourState::Reachable)).await;
        }
    });
}

#[test]
fn a_neighbour_that_does_not_answer_fails() {
    if !privileged() {
        return;
    }
    let (ours, _theirs) = pair();
    ours.set("net/ipv4/neigh/v0/mcast_solicit", "1");
    ours.set("net/ipv4/neigh/v0/retrans_time_ms", "10");
    ours.block_on(|| async {
        let mut states = mirror().await;
        let index = states.borrow().interface_by_name("v0").unwrap().index;
        let key = (index, address("192.0.2.99"));
        Commands::open().unwrap().resolve(key.0, key.1).await.unwrap();
        wait_for(&mut states, "failed", |state| {
            state.neighbours.get(&key).is_some_and(|found| found.state == NeighbourState::Failed)
        })
        .await;
        assert_eq!(states.borrow().neighbours[&key].usable_mac(), None);
    });
}

#[test]
fn resolving_on_an_interface_that_is_not_there_is_an_error() {
    if !privileged() {
        return;
    }
    Namespace::new().block_on(|| async {
        let refused = Commands::open().unwrap().resolve(4711, address("192.0.2.2")).await.unwrap_err();
        assert_eq!(refused.errno(), Some(19), "ENODEV: {refused}");
    });
}

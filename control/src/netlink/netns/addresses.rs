//! Addresses and links changed by command.

use super::{Namespace, address, mirror, privileged, wait_for};
use crate::netlink::commands::{Added, Commands, Detection, Removed};
use crate::netlink::error::NetlinkError;

fn with_a_link() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip("tuntap add mode tap name d0");
    namespace
}

#[test]
fn adding_and_removing_an_address_twice_reports_the_second() {
    if !privileged() {
        return;
    }
    let namespace = with_a_link();
    namespace.ip("link set d0 up");
    namespace.block_on(|| async {
        let mut states = mirror().await;
        let commands = Commands::open().unwrap();
        for (ip, len) in [(address("192.0.2.10"), 32), (address("192.0.2.20"), 24), (address("2001:db8::10"), 64)] {
            let is_there = || namespace.ip("address show dev d0").contains(&format!("{ip}/{len}"));
            assert_eq!(commands.add_address("d0", ip, len, Detection::Skip).await.unwrap(), Added::New);
            assert!(is_there());
            wait_for(&mut states, "the address", |state| state.local_addresses().contains(&ip)).await;
            assert_eq!(commands.add_address("d0", ip, len, Detection::Skip).await.unwrap(), Added::Existed);

            assert_eq!(commands.del_address("d0", ip, len).await.unwrap(), Removed::Gone);
            assert!(!is_there());
            wait_for(&mut states, "no address", |state| !state.local_addresses().contains(&ip)).await;
            assert_eq!(commands.del_address("d0", ip, len).await.unwrap(), Removed::WasAbsent);
        }
    });
}

#[test]
fn an_ipv6_address_is_tentative_unless_detection_is_skipped() {
    if !privileged() {
        return;
    }
    // A veth pair: without a carrier there is no duplicate address detection.
    let namespace = Namespace::new();
    namespace.ip("link add d0 type veth peer name d1");
    namespace.ip("link set d1 up");
    namespace.ip("link set d0 up");
    namespace.block_on(|| async {
        let commands = Commands::open().unwrap();
        commands.add_address("d0", address("2001:db8::1"), 64, Detection::Skip).await.unwrap();
        let states = mirror().await;
        let skipped = states.borrow().addresses.iter().find(|a| a.ip == address("2001:db8::1")).cloned().unwrap();
        assert!(!skipped.tentative);

        // The kernel would probe for a second at least, so the next reading finds the address tentative.
        namespace.set("net/ipv6/conf/d0/dad_transmits", "100");
        commands.add_address("d0", address("2001:db8::2"), 64, Detection::Run).await.unwrap();
        let states = mirror().await;
        let probed = states.borrow().addresses.iter().find(|a| a.ip == address("2001:db8::2")).cloned().unwrap();
        assert!(probed.tentative && !probed.is_usable());
    });
}

#[test]
fn a_link_is_switched_on_and_off() {
    if !privileged() {
        return;
    }
    with_a_link().block_on(|| async {
        let mut states = mirror().await;
        let commands = Commands::open().unwrap();
        for up in [true, false, true] {
            commands.set_link_up("d0", up).await.unwrap();
            wait_for(&mut states, "switched", |state| state.interface_by_name("d0").unwrap().up == up).await;
        }
    });
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    if !privileged() {
        return;
    }
    Namespace::new().block_on(|| async {
        let commands = Commands::open().unwrap();
        let refused = commands.add_address("nic7", address("192.0.2.1"), 32, Detection::Skip).await;
        assert!(matches!(refused, Err(NetlinkError::NoSuchLink(name)) if name == "nic7"));
        let refused = commands.set_link_up("nic7", true).await;
        assert!(matches!(refused, Err(NetlinkError::NoSuchLink(_))));
    });
}

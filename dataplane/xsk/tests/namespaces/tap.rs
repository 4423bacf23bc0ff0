//! The TAP interface, in a namespace of its own.

use crate::support::wire::{Raw, udp, udp6};
use crate::support::{Namespace, is_root, until};
use headgate_xsk::{Device, Tap};

#[test]
fn packets_reach_the_kernel_and_the_interface_goes_with_its_owner() {
    if !is_root() {
        return;
    }
    let namespace = Namespace::new("tap");
    namespace.run(|| {
        let tap = Tap::open("hg-tap").unwrap();
        assert_eq!(tap.name(), "hg-tap");
        let device = Device::find("hg-tap").unwrap();
        assert_eq!((tap.index(), tap.mac(), device.driver()), (device.index(), device.mac(), "tun"));
        assert!(device.may_carry_partial_checksums());

        assert_eq!(tap.send(&[0; 60]).unwrap_err().raw_os_error(), Some(libc::EIO), "still down");
        tap.up().unwrap();
        let kernel = Raw::open("hg-tap");
        let packet = udp(tap.mac(), [2; 6], 1, 2);
        tap.send(&packet).unwrap();
        until("the packet in the kernel", || kernel.receive() == Some(packet.clone()));
        assert_eq!(tap.send(&[0; 5]).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        kernel.send(&udp([2; 6], tap.mac(), 3, 4));
        let mut buffer = [0; 2048];
        until("the packet of the kernel", || tap.receive(&mut buffer).is_ok());
        assert_eq!(tap.receive(&mut buffer).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

        drop(tap);
        assert!(Device::find("hg-tap").is_err());
    });
}

#[test]
fn packets_of_any_client_to_an_address_of_the_host_are_accepted() {
    if !is_root() {
        return;
    }
    let namespace = Namespace::new("tap");
    namespace.ip(&["link", "set", "lo", "up"]);
    namespace.ip(&["addr", "add", "192.0.2.10/32", "dev", "lo"]);
    namespace.run(|| {
        // The strictest default: what comes in on an interface must be routed out of it.
        std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv4/conf/default/rp_filter", "1").unwrap();
        let tap = Tap::open("hg-tap").unwrap();
        tap.up().unwrap();
        // Clients are routed elsewhere, as they are on a real balancer.
        namespace.ip(&["link", "add", "up0", "type", "veth", "peer", "name", "up1"]);
        namespace.ip(&["link", "set", "up0", "up"]);
        namespace.ip(&["route", "add", "default", "dev", "up0"]);
        let socket = std::net::UdpSocket::bind("192.0.2.10:5000").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        tap.send(&udp(tap.mac(), [2; 6], 4000, 5000)).unwrap();
        let mut buffer = [0; 100];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from.to_string().as_str()), (&b"packet of port 4000"[..], "198.51.100.5:4000"));
        // Packets from another address of the host itself pass too.
        namespace.ip(&["addr", "add", "198.51.100.5/32", "dev", "lo"]);
        tap.send(&udp(tap.mac(), [2; 6], 4001, 5000)).unwrap();
        assert_eq!(socket.recv_from(&mut buffer).unwrap().1.port(), 4001);
    });
}

#[test]
fn ipv6_packets_are_accepted_without_an_address_on_the_interface() {
    if !is_root() {
        return;
    }
    let namespace = Namespace::new("tap");
    namespace.ip(&["link", "set", "lo", "up"]);
    namespace.run(|| {
        std::fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0").unwrap();
        namespace.ip(&["-6", "addr", "add", "2001:db8::10/128", "dev", "lo"]);
        let tap = Tap::open("hg-tap").unwrap();
        tap.up().unwrap();
        let socket = std::net::UdpSocket::bind("[2001:db8::10]:5000").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        tap.send(&udp6(tap.mac(), [2; 6], 4000, 5000)).unwrap();
        let mut buffer = [0; 100];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from.to_string().as_str()), (&b"hello"[..], "[2001:db8:c::5]:4000"));
        let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap();
        assert!(!addresses.contains("hg-tap"), "the interface made itself an address: {addresses}");
    });
}

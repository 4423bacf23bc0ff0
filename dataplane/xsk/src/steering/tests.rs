//! The program itself, asked about crafted packets.

use super::maps::DeviceValue;
use super::*;
use crate::privilege::is_root;

mod maps;
mod packets;

use packets::{MAC, TCP, UDP, ethernet, extension, fragment, frame, icmp, ip, ports, tagged, with_options};

/// The loopback interface, which test packets come in on.
const LOOPBACK: u32 = 1;

const VIP: &str = "192.0.2.10";
const VIP6: &str = "2001:db8::10";
const SERVER: &str = "10.0.0.1";
const SERVER6: &str = "fd00::1";
const TUNNEL: &str = "10.0.0.7";
const HOST: &str = "10.0.0.254";
const HOST6: &str = "fd00::fe";
const CLIENT: &str = "198.51.100.5";
const CLIENT6: &str = "2001:db8:c::5";

struct Program(Steering);

impl Program {
    /// The program with a plan of every kind of entry; `None` when the test has to be left out.
    fn loaded() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let mut steering = Steering::load().unwrap();
        steering.maps.set_device(LOOPBACK, DeviceValue::new(MAC, 0)).unwrap();
        steering.apply(&plan()).unwrap();
        Some(Self(steering))
    }

    /// Whether the packet is for a worker; there is none, so it would be dropped.
    fn takes(&self, frame: &[u8]) -> bool {
        match self.0.ask(frame, LOOPBACK, 0).unwrap() {
            Verdict::Unserved => true,
            Verdict::Pass => false,
            other => panic!("{other:?}"),
        }
    }

    fn takes_ip(&self, ip: &[u8]) -> bool {
        self.takes(&frame(ip))
    }
}

fn plan() -> SteeringMaps {
    let service = |addr: &str, protocol, ports| ServiceKey { addr: addr.parse().unwrap(), protocol, ports };
    let mut plan = SteeringMaps::default();
    for (vip, server, host) in [(VIP, SERVER, HOST), (VIP6, SERVER6, HOST6)] {
        plan.services.insert(service(vip, TCP, PortMatch::One(80)));
        plan.services.insert(service(vip, TCP, PortMatch::Range(1000, 1999)));
        plan.services.insert(service(vip, TCP, PortMatch::Range(5000, 5000)));
        plan.services.insert(service(vip, UDP, PortMatch::Any));
        plan.services.insert(service(vip, 132, PortMatch::One(2905)));
        plan.nat_servers.insert((server.parse().unwrap(), TCP, 8080));
        plan.nat_servers.insert((server.parse().unwrap(), UDP, 0));
        plan.local.insert(host.parse().unwrap());
    }
    plan.tunnel_servers.insert(TUNNEL.parse().unwrap());
    plan.macs.insert([0, 0, 0x5e, 0, 1, 7]);
    plan
}

fn pairs() -> [(&'static str, &'static str, &'static str, &'static str); 2] {
    [(VIP, CLIENT, SERVER, HOST), (VIP6, CLIENT6, SERVER6, HOST6)]
}

#[test]
fn packets_to_services_are_taken() {
    let Some(program) = Program::loaded() else { return };
    for (vip, client, ..) in pairs() {
        for (protocol, port, taken) in [
            (TCP, 80, true),
            (TCP, 81, false),
            (TCP, 999, false),
            (TCP, 1000, true),
            (TCP, 1999, true),
            (TCP, 2000, false),
            (TCP, 5000, true),
            (TCP, 0, false),
            (UDP, 1, true),
            (UDP, 65535, true),
            (132, 2905, true),
            (132, 80, false),
            (47, 80, false),
            (112, 80, false),
        ] {
            let packet = ip(client, vip, protocol, &ports(4000, port));
            assert_eq!(program.takes_ip(&packet), taken, "{vip} protocol {protocol} port {port}");
        }
        assert!(!program.takes_ip(&ip(vip, client, TCP, &ports(80, 4000))), "from the service address");
    }
    assert!(!program.takes_ip(&ip(CLIENT, "192.0.2.11", TCP, &ports(4000, 80))));
}

#[test]
fn replies_of_nat_servers_are_taken_unless_they_are_for_the_host() {
    let Some(program) = Program::loaded() else { return };
    for (vip, client, server, host) in pairs() {
        for (source, destination, protocol, port, taken) in [
            (server, client, TCP, 8080, true),
            (server, client, TCP, 8081, false),
            (server, client, UDP, 7, true),
            (server, host, TCP, 8080, false),
            (server, host, UDP, 7, false),
            (client, server, TCP, 8080, false),
            (host, client, TCP, 8080, false),
            (server, vip, TCP, 8080, true),
        ] {
            let packet = ip(source, destination, protocol, &ports(port, 4000));
            assert_eq!(program.takes_ip(&packet), taken, "{source} to {destination} {protocol} {port}");
        }
    }
}

#[test]
fn a_service_address_of_the_host_itself_is_served_but_its_other_ports_pass() {
    let Some(mut program) = Program::loaded() else { return };
    let mut plan = plan();
    plan.local.insert(VIP.parse().unwrap());
    program.0.apply(&plan).unwrap();
    assert!(program.takes_ip(&ip(SERVER, VIP, TCP, &ports(8080, 80))));
    assert!(!program.takes_ip(&ip(SERVER, VIP, TCP, &ports(8080, 22))));
}

#[test]
fn only_frames_to_our_link_layer_addresses_are_taken() {
    let Some(program) = Program::loaded() else { return };
    let packet = ip(CLIENT, VIP, TCP, &ports(4000, 80));
    for (mac, taken) in [
        (MAC, true),
        ([0, 0, 0x5e, 0, 1, 7], true),
        ([0, 0, 0x5e, 0, 1, 8], false),
        ([2, 0, 0, 0, 0, 0x11], false),
        ([0xff; 6], false),
        ([1, 0, 0x5e, 0, 0, 1], false),
    ] {
        assert_eq!(program.takes(&ethernet(mac, 0x0800, &packet)), taken, "{mac:?}");
    }
}

#[test]
fn what_is_not_ip_passes() {
    let Some(program) = Program::loaded() else { return };
    for ethertype in [0x0806, 0x88cc, 0x8847, 0x0000, 0x05dc, 0x86dd] {
        assert!(!program.takes(&ethernet(MAC, ethertype, &ip(CLIENT, VIP, TCP, &ports(4000, 80)))), "{ethertype:x}");
    }
    for kind in [133, 134, 135, 136, 137, 128, 129, 143] {
        assert!(!program.takes_ip(&ip(CLIENT6, VIP6, 58, &icmp(kind, &[0; 20]))), "ICMPv6 {kind}");
    }
    for kind in [0, 5, 8, 12, 13] {
        assert!(!program.takes_ip(&ip(CLIENT, VIP, 1, &icmp(kind, &[0; 28]))), "ICMP {kind}");
    }
}

#[test]
fn up_to_two_vlan_tags_are_looked_behind() {
    let Some(program) = Program::loaded() else { return };
    for packet in [ip(CLIENT, VIP, TCP, &ports(4000, 80)), ip(CLIENT6, VIP6, TCP, &ports(4000, 80))] {
        assert!(program.takes(&tagged(&[0x8100], &packet)));
        assert!(program.takes(&tagged(&[0x88a8, 0x8100], &packet)));
        assert!(program.takes(&tagged(&[0x8100, 0x8100], &packet)));
        assert!(!program.takes(&tagged(&[0x88a8, 0x8100, 0x8100], &packet)));
        assert!(!program.takes(&tagged(&[0x8100], &packet)[..17]));
    }
}

#[test]
fn fragments_go_by_their_addresses() {
    let Some(program) = Program::loaded() else { return };
    for (source, destination, taken) in [
        (CLIENT, VIP, true),
        (SERVER, CLIENT, true),
        (SERVER, HOST, false),
        (CLIENT, HOST, false),
        (CLIENT, SERVER, false),
    ] {
        for (offset, more) in [(0, true), (1480, true), (1480, false)] {
            let packet = fragment(ip(source, destination, TCP, &ports(1, 1)), offset, more);
            assert_eq!(program.takes_ip(&packet), taken, "{source} to {destination} at {offset} {more}");
        }
    }
    for (source, destination, taken) in
        [(CLIENT6, VIP6, true), (SERVER6, CLIENT6, true), (SERVER6, HOST6, false), (CLIENT6, HOST6, false)]
    {
        let header = extension(44, TCP, 1, &[0; 4]);
        assert_eq!(program.takes_ip(&ip(source, destination, 44, &header)), taken, "{source} to {destination}");
        let behind = extension(60, 44, 1, &header);
        assert_eq!(program.takes_ip(&ip(source, destination, 60, &behind)), taken, "{source} to {destination}");
    }
    let unfragmented = {
        let mut packet = ip(CLIENT, VIP, TCP, &ports(4000, 81));
        packet[6] = 0x40;
        packet
    };
    assert!(!program.takes_ip(&unfragmented), "don't-fragment is no fragment");
}

#[test]
fn options_and_extension_headers_are_walked() {
    let Some(program) = Program::loaded() else { return };
    for words in 1..=10 {
        assert!(program.takes_ip(&with_options(ip(CLIENT, VIP, TCP, &ports(4000, 80)), words)));
        assert!(!program.takes_ip(&with_options(ip(CLIENT, VIP, TCP, &ports(4000, 81)), words)));
    }
    for kind in [0, 43, 60, 51] {
        for units in [1, 2, 200] {
            for (port, taken) in [(80, true), (81, false)] {
                let chain = extension(kind, TCP, units, &ports(4000, port));
                assert_eq!(program.takes_ip(&ip(CLIENT6, VIP6, kind, &chain)), taken, "{kind} {units} {port}");
            }
        }
    }
    let chain = |count: usize, port| {
        let last = extension(60, TCP, 1, &ports(4000, port));
        (1..count).fold(last, |rest, _| extension(60, 60, 1, &rest))
    };
    assert!(program.takes_ip(&ip(CLIENT6, VIP6, 60, &chain(6, 80))));
    assert!(!program.takes_ip(&ip(CLIENT6, VIP6, 60, &chain(6, 81))));
    assert!(program.takes_ip(&ip(CLIENT6, VIP6, 60, &chain(7, 81))), "too long to see the port: a worker drops it");
    assert!(!program.takes_ip(&ip(CLIENT6, HOST6, 60, &chain(7, 80))));
    assert!(!program.takes_ip(&ip(CLIENT6, VIP6, 59, &ports(4000, 80))), "no next header");
    assert!(!program.takes_ip(&ip(CLIENT6, VIP6, 50, &ports(4000, 80))), "ESP hides the ports");
}

#[test]
fn icmp_errors_go_where_the_packet_they_quote_belongs() {
    let Some(program) = Program::loaded() else { return };
    let router = ("203.0.113.1", "2001:db8:f::1");
    for ((vip, client, server, host), (router, version)) in pairs().into_iter().zip([(router.0, 4), (router.1, 6)]) {
        let (protocol, kinds): (u8, &[u8]) = if version == 4 { (1, &[3, 4, 11]) } else { (58, &[1, 2, 3, 4]) };
        for kind in kinds {
            for (to, quoted_from, quoted_to, quoted_ports, taken) in [
                (vip, vip, client, (80, 4000), true),
                (vip, vip, client, (81, 4000), false),
                (vip, host, client, (80, 4000), false),
                (host, vip, client, (80, 4000), false),
                (client, client, server, (4000, 8080), true),
                (client, client, server, (4000, 8081), false),
                (host, host, server, (4000, 8080), false),
                (client, client, host, (4000, 8080), false),
            ] {
                let quoted = ip(quoted_from, quoted_to, TCP, &ports(quoted_ports.0, quoted_ports.1)[..8]);
                let packet = ip(router, to, protocol, &icmp(*kind, &quoted));
                let what = format!("type {kind} to {to} about {quoted_from} {quoted_to} {quoted_ports:?}");
                assert_eq!(program.takes_ip(&packet), taken, "{what}");
            }
        }
        let quoted = ip(vip, client, TCP, &ports(80, 4000)[..8]);
        let whole = ip(router, vip, protocol, &icmp(kinds[0], &quoted));
        let quoted_at = whole.len() - quoted.len();
        for cut in quoted_at..whole.len() {
            assert_eq!(program.takes_ip(&whole[..cut]), cut >= whole.len() - 4, "cut at {cut} of {}", whole.len());
        }
    }
}

#[test]
fn icmp_errors_about_fragments_and_behind_options_are_found() {
    let Some(program) = Program::loaded() else { return };
    let late = fragment(ip(VIP, CLIENT, TCP, &[0; 8]), 1480, false);
    assert!(program.takes_ip(&ip(CLIENT, VIP, 1, &icmp(11, &late))));
    assert!(!program.takes_ip(&ip(CLIENT, HOST, 1, &icmp(11, &late))));
    let quoted = with_options(ip(VIP, CLIENT, TCP, &ports(80, 4000)[..8]), 3);
    assert!(program.takes_ip(&with_options(ip(CLIENT, VIP, 1, &icmp(3, &quoted)), 2)));
    let chain = extension(60, TCP, 2, &ports(80, 4000));
    let quoted = ip(VIP6, CLIENT6, 60, &chain);
    let outer = extension(0, 58, 1, &icmp(2, &quoted));
    assert!(program.takes_ip(&ip(CLIENT6, VIP6, 0, &outer)));
}

#[test]
fn icmp_errors_about_tunnel_packets_are_taken() {
    let Some(program) = Program::loaded() else { return };
    for (to, protocol, taken) in [
        (TUNNEL, 4, true),
        (TUNNEL, 41, true),
        (TUNNEL, 47, true),
        (TUNNEL, UDP, true),
        (TUNNEL, TCP, false),
        (SERVER, 4, false),
    ] {
        let quoted = ip(HOST, to, protocol, &[0; 8]);
        assert_eq!(program.takes_ip(&ip("203.0.113.1", HOST, 1, &icmp(3, &quoted))), taken, "{to} {protocol}");
    }
}

#[test]
fn a_packet_cut_before_its_ports_goes_to_a_worker_only_if_a_service_address_is_meant() {
    let Some(program) = Program::loaded() else { return };
    for (source, destination, header, taken) in
        [(CLIENT, VIP, 34, true), (CLIENT6, VIP6, 54, true), (SERVER, CLIENT, 34, false), (SERVER6, CLIENT6, 54, false)]
    {
        let whole = frame(&ip(source, destination, TCP, &ports(8080, 80)));
        for cut in 14..header {
            assert!(!program.takes(&whole[..cut]), "{destination} cut at {cut}");
        }
        for cut in header..header + 4 {
            assert_eq!(program.takes(&whole[..cut]), taken, "{destination} cut at {cut}");
        }
        assert!(program.takes(&whole[..header + 4]));
    }
    let chain = extension(60, TCP, 2, &ports(4000, 80));
    let whole = frame(&ip(CLIENT6, VIP6, 60, &chain));
    assert!(program.takes(&whole[..55]), "inside the extension header");
    for (first, taken) in [(0x45, true), (0x44, false), (0x55, false), (0x00, false)] {
        let mut packet = ip(CLIENT, VIP, TCP, &ports(4000, 80));
        packet[0] = first;
        assert_eq!(program.takes(&ethernet(MAC, 0x0800, &packet)), taken, "{first:x}");
    }
}

#[test]
fn random_bytes_get_a_verdict() {
    let Some(program) = Program::loaded() else { return };
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let seeds = [
        frame(&ip(CLIENT, VIP, TCP, &ports(4000, 80))),
        frame(&ip(CLIENT6, VIP6, 60, &extension(60, TCP, 3, &ports(4000, 80)))),
        frame(&ip(CLIENT, VIP, 1, &icmp(3, &ip(VIP, CLIENT, TCP, &ports(80, 4000))))),
        tagged(&[0x88a8, 0x8100], &ip(SERVER6, CLIENT6, UDP, &ports(1, 2))),
        vec![0; 200],
    ];
    let mut taken = 0;
    for round in 0..4000 {
        let mut packet = seeds[round % seeds.len()].clone();
        for _ in 0..random() % 6 {
            let at = random() as usize % packet.len();
            packet[at] = random() as u8;
        }
        packet.truncate(14 + random() as usize % (packet.len() - 13));
        taken += usize::from(program.takes(&packet));
    }
    assert!(taken > 100 && taken < 3900, "{taken} of 4000 taken: the packets do not reach both ways");
}

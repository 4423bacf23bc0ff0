//! Kinds of services beyond the plain one: port ranges, one-packet scheduling, a forward per server, and traffic in VLANs.

mod common;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use common::{Config, PATIENCE, at, download, finish, number, servers, upload, vip};
use headgate_testbed::decap::Tunnel;
use headgate_testbed::probe::{Capture, FrameSender};
use headgate_testbed::topology::plan::VIP;
use headgate_testbed::traffic::{HttpBackend, UdpEcho, http_get};
use headgate_testbed::{Topology, privileged};

#[test]
fn a_range_of_ports_is_one_service() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("range").build().unwrap();
    let (client, server) = (topology.client(), topology.server(0));
    let _backends = [8000, 8001, 8005, 9000].map(|port| HttpBackend::start(server, &port.to_string(), port).unwrap());
    let mut config = Config::new(&topology);
    for v6 in [false, true] {
        let range = |ports: &str| if v6 { format!("[{}]:{ports}", vip(v6)) } else { format!("{}:{ports}", vip(v6)) };
        let address = server.address_like(vip(v6));
        config = config
            .service(&format!("kept{v6}"), "tcp", range("8000-8005"), "forward = \"nat\"")
            .server(SocketAddr::new(address, 0), "")
            .service(&format!("mapped{v6}"), "tcp", range("8010-8019"), "forward = \"nat\"")
            .server(SocketAddr::new(address, 9000), "");
    }
    let daemon = config.start(&topology);
    for v6 in [false, true] {
        // A server without a port gets the one the client asked for; one with a port gets them all there.
        for (port, backend) in [(8000, "8000"), (8001, "8001"), (8005, "8005"), (8010, "9000"), (8019, "9000")] {
            assert_eq!(http_get(client, at(v6, port), "/").unwrap().server(), Some(backend), "IPv6: {v6}");
        }
        for port in [7999, 8006, 8009, 8020] {
            let refused = client.enter(|| TcpStream::connect_timeout(&at(v6, port), PATIENCE)).unwrap().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "port {port} is the director's own");
        }
        download(client, at(v6, 8019));
        let [kept, mapped] = ["kept", "mapped"].map(|name| servers(&daemon, &format!("{name}{v6}")).remove(0));
        assert_eq!((number(&kept, "/stats/connections"), number(&mapped, "/stats/connections")), (3, 3));
    }
    assert_eq!(daemon.json(&["services", "keptfalse"]).unwrap()["services"][0]["address"], "10.0.0.100:8000-8005");
    finish(daemon);
}

#[test]
fn one_packet_scheduling_chooses_for_every_datagram() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("ops").servers(2).flat().vip_on_servers().build().unwrap();
    let echoes: Vec<_> = topology
        .servers()
        .iter()
        .flat_map(|server| [53, 54].map(|port| UdpEcho::start(server, server.role(), port).unwrap()))
        .collect();
    let mut config = Config::new(&topology);
    for v6 in [false, true] {
        for (name, port, keys) in
            [("each", 53, "forward = \"dr\"\none_packet = true"), ("flow", 54, "forward = \"dr\"")]
        {
            config = config.service(&format!("{name}{v6}"), "udp", at(v6, port), keys);
            for server in topology.servers() {
                config = config.server(SocketAddr::new(server.address_like(vip(v6)), port), "");
            }
        }
    }
    let daemon = config.start(&topology);
    for v6 in [false, true] {
        let local = SocketAddr::new(topology.client().address_like(vip(v6)), 0);
        let socket = topology.client().enter(|| UdpSocket::bind(local)).unwrap().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let answers = |port| {
            let mut answers = BTreeMap::<String, u32>::new();
            for _ in 0..6 {
                socket.send_to(b"hello", at(v6, port)).unwrap();
                let mut buffer = [0; 64];
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                assert_eq!(from, at(v6, port), "directly from a server, as the service");
                *answers.entry(String::from_utf8_lossy(&buffer[..length]).into_owned()).or_default() += 1;
            }
            answers
        };
        assert_eq!(answers(53), [("server-1 hello".to_owned(), 3), ("server-2 hello".to_owned(), 3)].into());
        assert_eq!(daemon.json(&["connections", "--service", &format!("each{v6}")]).unwrap()["total"], 0);
        for server in servers(&daemon, &format!("each{v6}")) {
            let numbers =
                ["/stats/connections", "/stats/packets_in", "/active", "/inactive"].map(|key| number(&server, key));
            assert_eq!(numbers, [3, 3, 0, 0], "{server}");
        }
        // Without it the same socket is one connection.
        assert_eq!(answers(54).len(), 1);
        assert_eq!(daemon.json(&["connections", "--service", &format!("flow{v6}")]).unwrap()["total"], 1);
    }
    assert_eq!(echoes.iter().map(UdpEcho::datagrams).sum::<u64>(), 24);
    finish(daemon);
}

#[test]
fn each_server_may_be_reached_in_its_own_way() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("mixed").servers(3).tunnel().build().unwrap();
    // Only NAT can lead to another port.
    let ports = [8080, 80, 80];
    let _backends: Vec<_> = topology
        .servers()
        .iter()
        .zip(ports)
        .map(|(server, port)| HttpBackend::start(server, server.role(), port).unwrap())
        .collect();
    let config = ["nat", "dr", "tunnel"].iter().zip(topology.servers()).zip(ports).fold(
        Config::new(&topology).service("web", "tcp", at(false, 80), "forward = \"nat\""),
        |config, ((forward, server), port)| {
            config.server(SocketAddr::new(server.v4().into(), port), &format!("forward = \"{forward}\""))
        },
    );
    let daemon = config.start(&topology);
    let mut answered = BTreeMap::<String, u32>::new();
    for _ in 0..3 {
        let response = download(topology.client(), at(false, 80));
        *answered.entry(response.server().unwrap().to_owned()).or_default() += 1;
    }
    for _ in 0..3 {
        upload(topology.client(), at(false, 80));
    }
    assert!(answered.len() == 3 && answered.values().all(|count| *count == 1), "{answered:?}");
    for (server, forward) in servers(&daemon, "web").iter().zip(["nat", "dr", "tunnel"]) {
        assert_eq!(server["forward"], forward);
        assert_eq!(number(server, "/stats/connections"), 2, "{server}");
        assert!(number(server, "/stats/bytes_in") > common::LARGE as u64, "{server}");
        assert_eq!(number(server, "/stats/bytes_out") > common::LARGE as u64, forward == "nat", "{server}");
    }
    let unwrapped: Vec<_> = topology.decapsulators().iter().map(|d| d.packets(Tunnel::OverV4) > 0).collect();
    assert_eq!(unwrapped, [false, false, true]);
    finish(daemon);
}

/// Behind one or two VLAN tags a packet of a service is found and served; the answer leaves as the route says, without a tag,
/// since sending into a VLAN is not supported. All other tagged frames are the kernel's.
#[test]
fn tagged_frames_of_a_service_are_served_and_others_are_the_kernels() {
    if !privileged() {
        return;
    }
    let topology = Topology::new("vlan").build().unwrap();
    let (client, director, server) = (topology.client(), topology.director(), topology.server(0));
    let echo = UdpEcho::start(server, "s1", 5353).unwrap();
    let daemon = Config::new(&topology)
        .service("echo", "udp", at(false, 53), "forward = \"nat\"")
        .server(SocketAddr::new(server.v4().into(), 5353), "")
        .start(&topology);
    let own = client.enter(|| UdpSocket::bind((client.v4(), 0))).unwrap().unwrap();
    own.set_read_timeout(Some(PATIENCE)).unwrap();
    let sender = FrameSender::open(client, "eth0").unwrap();
    let udp = |tags: &[u16], port: u16| {
        let packet = datagram((client.v4(), own.local_addr().unwrap().port()), (VIP, port), b"hello");
        sender.send(&frame(director.mac(), client.mac(), tags, &packet)).unwrap();
    };
    let taken = || number(&daemon.json(&["status"]).unwrap(), "/dataplane/workers/0/received");
    let passed = Capture::start(director, "front", |frame| !frame.outgoing && frame.bytes.ends_with(b"hello")).unwrap();
    let before = taken();
    for (answers, tags) in [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x8100, 0x8100]].iter().enumerate() {
        udp(tags, 53);
        let mut buffer = [0; 64];
        let (length, from) = own.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"s1 hello"[..], at(false, 53)), "{tags:x?}");
        assert_eq!(echo.datagrams(), answers as u64 + 1);
    }
    assert_eq!(taken() - before, 8, "four datagrams and their answers");
    assert!(passed.frames().is_empty());
    // Not a service, or too deep: seen by the kernel, and by no worker.
    for (count, (tags, port)) in [(&[0x8100][..], 54), (&[0x88a8, 0x8100, 0x8100], 53)].into_iter().enumerate() {
        udp(tags, port);
        passed.wait(count + 1, PATIENCE).unwrap();
    }
    assert_eq!((taken() - before, echo.datagrams()), (8, 4));
    finish(daemon);
}

fn frame(to: [u8; 6], from: [u8; 6], tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend(5_u16.to_be_bytes());
    }
    frame.extend([8, 0]);
    frame.extend(packet);
    frame
}

/// An IPv4 datagram without UDP checksum, which IPv4 allows.
fn datagram(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend((20 + length).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet.extend([from.0.octets(), to.0.octets()].concat());
    let words = packet.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = words.sum::<u32>();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    for word in [from.1, to.1, length, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

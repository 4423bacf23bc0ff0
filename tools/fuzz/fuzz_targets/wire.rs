//! Every parser on any bytes: nothing panics, what is accepted keeps its promises, and checksums that are filled in are right.
#![no_main]

use headgate_wire::checksum::{Sum, sum};
use headgate_wire::{arp, ether, gre, gue, icmpv4, icmpv6, ipv4, ipv6, ports, sctp, tcp, udp, vlan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    link_layer(bytes);
    network_layer(bytes);
    transport_layer(bytes);
    tunnels(bytes);
    checksums(bytes);
});

fn link_layer(bytes: &[u8]) {
    if let Ok((header, rest)) = ether::Header::parse(bytes) {
        assert_eq!((header.as_bytes().as_slice(), rest), bytes.split_at(ether::HEADER_LEN));
        if let Ok((ethertype, at)) = vlan::skip_tags(bytes) {
            assert!(at <= bytes.len() && at >= ether::HEADER_LEN);
            assert!(at > ether::HEADER_LEN || ethertype == header.ethertype());
        }
    }
    if let Ok((tag, _)) = vlan::Header::parse(bytes) {
        assert!(tag.id() < 4096 && tag.priority() < 8);
    }
    if let Ok((message, _)) = arp::Header::parse(bytes) {
        let reply = message.reply(headgate_wire::MacAddr([2; 6]));
        let (again, _) = arp::Header::parse(reply.as_bytes()).expect("our own reply");
        assert_eq!((again.sender_ip(), again.target_ip()), (message.target_ip(), message.sender_ip()));
    }
}

fn network_layer(bytes: &[u8]) {
    if let Ok((header, rest)) = ipv4::Header::parse(bytes) {
        let total = usize::from(header.total_len());
        assert!(header.header_len() <= total && total <= bytes.len());
        assert_eq!(header.payload(rest).len(), usize::from(header.payload_len()));
        assert_eq!(header.options(rest).len() + ipv4::MIN_LEN, header.header_len());
        rewritten_v4(bytes, header.header_len());
    }
    let _ = ipv4::Header::parse_quoted(bytes).map(|(header, rest)| (header.options(rest), header.payload(rest)));
    if let Ok((header, rest)) = ipv6::Header::parse(bytes) {
        assert!(header.total_len() <= bytes.len());
        assert_eq!(header.payload(rest).len(), usize::from(header.payload_len()));
    }
    let _ = ipv6::Header::parse_quoted(bytes).map(|(header, rest)| header.payload(rest));
}

/// A rewritten address and hop keep a right checksum right.
fn rewritten_v4(bytes: &[u8], len: usize) {
    let mut header = bytes[..len].to_vec();
    ipv4::fill_checksum(&mut header);
    assert!(ipv4::verify_checksum(&header));
    let (fixed, _) = ipv4::Header::view_mut(&mut header).expect("it was accepted before");
    let _ = fixed.rewrite_destination([192, 0, 2, 77].into());
    let _ = fixed.rewrite_source([198, 51, 100, 1].into());
    if fixed.ttl() > 0 {
        fixed.decrement_ttl();
    }
    assert!(ipv4::verify_checksum(&header));
}

fn transport_layer(bytes: &[u8]) {
    let pseudo = Sum::new().add_u32(0xc000_0201);
    let mut copy = bytes.to_vec();
    if let Ok((header, rest)) = tcp::Header::parse(bytes) {
        assert!((tcp::MIN_LEN..=tcp::MAX_LEN).contains(&header.header_len()));
        let (options, payload) = (header.options(rest), header.payload(rest));
        assert!(!header.header_fits(bytes.len()) || options.len() + payload.len() == rest.len());
        tcp::fill_checksum(&mut copy, pseudo);
        assert!(tcp::verify_checksum(&copy, pseudo));
    }
    if udp::Header::parse(bytes).is_ok() {
        udp::fill_checksum(&mut copy, pseudo);
        assert!(udp::verify_checksum(&copy, pseudo));
        assert!(udp::Header::parse(&copy).is_ok_and(|(header, _)| header.has_checksum()));
    }
    if sctp::Header::parse(bytes).is_ok() {
        sctp::fill_checksum(&mut copy);
        assert!(sctp::verify_checksum(&copy));
    }
    let _ = sctp::Chunk::parse(bytes).map(|(chunk, _)| chunk.length());
    if let Ok((ports, _)) = ports::Header::parse_mut(&mut copy) {
        ports.set_source(7);
        assert_eq!(ports.source(), 7);
    }
    if icmpv4::Header::parse(bytes).is_ok() {
        icmpv4::fill_checksum(&mut copy);
        assert!(icmpv4::verify_checksum(&copy));
    }
    if icmpv6::Header::parse(bytes).is_ok() {
        icmpv6::fill_checksum(&mut copy, pseudo);
        assert!(icmpv6::verify_checksum(&copy, pseudo));
    }
}

fn tunnels(bytes: &[u8]) {
    if let Ok((header, rest)) = gre::Header::parse(bytes) {
        let _ = header.key(rest);
        assert!(header.payload(rest).len() + header.header_len() <= bytes.len());
        let _ = gre::verify_checksum(bytes);
    }
    let mut copy = bytes.to_vec();
    gre::fill_checksum(&mut copy);
    if let Ok((header, rest)) = gue::Header::parse(bytes) {
        assert!(header.payload(rest).len() <= rest.len());
    }
}

/// The sum of a whole is the sum of its parts, wherever it is cut at an even byte.
fn checksums(bytes: &[u8]) {
    let at = bytes.first().map_or(0, |first| usize::from(*first) & !1).min(bytes.len() & !1);
    let (front, back) = bytes.split_at(at);
    assert_eq!(sum(front).add_bytes(back).fold(), sum(bytes).fold());
}

use std::string::ToString;

use pnet_packet::arp::ArpPacket;
use proptest::prelude::*;

use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0x0c, 1]);
const IP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

#[test]
fn request_and_its_reply() {
    let request = Header::request((MAC, IP), VIP);
    assert_eq!(request.to_string(), "ARP, Request who-has 10.0.0.100 tell 198.51.100.7");
    let reply = request.reply(MacAddr([2, 0, 0, 0, 0, 0xc0]));
    assert_eq!(reply.to_string(), "ARP, Reply 10.0.0.100 is-at 02:00:00:00:00:c0");
    assert_eq!((reply.target_mac(), reply.target_ip()), (MAC, IP));
}

#[test]
fn announcement_names_its_sender_as_target() {
    let announcement = Header::announcement(MAC, VIP);
    assert_eq!(announcement.operation(), operations::REQUEST);
    assert_eq!((announcement.sender_ip(), announcement.target_ip()), (VIP, VIP));
}

#[test]
fn short_message_is_refused() {
    let message = *Header::request((MAC, IP), VIP).as_bytes();
    assert_eq!(Header::parse(&message[..27]), Err(ParseError::ArpShort));
}

#[test]
fn other_hardware_or_protocol_is_refused() {
    for (offset, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16)] {
        let mut message = *Header::request((MAC, IP), VIP).as_bytes();
        message[offset] = value;
        assert_eq!(Header::parse_mut(&mut message), Err(ParseError::ArpNotEthernetIpv4), "byte {offset}");
    }
}

proptest! {
    #[test]
    fn emitted_message_parses_back_and_equals_pnet(
        operation in any::<u16>(),
        macs in any::<[[u8; 6]; 2]>(),
        ips in any::<[u32; 2]>(),
    ) {
        let [sender, target] = [0, 1].map(|i| (MacAddr(macs[i]), Ipv4Addr::from(ips[i])));
        let message = Header::new(operation, sender, target);
        let (parsed, _) = Header::parse(message.as_bytes()).unwrap();
        prop_assert_eq!(*parsed, message);

        let theirs = ArpPacket::new(message.as_bytes()).unwrap();
        prop_assert_eq!(parsed.operation(), theirs.get_operation().0);
        prop_assert_eq!(parsed.sender_mac().octets(), theirs.get_sender_hw_addr().octets());
        prop_assert_eq!(parsed.target_mac().octets(), theirs.get_target_hw_addr().octets());
        prop_assert_eq!(parsed.sender_ip(), theirs.get_sender_proto_addr());
        prop_assert_eq!(parsed.target_ip(), theirs.get_target_proto_addr());
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..40), fix in any::<bool>()) {
        if fix && bytes.len() >= 6 {
            bytes[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
        }
        if let Ok((header, _)) = Header::parse(&bytes) {
            let _ = header.to_string();
        }
    }
}

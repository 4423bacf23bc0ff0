use std::format;

use pnet_packet::ip::IpNextHeaderProtocols as Theirs;

use super::*;

#[test]
fn numbers_equal_pnet() {
    let pairs = [
        (Protocol::HOP_BY_HOP, Theirs::Hopopt),
        (Protocol::ICMP, Theirs::Icmp),
        (Protocol::IGMP, Theirs::Igmp),
        (Protocol::IPIP, Theirs::Ipv4),
        (Protocol::TCP, Theirs::Tcp),
        (Protocol::UDP, Theirs::Udp),
        (Protocol::IPV6, Theirs::Ipv6),
        (Protocol::ROUTING, Theirs::Ipv6Route),
        (Protocol::FRAGMENT, Theirs::Ipv6Frag),
        (Protocol::GRE, Theirs::Gre),
        (Protocol::ESP, Theirs::Esp),
        (Protocol::AH, Theirs::Ah),
        (Protocol::ICMPV6, Theirs::Icmpv6),
        (Protocol::NO_NEXT_HEADER, Theirs::Ipv6NoNxt),
        (Protocol::DESTINATION_OPTIONS, Theirs::Ipv6Opts),
        (Protocol::OSPF, Theirs::OspfigP),
        (Protocol::VRRP, Theirs::Vrrp),
        (Protocol::SCTP, Theirs::Sctp),
    ];
    for (ours, theirs) in pairs {
        assert_eq!(u8::from(ours), theirs.0);
    }
}

#[test]
fn known_numbers_have_names_and_others_are_shown() {
    assert_eq!(format!("{}", Protocol::TCP), "TCP");
    assert_eq!(format!("{}", Protocol(253)), "protocol 253");
    assert_eq!(format!("{:?}", Protocol::ICMPV6), "ICMPv6 (58)");
}

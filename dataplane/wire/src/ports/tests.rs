use proptest::prelude::*;

use super::*;

#[test]
fn three_bytes_are_refused() {
    assert_eq!(Header::parse(&[0, 80, 0]), Err(ParseError::PortsShort));
}

proptest! {
    #[test]
    fn set_ports_read_back_and_are_those_of_all_transports(source in any::<u16>(), destination in any::<u16>()) {
        let mut segment = [0x50; 20];
        let (header, _) = Header::parse_mut(&mut segment).unwrap();
        header.set_source(source);
        header.set_destination(destination);
        prop_assert_eq!((header.source(), header.destination()), (source, destination));

        let (tcp, _) = crate::tcp::Header::parse(&segment).unwrap();
        let (udp, _) = crate::udp::Header::parse(&segment).unwrap();
        let (sctp, _) = crate::sctp::Header::parse(&segment).unwrap();
        prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (source, destination));
        prop_assert_eq!((udp.source_port(), udp.destination_port()), (source, destination));
        prop_assert_eq!((sctp.source_port(), sctp.destination_port()), (source, destination));
    }
}

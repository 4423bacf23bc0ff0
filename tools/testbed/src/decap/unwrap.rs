//! Stripping encapsulation headers. `None` means: not what it claims to be.

/// IPv4 inside (IPIP).
pub(super) const IPV4: u8 = 4;
/// IPv6 inside.
pub(super) const IPV6: u8 = 41;
/// GRE, RFC 2784.
pub(super) const GRE: u8 = 47;

/// What follows an IPv4 header with options.
pub(super) fn after_ipv4(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 15) * 4;
    packet.get(header..).filter(|_| header >= 20)
}

/// GRE with the optional checksum (RFC 2784) and key or sequence number (RFC 2890), each one word.
pub(super) fn gre(packet: &[u8]) -> Option<&[u8]> {
    let flags = *packet.first()?;
    let version = packet.get(1)? & 7;
    let words = [0x80, 0x20, 0x10].iter().filter(|&&bit| flags & bit != 0).count();
    packet.get(4 + 4 * words..).filter(|_| version == 0)
}

/// GUE version 0, data message: header length in words in the low 5 bits, then the inner protocol.
pub(super) fn gue(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let (version_and_control, words) = (first >> 5, usize::from(first & 31));
    let known = version_and_control == 0 && matches!(*packet.get(1)?, IPV4 | IPV6);
    packet.get(4 + 4 * words..).filter(|_| known)
}

/// An Ethernet frame around an IP packet.
pub(super) fn frame(packet: &[u8], destination: [u8; 6], source: [u8; 6]) -> Option<Vec<u8>> {
    let ethertype: [u8; 2] = match packet.first()? >> 4 {
        4 => [0x08, 0x00],
        6 => [0x86, 0xdd],
        _ => return None,
    };
    Some([destination.as_slice(), &source, &ethertype, packet].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_options_are_skipped() {
        let mut packet = vec![0x46; 24];
        packet.extend([1, 2, 3]);
        assert_eq!(after_ipv4(&packet), Some([1, 2, 3].as_slice()));
        assert_eq!(after_ipv4(&[0x44; 20]), None, "shorter than a header may be");
        assert_eq!(after_ipv4(&[]), None);
    }

    #[test]
    fn gre_skips_its_optional_words() {
        assert_eq!(gre(&[0, 0, 8, 0, 9]), Some([9].as_slice()));
        assert_eq!(gre(&[0x80, 0, 8, 0, 0, 0, 0, 0, 9]), Some([9].as_slice()));
        assert_eq!(gre(&[0, 1, 8, 0, 9]), None, "version 1 is PPTP");
        assert_eq!(gre(&[0x80, 0, 8, 0, 9]), None, "cut off");
    }

    #[test]
    fn gue_knows_data_messages_with_ip_inside() {
        assert_eq!(gue(&[0, 4, 0, 0, 9]), Some([9].as_slice()));
        assert_eq!(gue(&[1, 41, 0, 0, 0, 0, 0, 0, 9]), Some([9].as_slice()));
        assert_eq!(gue(&[0x20, 4, 0, 0, 9]), None, "control message");
        assert_eq!(gue(&[0, 6, 0, 0, 9]), None, "TCP inside");
    }

    #[test]
    fn frames_name_the_family_inside() {
        assert_eq!(frame(&[0x45], [1; 6], [2; 6]).unwrap()[12..], [8, 0, 0x45]);
        assert_eq!(frame(&[0x60], [1; 6], [2; 6]).unwrap()[12..], [0x86, 0xdd, 0x60]);
        assert_eq!(frame(&[0x10], [1; 6], [2; 6]), None);
    }
}

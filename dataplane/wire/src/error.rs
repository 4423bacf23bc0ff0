//! Why a parser refused its input: one name per check, so that every refusal can be counted as what it was.

use core::fmt;

/// The check that failed. `…Short` means the fixed part of the header is not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ParseError {
    /// Fewer than 14 bytes.
    EtherShort,
    /// A VLAN EtherType without the 4 bytes of the tag.
    VlanShort,
    /// More VLAN tags than [`crate::vlan::MAX_TAGS`].
    VlanTooDeep,
    /// Fewer than 28 bytes.
    ArpShort,
    /// Hardware type, protocol type or address lengths are not those of IPv4 over Ethernet.
    ArpNotEthernetIpv4,
    /// Fewer than 20 bytes.
    Ipv4Short,
    /// The version field is not 4.
    Ipv4Version,
    /// The header length field says less than 20 bytes.
    Ipv4HeaderLen,
    /// The header length field says more bytes than there are.
    Ipv4HeaderTruncated,
    /// The total length is smaller than the header.
    Ipv4TotalLenBelowHeader,
    /// The total length says more bytes than there are.
    Ipv4Truncated,
    /// An IPv4 option has a length of 0 or 1, or reaches beyond the header.
    Ipv4Option,
    /// Fewer than 40 bytes.
    Ipv6Short,
    /// The version field is not 6.
    Ipv6Version,
    /// The payload length says more bytes than there are.
    Ipv6Truncated,
    /// An extension header reaches beyond the packet.
    Ipv6ExtensionTruncated,
    /// A hop-by-hop header that does not directly follow the fixed header.
    Ipv6HopByHopNotFirst,
    /// A second fragment header in one packet.
    Ipv6NestedFragment,
    /// More extension headers than [`crate::ipv6::ext::MAX_HEADERS`].
    Ipv6TooManyExtensions,
    /// Fewer than 20 bytes.
    TcpShort,
    /// The data offset says less than 20 bytes.
    TcpDataOffset,
    /// Fewer than 8 bytes.
    UdpShort,
    /// Fewer than 12 bytes.
    SctpShort,
    /// Fewer than 4 bytes of an SCTP chunk.
    SctpChunkShort,
    /// Fewer than the 4 bytes of the two ports.
    PortsShort,
    /// Fewer than 8 bytes.
    Icmpv4Short,
    /// Fewer than 8 bytes.
    Icmpv6Short,
    /// Fewer bytes than the GRE flags ask for.
    GreShort,
    /// The GRE version is not 0, or routing (RFC 1701) is present.
    GreUnsupported,
    /// Fewer bytes than the GUE header length asks for.
    GueShort,
    /// The GUE version is not 0, or the message is a control message.
    GueUnsupported,
}

impl ParseError {
    /// A short, fixed sentence for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EtherShort => "Ethernet header cut short",
            Self::VlanShort => "VLAN tag cut short",
            Self::VlanTooDeep => "too many VLAN tags",
            Self::ArpShort => "ARP message cut short",
            Self::ArpNotEthernetIpv4 => "ARP message is not for IPv4 over Ethernet",
            Self::Ipv4Short => "IPv4 header cut short",
            Self::Ipv4Version => "IPv4 version is not 4",
            Self::Ipv4HeaderLen => "IPv4 header length below 20 bytes",
            Self::Ipv4HeaderTruncated => "IPv4 options cut short",
            Self::Ipv4TotalLenBelowHeader => "IPv4 total length below the header length",
            Self::Ipv4Truncated => "IPv4 packet shorter than its total length",
            Self::Ipv4Option => "IPv4 option malformed",
            Self::Ipv6Short => "IPv6 header cut short",
            Self::Ipv6Version => "IPv6 version is not 6",
            Self::Ipv6Truncated => "IPv6 packet shorter than its payload length",
            Self::Ipv6ExtensionTruncated => "IPv6 extension header cut short",
            Self::Ipv6HopByHopNotFirst => "IPv6 hop-by-hop header not first",
            Self::Ipv6NestedFragment => "more than one IPv6 fragment header",
            Self::Ipv6TooManyExtensions => "too many IPv6 extension headers",
            Self::TcpShort => "TCP header cut short",
            Self::TcpDataOffset => "TCP data offset below 20 bytes",
            Self::UdpShort => "UDP header cut short",
            Self::SctpShort => "SCTP header cut short",
            Self::SctpChunkShort => "SCTP chunk cut short",
            Self::PortsShort => "ports cut short",
            Self::Icmpv4Short => "ICMP header cut short",
            Self::Icmpv6Short => "ICMPv6 header cut short",
            Self::GreShort => "GRE header cut short",
            Self::GreUnsupported => "GRE version or routing not supported",
            Self::GueShort => "GUE header cut short",
            Self::GueUnsupported => "GUE version or control message not supported",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for ParseError {}

//! Why a packet was dropped: one closed list, and a counter for each entry.

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Every way a packet can end here. The names appear in `headgate status` and in metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $variant,)+ }

        impl DropReason {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            pub const COUNT: usize = Self::ALL.len();

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

drop_reasons! {
    /// Too short for the headers it announces.
    Truncated = "truncated",
    /// Neither IPv4 nor IPv6, or an IP version that belies the Ethernet type.
    NotIp = "not_ip",
    /// Inconsistent lengths or versions in a header.
    Malformed = "malformed",
    /// The IPv4 header checksum is wrong.
    IpChecksum = "ip_checksum",
    /// The checksum of an ICMP message that had to be translated is wrong.
    IcmpChecksum = "icmp_checksum",
    /// A source address that no packet may carry here: multicast, loopback, unspecified, or the VIP itself.
    MartianSource = "martian_source",
    /// A fragment whose datagram cannot be completed (too many, overlapping, too long, or timed out).
    Fragment = "fragment",
    /// The TTL or hop limit is used up, and no answer was due.
    TtlExceeded = "ttl_exceeded",
    /// The TTL or hop limit is used up; the sender was told by ICMP but the answer could not be sent.
    IcmpUnsent = "icmp_unsent",
    /// An ICMP error was due but suppressed by the rate limit.
    IcmpRateLimit = "icmp_rate_limit",
    /// An ICMP error about a service without a server.
    IcmpNoServer = "icmp_no_server",
    /// The server of the connection was removed from the configuration.
    ServerGone = "server_gone",
    /// The connection table is full.
    TableFull = "table_full",
    /// Two workers made the same connection again and again.
    TableContended = "table_contended",
    /// No route to the next hop, or a blackhole route.
    NoRoute = "no_route",
    /// The route leads out of a device that the data plane does not serve.
    DeviceNotServed = "device_not_served",
    /// The neighbour did not answer in time.
    NeighbourUnresolved = "neighbour_unresolved",
    /// Too many packets wait for neighbours.
    HoldQueueFull = "hold_queue_full",
    /// Larger than the MTU and may not be fragmented, and no answer was due.
    TooBig = "too_big",
    /// No free frame was left.
    NoFrame = "no_frame",
    /// The transmit ring of the device was full.
    TxRingFull = "tx_ring_full",
    /// The device refused the packet when it was kicked.
    TxRefused = "tx_refused",
    /// The kernel did not take a packet meant for its own stack.
    KernelRefused = "kernel_refused",
    /// The loop that handed a packet to the kernel would come back to us.
    Loop = "loop",
}

impl From<headgate_wire::ParseError> for DropReason {
    fn from(error: headgate_wire::ParseError) -> Self {
        use headgate_wire::ParseError as E;
        match error {
            E::Ipv4Version | E::Ipv6Version => Self::NotIp,
            E::Ipv4HeaderLen | E::Ipv4TotalLenBelowHeader | E::TcpDataOffset => Self::Malformed,
            E::Ipv6HopByHopNotFirst | E::Ipv6NestedFragment | E::Ipv6TooManyExtensions => Self::Malformed,
            E::GreUnsupported | E::GueUnsupported => Self::Malformed,
            _ => Self::Truncated,
        }
    }
}

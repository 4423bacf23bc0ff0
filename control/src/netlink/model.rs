//! Links, addresses, routes and neighbours as plain data, free of netlink's encoding.

use std::fmt;
use std::net::IpAddr;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// The Ethernet address; `None` on interfaces without one (tunnels, loopback has all zeros).
    pub mac: Option<[u8; 6]>,
    /// Bytes of a packet without its Ethernet header.
    pub mtu: u32,
    /// Switched on by the administrator (`IFF_UP`).
    pub up: bool,
    /// Able to carry packets (`IFF_RUNNING`: up with a carrier).
    pub running: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// The kind of a virtual device: `veth`, `tun`, `bond`, `vlan` … `None` for hardware.
    pub kind: Option<String>,
    /// The bond, bridge or VRF this interface belongs to.
    pub master: Option<u32>,
}

/// How far an address or a route reaches (`rtnetlink(7)`, `rtm_scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Global,
    Site,
    Link,
    Host,
    Nowhere,
    Other(u8),
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub ifindex: u32,
    pub ip: IpAddr,
    pub prefix_len: u8,
    pub scope: Scope,
    /// IPv6: duplicate address detection still runs, packets to it are not accepted yet.
    pub tentative: bool,
    /// IPv6: duplicate address detection found another owner.
    pub duplicate: bool,
    /// IPv6: not to be used for new connections.
    pub deprecated: bool,
    /// IPv4: a further address of a subnet the interface has already. IPv6: a temporary one.
    pub secondary: bool,
}

impl Address {
    /// Whether the address can be a source of packets now.
    pub fn is_usable(&self) -> bool {
        !self.tentative && !self.duplicate
    }
}

/// An address and how many of its leading bits count; the others are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpPrefix {
    address: IpAddr,
    len: u8,
}

impl IpPrefix {
    /// The prefix of `len` bits around `address`; `None` when `len` exceeds the length of an address.
    pub fn around(address: IpAddr, len: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(ip) if len <= 32 => {
                IpAddr::V4((ip.to_bits() & !u32::MAX.checked_shr(len.into()).unwrap_or(0)).into())
            }
            IpAddr::V6(ip) if len <= 128 => {
                IpAddr::V6((ip.to_bits() & !u128::MAX.checked_shr(len.into()).unwrap_or(0)).into())
            }
            _ => return None,
        };
        Some(Self { address, len })
    }

    /// The lowest address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of bits that are fixed.
    #[expect(clippy::len_without_is_empty, reason = "a length in bits; no prefix is empty")]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Whether `ip` is of the same family and lies in the prefix.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.address.is_ipv4() && Self::around(ip, self.len) == Some(*self)
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// What happens to packets that follow a route (`rtnetlink(7)`, `rtm_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
    /// Kinds no kernel installs by itself; the number is the kernel's.
    Other(u8),
}

/// Where a route leads: out of an interface, through a router or directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// The router; `None` when the destination is on the link. An IPv4 route may have an IPv6 router (RFC 5549).
    pub gateway: Option<IpAddr>,
    /// `None` for routes that drop.
    pub ifindex: Option<u32>,
}

/// What the kernel tells routes apart by, in the order in which they count; [`Route`]s are sorted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteKey {
    pub table: u32,
    pub destination: IpPrefix,
    pub tos: u8,
    /// The lowest wins.
    pub metric: u32,
    /// Tells apart routes that are equal in all of the above; the kernel uses the first.
    pub position: u32,
}

/// A route of one of the tables [`LOCAL_TABLE`], [`MAIN_TABLE`] and [`DEFAULT_TABLE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: IpPrefix,
    pub table: u32,
    pub tos: u8,
    pub metric: u32,
    pub kind: RouteKind,
    /// The next hop; of a multipath route the first one.
    pub hop: NextHop,
    /// The other next hops of a multipath route.
    pub other_hops: Vec<NextHop>,
    /// The source address for packets that have none yet.
    pub preferred_source: Option<IpAddr>,
    /// `RTAX_MTU`: packets along this route may not be larger than this.
    pub mtu: Option<u32>,
}

/// The table of the machine's own addresses, asked first.
pub const LOCAL_TABLE: u32 = 255;
/// The table ordinary routes are in.
pub const MAIN_TABLE: u32 = 254;
/// The table that is asked last; usually empty.
pub const DEFAULT_TABLE: u32 = 253;

/// The state of the resolution of a neighbour (`ip-neighbour(8)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeighbourState {
    /// Being resolved for the first time.
    Incomplete,
    /// Confirmed a short while ago.
    Reachable,
    /// Valid, but the last confirmation is old; the kernel checks it when it sends the next packet itself.
    Stale,
    /// In use since it became stale; a check follows.
    Delay,
    /// Being checked.
    Probe,
    /// Did not answer.
    Failed,
    /// The link needs no resolution.
    Noarp,
    /// Entered by the administrator.
    Permanent,
    /// Known, without any state yet.
    None,
}

/// A neighbour on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The Ethernet address, as far as it is known.
    pub mac: Option<[u8; 6]>,
    pub state: NeighbourState,
}

impl Neighbour {
    /// The Ethernet address to send to: the one known, unless the kernel itself would not use it.
    pub fn usable_mac(&self) -> Option<[u8; 6]> {
        use NeighbourState::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
        // The kernel's NUD_VALID.
        self.mac.filter(|_| matches!(self.state, Reachable | Stale | Delay | Probe | Noarp | Permanent))
    }
}

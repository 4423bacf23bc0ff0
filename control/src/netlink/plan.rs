//! The mirrored routes as next-hop tables for the workers: a pure function.
//!
//! The kernel asks three tables in turn (local, main, default) and stops at the first that has any match. Here they become one table per
//! family: a prefix of a later table is left out where an earlier table covers it wholly, since the kernel would never get that far.
//!
//! Like the kernel's defaults, this looks at whether a link is switched on, not at its carrier. A `throw` route counts as unreachable.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use headgate_dataplane::fib::{Address, Fib, Prefix};

use super::model::{DEFAULT_TABLE, IpPrefix, LOCAL_TABLE, MAIN_TABLE, Route, RouteKind};
use super::state::NetState;

#[cfg(test)]
mod tests;

/// What becomes of a packet to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HopKind {
    /// Leaves over a link that a worker serves.
    Forward,
    /// Leaves over a link that no worker serves: only the kernel can send it.
    Kernel,
    /// For this machine itself, or for a group or broadcast address: the kernel's business.
    Local,
    /// To be dropped silently.
    Blackhole,
    /// To be dropped with an ICMP error.
    Unreachable,
}

/// A next hop. Equal ones are one entry of [`Plan::hops`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    pub kind: HopKind,
    /// The link; 0 for hops that are neither [`HopKind::Forward`] nor [`HopKind::Kernel`], as are the fields below.
    pub ifindex: u32,
    /// The router; `None` when the destination is on the link itself.
    pub gateway: Option<IpAddr>,
    /// The largest packet in bytes, without the Ethernet header: the lower of the link's and the route's.
    pub mtu: u32,
    /// The source address the route prefers for packets of our own.
    pub preferred_source: Option<IpAddr>,
}

/// Tables from destination to an index of `hops`. A destination without entry is unreachable.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub ipv4: Fib<u32, u32>,
    pub ipv6: Fib<u128, u32>,
    pub hops: Vec<Hop>,
}

/// Makes the tables. `served` are the indexes of the interfaces that workers send on.
pub fn plan(state: &NetState, served: &BTreeSet<u32>) -> Plan {
    let mut hops = Hops { state, served, list: Vec::new(), known: BTreeMap::new() };
    let ipv4 = table(&mut hops, ipv4_bits, &IPV4_GROUPS);
    let ipv6 = table(&mut hops, ipv6_bits, &IPV6_GROUPS);
    Plan { ipv4, ipv6, hops: hops.list }
}

impl Plan {
    /// The next hop to `destination`.
    pub fn lookup(&self, destination: IpAddr) -> Option<&Hop> {
        let index = match destination {
            IpAddr::V4(ip) => self.ipv4.lookup(ip.to_bits()),
            IpAddr::V6(ip) => self.ipv6.lookup(ip.to_bits()),
        };
        self.hops.get(index? as usize)
    }
}

/// Destinations that go to the kernel whatever the tables say: it decides about groups and the limited broadcast before it asks them.
const IPV4_GROUPS: [(u32, u8); 2] = [(Ipv4Addr::new(224, 0, 0, 0).to_bits(), 4), (Ipv4Addr::BROADCAST.to_bits(), 32)];
const IPV6_GROUPS: [(u128, u8); 1] = [(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).to_bits(), 8)];

fn ipv4_bits(ip: IpAddr) -> Option<u32> {
    match ip {
        IpAddr::V4(ip) => Some(ip.to_bits()),
        IpAddr::V6(_) => None,
    }
}

fn ipv6_bits(ip: IpAddr) -> Option<u128> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some(ip.to_bits()),
    }
}

/// The table of one family.
fn table<A: Address>(hops: &mut Hops, bits: fn(IpAddr) -> Option<A>, groups: &[(A, u8)]) -> Fib<A, u32> {
    let local = hops.index(Hop::without_link(HopKind::Local));
    let groups = groups.iter().filter_map(|(address, len)| Some((Prefix::new(*address, *len).ok()?, local)));
    let mut routes: Vec<_> = groups.collect();
    for number in [LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE] {
        let covered = Cover::of(&routes);
        let further = chosen(hops.state, number).filter_map(|route| {
            let prefix = Prefix::new(bits(route.destination.address())?, route.destination.len()).ok()?;
            (!covered.covers(prefix)).then(|| (prefix, hops.index(hops.hop(route))))
        });
        let further: Vec<_> = further.collect();
        routes.extend(further);
    }
    Fib::build(routes)
}

/// Of each destination of a table the route that counts: the first usable one, in the order of metric and position.
fn chosen(state: &NetState, table: u32) -> impl Iterator<Item = &Route> {
    let mut last: Option<IpPrefix> = None;
    state.routes.values().filter(move |route| {
        let first = route.table == table && last != Some(route.destination) && state.is_usable(route);
        if first {
            last = Some(route.destination);
        }
        first
    })
}

/// The addresses a set of prefixes covers.
struct Cover<A> {
    /// The prefixes which lie in no other, each with its last address.
    outermost: Fib<A, A>,
}

impl<A: Address> Cover<A> {
    fn of<T>(routes: &[(Prefix<A>, T)]) -> Self {
        let mut prefixes: Vec<_> = routes.iter().map(|(prefix, _)| *prefix).collect();
        prefixes.sort_unstable(); // an outer prefix comes before those inside it
        prefixes.dedup_by(|inner, outer| inner.last() <= outer.last());
        Self { outermost: Fib::build(prefixes.into_iter().map(|prefix| (prefix, prefix.last()))) }
    }

    /// Whether `prefix` lies in one of the prefixes.
    fn covers(&self, prefix: Prefix<A>) -> bool {
        self.outermost.lookup(prefix.first()).is_some_and(|last| prefix.last() <= last)
    }
}

/// The list of distinct next hops.
struct Hops<'a> {
    state: &'a NetState,
    served: &'a BTreeSet<u32>,
    list: Vec<Hop>,
    known: BTreeMap<Hop, u32>,
}

impl Hops<'_> {
    fn index(&mut self, hop: Hop) -> u32 {
        *self.known.entry(hop).or_insert_with(|| {
            self.list.push(hop);
            self.list.len() as u32 - 1
        })
    }

    fn hop(&self, route: &Route) -> Hop {
        let kind = match route.kind {
            RouteKind::Unicast => return self.unicast(route),
            RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast => HopKind::Local,
            RouteKind::Blackhole => HopKind::Blackhole,
            RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw | RouteKind::Other(_) => {
                HopKind::Unreachable
            }
        };
        Hop::without_link(kind)
    }

    fn unicast(&self, route: &Route) -> Hop {
        let found =
            self.state.usable_hop(route).and_then(|hop| Some((hop.gateway, self.state.links.get(&hop.ifindex?)?)));
        let Some((gateway, link)) = found else { return Hop::without_link(HopKind::Unreachable) };
        Hop {
            kind: if self.served.contains(&link.index) { HopKind::Forward } else { HopKind::Kernel },
            ifindex: link.index,
            gateway,
            mtu: route.mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu)),
            preferred_source: route.preferred_source,
        }
    }
}

impl Hop {
    fn without_link(kind: HopKind) -> Self {
        Self { kind, ifindex: 0, gateway: None, mtu: 0, preferred_source: None }
    }
}

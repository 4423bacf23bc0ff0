//! What Headgate asks of the kernel: to resolve and to re-check neighbours, to hold addresses, to switch links on.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::address::{AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState as WireState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{AddressMessageBuilder, LinkUnspec};

use super::error::NetlinkError;
use super::model::NeighbourState;
use super::request::Requests;
use super::state::NetState;

/// Requests to the kernel, on a socket of their own so that a burst of messages cannot push out an answer.
#[derive(Debug, Clone)]
pub struct Commands {
    requests: Arc<Mutex<Arc<Requests>>>,
}

/// Whether an address was there before it was asked for; only what Headgate added is its own to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    New,
    Existed,
}

/// Whether an address was there to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    Gone,
    WasAbsent,
}

/// Duplicate address detection of a new IPv6 address (RFC 4862 §5.4); means nothing for IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// The address is tentative for about a second.
    Run,
    /// The address works at once; for addresses that move between routers, where the protocol decides about the owner.
    Skip,
}

const RECEIVE_BUFFER: usize = 256 << 10;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;

impl Commands {
    /// Opens a socket in the network namespace of this thread. Must be called, as all of its methods, on a current-thread runtime.
    pub fn open() -> Result<Self, NetlinkError> {
        let (requests, _) = Requests::open(&[], RECEIVE_BUFFER)?;
        Ok(Self { requests: Arc::new(Mutex::new(Arc::new(requests))) })
    }

    /// Asks the kernel to resolve a neighbour; the answer shows in the mirror. Asking about a valid neighbour that is stale makes the
    /// kernel check it.
    ///
    /// `NTF_USE` is the request to treat the entry as used by a packet (`neigh_add` in net/core/neighbour.c), which is what our packets
    /// do without the kernel's knowledge. It needs no socket, route or source address of ours, unlike a datagram to the discard port. The
    /// entry must not be permanent: the request would take its permanence away. For IPv6 the kernel needs a link-local address on the
    /// interface that is not tentative.
    pub async fn resolve(&self, ifindex: u32, ip: IpAddr) -> Result<(), NetlinkError> {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = ifindex;
        message.header.flags = NeighbourFlags::Use;
        message.header.state = WireState::None;
        let destination = match ip {
            IpAddr::V4(ip) => {
                message.header.family = AddressFamily::Inet;
                NeighbourAddress::Inet(ip)
            }
            IpAddr::V6(ip) => {
                message.header.family = AddressFamily::Inet6;
                NeighbourAddress::Inet6(ip)
            }
        };
        message.attributes.push(NeighbourAttribute::Destination(destination));
        let what = format!("resolving {ip} on interface {ifindex}");
        // Without EXCL an existing entry is used, without REPLACE its address stays.
        self.requests()?.change(&what, RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE).await
    }

    /// Keeps a neighbour in use fresh: asks the kernel to check it when it is stale, and to resolve it when it is not known. Whether it
    /// asked. The kernel waits `delay_first_probe_time` (5 s) before it checks a stale entry, and reports nothing until then, so calling
    /// this once per second and neighbour in use is plenty.
    pub async fn confirm(&self, state: &NetState, ifindex: u32, ip: IpAddr) -> Result<bool, NetlinkError> {
        let asks = needs_confirmation(state.neighbours.get(&(ifindex, ip)).map(|neighbour| neighbour.state));
        if asks {
            self.resolve(ifindex, ip).await?;
        }
        Ok(asks)
    }

    /// Adds an address to an interface; that it exists already is no error.
    pub async fn add_address(
        &self,
        interface: &str,
        ip: IpAddr,
        prefix_len: u8,
        detection: Detection,
    ) -> Result<Added, NetlinkError> {
        let index = index_of(&*self.requests()?, interface).await?;
        self.add_address_at(index, ip, prefix_len, detection).await
    }

    /// As [`Self::add_address`], on the interface with this index.
    pub async fn add_address_at(
        &self,
        ifindex: u32,
        ip: IpAddr,
        prefix_len: u8,
        detection: Detection,
    ) -> Result<Added, NetlinkError> {
        let mut message = address_message(ifindex, ip, prefix_len);
        if ip.is_ipv6() && detection == Detection::Skip {
            message.header.flags |= AddressHeaderFlags::Nodad;
        }
        let what = format!("adding {ip}/{prefix_len} to interface {ifindex}");
        let requests = self.requests()?;
        let added = requests.change(&what, RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL).await;
        match added {
            Ok(()) => Ok(Added::New),
            Err(error) if error.errno() == Some(EEXIST) => Ok(Added::Existed),
            Err(error) => Err(error),
        }
    }

    /// Removes an address from an interface; that it is absent is no error.
    pub async fn del_address(&self, interface: &str, ip: IpAddr, prefix_len: u8) -> Result<Removed, NetlinkError> {
        let index = index_of(&*self.requests()?, interface).await?;
        self.del_address_at(index, ip, prefix_len).await
    }

    /// As [`Self::del_address`], from the interface with this index.
    pub async fn del_address_at(&self, ifindex: u32, ip: IpAddr, prefix_len: u8) -> Result<Removed, NetlinkError> {
        let message = address_message(ifindex, ip, prefix_len);
        let what = format!("removing {ip}/{prefix_len} from interface {ifindex}");
        match self.requests()?.change(&what, RouteNetlinkMessage::DelAddress(message), 0).await {
            Ok(()) => Ok(Removed::Gone),
            Err(error) if error.errno() == Some(EADDRNOTAVAIL) => Ok(Removed::WasAbsent),
            Err(error) => Err(error),
        }
    }

    /// Switches an interface on or off, as the administrator would.
    pub async fn set_link_up(&self, interface: &str, up: bool) -> Result<(), NetlinkError> {
        let requests = self.requests()?;
        let message = LinkUnspec::new_with_index(index_of(&requests, interface).await?);
        let message = if up { message.up() } else { message.down() }.build();
        let what = format!("switching {interface} {}", if up { "on" } else { "off" });
        requests.change(&what, RouteNetlinkMessage::NewLink(message), 0).await
    }

    /// The socket, or a new one if it died.
    fn requests(&self) -> Result<Arc<Requests>, NetlinkError> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.is_closed() {
            *requests = Arc::new(Requests::open(&[], RECEIVE_BUFFER)?.0);
        }
        Ok(requests.clone())
    }
}

fn needs_confirmation(state: Option<NeighbourState>) -> bool {
    use NeighbourState::{Delay, Failed, Incomplete, Noarp, None as NoState, Permanent, Probe, Reachable, Stale};
    match state {
        None | Some(Stale | Failed | NoState) => true,
        Some(Incomplete | Reachable | Delay | Probe | Noarp | Permanent) => false,
    }
}

fn address_message(ifindex: u32, ip: IpAddr, prefix_len: u8) -> AddressMessage {
    match ip {
        IpAddr::V4(ip) => {
            AddressMessageBuilder::<std::net::Ipv4Addr>::new().index(ifindex).address(ip, prefix_len).build()
        }
        IpAddr::V6(ip) => {
            AddressMessageBuilder::<std::net::Ipv6Addr>::new().index(ifindex).address(ip, prefix_len).build()
        }
    }
}

async fn index_of(requests: &Requests, interface: &str) -> Result<u32, NetlinkError> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(interface.to_owned()));
    let what = format!("looking up interface {interface}");
    let answer = match requests.query(&what, RouteNetlinkMessage::GetLink(message)).await {
        Err(error) if error.errno() == Some(ENODEV) => return Err(NetlinkError::NoSuchLink(interface.to_owned())),
        answer => answer?,
    };
    let index = answer.messages.iter().find_map(|(message, _)| match message {
        RouteNetlinkMessage::NewLink(link) => Some(link.header.index),
        _ => None,
    });
    index.ok_or_else(|| NetlinkError::NoSuchLink(interface.to_owned()))
}

//! The mirror: subscribes, dumps, follows the kernel's messages and publishes what it knows.
//!
//! The order makes sure that nothing is missed: the groups are joined before the dump, and messages that arrive meanwhile are applied
//! after it. Repeating an older message does no harm, since the newest message about an object comes last. When messages were lost
//! (`ENOBUFS`) or the kernel is known to have changed more than it said, it is read anew.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::NeighbourMessage;
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::rule::RuleMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use tokio::sync::watch;
use tokio::time::Instant;

use super::change::Change;
use super::error::NetlinkError;
use super::request::{Events, Requests};
use super::state::NetState;

#[cfg(test)]
mod tests;

/// How the mirror reads and publishes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of messages the kernel keeps for us while we are busy.
    pub receive_buffer: usize,
    /// How long to wait for more after a change, so that what belongs together is published together.
    pub settle: Duration,
    /// The shortest time between two publications.
    pub min_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // A message takes about 1 kB there, so this holds a flap of some thousand routes.
            receive_buffer: 8 << 20,
            settle: Duration::from_millis(2),
            // Each publication may rebuild the tables of the workers; a new neighbour still is known within 20 ms.
            min_interval: Duration::from_millis(10),
        }
    }
}

/// Follows the kernel and publishes a [`NetState`] whenever something changed.
#[expect(missing_debug_implementations, reason = "the stream of messages has none")]
pub struct Mirror {
    options: Options,
    requests: Requests,
    events: Events,
    state: NetState,
    published: watch::Sender<Arc<NetState>>,
}

/// What remains to be done before the next publication.
#[derive(Debug, Default)]
struct Pending {
    /// When to publish; `None` while nothing changed.
    due: Option<Instant>,
    reread: Reread,
}

/// How much of the kernel has to be read anew.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reread {
    #[default]
    Nothing,
    Routes,
    All,
}

const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// A dump the kernel marks as inconsistent is repeated this often; what changed meanwhile also arrives as messages.
const DUMP_ATTEMPTS: u32 = 5;
/// Between attempts to open a new socket after the old one died.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

impl Mirror {
    /// Opens a socket in the network namespace of this thread and reads everything once.
    ///
    /// Must be called on a current-thread runtime.
    pub async fn open(options: Options) -> Result<Self, NetlinkError> {
        let (requests, events) = Requests::open(&GROUPS, options.receive_buffer)?;
        let state = read_all(&requests, 1).await?;
        let published = watch::Sender::new(Arc::new(state.clone()));
        Ok(Self { options, requests, events, state, published })
    }

    /// The latest state, now and whenever it changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<NetState>> {
        self.published.subscribe()
    }

    /// Follows the kernel for ever. When the socket dies a new one is opened and everything read anew; until then the last state stands.
    pub async fn run(mut self) {
        loop {
            let error = self.follow().await;
            tracing::warn!(%error, "the mirror of the network lost the kernel, opening a new socket");
            while let Err(error) = self.reopen().await {
                tracing::warn!(%error, "the mirror of the network cannot be reopened, trying again");
                tokio::time::sleep(REOPEN_AFTER).await;
            }
        }
    }

    /// Applies messages and publishes until the socket fails.
    async fn follow(&mut self) -> NetlinkError {
        let mut pending = Pending::default();
        let mut last = Instant::now();
        loop {
            tokio::select! {
                event = self.events.next() => match event {
                    Some((message, _)) => {
                        if self.take(message, &mut pending.reread) && pending.due.is_none() {
                            pending.due = Some((Instant::now() + self.options.settle).max(last + self.options.min_interval));
                        }
                    }
                    None => return NetlinkError::Closed { request: "following the network".into() },
                },
                () = at(pending.due) => {
                    if let Err(error) = self.reread(std::mem::take(&mut pending.reread)).await {
                        return error;
                    }
                    self.publish();
                    pending.due = None;
                    last = Instant::now();
                }
            }
        }
    }

    /// Applies one message; whether there is something to publish or to read anew.
    fn take(&mut self, message: NetlinkMessage<RouteNetlinkMessage>, reread: &mut Reread) -> bool {
        let flags = message.header.flags;
        let effect = match message.payload {
            NetlinkPayload::InnerMessage(inner) => match Change::from_message(inner, flags) {
                Some(change) => self.state.apply(change),
                None => return false,
            },
            NetlinkPayload::Overrun(_) => {
                tracing::debug!("messages of the kernel were lost, reading everything anew");
                *reread = Reread::All;
                return true;
            }
            _ => return false,
        };
        if effect.routes_stale {
            *reread = (*reread).max(Reread::Routes);
        }
        effect.changed || effect.routes_stale
    }

    async fn reread(&mut self, what: Reread) -> Result<(), NetlinkError> {
        match what {
            Reread::Nothing => {}
            Reread::Routes => {
                let mut fresh = NetState::default();
                read(&self.requests, &mut fresh, "reading the routes", route_requests()).await?;
                if fresh.routes != self.state.routes {
                    self.state.routes = fresh.routes;
                }
            }
            Reread::All => self.state = read_all(&self.requests, self.state.dumps + 1).await?,
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Result<(), NetlinkError> {
        let (requests, events) = Requests::open(&GROUPS, self.options.receive_buffer)?;
        self.state = read_all(&requests, self.state.dumps + 1).await?;
        (self.requests, self.events) = (requests, events);
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.published.send_if_modified(|published| {
            let differs = **published != self.state;
            if differs {
                *published = Arc::new(self.state.clone());
            }
            differs
        });
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn read_all(requests: &Requests, dumps: u64) -> Result<NetState, NetlinkError> {
    let mut state = NetState { dumps, ..NetState::default() };
    let neighbours = [AddressFamily::Inet, AddressFamily::Inet6].map(|family| {
        let mut message = NeighbourMessage::default();
        message.header.family = family;
        RouteNetlinkMessage::GetNeighbour(message)
    });
    let rules = [AddressFamily::Inet, AddressFamily::Inet6].map(|family| {
        let mut message = RuleMessage::default();
        message.header.family = family;
        RouteNetlinkMessage::GetRule(message)
    });
    let links = [RouteNetlinkMessage::GetLink(LinkMessage::default())];
    let addresses = [RouteNetlinkMessage::GetAddress(AddressMessage::default())];
    read(requests, &mut state, "reading the links", links).await?;
    read(requests, &mut state, "reading the addresses", addresses).await?;
    read(requests, &mut state, "reading the routes", route_requests()).await?;
    read(requests, &mut state, "reading the neighbours", neighbours).await?;
    read(requests, &mut state, "reading the routing rules", rules).await?;
    Ok(state)
}

fn route_requests() -> [RouteNetlinkMessage; 2] {
    [AddressFamily::Inet, AddressFamily::Inet6].map(|family| {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        RouteNetlinkMessage::GetRoute(message)
    })
}

/// Dumps and adds what came to the state.
async fn read<const N: usize>(
    requests: &Requests,
    state: &mut NetState,
    what: &str,
    messages: [RouteNetlinkMessage; N],
) -> Result<(), NetlinkError> {
    for message in messages {
        let mut attempt = 1;
        let dump = loop {
            let dump = requests.dump(what, message.clone()).await?;
            if !dump.interrupted || attempt == DUMP_ATTEMPTS {
                break dump;
            }
            attempt += 1;
        };
        for change in dump.messages.into_iter().filter_map(|(message, flags)| Change::from_message(message, flags)) {
            // Nothing older to be stale: a dump names the members of a multipath route in their order.
            let _ = state.apply(change);
        }
    }
    Ok(())
}

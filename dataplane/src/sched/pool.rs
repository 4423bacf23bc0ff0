//! The servers of one service, with their scheduler.

use std::net::IpAddr;
use std::sync::Arc;

use super::cache::Cache;
use super::{Flags, Scheduler, dh, fo, lblc, lblcr, lc, mh, nq, ovf, rr, sed, sh, twos, wlc, wrr};
use crate::servers::{ServerId, Servers};

/// A server in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub id: ServerId,
    pub address: IpAddr,
    /// 0 = the packet keeps its destination port.
    pub port: u16,
    /// 0 = no new connections are scheduled to the server. At most 2^31-1 in a valid configuration.
    pub weight: u32,
    /// The newest weight other than 0; `mh` builds its table from it, so that a drained server keeps its slots.
    pub(super) last_weight: u32,
}

impl Member {
    pub fn new(id: ServerId, address: IpAddr, port: u16, weight: u32) -> Self {
        Self { id, address, port, weight, last_weight: weight }
    }

    /// May new connections be scheduled to it?
    #[inline]
    pub(super) fn is_eligible(&self, servers: &Servers) -> bool {
        self.weight > 0 && !servers.overloaded(self.id)
    }
}

/// What a scheduler may look at when a new connection comes.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The client's address; under persistence with a netmask, the masked one if that is what was looked up.
    pub client: IpAddr,
    pub client_port: u16,
    /// The packet's destination: the VIP, or any address for a service by firewall mark.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Seconds of a monotonic clock, the same one as for [`Pool::housekeep`].
    pub now_seconds: u64,
    /// Uniformly random bits, fresh for each request; only `twos` uses them.
    pub random: u64,
}

/// Idle times after which the caches of `lblc` and `lblcr` forget (sysctls of the same names), seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub lblc_expiration: u32,
    pub lblcr_expiration: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lblc_expiration: 86_400, lblcr_expiration: 86_400 }
    }
}

/// The ordered servers of one service with their scheduler and its state.
///
/// The control thread clones the published pool, edits the clone and publishes it; workers go on with the old one until they
/// see the new snapshot. A clone takes the position of `rr` and `wrr` as it is at that moment and then goes its own way (picks
/// that the old pool makes until it is replaced do not count), while the caches of `lblc` and `lblcr` are shared by
/// all clones. Tables of `dh`, `sh` and `mh` follow from the members alone and are shared until an edit rebuilds them. A snapshot
/// for an unrelated change should take over the pool itself (in an `Arc`), not a clone.
#[derive(Debug, Clone)]
pub struct Pool {
    scheduler: Scheduler,
    flags: Flags,
    settings: Settings,
    /// Newest server first.
    members: Vec<Member>,
    state: State,
}

/// What a scheduler remembers or has prepared.
#[derive(Debug, Clone)]
enum State {
    None,
    RoundRobin(rr::State),
    Weighted(wrr::State),
    /// Indexes into the members, by hash.
    Table(Arc<[u32]>),
    Cache(Arc<Cache>),
}

impl Pool {
    /// A pool without servers.
    pub fn new(scheduler: Scheduler, flags: Flags, settings: Settings) -> Self {
        let members = Vec::new();
        let state = State::attach(scheduler, &members);
        Self { scheduler, flags, settings, members, state }
    }

    /// Adds a server at the head of the list. A server that is in the pool already is edited instead.
    pub fn add(&mut self, member: Member) {
        self.extend([member]);
    }

    /// Adds servers one after the other, so that the last one heads the list. The same as adding each, but prepares tables only once.
    pub fn extend(&mut self, members: impl IntoIterator<Item = Member>) {
        for member in members {
            if self.position(member.id).is_some() {
                self.set_weight(member.id, member.weight);
                continue;
            }
            self.members.insert(0, member);
            match &mut self.state {
                State::RoundRobin(state) => state.added_at_head(),
                State::Weighted(state) => state.edited(&self.members),
                State::None | State::Table(_) | State::Cache(_) => {}
            }
        }
        self.rebuild();
    }

    /// Removes a server; whether it was there.
    pub fn remove(&mut self, id: ServerId) -> bool {
        let Some(index) = self.position(id) else { return false };
        self.members.remove(index);
        match &mut self.state {
            State::RoundRobin(state) => state.removed(index),
            State::Weighted(state) => state.edited(&self.members),
            State::None | State::Table(_) | State::Cache(_) => {}
        }
        self.rebuild();
        true
    }

    /// Changes a server's weight; whether it was there. Any edit of a server counts (as `ipvsadm -e` does): after a change of
    /// thresholds alone, call it with the old weight, for `wrr` begins at the head of the list again.
    pub fn set_weight(&mut self, id: ServerId, weight: u32) -> bool {
        let Some(index) = self.position(id) else { return false };
        let member = &mut self.members[index];
        member.weight = weight;
        if weight != 0 {
            member.last_weight = weight;
        }
        if let State::Weighted(state) = &mut self.state {
            state.edited(&self.members);
        }
        self.rebuild();
        true
    }

    /// Changes scheduler and flags. Another scheduler begins afresh; the same one keeps its state.
    pub fn change_scheduler(&mut self, scheduler: Scheduler, flags: Flags) {
        self.flags = flags;
        if scheduler != self.scheduler {
            self.scheduler = scheduler;
            self.state = State::attach(scheduler, &self.members);
        }
    }

    /// Changes the expiry of caches; entries and state stay.
    pub fn change_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Chooses the server for a new connection; `None` when no server may have it. Any number of threads may call it at once; it
    /// takes no lock and allocates nothing. It counts nothing: the caller binds the connection.
    pub fn pick(&self, servers: &Servers, request: &Request) -> Option<&Member> {
        let members = &self.members[..];
        let index = match (&self.state, self.scheduler) {
            (State::RoundRobin(state), _) => state.pick(members, servers),
            (State::Weighted(state), _) => state.pick(members, servers),
            (State::Table(table), Scheduler::Dh) => dh::pick(table, members, servers, request),
            (State::Table(table), Scheduler::Sh) => sh::pick(table, members, servers, request, self.flags),
            (State::Table(table), _) => mh::pick(table, members, servers, request, self.flags),
            (State::Cache(cache), Scheduler::Lblc) => lblc::pick(cache, members, servers, request),
            (State::Cache(cache), _) => lblcr::pick(cache, members, servers, request, self.settings.lblcr_expiration),
            (State::None, Scheduler::Lc) => lc::pick(members, servers),
            (State::None, Scheduler::Sed) => sed::pick(members, servers),
            (State::None, Scheduler::Nq) => nq::pick(members, servers),
            (State::None, Scheduler::Fo) => fo::pick(members, servers),
            (State::None, Scheduler::Ovf) => ovf::pick(members, servers),
            (State::None, Scheduler::Twos) => twos::pick(members, servers, request.random),
            (State::None, _) => wlc::pick(members, servers),
        };
        index.and_then(|index| members.get(index))
    }

    /// Lets the caches of `lblc` and `lblcr` forget what is due. To be called about every second from the control thread, on the
    /// published pool; the first call after a cache was made starts its clock. Does nothing for other schedulers.
    pub fn housekeep(&self, now_seconds: u64) {
        if let State::Cache(cache) = &self.state {
            let expiration = match self.scheduler {
                Scheduler::Lblcr => self.settings.lblcr_expiration,
                _ => self.settings.lblc_expiration,
            };
            cache.collect(now_seconds, expiration);
        }
    }

    /// The servers in list order: the one added last comes first.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn scheduler(&self) -> Scheduler {
        self.scheduler
    }

    pub fn flags(&self) -> Flags {
        self.flags
    }

    pub fn settings(&self) -> Settings {
        self.settings
    }

    fn position(&self, id: ServerId) -> Option<usize> {
        position(&self.members, id)
    }

    fn rebuild(&mut self) {
        if let State::Table(table) = &mut self.state {
            *table = State::table(self.scheduler, &self.members);
        }
    }
}

impl State {
    fn attach(scheduler: Scheduler, members: &[Member]) -> Self {
        match scheduler {
            Scheduler::Rr => Self::RoundRobin(rr::State::default()),
            Scheduler::Wrr => Self::Weighted(wrr::State::attach(members)),
            Scheduler::Dh | Scheduler::Sh | Scheduler::Mh => Self::Table(Self::table(scheduler, members)),
            Scheduler::Lblc => Self::Cache(Arc::new(Cache::new(lblc::SET))),
            Scheduler::Lblcr => Self::Cache(Arc::new(Cache::new(lblcr::SET))),
            Scheduler::Lc
            | Scheduler::Wlc
            | Scheduler::Sed
            | Scheduler::Nq
            | Scheduler::Fo
            | Scheduler::Ovf
            | Scheduler::Twos => Self::None,
        }
    }

    fn table(scheduler: Scheduler, members: &[Member]) -> Arc<[u32]> {
        match scheduler {
            Scheduler::Dh => dh::table(members),
            Scheduler::Sh => sh::table(members),
            _ => mh::table(members),
        }
    }
}

/// Where in the list a server stands.
#[inline]
pub(super) fn position(members: &[Member], id: ServerId) -> Option<usize> {
    members.iter().position(|member| member.id == id)
}

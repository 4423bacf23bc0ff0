//! `[[service]]` and `[[service.server]]`.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::check::{Check, ServerCheck};
use super::track;
use crate::config::error::Place;
use crate::config::model::{Forward, Protocol, Scheduler, ServiceAddress, Tunnel, Weight};
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static SERVICE: Keys = Keys {
    supported: &[
        "name",
        "protocol",
        "address",
        "forward",
        "scheduler",
        "scheduler_flags",
        "one_packet",
        "persistence",
        "tunnel",
        "check",
        "quorum",
        "hysteresis",
        "sorry_server",
        "inhibit_on_failure",
        "notify",
        "server",
    ],
    later: &[],
};
pub(in crate::config) static SORRY_SERVER: Keys = Keys { supported: &["address", "forward"], later: &[] };
pub(in crate::config) static SERVICE_NOTIFY: Keys =
    Keys { supported: &["up", "down", "quorum_up", "quorum_down", "user"], later: &[] };
pub(in crate::config) static PERSISTENCE: Keys = Keys { supported: &["timeout", "netmask"], later: &[] };
pub(in crate::config) static TUNNEL: Keys = Keys { supported: &["type"], later: &["port"] };
pub(in crate::config) static SERVER: Keys = Keys {
    supported: &[
        "address",
        "weight",
        "forward",
        "max_connections",
        "min_connections",
        "check",
        "inhibit_on_failure",
        "slow_start",
    ],
    later: &[],
};

/// ipvsadm's limits.
const PERSISTENCE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(31 * 24);

/// Larger than any sum of weights that somebody means.
const MAX_QUORUM: u32 = 1_000_000_000;
const SLOW_START: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);

/// The kernel refuses thresholds above INT_MAX.
const THRESHOLD: RangeInclusive<u32> = 0..=i32::MAX as u32;

pub(in crate::config) struct Service {
    pub place: Place,
    pub name: Field<String>,
    pub protocol: Field<Protocol>,
    pub address: Field<ServiceAddress>,
    pub forward: Field<Forward>,
    pub scheduler: Field<Scheduler>,
    pub flags: Field<Vec<At<ServiceFlag>>>,
    pub one_packet: Field<bool>,
    pub persistence: Option<Persistence>,
    pub tunnel: Option<TunnelSection>,
    pub checks: Field<Vec<Check>>,
    pub quorum: Field<u32>,
    pub hysteresis: Field<u32>,
    pub sorry_server: Field<SorryServer>,
    pub inhibit_on_failure: Field<bool>,
    pub notify: Option<ServiceNotify>,
    pub servers: Vec<Server>,
}

/// An address, or a table with one.
#[derive(Clone)]
pub(in crate::config) struct SorryServer {
    pub address: Field<(IpAddr, Option<NonZeroU16>)>,
    pub forward: Field<Forward>,
}

pub(in crate::config) struct ServiceNotify {
    pub up: Field<Vec<String>>,
    pub down: Field<Vec<String>>,
    pub quorum_up: Field<Vec<String>>,
    pub quorum_down: Field<Vec<String>>,
    pub user: Field<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum ServiceFlag {
    Fallback,
    Port,
}

impl ServiceFlag {
    pub const WORDS: [(&'static str, Option<Self>); 2] =
        [("fallback", Some(Self::Fallback)), ("port", Some(Self::Port))];
}

pub(in crate::config) struct Persistence {
    pub timeout: Field<Duration>,
    pub netmask: Field<u8>,
}

pub(in crate::config) struct TunnelSection {
    pub place: Place,
    pub kind: Field<Tunnel>,
}

pub(in crate::config) struct Server {
    pub address: Field<(IpAddr, Option<NonZeroU16>)>,
    pub weight: Field<Weight>,
    pub forward: Field<Forward>,
    pub max_connections: Field<u32>,
    pub min_connections: Field<u32>,
    pub check: Field<ServerCheck>,
    pub inhibit_on_failure: Field<bool>,
    pub slow_start: Field<Duration>,
}

impl Service {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let flag = |v: &Value<'_, '_>| v.choice(&ServiceFlag::WORDS);
        Self {
            place: section.place().clone(),
            name: section.field("name", |v| v.parse("a name", text::name)),
            protocol: section.field("protocol", |v| v.choice(&Protocol::WORDS)),
            address: section.field("address", |v| v.parse("an address with port", text::service_address)),
            forward: section.field("forward", |v| v.choice(&Forward::WORDS)),
            scheduler: section.field("scheduler", |v| v.choice(&Scheduler::WORDS)),
            flags: section.field("scheduler_flags", |v| v.list("an array of flags", flag)),
            one_packet: section.field("one_packet", Value::boolean),
            persistence: section.section("persistence", &PERSISTENCE).map(|s| Persistence::read(&s)),
            tunnel: section.section("tunnel", &TUNNEL).map(|s| TunnelSection::read(&s)),
            checks: section.field("check", |v| Some(Check::list(v))),
            quorum: section.field("quorum", |v| v.integer(1..=MAX_QUORUM, "of weight")),
            hysteresis: section.field("hysteresis", |v| v.integer(0..=MAX_QUORUM, "of weight")),
            sorry_server: section.field("sorry_server", SorryServer::read),
            inhibit_on_failure: section.field("inhibit_on_failure", Value::boolean),
            notify: section.section("notify", &SERVICE_NOTIFY).map(|s| ServiceNotify::read(&s)),
            servers: section.sections("server", &SERVER).iter().map(Server::read).collect(),
        }
    }
}

impl SorryServer {
    fn read(value: &Value<'_, '_>) -> Option<Self> {
        let address = |v: &Value<'_, '_>| v.parse("a server address", text::server_address);
        if value.is_table() {
            let section = value.section(&SORRY_SERVER)?;
            let forward = section.field("forward", |v| v.choice(&Forward::WORDS));
            return Some(Self { address: section.field("address", address), forward });
        }
        let at = At { value: address(value)?, place: value.place().clone() };
        Some(Self { address: Field::Set(at), forward: Field::Absent(value.place().clone()) })
    }
}

impl ServiceNotify {
    fn read(section: &Section<'_, '_>) -> Self {
        let script = |key| section.field(key, track::command);
        Self {
            up: script("up"),
            down: script("down"),
            quorum_up: script("quorum_up"),
            quorum_down: script("quorum_down"),
            user: section.field("user", |v| v.parse("a user", track::user)),
        }
    }
}

impl Persistence {
    fn read(section: &Section<'_, '_>) -> Self {
        Self {
            timeout: section.field("timeout", |v| v.duration(PERSISTENCE_TIMEOUT)),
            netmask: section.field("netmask", |v| v.integer(1..=128, "bits")),
        }
    }
}

impl TunnelSection {
    fn read(section: &Section<'_, '_>) -> Self {
        Self { place: section.place().clone(), kind: section.field("type", |v| v.choice(&Tunnel::WORDS)) }
    }
}

impl Server {
    fn read(section: &Section<'_, '_>) -> Self {
        let threshold = |key| section.field(key, |v| v.integer(THRESHOLD, "connections"));
        Self {
            address: section.field("address", |v| v.parse("a server address", text::server_address)),
            weight: section.field("weight", |v| v.integer(0..=Weight::MAX.get(), "").and_then(Weight::new)),
            forward: section.field("forward", |v| v.choice(&Forward::WORDS)),
            max_connections: threshold("max_connections"),
            min_connections: threshold("min_connections"),
            check: section.field("check", ServerCheck::read),
            inhibit_on_failure: section.field("inhibit_on_failure", Value::boolean),
            slow_start: section.field("slow_start", |v| v.duration(SLOW_START)),
        }
    }
}

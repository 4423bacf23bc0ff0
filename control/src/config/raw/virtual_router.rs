//! `[[virtual_router]]` and `[[sync_group]]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_vrrp::hmac::Mode;
use headgate_vrrp::router::{Coverage, Version};

use super::track::{NOTIFY, Notify, TRACK, Track};
use crate::config::error::Place;
use crate::config::model::Prefix;
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static VIRTUAL_ROUTER: Keys = Keys {
    supported: &[
        "name",
        "interface",
        "id",
        "version",
        "priority",
        "advert_interval",
        "preempt",
        "preempt_delay",
        "addresses",
        "excluded_addresses",
        "source",
        "multicast_group",
        "unicast",
        "authentication",
        "checksum",
        "address_mismatch",
        "accept_empty_list",
        "strict_link_local",
        "announce",
        "track",
        "notify",
    ],
    later: &["virtual_mac"],
};
pub(in crate::config) static UNICAST: Keys =
    Keys { supported: &["peers", "only_peers", "min_ttl", "old_checksum"], later: &[] };
pub(in crate::config) static AUTHENTICATION: Keys =
    Keys { supported: &["type", "password", "keys", "mode", "window"], later: &[] };
pub(in crate::config) static HMAC_KEY: Keys = Keys { supported: &["id", "secret"], later: &[] };
pub(in crate::config) static ANNOUNCE: Keys = Keys { supported: &["repeat", "delay", "refresh"], later: &[] };
pub(in crate::config) static SYNC_GROUP: Keys = Keys { supported: &["name", "members"], later: &[] };

/// keepalived's limits.
const PREEMPT_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1000);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(255);
const DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(5);

pub(in crate::config) struct VirtualRouter {
    pub name: Field<String>,
    pub interface: Field<String>,
    pub id: Field<u8>,
    pub version: Field<Version>,
    pub priority: Field<u8>,
    pub advert_interval: Field<Duration>,
    pub preempt: Field<bool>,
    pub preempt_delay: Field<Duration>,
    pub addresses: Field<Vec<At<Prefix>>>,
    pub excluded_addresses: Field<Vec<At<Prefix>>>,
    pub source: Field<IpAddr>,
    pub multicast_group: Field<IpAddr>,
    pub unicast: Option<Unicast>,
    pub authentication: Option<Authentication>,
    pub checksum: Field<Coverage>,
    /// To be thrown away.
    pub address_mismatch: Field<bool>,
    pub accept_empty_list: Field<bool>,
    pub strict_link_local: Field<bool>,
    pub announce: Option<Announce>,
    pub tracks: Vec<Track>,
    pub notify: Option<Notify>,
}

pub(in crate::config) struct Unicast {
    pub place: Place,
    pub peers: Field<Vec<At<IpAddr>>>,
    pub only_peers: Field<bool>,
    pub min_ttl: Field<u8>,
    pub old_checksum: Field<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum AuthenticationType {
    Pass,
    Hmac,
}

pub(in crate::config) struct Authentication {
    pub place: Place,
    pub kind: Field<AuthenticationType>,
    pub password: Field<String>,
    pub keys: Vec<HmacKey>,
    pub mode: Field<Mode>,
    pub window: Field<Duration>,
}

pub(in crate::config) struct HmacKey {
    pub place: Place,
    pub id: Field<u8>,
    pub secret: Field<Vec<u8>>,
}

pub(in crate::config) struct Announce {
    pub repeat: Field<u32>,
    pub delay: Field<Duration>,
    pub refresh: Field<Duration>,
}

pub(in crate::config) struct SyncGroup {
    pub name: Field<String>,
    pub members: Field<Vec<At<String>>>,
}

impl VirtualRouter {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let prefix = |v: &Value<'_, '_>| v.parse("an address with prefix length", text::prefix);
        let prefixes = |key| section.field(key, |v| v.list("an array of addresses with prefix length", prefix));
        Self {
            name: section.field("name", |v| v.parse("a name", text::name)),
            interface: section.field("interface", |v| v.parse("an interface name", text::interface)),
            id: section.field("id", |v| v.integer(1..=255_u8, "")),
            version: section.field("version", |v| {
                v.integer(2..=3_u8, "").map(|version| if version == 2 { Version::V2 } else { Version::V3 })
            }),
            priority: section.field("priority", |v| v.integer(1..=255_u8, "")),
            advert_interval: section.field("advert_interval", |v| v.duration(INTERVAL)),
            preempt: section.field("preempt", Value::boolean),
            preempt_delay: section.field("preempt_delay", |v| v.duration(PREEMPT_DELAY)),
            addresses: prefixes("addresses"),
            excluded_addresses: prefixes("excluded_addresses"),
            source: section.field("source", |v| v.parse("an IP address", text::ip)),
            multicast_group: section.field("multicast_group", |v| v.parse("an IP address", text::ip)),
            unicast: section.section("unicast", &UNICAST).map(|s| Unicast::read(&s)),
            authentication: section.section("authentication", &AUTHENTICATION).map(|s| Authentication::read(&s)),
            checksum: section.field("checksum", |v| {
                v.choice(&[("pseudo_header", Some(Coverage::PseudoHeader)), ("message", Some(Coverage::Message))])
            }),
            address_mismatch: section
                .field("address_mismatch", |v| v.choice(&[("warn", Some(false)), ("discard", Some(true))])),
            accept_empty_list: section.field("accept_empty_list", Value::boolean),
            strict_link_local: section.field("strict_link_local", Value::boolean),
            announce: section.section("announce", &ANNOUNCE).map(|s| Announce::read(&s)),
            tracks: section.sections("track", &TRACK).iter().map(Track::read).collect(),
            notify: section.section("notify", &NOTIFY).map(|s| Notify::read(&s)),
        }
    }
}

impl Unicast {
    fn read(section: &Section<'_, '_>) -> Self {
        let peer = |v: &Value<'_, '_>| v.parse("an IP address", text::ip);
        Self {
            place: section.place().clone(),
            peers: section.field("peers", |v| v.list("an array of IP addresses", peer)),
            only_peers: section.field("only_peers", Value::boolean),
            min_ttl: section.field("min_ttl", |v| v.integer(1..=255_u8, "")),
            old_checksum: section.field("old_checksum", Value::boolean),
        }
    }
}

impl Authentication {
    fn read(section: &Section<'_, '_>) -> Self {
        let kinds = [("pass", Some(AuthenticationType::Pass)), ("hmac", Some(AuthenticationType::Hmac))];
        let modes = [
            ("enforce", Some(Mode::Enforce)),
            ("permissive", Some(Mode::Permissive)),
            ("receive_only", Some(Mode::ReceiveOnly)),
        ];
        Self {
            place: section.place().clone(),
            kind: section.field("type", |v| v.choice(&kinds)),
            password: section.field("password", |v| v.secret("a password", password)),
            keys: section.sections("keys", &HMAC_KEY).iter().map(HmacKey::read).collect(),
            mode: section.field("mode", |v| v.choice(&modes)),
            window: section.field("window", |v| v.duration(WINDOW)),
        }
    }
}

impl HmacKey {
    fn read(section: &Section<'_, '_>) -> Self {
        Self {
            place: section.place().clone(),
            id: section.field("id", |v| v.integer(0..=255_u8, "")),
            secret: section.field("secret", |v| v.secret("a key of 32 to 64 bytes", secret)),
        }
    }
}

impl Announce {
    fn read(section: &Section<'_, '_>) -> Self {
        Self {
            repeat: section.field("repeat", |v| v.integer(1..=60_u32, "")),
            delay: section.field("delay", |v| v.duration(DELAY)),
            refresh: section.field("refresh", |v| v.duration(DELAY)),
        }
    }
}

impl SyncGroup {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let name = |v: &Value<'_, '_>| v.parse("a name", text::name);
        Self {
            name: section.field("name", name),
            members: section.field("members", |v| v.list("an array of names of virtual routers", name)),
        }
    }
}

fn password(text: &str) -> Result<String, &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        1..=8 => Ok(text.to_owned()),
        _ => Err("the protocol has room for 8 bytes; keepalived uses the first 8 of a longer one"),
    }
}

/// Text, or hexadecimal digits after `hex:`.
fn secret(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = text::bytes(text)?;
    if (32..=64).contains(&bytes.len()) { Ok(bytes) } else { Err("it has another length") }
}

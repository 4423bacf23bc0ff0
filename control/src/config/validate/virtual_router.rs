//! `[[virtual_router]]` and `[[sync_group]]`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use headgate_vrrp::Router;
use headgate_vrrp::hmac::{Key, Mode, Settings};
use headgate_vrrp::router::{Authentication, Coverage, Family, Peers, Version};

use super::track::{self, Known};
use super::{Unique, host_address};
use crate::config::error::{Advice, Findings, Place, Problem};
use crate::config::model::{HeldAddress, Prefix, VirtualRouters};
use crate::config::raw;
use crate::config::reader::{At, Field};
use crate::vrrp::{Announcing, Instance};

/// The default of keepalived.
const PRIORITY: u8 = 100;
const INTERVAL: Duration = Duration::from_secs(1);
const ANNOUNCING: Announcing = Announcing { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::ZERO };
/// The least window of keepalived; three intervals where these are longer.
const WINDOW: Duration = Duration::from_secs(5);
/// The most that the field of version 3 holds.
const LONGEST_V3: Duration = Duration::from_millis(40_950);
/// The count of addresses is a byte.
const ADDRESSES: usize = 255;

pub(super) fn virtual_routers(
    raw: Vec<raw::VirtualRouter>,
    groups: Vec<raw::SyncGroup>,
    held: &[HeldAddress],
    known: &Known<'_>,
    findings: &Findings,
) -> VirtualRouters {
    let (mut names, mut ids, mut unique) = (Unique::default(), Unique::default(), Unique::default());
    let mut instances = Vec::new();
    for raw in raw {
        if let Field::Set(name) = &raw.name {
            names.insert(&name.value, &name.place, findings);
        }
        let lists = [&raw.addresses, &raw.excluded_addresses];
        let listed =
            lists.into_iter().filter_map(|list| if let Field::Set(at) = list { Some(&at.value) } else { None });
        for at in listed.flatten() {
            let ip = at.value.address();
            if host_address(ip, &at.place, findings)
                && unique.insert(&ip, &at.place, findings)
                && held.iter().any(|known| known.prefix().address() == ip)
            {
                findings
                    .error(&at.place, Problem::VirtualRouter("it is an [[address]] too, which this node always holds"));
            }
        }
        let place = raw.id.clone().set().map(|at| at.place);
        let Some(instance) = instance(raw, known, findings) else { continue };
        let (family, id) = (instance.router.family.name(), instance.router.id);
        if let Some(place) = place {
            ids.insert(&format!("id {id} of {family} on {}", instance.router.interface), &place, findings);
        }
        instances.push(instance);
    }
    let groups = self::groups(groups, &instances, findings);
    VirtualRouters { instances, groups }
}

fn instance(raw: raw::VirtualRouter, known: &Known<'_>, findings: &Findings) -> Option<Instance> {
    let name = raw.name.required("a name of its own", findings);
    let interface = raw.interface.required("an interface name such as \"eth0\"", findings);
    let id = raw.id.required("the number that the routers have in common (1 to 255)", findings);
    let addresses = raw.addresses.required("addresses such as [\"192.0.2.1/24\"]", findings);
    let version = raw.version.clone().or(Version::V3);
    let interval = interval(&raw.advert_interval, version, findings);
    let preempt = raw.preempt.or(true);
    if let Field::Set(At { place, value }) = &raw.preempt_delay
        && !preempt
        && !value.is_zero()
    {
        findings.warning(place, Advice::PreemptDelayIgnored);
    }
    let tracks = raw.tracks.into_iter().filter_map(|raw| track::track(raw, known, findings)).collect();
    let notify = raw.notify.map(track::notify).unwrap_or_default();
    let addresses = addresses?;
    let family = family(&addresses, version, findings)?;
    let advertised: Vec<Prefix> = addresses.value.iter().map(|at| at.value).collect();
    let excluded: Vec<Prefix> =
        raw.excluded_addresses.set().into_iter().flat_map(|at| at.value).map(|at| at.value).collect();
    let old_checksum = raw.unicast.as_ref().map(|unicast| unicast.old_checksum.clone());
    let ignored = |place: Option<&Place>, only: &'static str| {
        if let Some(place) = place {
            findings.warning(place, Advice::OnlyFor(only));
        }
    };
    if version == Version::V2 || family == Family::V6 {
        ignored(raw.checksum.place(), "version 3 with IPv4 addresses");
        ignored(old_checksum.as_ref().and_then(Field::place), "version 3 with IPv4 addresses");
    }
    if family == Family::V4 {
        ignored(raw.strict_link_local.place(), "a virtual router of IPv6 addresses");
    }
    let source = raw.source.clone().set();
    for at in [&source, &raw.multicast_group.clone().set()].into_iter().flatten() {
        if Family::of(at.value) != family {
            findings.error(&at.place, Problem::VirtualRouter("it is of the other IP version than the addresses"));
        }
    }
    let peers = peers(raw.unicast, &raw.multicast_group, family, findings);
    let authentication = match raw.authentication {
        Some(raw) => authentication(raw, version, interval, findings),
        None => Authentication::None,
    };
    let router = Router {
        name: name?.value,
        interface: interface?.value,
        id: id?.value,
        family,
        version,
        priority: raw.priority.or(PRIORITY),
        interval: interval.as_micros() as u64,
        preempt,
        preempt_delay: raw.preempt_delay.or(Duration::ZERO).as_micros() as u64,
        addresses: advertised.iter().map(|prefix| prefix.address()).collect(),
        peers,
        authentication,
        coverage: raw.checksum.or(Coverage::default()),
        same_addresses: raw.address_mismatch.or(false),
        accept_empty_list: raw.accept_empty_list.or(false),
        strict_link_local: raw.strict_link_local.or(false),
        old_unicast_checksum: old_checksum.is_some_and(|field| field.or(false)),
    };
    let announcing = raw.announce.map_or(ANNOUNCING, |raw| Announcing {
        repeat: raw.repeat.or(ANNOUNCING.repeat),
        delay: raw.delay.or(ANNOUNCING.delay),
        refresh: raw.refresh.or(ANNOUNCING.refresh),
    });
    let addresses = advertised.into_iter().chain(excluded).collect();
    Some(Instance {
        router: Arc::new(router),
        addresses,
        source: source.map(|at| at.value),
        announcing,
        tracks,
        notify: Arc::new(notify),
    })
}

fn interval(raw: &Field<Duration>, version: Version, findings: &Findings) -> Duration {
    let Field::Set(At { value, place }) = raw else { return INTERVAL };
    let problem = match version {
        Version::V2 if value.subsec_nanos() != 0 || value.is_zero() => "version 2 knows whole seconds only",
        Version::V3 if *value > LONGEST_V3 => "version 3 has room for at most 40.95s",
        Version::V3 if !value.subsec_nanos().is_multiple_of(10_000_000) => "version 3 counts in steps of 10ms",
        _ => return *value,
    };
    findings.error(place, Problem::VirtualRouter(problem));
    *value
}

fn family(addresses: &At<Vec<At<Prefix>>>, version: Version, findings: &Findings) -> Option<Family> {
    let Some(first) = addresses.value.first() else {
        findings.error(&addresses.place, Problem::VirtualRouter("a virtual router needs an address"));
        return None;
    };
    let family = Family::of(first.value.address());
    if let Some(other) = addresses.value.iter().find(|at| Family::of(at.value.address()) != family) {
        let problem = "adverts name addresses of one IP version: excluded_addresses takes the others";
        findings.error(&other.place, Problem::VirtualRouter(problem));
    }
    if addresses.value.len() > ADDRESSES {
        let problem = "an advert has room for 255 addresses: excluded_addresses takes more";
        findings.error(&addresses.place, Problem::VirtualRouter(problem));
    }
    if family == Family::V6 {
        if version == Version::V2 {
            findings.error(&first.place, Problem::VirtualRouter("version 2 is for IPv4 only"));
        }
        let is_local = matches!(first.value.address(), IpAddr::V6(ip) if ip.is_unicast_link_local());
        if !is_local {
            findings.warning(&first.place, Advice::FirstNotLinkLocal);
        }
    }
    Some(family)
}

fn peers(raw: Option<raw::Unicast>, group: &Field<IpAddr>, family: Family, findings: &Findings) -> Peers {
    let Some(raw) = raw else {
        if let Field::Set(at) = group
            && !at.value.is_multicast()
        {
            findings.error(&at.place, Problem::VirtualRouter("it is no multicast address"));
        }
        return Peers::Multicast(group.clone().or(family.group()));
    };
    if let Field::Set(at) = group {
        findings.error(&at.place, Problem::VirtualRouter("multicast_group does not go with unicast"));
    }
    let peers = raw.peers.required("addresses such as [\"192.0.2.2\"]", findings);
    for at in peers.iter().flat_map(|at| &at.value) {
        if host_address(at.value, &at.place, findings) && Family::of(at.value) != family {
            findings.error(&at.place, Problem::VirtualRouter("it is of the other IP version than the addresses"));
        }
    }
    if peers.as_ref().is_some_and(|at| at.value.is_empty()) {
        findings.error(&raw.place, Problem::VirtualRouter("without peers nobody hears the adverts"));
    }
    Peers::Unicast {
        peers: peers.into_iter().flat_map(|at| at.value).map(|at| at.value).collect(),
        only: raw.only_peers.or(true),
        min_ttl: raw.min_ttl.set().map(|at| at.value),
    }
}

fn authentication(
    raw: raw::Authentication,
    version: Version,
    interval: Duration,
    findings: &Findings,
) -> Authentication {
    let refuse = |place: &Place, problem| {
        findings.error(place, Problem::VirtualRouter(problem));
        Authentication::None
    };
    let Some(kind) = raw.kind.required("\"pass\" or \"hmac\"", findings) else { return Authentication::None };
    let ignored = |place: &Place, only| findings.warning(place, Advice::OnlyFor(only));
    match kind.value {
        raw::AuthenticationType::Pass => {
            let places = raw.keys.first().map(|key| &key.place).into_iter();
            for place in places.chain(raw.mode.place()).chain(raw.window.place()) {
                ignored(place, "type = \"hmac\"");
            }
            if version == Version::V3 {
                return refuse(&kind.place, "version 3 has no passwords: use type = \"hmac\" or version = 2");
            }
            let Some(password) = raw.password.required("up to 8 bytes", findings) else { return Authentication::None };
            let mut padded = [0; 8];
            padded[..password.value.len()].copy_from_slice(password.value.as_bytes());
            Authentication::Pass(padded)
        }
        raw::AuthenticationType::Hmac => {
            if let Some(place) = raw.password.place() {
                ignored(place, "type = \"pass\"");
            }
            let mut ids = Unique::default();
            let mut keys = Vec::new();
            for key in raw.keys {
                let (id, secret) = (key.id.required("0 to 255", findings), key.secret.required("a key", findings));
                let (Some(id), Some(secret)) = (id, secret) else { continue };
                if ids.insert(&id.value, &id.place, findings) {
                    keys.push(Key { id: id.value, secret: secret.value });
                }
            }
            if keys.is_empty() {
                return refuse(&raw.place, "type = \"hmac\" needs keys");
            }
            let window = raw.window.or(WINDOW.max(3 * interval)).as_secs();
            Authentication::Hmac(Settings { keys, mode: raw.mode.or(Mode::Enforce), window })
        }
    }
}

fn groups(raw: Vec<raw::SyncGroup>, instances: &[Instance], findings: &Findings) -> Vec<(Arc<str>, Vec<usize>)> {
    let (mut names, mut taken, mut groups) = (Unique::default(), Unique::default(), Vec::new());
    for raw in raw {
        let name = raw.name.required("a name of its own", findings);
        let members = raw.members.required("names of virtual routers such as [\"VI_1\", \"VI_2\"]", findings);
        let (Some(name), Some(members)) = (name, members) else { continue };
        names.insert(&name.value, &name.place, findings);
        let mut indexes = Vec::new();
        for at in members.value {
            let Some(index) = instances.iter().position(|known| known.router.name == at.value) else {
                let known: Vec<&str> = instances.iter().map(|known| &*known.router.name).collect();
                findings.error(
                    &at.place,
                    Problem::NothingOfThatName { word: "virtual router", name: at.value, known: known.join(", ") },
                );
                continue;
            };
            if taken.insert(&at.value, &at.place, findings) {
                indexes.push(index);
            }
        }
        groups.push((name.value.into(), indexes));
    }
    groups
}

//! What a reload changes of virtual routers and sync groups.

use std::net::IpAddr;
use std::time::Duration;

use headgate_vrrp::router::{Authentication, Coverage, Peers};

use super::{Change, Kind, Row, named, script};
use crate::config::model::Model;
use crate::config::text::show_duration;
use crate::vrrp::Instance;
use crate::vrrp::track::{Script, Track, Tracked};

const ROUTERS: Kind<Instance, ()> =
    Kind { word: "virtual router", name: |instance| &instance.router.name, rows: ROUTER, servers: None };

const ROUTER: &[Row<Instance>] = &[
    ("interface", |i| i.router.interface.clone()),
    ("id", |i| i.router.id.to_string()),
    ("version", |i| i.router.version.number().to_string()),
    ("priority", |i| i.router.priority.to_string()),
    ("advert_interval", |i| show_duration(Duration::from_micros(i.router.interval))),
    ("preempt", |i| i.router.preempt.to_string()),
    ("preempt_delay", |i| show_duration(Duration::from_micros(i.router.preempt_delay))),
    ("addresses", |i| super::list(&i.addresses[..i.router.addresses.len()])),
    ("excluded_addresses", |i| super::list(&i.addresses[i.router.addresses.len()..])),
    ("source", |i| i.source.map_or("of the interface".to_owned(), |source| source.to_string())),
    ("peers", |i| peers(&i.router.peers)),
    ("authentication", |i| authentication(&i.router.authentication)),
    ("checksum", |i| match i.router.coverage {
        Coverage::PseudoHeader => "pseudo_header".to_owned(),
        Coverage::Message => "message".to_owned(),
    }),
    ("address_mismatch", |i| if i.router.same_addresses { "discard" } else { "warn" }.to_owned()),
    ("accept_empty_list", |i| i.router.accept_empty_list.to_string()),
    ("strict_link_local", |i| i.router.strict_link_local.to_string()),
    ("unicast.old_checksum", |i| i.router.old_unicast_checksum.to_string()),
    ("announce.repeat", |i| i.announcing.repeat.to_string()),
    ("announce.delay", |i| show_duration(i.announcing.delay)),
    ("track", |i| super::list(&i.tracks.iter().map(tracked).collect::<Vec<_>>())),
    ("notify.master", |i| script(i.notify.master.as_ref())),
    ("notify.backup", |i| script(i.notify.backup.as_ref())),
    ("notify.fault", |i| script(i.notify.fault.as_ref())),
    ("notify.stop", |i| script(i.notify.stop.as_ref())),
    ("notify.any", |i| script(i.notify.any.as_ref())),
    ("announce.refresh", |i| show_duration(i.announcing.refresh)),
];

type Group = (String, String);

const GROUPS: Kind<Group, ()> =
    Kind { word: "sync group", name: |group| &group.0, rows: &[("members", |group| group.1.clone())], servers: None };

pub(super) fn diff(old: &Model, new: &Model, changes: &mut Vec<Change>) {
    let (old, new) = (old.virtual_routers(), new.virtual_routers());
    named(&ROUTERS, old.instances(), new.instances(), changes);
    let groups = |model: &crate::config::model::VirtualRouters| -> Vec<Group> {
        model.groups().map(|(name, members)| (name.to_owned(), members.join(", "))).collect()
    };
    named(&GROUPS, &groups(old), &groups(new), changes);
}

fn tracked(track: &Track) -> String {
    let reverse = if track.reverse { " reverse" } else { "" };
    let how = match &track.what {
        Tracked::Script(Script { interval, timeout, rise, fall, command }) => {
            let user = command.user.as_deref().unwrap_or("the daemon's user");
            let (interval, timeout) = (show_duration(*interval), show_duration(*timeout));
            format!(" every {interval} within {timeout}, rise {rise}, fall {fall}, as {user}")
        }
        Tracked::File { interval, .. } | Tracked::Process { interval, .. } => {
            format!(" every {}", show_duration(*interval))
        }
        Tracked::Interface(_) | Tracked::Upstream(_) | Tracked::Service(_) => String::new(),
    };
    format!("{track} weight {}{reverse}{how}", track.weight)
}

fn peers(peers: &Peers) -> String {
    let list = |peers: &[IpAddr]| peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match peers {
        Peers::Multicast(group) => group.to_string(),
        Peers::Unicast { peers, only, min_ttl } => {
            let mut text = list(peers);
            text.push_str(if *only { "" } else { " and others" });
            text.push_str(&min_ttl.map_or_else(String::new, |ttl| format!(" with TTL {ttl} at least")));
            text
        }
    }
}

/// Without what is secret; that it has changed shows all the same.
fn authentication(authentication: &Authentication) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let digest = |secret: &[u8]| {
        let mut hasher = DefaultHasher::new();
        secret.hash(&mut hasher);
        hasher.finish() & 0xffff
    };
    match authentication {
        Authentication::None => "none".to_owned(),
        Authentication::Pass(password) => format!("password (digest {:04x})", digest(password)),
        Authentication::Hmac(settings) => {
            let keys: Vec<String> =
                settings.keys.iter().map(|key| format!("{} (digest {:04x})", key.id, digest(&key.secret))).collect();
            format!("{:?} within {} s, keys {}", settings.mode, settings.window, keys.join(", "))
        }
    }
}

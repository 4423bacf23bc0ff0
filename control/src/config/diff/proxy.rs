//! What a reload changes of the proxy.

use headgate_l7::config::{Action, Balance, ErrorPages, HashKey, Limits, Listener, Proxy, Retry, Server, Upstream};

use super::{Change, Kind, Row, Servers, list, named};
use crate::config::model::balance_word;
use crate::config::text::{show_duration, show_match, show_size};

const UPSTREAMS: Kind<Upstream, Server> = Kind {
    word: "upstream",
    name: |upstream| &upstream.name,
    rows: UPSTREAM,
    servers: Some(Servers {
        of: |upstream| &upstream.servers,
        address: |server| server.address,
        weight: |server| server.weight,
        rows: SERVER,
    }),
};

const UPSTREAM: &[Row<Upstream>] = &[
    ("balance", |u| balance_word(u.balance).to_owned()),
    ("hash", |u| hash(u.balance).to_owned()),
    ("keepalive", |u| u.keepalive.to_string()),
    ("retry.on", |u| retry_on(&u.retry)),
    ("retry.tries", |u| u.retry.tries.to_string()),
    ("retry.timeout", |u| show_duration(u.retry.timeout)),
    ("retry.non_idempotent", |u| u.retry.non_idempotent.to_string()),
    ("queue", |u| {
        u.queue.map_or("none".to_owned(), |queue| format!("{}, {}", queue.size, show_duration(queue.timeout)))
    }),
    ("backup_below", |u| u.backup_below.to_string()),
];

const SERVER: &[Row<Server>] = &[
    ("weight", |s| s.weight.to_string()),
    ("max_fails", |s| s.max_fails.to_string()),
    ("fail_timeout", |s| show_duration(s.fail_timeout)),
    ("slow_start", |s| show_duration(s.slow_start)),
    ("backup", |s| s.backup.to_string()),
    ("down", |s| s.down.to_string()),
    ("max_connections", |s| s.max_connections.to_string()),
    // The same address written another way is another name for a consistent hash.
    ("address", |s| s.name.clone()),
];

/// A listener as it is told: with its routes in words.
struct Shown {
    name: String,
    addresses: String,
    limits: Limits,
    error_pages: String,
    routes: Vec<String>,
}

const LISTENERS: Kind<Shown, ()> =
    Kind { word: "listener", name: |listener| &listener.name, rows: LISTENER, servers: None };

const LISTENER: &[Row<Shown>] = &[
    ("address", |l| l.addresses.clone()),
    ("limits.request_line", |l| show_size(l.limits.request_line as u64)),
    ("limits.head", |l| show_size(l.limits.head as u64)),
    ("limits.fields", |l| l.limits.fields.to_string()),
    ("limits.body", |l| if l.limits.body == u64::MAX { "0".to_owned() } else { show_size(l.limits.body) }),
    ("limits.body_in_memory", |l| show_size(l.limits.body_in_memory as u64)),
    ("limits.head_timeout", |l| show_duration(l.limits.head_timeout)),
    ("limits.body_timeout", |l| show_duration(l.limits.body_timeout)),
    ("limits.send_timeout", |l| show_duration(l.limits.send_timeout)),
    ("limits.keep_alive", |l| show_duration(l.limits.keep_alive)),
    ("error_pages", |l| l.error_pages.clone()),
    ("route", |l| list(&l.routes)),
];

pub(super) fn diff(old: &Proxy, new: &Proxy, changes: &mut Vec<Change>) {
    named(&UPSTREAMS, &old.upstreams, &new.upstreams, changes);
    named(&LISTENERS, &shown(old), &shown(new), changes);
}

fn shown(proxy: &Proxy) -> Vec<Shown> {
    let route = |route: &headgate_l7::config::Route, outer: &ErrorPages| {
        let place = show_match(&route.host, &route.path);
        let action = match &route.action {
            Action::Proxy(forward) => {
                let times = forward.timeouts;
                let [connect, send, read] = [times.connect, times.send, times.read].map(show_duration);
                let (buffered, websocket) = (forward.request_buffering, forward.websocket);
                let upstream = proxy.upstreams.get(forward.upstream).map_or("", |upstream| &upstream.name);
                format!(
                    "{upstream} ({connect}/{send}/{read}{}{})",
                    if buffered { "" } else { ", unbuffered" },
                    if websocket { "" } else { ", no websocket" }
                )
            }
            Action::Respond { status, body } => format!("{status} {body:?}"),
            Action::Redirect { status, location } => format!("{status} {location}"),
            Action::Files(files) => format!(
                "{} ({}{}{})",
                files.root.display(),
                files.index.join(" "),
                if files.follow_symlinks { ", following links" } else { "" },
                if files.precompressed { ", precompressed" } else { "" }
            ),
        };
        if route.error_pages == *outer {
            return format!("{place} => {action}");
        }
        format!("{place} => {action}, pages {}", pages(&route.error_pages))
    };
    let listener = |listener: &Listener| Shown {
        name: listener.name.clone(),
        addresses: list(&listener.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
        limits: listener.limits,
        error_pages: pages(&listener.error_pages),
        routes: listener.routes.iter().map(|r| route(r, &listener.error_pages)).collect(),
    };
    proxy.listeners.iter().map(listener).collect()
}

fn hash(balance: Balance) -> &'static str {
    let key = |key| match key {
        HashKey::Uri => ["uri", "uri, consistent"],
        HashKey::Client => ["client", "client, consistent"],
        HashKey::Host => ["host", "host, consistent"],
    };
    match balance {
        Balance::Hash(hashed) => key(hashed)[0],
        Balance::HashConsistent(hashed) => key(hashed)[1],
        _ => "none",
    }
}

fn retry_on(retry: &Retry) -> String {
    let named = [("error", retry.on_error), ("timeout", retry.on_timeout), ("invalid_header", retry.on_invalid_header)];
    let words = named.iter().filter(|(_, on)| *on).map(|(word, _)| (*word).to_owned());
    list(&words.chain(retry.on_status.iter().map(|status| format!("http_{status}"))).collect::<Vec<_>>())
}

fn pages(pages: &ErrorPages) -> String {
    let shown = pages.iter().map(|(statuses, page)| {
        let (first, last) = (statuses.start(), statuses.end());
        let statuses = if first == last { first.to_string() } else { format!("{first}-{last}") };
        format!("{statuses} {} ({} bytes)", page.path.display(), page.body.len())
    });
    list(&shown.collect::<Vec<_>>())
}

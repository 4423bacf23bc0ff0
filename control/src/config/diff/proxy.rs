//! What a reload changes of the proxy.

use headgate_l7::config::{
    Action, Balance, Edits, ErrorPages, Forwarding, HashKey, Limits, Listener, Protocol, Proxy, Queue, Retry, Server,
    Sticky, Template, Underscores, Upstream, label,
};
use headgate_l7::log::AccessLog;

use super::{Change, Kind, Row, Servers, list, named};
use crate::config::model::{self, balance_word, server_key};
use crate::config::text::{show_duration, show_size};

const UPSTREAMS: Kind<Upstream, Server> = Kind {
    word: "upstream",
    name: |upstream| &upstream.name,
    rows: UPSTREAM,
    servers: Some(Servers {
        of: |upstream| &upstream.servers,
        key: server_key,
        weight: |server| server.weight,
        rows: SERVER,
    }),
};

const UPSTREAM: &[Row<Upstream>] = &[
    ("balance", |u| balance_word(u.balance).to_owned()),
    ("hash", |u| hash(u.balance).to_owned()),
    ("http2", |u| u.http2.to_string()),
    ("keepalive", |u| u.keepalive.to_string()),
    ("send_proxy", |u| u.send_proxy.map_or("none".to_owned(), |version| format!("{version:?}").to_lowercase())),
    ("sticky", |u| u.sticky.as_ref().map_or("none".to_owned(), sticky)),
    ("queue", |u| queue(u.queue)),
    ("backup_below", |u| u.backup_below.to_string()),
    ("retry.on", |u| retry_on(&u.retry)),
    ("retry.tries", |u| u.retry.tries.to_string()),
    ("retry.timeout", |u| show_duration(u.retry.timeout)),
    ("retry.non_idempotent", |u| u.retry.non_idempotent.to_string()),
];

const SERVER: &[Row<Server>] = &[
    ("weight", |s| s.weight.to_string()),
    ("max_fails", |s| s.max_fails.to_string()),
    ("fail_timeout", |s| show_duration(s.fail_timeout)),
    ("backup", |s| s.backup.to_string()),
    ("down", |s| s.down.to_string()),
    ("max_connections", |s| s.max_connections.to_string()),
    ("slow_start", |s| show_duration(s.slow_start)),
    // The same address written another way is another name for a consistent hash.
    ("address", |s| s.name.clone()),
];

/// A listener as it is told: with its routes in words.
struct Shown {
    name: String,
    addresses: String,
    protocol: Protocol,
    http2: bool,
    proxy_protocol: bool,
    forwarding: Forwarding,
    underscores: Underscores,
    limits: Limits,
    error_pages: String,
    access_log: String,
    routes: Vec<String>,
}

const LISTENERS: Kind<Shown, ()> =
    Kind { word: "listener", name: |listener| &listener.name, rows: LISTENER, servers: None };

const LISTENER: &[Row<Shown>] = &[
    ("address", |l| l.addresses.clone()),
    ("protocol", |l| format!("{:?}", l.protocol).to_lowercase()),
    ("http2", |l| l.http2.to_string()),
    ("proxy_protocol", |l| l.proxy_protocol.to_string()),
    ("trusted_proxies", |l| {
        let networks = l.forwarding.trusted.iter().map(|(address, length)| format!("{address}/{length}"));
        list(&networks.collect::<Vec<_>>())
    }),
    ("forwarded", |l| format!("{:?}", l.forwarding.style).to_lowercase()),
    ("underscores", |l| format!("{:?}", l.underscores).to_lowercase()),
    ("limits.request_line", |l| show_size(l.limits.request_line as u64)),
    ("limits.head", |l| show_size(l.limits.head as u64)),
    ("limits.fields", |l| l.limits.fields.to_string()),
    ("limits.body", |l| if l.limits.body == u64::MAX { "0".to_owned() } else { show_size(l.limits.body) }),
    ("limits.body_in_memory", |l| show_size(l.limits.body_in_memory as u64)),
    ("limits.head_timeout", |l| show_duration(l.limits.head_timeout)),
    ("limits.body_timeout", |l| show_duration(l.limits.body_timeout)),
    ("limits.body_rate", |l| show_size(l.limits.body_rate)),
    ("limits.send_timeout", |l| show_duration(l.limits.send_timeout)),
    ("limits.keep_alive", |l| show_duration(l.limits.keep_alive)),
    ("error_pages", |l| l.error_pages.clone()),
    ("access_log", |l| l.access_log.clone()),
    ("route", |l| list(&l.routes)),
];

pub(super) fn diff(old: &model::Proxy, new: &model::Proxy, changes: &mut Vec<Change>) {
    checks(old, new, changes);
    resolve_intervals(old, new, changes);
    let (old, new) = (old.config(), new.config());
    named(&UPSTREAMS, &old.upstreams, &new.upstreams, changes);
    named(&LISTENERS, &shown(old), &shown(new), changes);
}

/// Of servers that are in both.
fn checks(old: &model::Proxy, new: &model::Proxy, changes: &mut Vec<Change>) {
    let shown = |proxy: &model::Proxy, upstream: &str, server: &Server| super::list(proxy.checks(upstream, server));
    for upstream in &new.config().upstreams {
        let Some(before) = old.config().upstreams.iter().find(|known| known.name == upstream.name) else { continue };
        for server in &upstream.servers {
            let key = server_key(server);
            if !before.servers.iter().any(|known| server_key(known) == key) {
                continue;
            }
            let [from, to] = [old, new].map(|proxy| shown(proxy, &upstream.name, server));
            if from != to {
                let (kind, name, server) = ("upstream", upstream.name.clone(), key);
                changes.push(Change::ServerChanged { kind, name, server, key: "check", from, to });
            }
        }
    }
}

/// Of upstreams that have host names in both.
fn resolve_intervals(old: &model::Proxy, new: &model::Proxy, changes: &mut Vec<Change>) {
    for (name, to) in new.resolve_intervals() {
        let Some(from) = old.resolve_intervals().get(name).filter(|from| *from != to) else { continue };
        let [from, to] = [from, to].map(|interval| show_duration(*interval));
        changes.push(Change::Changed { kind: "upstream", name: name.clone(), key: "resolve_interval", from, to });
    }
}

fn shown(proxy: &Proxy) -> Vec<Shown> {
    let route = |route: &headgate_l7::config::Route, outer: &Listener| {
        let place = label(&route.host, &route.path, &route.conditions);
        let action = match &route.action {
            Action::Proxy(forward) => {
                let times = forward.timeouts;
                let [connect, send, read] = [times.connect, times.send, times.read].map(show_duration);
                let (buffered, websocket) = (forward.request_buffering, forward.websocket);
                let upstream = proxy.upstreams.get(forward.upstream).map_or("", |upstream| &upstream.name);
                format!(
                    "{upstream} ({connect}/{send}/{read}{}{}{}{})",
                    if buffered { "" } else { ", unbuffered" },
                    if websocket { "" } else { ", no websocket" },
                    forward.rewrite.as_ref().map_or(String::new(), |to| format!(", as {}", to.as_str())),
                    edits(&forward.request_headers, forward.host.as_ref())
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
        let action = action + &edits(&route.response_headers, None);
        let mut shown = format!("{place} => {action}");
        if route.error_pages != outer.error_pages {
            shown = format!("{shown}, pages {}", pages(&route.error_pages));
        }
        if route.access_log != outer.access_log {
            shown = format!("{shown}, log {}", log(route.access_log.as_deref()));
        }
        shown
    };
    let listener = |listener: &Listener| Shown {
        name: listener.name.clone(),
        addresses: list(&listener.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
        protocol: listener.protocol,
        http2: listener.http2,
        proxy_protocol: listener.proxy_protocol,
        forwarding: listener.forwarding.clone(),
        underscores: listener.underscores,
        limits: listener.limits,
        error_pages: pages(&listener.error_pages),
        access_log: log(listener.access_log.as_deref()),
        routes: listener.routes.iter().map(|r| route(r, listener)).collect(),
    };
    proxy.listeners.iter().map(listener).collect()
}

fn edits(edits: &Edits, host: Option<&Template>) -> String {
    let host = host.map(|host| format!(", Host: {host}"));
    let removed = edits.removed().map(|name| format!(", -{name}"));
    let added = edits.added().map(|(name, value)| format!(", +{name}: {value}"));
    host.into_iter().chain(removed).chain(added).collect()
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

fn sticky(sticky: &Sticky) -> String {
    let Sticky { cookie, path, domain, max_age, secure, http_only, same_site } = sticky;
    let domain = domain.as_ref().map(|domain| format!(", {domain}"));
    let max_age = max_age.map(|max_age| format!(", {}", show_duration(max_age)));
    let same_site = same_site.map(|same_site| format!(", same_site {}", same_site.as_str().to_lowercase()));
    let secure = secure.then(|| ", secure".to_owned());
    let http_only = http_only.then(|| ", http_only".to_owned());
    let more: String = [domain, max_age, secure, http_only, same_site].into_iter().flatten().collect();
    format!("{cookie} ({path}{more})")
}

fn queue(queue: Option<Queue>) -> String {
    queue.map_or_else(|| "none".to_owned(), |queue| format!("{} for {}", queue.size, show_duration(queue.timeout)))
}

fn retry_on(retry: &Retry) -> String {
    let named = [("error", retry.on_error), ("timeout", retry.on_timeout), ("invalid_header", retry.on_invalid_header)];
    let words = named.iter().filter(|(_, on)| *on).map(|(word, _)| (*word).to_owned());
    list(&words.chain(retry.on_status.iter().map(|status| format!("http_{status}"))).collect::<Vec<_>>())
}

fn log(log: Option<&AccessLog>) -> String {
    log.map_or("off".to_owned(), |log| format!("{} ({})", log.destination, log.format.as_str()))
}

fn pages(pages: &ErrorPages) -> String {
    let shown = pages.iter().map(|(statuses, page)| {
        let (first, last) = (statuses.start(), statuses.end());
        let statuses = if first == last { first.to_string() } else { format!("{first}-{last}") };
        format!("{statuses} {} ({} bytes)", page.path.display(), page.body.len())
    });
    list(&shown.collect::<Vec<_>>())
}

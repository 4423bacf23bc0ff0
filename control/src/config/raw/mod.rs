//! The file as it is: typed values with their places, nothing compared with anything else. What each key means stands in
//! `default.toml`.

pub(super) mod check;
mod dataplane;
mod proxy;
mod service;
mod track;
mod virtual_router;

pub(super) use dataplane::{Dataplane, Ipvs, Timeouts, Workers};
pub(super) use proxy::{
    AccessLog, Certificate, ErrorPages, Files, Hash, HeaderEdits, Limits, LineFormat, Listener, ListenerTls, Proxy,
    Retry, Route, Sticky, Upstream, UpstreamServer, UpstreamTls,
};
pub(super) use service::{Persistence, Server, Service, ServiceFlag, ServiceNotify, SorryServer, TunnelSection};
pub(super) use track::{Notify, Track};
pub(super) use virtual_router::{Authentication, AuthenticationType, SyncGroup, Unicast, VirtualRouter};

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeTable;

use super::error::Findings;
use super::model::{LogFormat, LogLevel, Prefix};
use super::reader::{Field, Keys, Section};
use super::source::Source;
use super::text;

/// A socket address holds 108 bytes, the last of them zero.
const SOCKET_PATH_MAX: usize = 107;

pub(super) static ROOT: Keys = Keys {
    supported: &[
        "node",
        "control",
        "dataplane",
        "address",
        "service",
        "virtual_router",
        "sync_group",
        "proxy",
        "upstream",
        "listener",
    ],
    later: &[],
};
pub(super) static NODE: Keys = Keys { supported: &["name"], later: &[] };
pub(super) static CONTROL: Keys = Keys { supported: &["socket", "admin", "log"], later: &[] };
pub(super) static LOG: Keys = Keys { supported: &["level", "format"], later: &[] };
pub(super) static ADDRESS: Keys = Keys { supported: &["interface", "address"], later: &[] };

/// Every section of the file with its keys, for tests against the reference manual.
#[cfg(test)]
pub(super) static ALL_KEYS: &[(&str, &Keys)] = &[
    ("", &ROOT),
    ("node", &NODE),
    ("control", &CONTROL),
    ("control.log", &LOG),
    ("address", &ADDRESS),
    ("dataplane", &dataplane::DATAPLANE),
    ("dataplane.timeouts", &dataplane::TIMEOUTS),
    ("dataplane.ipvs", &dataplane::IPVS),
    ("service", &service::SERVICE),
    ("service.persistence", &service::PERSISTENCE),
    ("service.tunnel", &service::TUNNEL),
    ("service.notify", &service::SERVICE_NOTIFY),
    // Those of upstreams have the same.
    ("service.check", &check::CHECK),
    ("service.check.tls", &proxy::tls::UPSTREAM_TLS),
    ("service.server", &service::SERVER),
    ("virtual_router", &virtual_router::VIRTUAL_ROUTER),
    ("virtual_router.unicast", &virtual_router::UNICAST),
    ("virtual_router.authentication", &virtual_router::AUTHENTICATION),
    ("virtual_router.authentication.keys", &virtual_router::HMAC_KEY),
    ("virtual_router.announce", &virtual_router::ANNOUNCE),
    ("virtual_router.track", &track::TRACK),
    ("virtual_router.notify", &track::NOTIFY),
    ("sync_group", &virtual_router::SYNC_GROUP),
    ("proxy", &proxy::PROXY),
    ("upstream", &proxy::upstream::UPSTREAM),
    ("upstream.hash", &proxy::upstream::HASH),
    ("upstream.queue", &proxy::upstream::QUEUE),
    ("upstream.retry", &proxy::upstream::RETRY),
    ("upstream.tls", &proxy::tls::UPSTREAM_TLS),
    ("upstream.server", &proxy::upstream::UPSTREAM_SERVER),
    ("listener", &proxy::listener::LISTENER),
    ("listener.tls", &proxy::tls::LISTENER_TLS),
    ("listener.tls.certificates", &proxy::tls::CERTIFICATE),
    ("listener.limits", &proxy::listener::LIMITS),
    ("listener.access_log", &proxy::log::ACCESS_LOG),
    ("listener.route", &proxy::route::ROUTE),
    ("listener.route.timeouts", &proxy::route::ROUTE_TIMEOUTS),
    ("listener.route.respond", &proxy::route::RESPOND),
    ("listener.route.redirect", &proxy::route::REDIRECT),
    ("listener.route.request_headers", &proxy::edits::EDITS),
    ("listener.route.response_headers", &proxy::edits::EDITS),
];

pub(super) struct Config {
    pub node_name: Option<Field<String>>,
    pub control: Option<Control>,
    pub dataplane: Option<Dataplane>,
    pub addresses: Vec<Address>,
    pub services: Vec<Service>,
    pub virtual_routers: Vec<VirtualRouter>,
    pub sync_groups: Vec<SyncGroup>,
    pub proxy: Option<Proxy>,
    pub upstreams: Vec<Upstream>,
    pub listeners: Vec<Listener>,
}

pub(super) struct Control {
    pub socket: Field<PathBuf>,
    pub admin: Field<SocketAddr>,
    pub log_level: Option<Field<LogLevel>>,
    pub log_format: Option<Field<LogFormat>>,
}

pub(super) struct Address {
    pub interface: Field<String>,
    pub address: Field<Prefix>,
}

impl Config {
    pub fn read(document: &DeTable<'_>, source: &Source<'_>, findings: &Findings) -> Self {
        let root = Section::root(document, &ROOT, source, findings);
        let node = root.section("node", &NODE);
        Self {
            node_name: node.map(|s| s.field("name", |v| v.parse("a name", text::name))),
            control: root.section("control", &CONTROL).map(|s| Control::read(&s)),
            dataplane: root.section("dataplane", &dataplane::DATAPLANE).map(|s| Dataplane::read(&s)),
            addresses: root.sections("address", &ADDRESS).iter().map(Address::read).collect(),
            services: root.sections("service", &service::SERVICE).iter().map(Service::read).collect(),
            virtual_routers: root
                .sections("virtual_router", &virtual_router::VIRTUAL_ROUTER)
                .iter()
                .map(VirtualRouter::read)
                .collect(),
            sync_groups: root.sections("sync_group", &virtual_router::SYNC_GROUP).iter().map(SyncGroup::read).collect(),
            proxy: root.section("proxy", &proxy::PROXY).map(|s| Proxy::read(&s)),
            upstreams: root.sections("upstream", &proxy::upstream::UPSTREAM).iter().map(Upstream::read).collect(),
            listeners: root.sections("listener", &proxy::listener::LISTENER).iter().map(Listener::read).collect(),
        }
    }
}

impl Control {
    fn read(section: &Section<'_, '_>) -> Self {
        let log = section.section("log", &LOG);
        let log = log.as_ref();
        Self {
            socket: section.field("socket", |v| v.parse("a socket path", socket_path)),
            admin: section.field("admin", |v| v.parse("an address with port", text::listen_address)),
            log_level: log.map(|s| s.field("level", |v| v.choice(&LogLevel::WORDS))),
            log_format: log.map(|s| s.field("format", |v| v.choice(&LogFormat::WORDS))),
        }
    }
}

impl Address {
    fn read(section: &Section<'_, '_>) -> Self {
        Self {
            interface: section.field("interface", |v| v.parse("an interface name", text::interface)),
            address: section.field("address", |v| v.parse("an address with prefix length", text::prefix)),
        }
    }
}

fn socket_path(text: &str) -> Result<PathBuf, &'static str> {
    match text {
        _ if !text.starts_with('/') => Err("it must be absolute"),
        _ if text.ends_with('/') => Err("it names a directory"),
        _ if text.contains('\0') => Err("it contains a zero byte"),
        _ if text.len() > SOCKET_PATH_MAX => Err("the kernel's limit is 107 bytes"),
        _ => Ok(PathBuf::from(text)),
    }
}

//! Problems and warnings: each names file, line and key, and is one line an operator can act on.

use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use headgate_api as api;

use super::source::Source;

/// What forbids the use of a configuration.
pub type ConfigError = Located<Problem>;

/// What is legal but probably not meant.
pub type ConfigWarning = Located<Advice>;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} in the configuration", count(.0.len()))]
    Invalid(Vec<ConfigError>),
}

impl LoadError {
    /// One problem per line, or the one reason why the file could not be read.
    pub fn to_problems(&self) -> Vec<api::Problem> {
        match self {
            Self::Read { path, source } => vec![api::Problem {
                file: path.display().to_string(),
                line: 0,
                column: None,
                key: String::new(),
                message: format!("cannot read the file: {source}"),
            }],
            Self::Invalid(errors) => errors.iter().map(ConfigError::to_api).collect(),
        }
    }
}

/// A problem or warning with its place: `headgate.toml:12: service[0].server[1].weight: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<P> {
    file: Arc<str>,
    place: Place,
    problem: P,
}

impl<P: fmt::Display> Located<P> {
    pub fn file(&self) -> &str {
        &self.file
    }

    /// 1-based; 0 when it concerns no line.
    pub fn line(&self) -> u32 {
        self.place.line
    }

    /// The path of the key: `service[0].server[1].weight`.
    pub fn key(&self) -> &str {
        &self.place.key
    }

    pub fn problem(&self) -> &P {
        &self.problem
    }

    pub fn to_api(&self) -> api::Problem {
        api::Problem {
            file: self.file.to_string(),
            line: self.place.line,
            column: self.place.column,
            key: self.place.key.clone(),
            message: self.problem.to_string(),
        }
    }
}

impl<P: fmt::Display> fmt::Display for Located<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_api().fmt(f)
    }
}

impl<P: fmt::Display + fmt::Debug> std::error::Error for Located<P> {}

/// Where in the file something is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub(super) line: u32,
    /// Known for syntax errors only; elsewhere the key says more.
    pub(super) column: Option<u32>,
    pub(super) key: String,
}

/// The closed list of what can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{message}: {excerpt}")]
    Syntax { message: String, excerpt: String },
    #[error("byte 0x{0:02x} is not UTF-8 text")]
    NotUtf8(u8),
    #[error("{value} is not below the quorum, which is {quorum}: the service could not go down")]
    HysteresisAboveQuorum { value: u32, quorum: u32 },
    #[error("its check needs a port: the service has many")]
    CheckWithoutPort,
    #[error("unknown key{}", hint(.nearest.as_deref(), .known))]
    UnknownKey { nearest: Option<String>, known: &'static [&'static str] },
    #[error("not supported by this version of Headgate")]
    KeyNotSupported,
    #[error("{0} is not supported by this version of Headgate")]
    ValueNotSupported(String),
    #[error("expected {expected}, found {found}")]
    WrongType { expected: String, found: String },
    #[error("{value} is out of range ({min} to {max}{}{unit})", if .unit.is_empty() { "" } else { " " })]
    OutOfRange { value: String, min: String, max: String, unit: &'static str },
    #[error("{value} is not one of {}{}", .allowed.join(", "), suggestion(.nearest.as_deref()))]
    NotOneOf { value: String, allowed: Vec<&'static str>, nearest: Option<&'static str> },
    #[error("{value} is not {expected}{}", because(.reason))]
    Malformed { value: String, expected: &'static str, reason: &'static str },
    #[error("missing; expected {0}")]
    Missing(&'static str),
    #[error("{value} is already used in line {line}")]
    Duplicate { value: String, line: u32 },
    #[error("{value} overlaps {other} of the service in line {line}")]
    Overlap { value: String, other: String, line: u32 },
    #[error(
        "{server} and the service address {service} are of different IP versions; only forward = \"tunnel\" may mix them"
    )]
    MixedFamilies { server: IpAddr, service: IpAddr },
    #[error("{0} is no address of a single host")]
    NotAHost(IpAddr),
    #[error("port 0 (all ports) needs persistence; add persistence = {{ timeout = \"5m\" }} or a port")]
    AllPortsWithoutPersistence,
    #[error("one_packet is for protocol = \"udp\" only")]
    OnePacketNotUdp,
    #[error("min_connections {min} is above max_connections {max}")]
    ThresholdsCrossed { min: u32, max: u32 },
    #[error("scheduler {0} takes no flags; only sh and mh do")]
    NoSchedulerFlags(&'static str),
    #[error("{count} servers; scheduler mh takes at most {max}")]
    TooManyServers { count: usize, max: usize },
    #[error("no interfaces, but there are services; expected a list such as [\"eth0\", \"eth1\"]")]
    NoInterfaces,
    #[error("{address} belongs to service {service}: its packets never reach a listener")]
    TakenByService { address: SocketAddr, service: String },
    #[error("{address} is also an address of listener {listener}: choose another port or address")]
    TakenByListener { address: SocketAddr, listener: String },
    #[error("{0}")]
    VirtualRouter(&'static str),
    #[error("there is no {word} {name}{}", listed(.known))]
    NothingOfThatName { word: &'static str, name: String, known: String },
    #[error("a route needs one of upstream, respond, redirect and root")]
    RouteWays,
    #[error("only for a listener with protocol = \"http\"")]
    OnlyHttp,
    #[error("upstream {0} has http2 = true: connections of a listener with protocol = \"tcp\" cannot go there")]
    TcpToHttp2(String),
    #[error("a head must have room for the request line: raise head or lower request_line")]
    HeadBelowLine,
    #[error("send_proxy does not go with http2 = true, where clients share connections")]
    SendProxyOverHttp2,
    #[error("slow_start does not go with balance = \"hash\" or \"ip_hash\", which give each client its server")]
    SlowStartByHash,
    #[error("cannot read {path}: {why}")]
    Unreadable { path: String, why: String },
    #[error("{0}")]
    Tls(String),
    #[error("client_auth needs client_ca, the authorities whose certificates count")]
    ClientAuthWithoutCa,
    #[error("{path} has {size} bytes, a page at most {max}")]
    PageTooLarge { path: String, size: u64, max: u64 },
    #[error("core {core} does not exist; this host has cores {cores}")]
    NoSuchCore { core: u16, cores: String },
}

/// The closed list of warnings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Advice {
    #[error("port {port} is ignored: forward = \"{forward}\" keeps the port the client used")]
    PortIgnored { port: u16, forward: &'static str },
    #[error("ignored: no server of this service uses forward = \"tunnel\"")]
    TunnelIgnored,
    #[error("the service has no servers: it will refuse all connections")]
    NoServers,
    #[error("all servers have weight 0: the service will refuse all new connections")]
    NoWeight,
    #[error("nobody holds {0}: no [[address]] or [[virtual_router]] has it and the host does not hold it now")]
    NotHeld(IpAddr),
    #[error("{0} is a loopback address: its packets cross no interface")]
    Loopback(IpAddr),
    #[error("ignored: only {0} looks at it")]
    OnlyFor(&'static str),
    #[error("ignored: preempt = false never takes over from a master")]
    PreemptDelayIgnored,
    #[error("the first address of an IPv6 advert should be link-local (fe80::…)")]
    FirstNotLinkLocal,
    #[error("the upstream has no servers: its requests will be answered with 502")]
    NoUpstreamServers,
    #[error("no server of the upstream is a primary in use: only backups are left")]
    NoPrimaries,
    #[error("ignored: only balance = \"hash\" looks at it")]
    HashIgnored,
    #[error("ignored: no server of the upstream is a backup")]
    NoBackups,
    #[error("ignored: no server of the upstream has a host name")]
    NoHostNames,
    #[error("browsers drop cookies with same_site = \"none\" that are not secure; add secure = true")]
    SameSiteNotSecure,
    #[error("the cookie of upstream {0} is ignored: connections of protocol = \"tcp\" have none")]
    TcpWithCookie(String),
    #[error("no route uses upstream {0}")]
    UpstreamUnused(String),
    #[error("the listener has no routes: its requests will be answered with 404")]
    NoRoutes,
    #[error("ignored: the route does not go to an upstream")]
    NotProxied,
    #[error("request_headers and rewrite are ignored: the route does not go to an upstream")]
    EditsNotProxied,
    #[error("ignored: the route has no root")]
    NoRoot,
    #[error("ignored: verify = false takes any certificate")]
    CaIgnored,
    #[error("{0} is no folder now: requests will be answered with 404 until it is")]
    RootMissing(String),
    #[error("{0} is no folder now: the log cannot be opened until it is")]
    LogFolderMissing(String),
    #[error("ignored: only format = \"json\" has fields")]
    FieldsIgnored,
    #[error("interfaces are not used: there is no [[service]]")]
    InterfacesUnused,
}

/// Collects what the stages find.
pub(super) struct Findings {
    file: Arc<str>,
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<ConfigWarning>>,
}

impl Findings {
    pub fn new(file: &str) -> Self {
        Self { file: file.into(), errors: RefCell::default(), warnings: RefCell::default() }
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn error(&self, place: &Place, problem: Problem) {
        self.errors.borrow_mut().push(self.located(place.clone(), problem));
    }

    pub fn warning(&self, place: &Place, advice: Advice) {
        self.warnings.borrow_mut().push(self.located(place.clone(), advice));
    }

    /// A warning that is only kept for later: whether it applies depends on facts validation does not have.
    pub fn conditional(&self, place: &Place, advice: Advice) -> ConfigWarning {
        self.located(place.clone(), advice)
    }

    pub fn syntax(&self, source: &Source<'_>, error: &toml::de::Error) -> ConfigError {
        let offset = error.span().map_or(0, |span| span.start);
        let line = source.line(offset);
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let excerpt = super::text::shorten(source.excerpt(line));
        let place = Place { line, column: Some(source.column(offset)), key: String::new() };
        self.located(place, Problem::Syntax { message, excerpt })
    }

    pub fn not_utf8(&self, line: u32, byte: u8) -> ConfigError {
        self.located(Place { line, ..Place::default() }, Problem::NotUtf8(byte))
    }

    /// In the order of the file, so that an operator can go through it once.
    pub fn sorted(self) -> (Vec<ConfigError>, Vec<ConfigWarning>) {
        let (mut errors, mut warnings) = (self.errors.into_inner(), self.warnings.into_inner());
        errors.sort_by_key(|e| e.place.line);
        warnings.sort_by_key(|w| w.place.line);
        (errors, warnings)
    }

    fn located<P>(&self, place: Place, problem: P) -> Located<P> {
        Located { file: Arc::clone(&self.file), place, problem }
    }
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}

fn hint(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(key) => format!("; did you mean `{key}`?"),
        None => format!("; known here: {}", known.join(", ")),
    }
}

fn listed(known: &str) -> String {
    if known.is_empty() { String::new() } else { format!("; there are: {known}") }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |value| format!("; did you mean \"{value}\"?"))
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

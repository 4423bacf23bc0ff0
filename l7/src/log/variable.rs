//! What a line can say of a request, under nginx's names.

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    Asked(Asked),
    Fact(Fact),
}

/// Of the head of the request: kept while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// By which name the client says it is known (Basic authentication); nobody has checked that.
    User,
    Line,
    Method,
    Uri,
    /// In lower case, without a port.
    Host,
    Protocol,
    /// In lower case, with `_` for `-`.
    Field(Box<str>),
}

/// Known at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    RemoteAddr,
    TimeLocal,
    TimeIso8601,
    Status,
    BodyBytesSent,
    BytesSent,
    RequestTime,
    RequestLength,
    UpstreamAddr,
    UpstreamStatus,
    UpstreamResponseTime,
    Scheme,
    SslProtocol,
    SslServerName,
    Connection,
    Route,
    Upstream,
    Listener,
}

/// All but the fields of the request, `http_NAME`.
static NAMES: [(&str, Variable); 24] = [
    ("remote_addr", Variable::Fact(Fact::RemoteAddr)),
    ("remote_user", Variable::Asked(Asked::User)),
    ("time_local", Variable::Fact(Fact::TimeLocal)),
    ("time_iso8601", Variable::Fact(Fact::TimeIso8601)),
    ("request", Variable::Asked(Asked::Line)),
    ("request_method", Variable::Asked(Asked::Method)),
    ("request_uri", Variable::Asked(Asked::Uri)),
    ("status", Variable::Fact(Fact::Status)),
    ("body_bytes_sent", Variable::Fact(Fact::BodyBytesSent)),
    ("bytes_sent", Variable::Fact(Fact::BytesSent)),
    ("host", Variable::Asked(Asked::Host)),
    ("request_time", Variable::Fact(Fact::RequestTime)),
    ("request_length", Variable::Fact(Fact::RequestLength)),
    ("upstream_addr", Variable::Fact(Fact::UpstreamAddr)),
    ("upstream_status", Variable::Fact(Fact::UpstreamStatus)),
    ("upstream_response_time", Variable::Fact(Fact::UpstreamResponseTime)),
    ("scheme", Variable::Fact(Fact::Scheme)),
    ("server_protocol", Variable::Asked(Asked::Protocol)),
    ("ssl_protocol", Variable::Fact(Fact::SslProtocol)),
    ("ssl_server_name", Variable::Fact(Fact::SslServerName)),
    ("connection", Variable::Fact(Fact::Connection)),
    ("route", Variable::Fact(Fact::Route)),
    ("upstream", Variable::Fact(Fact::Upstream)),
    ("listener", Variable::Fact(Fact::Listener)),
];

const FIELD: &str = "http_";

impl Variable {
    /// By its name, without the dollar sign, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let name = &*name.to_ascii_lowercase();
        if let Some((_, known)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Some(known.clone());
        }
        let field = name.strip_prefix(FIELD).filter(|field| !field.is_empty())?;
        let fits = field.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        fits.then(|| Self::Asked(Asked::Field(field.into())))
    }

    pub fn name(&self) -> String {
        if let Self::Asked(Asked::Field(field)) = self {
            return format!("{FIELD}{field}");
        }
        NAMES.iter().find(|(_, known)| known == self).map_or("", |(name, _)| name).to_owned()
    }

    /// All names, the one for fields as an example of its kind.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name).chain(["http_referer", "http_user_agent", "http_NAME"])
    }

    pub(super) fn field(name: &str) -> Self {
        Self::Asked(Asked::Field(name.into()))
    }
}

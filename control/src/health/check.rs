//! What is asked of a server, and how often.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use headgate_l7::config::Pattern;
use headgate_l7::tls::Connector;

use crate::program::Command;

/// A check of a server. Those that are equal can be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub kind: Kind,
    pub interval: Duration,
    /// For the whole of it, from the connection on.
    pub timeout: Duration,
    /// Successes in a row that bring a server back.
    pub rise: u32,
    /// Failures in a row that take it out.
    pub fall: u32,
    /// From a failure to the next try, as long as failures have not taken the server out; else an interval.
    pub delay_before_retry: Option<Duration>,
    /// Another port than the server's.
    pub port: Option<u16>,
    /// What a server is taken for before the first answers.
    pub starts_up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A connection can be made.
    Tcp,
    Http(Box<Http>),
    /// A mail server greets, and answers EHLO.
    Smtp {
        /// Who we say we are.
        helo: String,
    },
    /// A name server answers a question by UDP without an error.
    Dns {
        name: String,
        record: Record,
    },
    /// A datagram is not refused, or is answered as it should be.
    Udp {
        payload: Vec<u8>,
        /// Found in the answer; `None`: no answer is needed.
        reply: Option<Pattern>,
    },
    /// The host answers an echo request.
    Ping,
    Exec(Exec),
}

/// A type of resource records (RFC 1035 section 3.2.2, RFC 3596 and others).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    A = 1,
    Ns = 2,
    Cname = 5,
    Soa = 6,
    Mx = 15,
    Txt = 16,
    Aaaa = 28,
    Srv = 33,
}

impl Record {
    pub const WORDS: [(&'static str, Option<Self>); 8] = [
        ("A", Some(Self::A)),
        ("NS", Some(Self::Ns)),
        ("CNAME", Some(Self::Cname)),
        ("SOA", Some(Self::Soa)),
        ("MX", Some(Self::Mx)),
        ("TXT", Some(Self::Txt)),
        ("AAAA", Some(Self::Aaaa)),
        ("SRV", Some(Self::Srv)),
    ];

    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, record)| *record == Some(self)).map_or("", |(word, _)| word)
    }
}

/// A program ends with status 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub command: Command,
    /// Status 2 to 255 is a pass too, with a weight of 0 to 253 (`misc_dynamic` of keepalived).
    pub dynamic_weight: bool,
}

/// A request, and what its response must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Absent: the server's address.
    pub host: Option<String>,
    pub status: Vec<RangeInclusive<u16>>,
    /// Found somewhere in the first 64 KiB of the body.
    pub body: Option<Pattern>,
    /// MD5 of the first MiB of the body (`digest` of keepalived).
    pub digest: Option<[u8; 16]>,
    /// The host name that the server's address was found by.
    pub found_by: Option<String>,
    pub tls: Option<Connector>,
    pub http2: bool,
}

impl Kind {
    pub fn needs_port(&self) -> bool {
        !matches!(self, Self::Ping | Self::Exec(_))
    }
}

impl Check {
    /// Where a server of this address is asked.
    pub fn target(&self, server: SocketAddr) -> SocketAddr {
        SocketAddr::new(server.ip(), self.port.unwrap_or(server.port()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http(http) if http.tls.is_some() => write!(f, "https {} {}", http.method, http.path),
            Self::Http(http) => write!(f, "http {} {}", http.method, http.path),
            Self::Smtp { .. } => f.write_str("smtp"),
            Self::Dns { name, record } => write!(f, "dns {name} {}", record.word()),
            Self::Udp { .. } => f.write_str("udp"),
            Self::Ping => f.write_str("ping"),
            Self::Exec(exec) => write!(f, "exec {}", exec.command.words.join(" ")),
        }
    }
}

/// All of it, so that a reload shows whatever has changed.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, interval, timeout, rise, fall, delay_before_retry, port, starts_up } = self;
        write!(f, "{kind}{}", Details(kind))?;
        if let Some(port) = port {
            write!(f, " port {port}")?;
        }
        write!(f, " every {interval:?} within {timeout:?}, rise {rise}, fall {fall}")?;
        if let Some(delay) = delay_before_retry {
            write!(f, ", again after {delay:?}")?;
        }
        f.write_str(if *starts_up { "" } else { ", down at first" })
    }
}

/// What the short form of a kind leaves out.
struct Details<'a>(&'a Kind);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Tcp | Kind::Ping | Kind::Dns { .. } => Ok(()),
            Kind::Http(http) => http.details(f),
            Kind::Smtp { helo } => write!(f, " as {helo}"),
            Kind::Udp { payload, reply } => {
                write!(f, " {}", payload.escape_ascii())?;
                reply.as_ref().map_or(Ok(()), |reply| write!(f, " ~ {}", reply.as_str()))
            }
            Kind::Exec(Exec { command, dynamic_weight }) => {
                command.user.as_ref().map_or(Ok(()), |user| write!(f, " as {user}"))?;
                f.write_str(if *dynamic_weight { " for a weight" } else { "" })
            }
        }
    }
}

impl Http {
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, status, body, digest, http2, .. } = self;
        f.write_str(if *http2 { " by HTTP/2" } else { "" })?;
        host.as_ref().map_or(Ok(()), |host| write!(f, " for {host}"))?;
        let shown: Vec<_> = status.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
        write!(f, " {}", shown.join(","))?;
        body.as_ref().map_or(Ok(()), |body| write!(f, " ~ {}", body.as_str()))?;
        digest.map_or(Ok(()), |digest| write!(f, " digest {:032x}", u128::from_be_bytes(digest)))
    }
}

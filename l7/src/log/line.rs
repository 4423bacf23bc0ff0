//! A line, word by word.

use std::io::Write as _;
use std::net::SocketAddr;

use super::escape;
use super::format::{Format, Part};
use super::seen::{Seen, Try};
use super::time::with_times;
use super::variable::Fact;
use crate::clock::seconds;
use crate::counters::Ended;
use crate::http1::write::write_number;

/// What is known of a request at its end.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub ended: &'a Ended,
    /// Bytes of heads among those that were sent.
    pub heads: u64,
    pub client: &'a str,
    pub listener: &'a str,
    /// Host and path of the route that was taken.
    pub route: Option<&'a str>,
    pub upstream: Option<&'a str>,
    /// "http" or "https".
    pub scheme: &'a str,
    pub ssl_protocol: Option<&'a str>,
    pub ssl_server_name: Option<&'a str>,
    /// Number of the connection.
    pub connection: u64,
}

enum Value<'a> {
    Missing,
    Bytes(&'a [u8]),
    /// Of characters that mean nothing in any format.
    Word(&'a str),
    Number(u64),
    /// In microseconds.
    Time(u64),
    TimeLocal,
    TimeIso8601,
    /// One for each server that was asked.
    List(WriteTry),
}

type WriteTry = fn(&Try, &Facts<'_>, &mut Vec<u8>);

impl Format {
    /// Writes the line, without its end.
    pub fn write(&self, facts: &Facts<'_>, seen: &Seen, out: &mut Vec<u8>) {
        let write = if self.json { Value::json } else { Value::text };
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Kept(index) => write(&seen.value(*index).map_or(Value::Missing, Value::Bytes), facts, seen, out),
                Part::Fact(fact) => write(&facts.value(*fact, seen), facts, seen, out),
            }
        }
    }
}

impl Facts<'_> {
    fn value(&self, fact: Fact, seen: &Seen) -> Value<'_> {
        let list = |write: WriteTry| if seen.tries.is_empty() { Value::Missing } else { Value::List(write) };
        match fact {
            Fact::RemoteAddr => Value::Word(self.client),
            Fact::TimeLocal => Value::TimeLocal,
            Fact::TimeIso8601 => Value::TimeIso8601,
            Fact::Status => Value::Number(self.ended.status.into()),
            Fact::BodyBytesSent => Value::Number(self.ended.sent.saturating_sub(self.heads)),
            Fact::BytesSent => Value::Number(self.ended.sent),
            Fact::RequestTime => Value::Time(self.ended.duration()),
            Fact::RequestLength => Value::Number(self.ended.received),
            Fact::UpstreamAddr => list(|tried, facts, out| match tried.server {
                Some(server) => write_address(server, out),
                // As nginx: the name of the group stands for the server that was not to be had.
                None => out.extend_from_slice(facts.upstream.unwrap_or("-").as_bytes()),
            }),
            Fact::UpstreamStatus => list(|tried, _, out| match tried.status {
                Some(status) => write_number(status.into(), out),
                None => out.push(b'-'),
            }),
            Fact::UpstreamResponseTime => list(|tried, _, out| write_time(tried.took, out)),
            Fact::Scheme => Value::Word(self.scheme),
            Fact::SslProtocol => text(self.ssl_protocol),
            Fact::SslServerName => text(self.ssl_server_name),
            Fact::Connection => Value::Number(self.connection),
            Fact::Route => text(self.route),
            Fact::Upstream => text(self.upstream),
            Fact::Listener => Value::Word(self.listener),
        }
    }
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Missing, |text| Value::Bytes(text.as_bytes()))
}

impl Value<'_> {
    fn text(&self, facts: &Facts<'_>, seen: &Seen, out: &mut Vec<u8>) {
        match self {
            Self::Missing => out.push(b'-'),
            Self::Bytes(bytes) => escape::text(bytes, out),
            plain => plain.plain(facts, seen, out),
        }
    }

    fn json(&self, facts: &Facts<'_>, seen: &Seen, out: &mut Vec<u8>) {
        match self {
            Self::Missing => out.extend_from_slice(b"null"),
            Self::Bytes(bytes) => escape::json(bytes, out),
            Self::Number(_) | Self::Time(_) => self.plain(facts, seen, out),
            quoted => {
                out.push(b'"');
                quoted.plain(facts, seen, out);
                out.push(b'"');
            }
        }
    }

    /// What needs no escaping.
    fn plain(&self, facts: &Facts<'_>, seen: &Seen, out: &mut Vec<u8>) {
        match self {
            Self::Missing => {}
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Word(word) => out.extend_from_slice(word.as_bytes()),
            Self::Number(number) => write_number(*number, out),
            Self::Time(micros) => write_time(*micros, out),
            Self::TimeLocal => with_times(seconds(facts.ended.at), |t| out.extend_from_slice(t.local.as_bytes())),
            Self::TimeIso8601 => with_times(seconds(facts.ended.at), |t| out.extend_from_slice(t.iso8601.as_bytes())),
            Self::List(write) => {
                for (index, tried) in seen.tries.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    write(tried, facts, out);
                }
            }
        }
    }
}

/// Seconds with milliseconds.
fn write_time(micros: u64, out: &mut Vec<u8>) {
    let millis = micros / 1000;
    write_number(millis / 1000, out);
    let digit = |divisor: u64| b'0' + (millis / divisor % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
}

fn write_address(address: SocketAddr, out: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = address else {
        // Writing to memory does not fail.
        let _ = write!(out, "{address}");
        return;
    };
    for (index, octet) in v4.ip().octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        write_number(octet.into(), out);
    }
    out.push(b':');
    write_number(v4.port().into(), out);
}

#[cfg(test)]
mod tests;

//! The parameters of a request: `?limit=10&service=web`.

use std::str::FromStr;

use headgate_api::{ConnectionFilter, Request};
use percent_encoding::percent_decode_str;

/// Connections that are listed when nothing is said, and at most: listing them takes the control thread's time.
const CONNECTIONS: u64 = 100;
const CONNECTIONS_MAX: u64 = 10_000;

/// What a path of the API asks; `None` for another path. The error says what is wrong with the query.
pub(super) fn request(path: &str, query: &str) -> Option<Result<Request, String>> {
    let read: fn(&str) -> Result<Request, String> = match path {
        "/api/status" => |query| Parameters::read(query, []).map(|[]| Request::Status),
        "/api/vrrp" => |query| Parameters::read(query, []).map(|[]| Request::Vrrp),
        "/api/services" => services,
        "/api/upstreams" => |query| Parameters::read(query, ["name"]).map(|[name]| Request::Upstreams { name }),
        "/api/connections" => connections,
        _ => return None,
    };
    Some(read(query))
}

fn services(query: &str) -> Result<Request, String> {
    let [name, rates] = Parameters::read(query, ["name", "rates"])?;
    let rates = parsed("rates", rates)?.unwrap_or(false);
    Ok(Request::Services { name, rates, zero: false })
}

fn connections(query: &str) -> Result<Request, String> {
    let [service, client, server, state, limit] =
        Parameters::read(query, ["service", "client", "server", "state", "limit"])?;
    let limit = parsed("limit", limit)?.unwrap_or(CONNECTIONS);
    if !(1..=CONNECTIONS_MAX).contains(&limit) {
        return Err(format!("limit = {limit} is out of range (1 to {CONNECTIONS_MAX})"));
    }
    let (client, server) = (parsed("client", client)?, parsed("server", server)?);
    Ok(Request::Connections { filter: ConnectionFilter { service, client, server, state, limit } })
}

struct Parameters;

impl Parameters {
    /// The values of these parameters; there may be no others, and each only once.
    fn read<const N: usize>(query: &str, known: [&str; N]) -> Result<[Option<String>; N], String> {
        let mut values = [const { None }; N];
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let Some(index) = known.iter().position(|known| *known == name) else {
                let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
                return Err(format!("unknown parameter {name:?}; known here: {known}"));
            };
            if values[index].replace(value).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(values)
    }
}

fn parsed<T: FromStr>(name: &str, value: Option<String>) -> Result<Option<T>, String> {
    let wrong = |value: String| format!("{name} = {value:?} is not understood");
    value.map(|value| value.parse().map_err(|_| wrong(value))).transpose()
}

fn decoded(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| format!("{text:?} is not UTF-8"))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests;

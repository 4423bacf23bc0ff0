//! `headgate upstreams`: the proxy's upstreams and their servers.

use std::fmt;
use std::process::ExitCode;

use headgate_api::{
    CheckState, Request, Response, ServerCheck, Upstream, UpstreamQueue, UpstreamServer, UpstreamState, Upstreams,
};

use super::numbers::short;
use super::output::{Colour, Paint};
use super::table::{Align, Cell, Table};
use super::{Failure, Global, output};

/// Show the proxy's upstreams and their servers
///
/// Which servers get requests, how many they work on, how often they failed, how often another server was asked instead, and how
/// long they take until a response begins.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only the upstream of this name
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate upstreams
  headgate upstreams app
  headgate upstreams --json | jq '.upstreams[].servers[] | select(.state != \"up\")'";

pub(super) fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let upstreams = global.ask(Request::Upstreams { name: args.name }, |response| match response {
        Response::Upstreams(upstreams) => Some(upstreams),
        _ => None,
    })?;
    output::show(args.json, upstreams, |upstreams, paint| Report { upstreams, paint })
}

pub(super) struct Report {
    pub upstreams: Upstreams,
    pub paint: Paint,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.upstreams.upstreams.is_empty() {
            return writeln!(f, "there are no upstreams");
        }
        for (i, upstream) in self.upstreams.upstreams.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}: {}", upstream.name, About(upstream))?;
            write!(f, "{}", self.servers(upstream))?;
            for name in &upstream.names {
                let Some(error) = &name.error else { continue };
                writeln!(f, "{}: cannot be resolved, {} addresses: {error}", name.name, name.addresses.len())?;
            }
            for server in &upstream.servers {
                let Some(check) = server.check.as_ref().filter(|check| check.state == CheckState::Down) else {
                    continue;
                };
                let reason = check.reason.as_deref().unwrap_or_default();
                writeln!(f, "{}: fails {} since {} s: {reason}", server.address, check.check, check.since_s)?;
            }
        }
        Ok(())
    }
}

/// What there is to say of an upstream as a whole.
pub(crate) struct About<'a>(pub &'a Upstream);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let upstream = self.0;
        f.write_str(&upstream.balance)?;
        if upstream.backup_below > 0 {
            write!(f, "; backups join below {} primaries", upstream.backup_below)?;
        }
        if let Some(queue) = upstream.queue {
            let UpstreamQueue { waiting, queued, timed_out, refused } = queue;
            write!(f, "; queue: {waiting} waiting, {queued} queued, {timed_out} timed out, {refused} refused")?;
        }
        if upstream.last_resorts > 0 {
            write!(f, "; {} requests while all servers were out", upstream.last_resorts)?;
        }
        Ok(())
    }
}

/// Its address, and the host name that this was found by.
pub(crate) fn title(server: &UpstreamServer) -> String {
    match &server.name {
        Some(name) => format!("{} {name}", server.address),
        None => server.address.to_string(),
    }
}

/// With what slow start leaves of it.
pub(crate) fn weight(server: &UpstreamServer) -> String {
    match server.weight_percent {
        100 => server.weight.to_string(),
        percent => format!("{} ({percent}%)", server.weight),
    }
}

/// What the check of a server says: `up` or `down: connection refused`.
pub(crate) fn check(check: &ServerCheck) -> String {
    match (check.state, &check.reason) {
        (CheckState::Down, Some(reason)) => format!("down: {reason}"),
        (CheckState::Down, None) => "down".to_owned(),
        (CheckState::Up, _) => "up".to_owned(),
        _ => "unknown".to_owned(),
    }
}

impl Report {
    fn servers(&self, upstream: &Upstream) -> Table {
        let columns = vec![
            ("SERVER", Align::Left),
            ("WEIGHT", Align::Right),
            ("STATE", Align::Left),
            ("NOW", Align::Right),
            ("REQUESTS", Align::Right),
            ("FAILED", Align::Right),
            ("RETRIED", Align::Right),
            ("P50 ms", Align::Right),
            ("P99 ms", Align::Right),
        ];
        let mut table = Table::new(columns, self.paint);
        for server in &upstream.servers {
            let [p50, p99] = match server.latency_ms {
                Some(latency) => [latency.p50, latency.p99].map(|time| format!("{time:.1}")),
                None => ["-".to_owned(), "-".to_owned()],
            };
            let name = format!("{}{}", title(server), if server.backup { " (backup)" } else { "" });
            table.row(vec![
                name.into(),
                weight(server).into(),
                state(server.state),
                short(server.in_flight).into(),
                short(server.requests).into(),
                short(server.failures).into(),
                short(server.retries).into(),
                p50.into(),
                p99.into(),
            ]);
        }
        table
    }
}

fn state(state: UpstreamState) -> Cell {
    let colour = match state {
        UpstreamState::Up => Colour::Good,
        UpstreamState::Down => Colour::Bad,
        _ => Colour::Attention,
    };
    Cell::coloured(state, Some(colour))
}

//! `headgate server`: a change of a server that lasts until the next reload.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::ValueEnum;
use headgate_api::{Request, Response, ServerChange, ServerReport, UpstreamServerReport};

use super::{Failure, Global, output};
use crate::config::{model::Weight, parse_server_address};

/// Drain a server, enable it again, or change its weight
///
/// The change lasts until the next reload. It concerns new connections and requests; present ones go on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name of the service or upstream
    service: String,
    /// The server: IP:port or [IPv6]:port; without a port if the service has one server of this IP only
    #[arg(value_parser = parse_server_address)]
    address: SocketAddr,
    #[arg(value_enum)]
    change: Change,
    /// The new weight, 0 to 2147483647 (with "weight")
    #[arg(value_name = "N", required_if_eq("change", "weight"), value_parser = clap::value_parser!(u32).range(..=i64::from(Weight::MAX.get())))]
    weight: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Change {
    /// No new connections
    Drain,
    /// Back to the weight of the configuration
    Enable,
    /// Another share of new connections
    Weight,
}

const EXAMPLES: &str = "\
Examples:
  headgate server web 10.0.0.11:8080 drain
  headgate server web 10.0.0.11:8080 enable
  headgate server web [2001:db8::11]:8080 weight 5
  headgate server app 10.0.0.21:8080 drain         a server of the upstream app";

pub(super) fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let Args { service, address, change, weight, json } = args;
    let change = match (change, weight) {
        (Change::Drain, None) => ServerChange::Drain,
        (Change::Enable, None) => ServerChange::Enable,
        (Change::Weight, Some(weight)) => ServerChange::Weight(weight),
        (Change::Weight, None) => return Err(Failure::Usage("weight needs a number")),
        (_, Some(_)) => return Err(Failure::Usage("a number goes with weight only")),
    };
    let request = Request::Server { service, address, change };
    let report = global.ask(request, |response| match response {
        Response::Server(report) => Some(Report::Service(report)),
        Response::UpstreamServer(report) => Some(Report::Upstream(report)),
        _ => None,
    })?;
    match &report {
        Report::Service(report) if json => output::print_json(report)?,
        Report::Upstream(report) if json => output::print_json(report)?,
        report => output::print(&report.to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) enum Report {
    Service(ServerReport),
    Upstream(UpstreamServerReport),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weight, effective_weight) = match self {
            Self::Service(ServerReport { service, address, state, weight, effective_weight, .. }) => {
                write!(f, "service {service}: server {address}: {state}, weight {effective_weight}")?;
                (weight, effective_weight)
            }
            Self::Upstream(UpstreamServerReport { upstream, address, state, weight, effective_weight, .. }) => {
                write!(f, "upstream {upstream}: server {address}: {state}, weight {effective_weight}")?;
                (weight, effective_weight)
            }
        };
        if effective_weight != weight {
            write!(f, " until the next reload (configured: {weight})")?;
        }
        writeln!(f)
    }
}

//! `headgate server`: a change of a server that lasts until the next reload.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::ValueEnum;
use headgate_api::{Request, Response, ServerChange, ServerReport};

use super::{Failure, Global, output};
use crate::config::{model::Weight, parse_server_address};

/// Drain a server, enable it again, or change its weight
///
/// The change lasts until the next reload. It concerns new connections; present ones go on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name of the service
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
  headgate server web [2001:db8::11]:8080 weight 5";

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
        Response::Server(report) => Some(Report(report)),
        _ => None,
    })?;
    if json {
        output::print_json(&report.0)?;
    } else {
        output::print(&report.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) struct Report(pub ServerReport);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerReport { service, address, state, weight, effective_weight, .. } = &self.0;
        write!(f, "service {service}: server {address}: {state}, weight {effective_weight}")?;
        if effective_weight != weight {
            write!(f, " until the next reload (configured: {weight})")?;
        }
        writeln!(f)
    }
}

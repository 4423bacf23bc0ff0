//! `headgate connections`: the connection table.

use std::fmt;
use std::net::IpAddr;
use std::process::ExitCode;

use headgate_api::{ConnectionFilter, Connections, Request, Response};

use super::numbers::clock;
use super::output::Paint;
use super::table::{Align, Table};
use super::{Failure, Global, output};

/// Show the connection table
///
/// All filters given must match. A client with port 0 is a persistence template.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only connections of the service of this name
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only connections of this client
    #[arg(long, value_name = "IP")]
    client: Option<IpAddr>,
    /// Only connections to this server
    #[arg(long, value_name = "IP")]
    server: Option<IpAddr>,
    /// Only connections in this state, e.g. ESTABLISHED
    #[arg(long)]
    state: Option<String>,
    /// Most connections to show; 0 = all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate connections --limit 20
  headgate connections --service web --client 198.51.100.7
  headgate connections --server 10.0.0.11 --state established --json | jq .total";

pub(super) fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let Args { service, client, server, state, limit, json } = args;
    let filter = ConnectionFilter { service, client, server, state, limit };
    let connections = global.ask(Request::Connections { filter }, |response| match response {
        Response::Connections(connections) => Some(connections),
        _ => None,
    })?;
    output::show(json, connections, |connections, paint| Report { connections, paint })
}

pub(super) struct Report {
    pub connections: Connections,
    pub paint: Paint,
}

impl fmt::Display for Report {
    /// The columns of `ipvsadm -Lnc`; forward and service are in the JSON, a line has no room for them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = vec![
            ("PRO", Align::Left),
            ("EXPIRES", Align::Right),
            ("STATE", Align::Left),
            ("CLIENT", Align::Left),
            ("VIRTUAL", Align::Left),
            ("SERVER", Align::Left),
        ];
        let mut table = Table::new(columns, self.paint);
        for c in &self.connections.connections {
            table.row(vec![
                c.protocol.into(),
                clock(c.expires_s).into(),
                (&c.state).into(),
                c.client.into(),
                c.virtual_address.into(),
                c.server.into(),
            ]);
        }
        write!(f, "{table}")?;
        match (self.connections.total, self.connections.connections.len() as u64) {
            (0, _) => writeln!(f, "no connections"),
            (1, 1) => writeln!(f, "1 connection"),
            (total, shown) if shown < total => writeln!(f, "{shown} of {total} connections; --limit 0 shows all"),
            (total, _) => writeln!(f, "{total} connections"),
        }
    }
}

//! `headgate services`: virtual services and their servers.

use std::fmt;
use std::process::ExitCode;

use headgate_api::{Request, Response, Server, ServerCheck, ServerState, Service, Services, Stats};

use super::numbers::short;
use super::output::{Colour, Paint};
use super::table::{Align, Cell, Table};
use super::{Failure, Global, output};

/// Show virtual services and their servers
///
/// Weights, states, connections and counters; with --rates the rates per second instead, as an average over some seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only the service of this name
    name: Option<String>,
    /// Show connections, packets and bytes per second
    #[arg(long)]
    rates: bool,
    /// Set the counters to zero after reading them
    #[arg(long)]
    zero: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate services
  headgate services web --rates
  headgate services --json | jq '.services[].servers[] | select(.state != \"up\")'";

pub(super) fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let Args { name, rates, zero, json } = args;
    let services = global.ask(Request::Services { name, rates, zero }, |response| match response {
        Response::Services(services) => Some(services),
        _ => None,
    })?;
    output::show(json, services, |services, paint| Report { services, rates, paint })
}

pub(super) struct Report {
    pub services: Services,
    pub rates: bool,
    pub paint: Paint,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.services.services.is_empty() {
            return writeln!(f, "there are no services");
        }
        for (i, service) in self.services.services.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            self.heading(f, service)?;
            write!(f, "{}", if self.rates { self.rates(service) } else { self.servers(service) })?;
            failing(f, service)?;
        }
        Ok(())
    }
}

impl Report {
    fn heading(&self, f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
        let Service { name, protocol, address, forward, scheduler, up, .. } = service;
        let (word, colour) = if *up { ("up", Colour::Good) } else { ("down", Colour::Bad) };
        let word = self.paint.text(word, Some(colour));
        writeln!(f, "{name}: {word}, {protocol} {address}, {forward}, {scheduler}")?;
        let Stats { connections, packets_in, packets_out, bytes_in, bytes_out, .. } = &service.stats;
        let [c, pi, po, bi, bo] = [connections, packets_in, packets_out, bytes_in, bytes_out].map(|n| short(*n));
        writeln!(f, "  {c} connections, in {pi} packets {bi} bytes, out {po} packets {bo} bytes")
    }

    /// Columns that would say the same in every line are left out, so that IPv6 addresses fit.
    fn servers(&self, service: &Service) -> Table {
        let forwards = service.servers.iter().any(|s| s.forward != service.forward);
        let templates = service.servers.iter().any(|s| s.persistent > 0);
        let mut columns = vec![("SERVER", Align::Left)];
        columns.extend(forwards.then_some(("FWD", Align::Left)));
        columns.extend([("WEIGHT", Align::Right), ("STATE", Align::Left)]);
        columns.extend([("ACTIVE", Align::Right), ("INACTIVE", Align::Right)]);
        columns.extend(templates.then_some(("TEMPL", Align::Right)));
        columns.push(("CONNS", Align::Right));
        let mut table = Table::new(columns, self.paint);
        for server in service.servers.iter().chain(service.sorry_server.as_deref()) {
            let mut row: Vec<Cell> = vec![name(service, server).into()];
            row.extend(forwards.then(|| server.forward.into()));
            row.extend([weight(server).into(), state(server.state)]);
            row.extend([short(server.active).into(), short(server.inactive).into()]);
            row.extend(templates.then(|| short(server.persistent).into()));
            row.push(short(server.stats.connections).into());
            table.row(row);
        }
        table
    }

    fn rates(&self, service: &Service) -> Table {
        let columns = vec![
            ("SERVER", Align::Left),
            ("CONN/s", Align::Right),
            ("PKT IN/s", Align::Right),
            ("PKT OUT/s", Align::Right),
            ("BYTE IN/s", Align::Right),
            ("BYTE OUT/s", Align::Right),
        ];
        let mut table = Table::new(columns, self.paint);
        let servers = service.servers.iter().chain(service.sorry_server.as_deref());
        let servers = servers.map(|server| (name(service, server), &server.stats));
        for (name, stats) in std::iter::once(("total".to_owned(), &service.stats)).chain(servers) {
            let rates = stats.rates.unwrap_or_default();
            let values = [rates.connections, rates.packets_in, rates.packets_out, rates.bytes_in, rates.bytes_out];
            table.row(std::iter::once(name.into()).chain(values.map(|n| short(n).into())).collect());
        }
        table
    }
}

/// Why servers are down, and since when.
fn failing(f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
    for server in service.servers.iter().filter(|server| server.state == ServerState::Down) {
        let Some(ServerCheck { check, since_s, reason, .. }) = &server.check else { continue };
        let reason = reason.as_deref().unwrap_or_default();
        writeln!(f, "{}: fails {check} since {since_s} s: {reason}", server.address)?;
    }
    Ok(())
}

fn name(service: &Service, server: &Server) -> String {
    let is_sorry = service.sorry_server.as_deref().is_some_and(|sorry| std::ptr::eq(sorry, server));
    if is_sorry { format!("{} (sorry)", server.address) } else { server.address.to_string() }
}

/// The weight in use, and the configured one if it is another: `0 of 2`.
fn weight(server: &Server) -> String {
    if server.effective_weight == server.weight {
        server.weight.to_string()
    } else {
        format!("{} of {}", server.effective_weight, server.weight)
    }
}

fn state(state: ServerState) -> Cell {
    let colour = match state {
        ServerState::Up => Some(Colour::Good),
        ServerState::Down => Some(Colour::Bad),
        _ => Some(Colour::Attention),
    };
    Cell::coloured(state, colour)
}

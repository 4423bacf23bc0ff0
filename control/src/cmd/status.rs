//! `headgate status`: the node on one screen.

use std::fmt;
use std::process::ExitCode;

use headgate_api::{
    Dataplane, FailingServer, Proxy, ProxyListener, Request, RequestsByClass, Response, ServiceSummary, Status,
    VirtualRouterSummary,
};

use super::numbers::{elapsed, short};
use super::output::{Colour, Paint};
use super::table::{Align, Cell, Table};
use super::{Failure, Global, output, vrrp};

/// Show the state of the node on one screen
///
/// Node, version and uptime, workers, devices with the XDP mode that was really obtained, services, drops by reason, and what
/// became of the last reload.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate status
  headgate status --json | jq .dataplane.drops";

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let status = global.ask(Request::Status, |response| match response {
        Response::Status(status) => Some(*status),
        _ => None,
    })?;
    output::show(args.json, status, |status, paint| Report { status, paint })
}

pub(super) struct Report {
    pub status: Status,
    pub paint: Paint,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { node, headgate, pid, uptime_s, generation, dataplane, services, proxy, last_reload, .. } =
            &self.status;
        let virtual_routers = &self.status.virtual_routers;
        writeln!(f, "{node}: headgate {headgate}, pid {pid}, up {}, configuration {generation}", elapsed(*uptime_s))?;
        if let Some(reload) = last_reload {
            let (word, colour) = if reload.ok { ("done", Colour::Good) } else { ("refused", Colour::Bad) };
            let word = self.paint.text(word, Some(colour));
            writeln!(f, "last reload {} {word}: {}", reload.at, reload.message)?;
        }
        if !dataplane.workers.is_empty() || proxy.workers.is_empty() {
            self.dataplane(f, dataplane)?;
        }
        if !virtual_routers.is_empty() {
            write!(f, "\n{}", self.virtual_routers(virtual_routers))?;
        }
        if !services.is_empty() {
            write!(f, "\n{}", self.services(services))?;
            for (service, server) in services.iter().flat_map(|s| s.failing.iter().map(move |server| (s, server))) {
                let FailingServer { address, check, since_s, reason } = server;
                writeln!(f, "  {}: {address} fails {check} since {since_s} s: {reason}", service.name)?;
            }
        }
        self.proxy(f, proxy)?;
        self.drops(f, dataplane)
    }
}

impl Report {
    fn dataplane(&self, f: &mut fmt::Formatter<'_>, dataplane: &Dataplane) -> fmt::Result {
        if dataplane.workers.is_empty() {
            return writeln!(f, "no data plane: there are no services");
        }
        let Dataplane { connections, capacity, .. } = dataplane;
        let percent = (u128::from(*connections) * 100).checked_div(u128::from(*capacity)).unwrap_or(0);
        writeln!(f, "connections {connections} of {capacity} ({percent} %)")?;
        let workers: Vec<String> = dataplane.workers.iter().map(|w| format!("{} on core {}", w.id, w.core)).collect();
        writeln!(f, "workers {}\n", workers.join(", "))?;
        let columns =
            vec![("INTERFACE", Align::Left), ("XDP", Align::Left), ("QUEUES", Align::Right), ("MTU", Align::Right)];
        let mut table = Table::new(columns, self.paint);
        for interface in &dataplane.interfaces {
            let queues = interface.queues.into();
            let mode =
                if interface.present { interface.mode.into() } else { Cell::coloured("gone", Some(Colour::Bad)) };
            table.row(vec![(&interface.name).into(), mode, queues, interface.mtu.into()]);
        }
        write!(f, "{table}")
    }

    fn virtual_routers(&self, routers: &[VirtualRouterSummary]) -> Table {
        let columns = vec![
            ("ROUTER", Align::Left),
            ("STATE", Align::Left),
            ("PRIORITY", Align::Right),
            ("MASTER", Align::Left),
            ("REASON", Align::Left),
        ];
        let mut table = Table::new(columns, self.paint);
        for router in routers {
            table.row(vec![
                (&router.name).into(),
                vrrp::state(router.state),
                router.effective_priority.into(),
                router.master.map_or("-".to_owned(), |master| master.to_string()).into(),
                (&router.reason).into(),
            ]);
        }
        table
    }

    fn services(&self, services: &[ServiceSummary]) -> Table {
        let columns = vec![
            ("SERVICE", Align::Left),
            ("ADDRESS", Align::Left),
            ("STATE", Align::Left),
            ("SERVERS", Align::Right),
            ("ACTIVE", Align::Right),
            ("INACTIVE", Align::Right),
        ];
        let mut table = Table::new(columns, self.paint);
        for service in services {
            table.row(vec![
                (&service.name).into(),
                format!("{} {}", service.protocol, service.address).into(),
                up(service.up),
                format!("{}/{}", service.servers_up, service.servers).into(),
                short(service.active).into(),
                short(service.inactive).into(),
            ]);
        }
        table
    }

    fn proxy(&self, f: &mut fmt::Formatter<'_>, proxy: &Proxy) -> fmt::Result {
        if proxy.workers.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nproxy: {} workers, {} connections", proxy.workers.len(), proxy.connections)?;
        for listener in &proxy.listeners {
            let addresses: Vec<String> = listener.addresses.iter().map(ToString::to_string).collect();
            writeln!(f, "  {} listens on {}", listener.name, addresses.join(", "))?;
        }
        write!(f, "{}", self.listeners(&proxy.listeners))?;
        for log in proxy.access_logs.iter().filter(|log| log.dropped > 0) {
            let dropped = self.paint.text(&format!("{} lines lost", log.dropped), Some(Colour::Bad));
            writeln!(f, "  access log {}: {dropped}", log.path)?;
        }
        let columns = vec![("UPSTREAM", Align::Left), ("SERVERS", Align::Right), ("REQUESTS NOW", Align::Right)];
        let mut table = Table::new(columns, self.paint);
        for upstream in &proxy.upstreams {
            let colour = match upstream.servers_up {
                0 => Some(Colour::Bad),
                up if up < upstream.servers => Some(Colour::Attention),
                _ => None,
            };
            let servers = format!("{}/{}", upstream.servers_up, upstream.servers);
            table.row(vec![(&upstream.name).into(), Cell::coloured(servers, colour), short(upstream.in_flight).into()]);
        }
        write!(f, "{table}")
    }

    fn listeners(&self, listeners: &[ProxyListener]) -> Table {
        let mut columns = vec![("LISTENER", Align::Left), ("CONNECTIONS", Align::Right)];
        columns.extend(RequestsByClass::CLASSES.map(|class| (class, Align::Right)));
        let mut table = Table::new(columns, self.paint);
        for listener in listeners {
            let mut row = vec![(&listener.name).into(), short(listener.connections).into()];
            row.extend(listener.requests.to_array().map(|requests| short(requests).into()));
            table.row(row);
        }
        table
    }

    fn drops(&self, f: &mut fmt::Formatter<'_>, dataplane: &Dataplane) -> fmt::Result {
        let mut table = Table::new(vec![("DROPS", Align::Left), ("PACKETS", Align::Right)], self.paint);
        for (reason, packets) in dataplane.drops.iter().filter(|(_, packets)| **packets > 0) {
            table.row(vec![reason.into(), packets.into()]);
        }
        let table = table.to_string();
        if table.is_empty() { Ok(()) } else { write!(f, "\n{table}") }
    }
}

/// "up" or "down", coloured.
pub(super) fn up(up: bool) -> Cell {
    if up { Cell::coloured("up", Some(Colour::Good)) } else { Cell::coloured("down", Some(Colour::Bad)) }
}

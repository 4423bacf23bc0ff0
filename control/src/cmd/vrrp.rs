//! `headgate vrrp`: the virtual routers of this node.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use headgate_api::{Request, Response, TrackState, VirtualRouter, Vrrp, VrrpState, VrrpTrack};

use super::numbers::short;
use super::output::{Colour, Paint};
use super::table::{Align, Cell, Table};
use super::{Failure, Global, output};

/// Show the virtual routers: who is master, and why
///
/// The state of each virtual router and since when, its priority with what tracking adds or takes, the address of the master's adverts,
/// how many adverts were sent and counted, and which were thrown away or odd.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  headgate vrrp
  headgate vrrp --json | jq -r '.virtual_routers[] | .name + \" \" + .state'";

pub(super) fn run(args: &Args, global: &Global) -> Result<ExitCode, Failure> {
    let vrrp = global.ask(Request::Vrrp, |response| match response {
        Response::Vrrp(vrrp) => Some(vrrp),
        _ => None,
    })?;
    output::show(args.json, vrrp, |vrrp, paint| Report { vrrp, paint })
}

pub(super) struct Report {
    pub vrrp: Vrrp,
    pub paint: Paint,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routers = &self.vrrp.virtual_routers;
        if routers.is_empty() {
            return writeln!(f, "there are no virtual routers");
        }
        write!(f, "{}", self.table())?;
        for router in routers {
            let since = router.last_transition.as_ref().map_or_else(String::new, |at| format!(" since {at}"));
            writeln!(f, "{}: {}{since}: {}", router.name, router.state, router.reason)?;
            for track in &router.tracks {
                writeln!(f, "{}: {}", router.name, About(track))?;
            }
            for (what, counts) in [("thrown away", &router.discarded), ("odd", &router.warnings)] {
                if !counts.is_empty() {
                    writeln!(f, "{}: adverts {what}: {}", router.name, listed(counts))?;
                }
            }
        }
        if !self.vrrp.unmatched.is_empty() {
            writeln!(f, "adverts of other virtual routers: {}", listed(&self.vrrp.unmatched))?;
        }
        Ok(())
    }
}

/// `script /etc/check.sh: failing: exit status: 1 (priority -20)`
struct About<'a>(&'a VrrpTrack);

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let track = self.0;
        let state = match track.state {
            TrackState::Good => "good",
            TrackState::Failing => "failing",
            _ => "not known yet",
        };
        write!(f, "{}: {state}", track.what)?;
        if !track.detail.is_empty() {
            write!(f, ": {}", track.detail)?;
        }
        match (track.fault, track.priority) {
            (true, _) => f.write_str(" (fault)"),
            (false, 0) => Ok(()),
            (false, priority) => write!(f, " (priority {priority:+})"),
        }
    }
}

impl Report {
    fn table(&self) -> Table {
        let columns = vec![
            ("ROUTER", Align::Left),
            ("ID", Align::Right),
            ("INTERFACE", Align::Left),
            ("STATE", Align::Left),
            ("PRIORITY", Align::Right),
            ("MASTER", Align::Left),
            ("EVERY ms", Align::Right),
            ("SENT", Align::Right),
            ("RECEIVED", Align::Right),
            ("TRANSITIONS", Align::Right),
        ];
        let mut table = Table::new(columns, self.paint);
        for router in &self.vrrp.virtual_routers {
            table.row(vec![
                router.name.clone().into(),
                router.id.to_string().into(),
                router.interface.clone().into(),
                state(router.state),
                priority(router).into(),
                router.master.map_or_else(|| "-".to_owned(), |master| master.to_string()).into(),
                router.advert_interval_ms.to_string().into(),
                short(router.adverts_sent).into(),
                short(router.adverts_received).into(),
                short(router.transitions).into(),
            ]);
        }
        table
    }
}

/// `80 (100)` where tracking has changed it.
fn priority(router: &VirtualRouter) -> String {
    if router.priority == router.effective_priority {
        router.priority.to_string()
    } else {
        format!("{} ({})", router.effective_priority, router.priority)
    }
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn state(state: VrrpState) -> Cell {
    let colour = match state {
        VrrpState::Master | VrrpState::Backup => Colour::Good,
        VrrpState::Fault => Colour::Bad,
        _ => Colour::Attention,
    };
    Cell::coloured(state, Some(colour))
}

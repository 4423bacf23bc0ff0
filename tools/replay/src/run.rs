//! Plays a fixture and compares.
//!
//! Some recorded answers come from the director's own stack (see [`compare::is_from_the_stack`]). Headgate hands such packets to the
//! kernel of the host, so [`Verdict::ToKernel`] counts as that answer.

use anyhow::{Context, Result, bail, ensure};
use headgate_dataplane::counters::TrafficTotals;
use headgate_dataplane::pipeline::Verdict;
use headgate_dataplane::snapshot::DeviceId;

use crate::director::Director;
use crate::fixture::{Connection, Event, Fixture, FrameAt, ServiceLine};
use crate::listing::{self, Row};
use crate::topology::{self, LOCAL};
use crate::{compare, stats};

/// Replays `fixture`.
///
/// The differences, or why the fixture cannot be played at all.
///
/// # Errors
/// When the set-up needs what Headgate does not have.
pub fn fixture(fixture: &Fixture) -> Result<Vec<Difference>> {
    let mut director = Director::new()?;
    let script = &fixture.script;
    for line in &script.extra_ip_commands {
        director.ip(line)?;
    }
    for (key, value) in &script.sysctls {
        director.configuration.sysctl(key, *value)?;
    }
    // The only shell commands besides firewall marks load the kernel's NAT table, which Headgate does not use.
    if let Some(command) = script.extra_commands.iter().find(|command| command.contains("MARK")) {
        bail!("{command}: not supported");
    }
    for line in &script.ipvsadm {
        director.ipvsadm(line)?;
    }
    director.publish()?;
    let mut run = Run { fixture, director, base: Vec::new(), heard: false, to_kernel: false, socket: false };
    let mut differences = Vec::new();
    for (event, what) in script.events.iter().enumerate() {
        run.heard = matches!(script.events.get(event + 1), Some(Event::LocalSocket {}));
        if let Err(error) = run.event(what) {
            differences.push(Difference { event, what: format!("{error:#}") });
        }
    }
    Ok(differences)
}

/// What differs in one event.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Index of the event.
    pub event: usize,
    pub what: String,
}

struct Run<'a> {
    fixture: &'a Fixture,
    director: Director,
    /// Counters as of the last `ipvsadm -Z`, by server number.
    base: Vec<TrafficTotals>,
    /// Whether a socket of the director gets the packet of this event.
    heard: bool,
    /// Whether the last packet went to the kernel.
    to_kernel: bool,
    /// Whether a socket of the director got something.
    socket: bool,
}

impl Run<'_> {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Packet { r#in, out } => self.packet(r#in, out),
            Event::Connections { table } => {
                connections(table, listing::connections(&self.director), self.director.advanced)
            }
            Event::Services { services } => compare_services(services, &listing::services(&self.director)),
            Event::Stats { text } => stats::compare(text, &self.director, &self.base),
            Event::Advance { seconds, out } => {
                let results = self.director.advance((seconds * 1000.0) as u64)?;
                // The socket's answer leaves through the host's kernel.
                if std::mem::take(&mut self.socket) {
                    return Ok(());
                }
                compare_sent("timers", true, &self.expected(out)?, &results)
            }
            Event::Ipvsadm { args, output } => {
                // The kernel or ipvsadm refused it; what Headgate says to such a configuration is not the packet path's.
                if !args.starts_with("-L") && !output.is_empty() {
                    return Ok(());
                }
                if args.starts_with("-Z") {
                    self.base = stats::reading(&self.director);
                }
                self.director.ipvsadm(args)?;
                self.director.publish()
            }
            Event::Sysctl { key, value } => {
                self.director.configuration.sysctl(key, *value)?;
                self.director.publish()
            }
            Event::Shell {} => Ok(()),
            Event::LocalSocket {} => {
                ensure!(self.to_kernel, "expected a datagram for a socket of the director");
                self.socket = true;
                Ok(())
            }
        }
    }

    fn packet(&mut self, input: &FrameAt, out: &[FrameAt]) -> Result<()> {
        let question = self.fixture.input.get(input.index).context("no such frame in in.pcap")?;
        let results = self.director.send(topology::device(&input.r#if)?, question)?;
        let to_kernel = results.iter().any(|(_, verdict)| *verdict == Verdict::ToKernel);
        self.to_kernel = to_kernel;
        let expected = self.expected(out)?;
        if to_kernel && self.heard {
            return Ok(());
        }
        if to_kernel && results.len() > 1 {
            // Fragments whose datagram the kernel forwards.
            let same = results.len() == expected.len()
                && results.iter().zip(&expected).all(|((packet, _), (_, frame))| compare::is_forwarded(packet, frame));
            ensure!(same, "{}: expected {}, got ToKernel", compare::show(question), show(&expected));
            return Ok(());
        }
        if to_kernel {
            let from_the_stack = expected.iter().all(|(_, answer)| compare::is_from_the_stack(question, answer));
            ensure!(
                from_the_stack && !expected.is_empty() || stack_is_silent(question, expected.is_empty()),
                "{}: expected {}, got ToKernel",
                compare::show(question),
                show(&expected)
            );
            return Ok(());
        }
        let own = compare::header(question).is_none_or(|header| {
            let icmp = matches!(header.protocol, 1 | 58);
            !icmp || LOCAL.iter().any(|local| *local == header.destination && !local.to_string().ends_with("100"))
        });
        compare_sent(&compare::show(question), own, &expected, &results)
    }

    fn expected(&self, out: &[FrameAt]) -> Result<Vec<(DeviceId, &Vec<u8>)>> {
        out.iter()
            .map(|at| {
                let frame = self.fixture.output.get(at.index).context("no such frame in out.pcap")?;
                Ok((topology::device(&at.r#if)?, frame))
            })
            .collect()
    }
}

/// `own`: ICMP packets among them are the director's own.
fn compare_sent(
    cause: &str,
    own: bool,
    expected: &[(DeviceId, &Vec<u8>)],
    results: &[(Vec<u8>, Verdict)],
) -> Result<()> {
    let sent: Vec<_> = results
        .iter()
        .filter_map(|(frame, verdict)| match verdict {
            Verdict::Tx(device) => Some((*device, frame)),
            _ => None,
        })
        .collect();
    let shape = |frames: &[(DeviceId, &Vec<u8>)]| frames.iter().map(|(device, _)| *device).collect::<Vec<_>>();
    if shape(expected) != shape(&sent) {
        let verdicts: Vec<_> = results.iter().map(|(_, verdict)| *verdict).collect();
        bail!("{cause}: expected {}, got {} {verdicts:?}", show(expected), show(&sent));
    }
    for ((_, expected), (_, got)) in expected.iter().zip(&sent) {
        let own = own && compare::header(got).is_some_and(|header| matches!(header.protocol, 1 | 58));
        let (wanted, is) = (compare::essence(expected, own), compare::essence(got, own));
        ensure!(
            wanted == is,
            "expected {}, got {}, {}",
            compare::show(expected),
            compare::show(got),
            compare::difference(&wanted, &is)
        );
    }
    Ok(())
}

/// A host says nothing about a reset or an ICMP error for no connection, nor about a packet that claims to come from itself.
fn stack_is_silent(question: &[u8], silent: bool) -> bool {
    let Some(header) = compare::header(question) else {
        return silent;
    };
    let at = |n: usize| question.get(header.payload + n).copied().unwrap_or_default();
    let reset = header.protocol == 6 && at(13) & 4 != 0;
    let icmp = matches!(header.protocol, 1 | 58);
    let martian = LOCAL.contains(&header.source);
    silent && (reset || icmp || martian)
}

fn show(frames: &[(DeviceId, &Vec<u8>)]) -> String {
    if frames.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> =
        frames.iter().map(|(device, frame)| format!("[{} {}]", device.0, compare::show(frame))).collect();
    shown.join(" ")
}

fn connections(expected: &[Connection], got: Vec<Row>, advanced: bool) -> Result<()> {
    let mut expected: Vec<Connection> = expected.iter().filter_map(as_kept).collect();
    expected.sort();
    let line = |row: &Connection| {
        format!("{} {} {} {} {} {}", row.proto, row.client, row.r#virtual, row.dest, row.state, row.expires)
    };
    let fits = expected.len() == got.len()
        && expected.iter().zip(&got).all(|(expected, Row { connection, timeout })| {
            let same = Connection { expires: expected.expires, ..connection.clone() } == *expected;
            // A recorded second is cut off; after time passed, timers of the kernel are up to an eighth late.
            let slack = if advanced { timeout / 8 } else { 0 };
            let low = connection.expires.saturating_sub(1 + slack);
            same && (low..=connection.expires + slack).contains(&expected.expires)
        });
    let lines = |rows: Vec<&Connection>| rows.into_iter().map(line).collect::<Vec<_>>().join(", ");
    ensure!(
        fits,
        "expected {{{}}}, got {{{}}}",
        lines(expected.iter().collect()),
        lines(got.iter().map(|row| &row.connection).collect())
    );
    Ok(())
}

/// A recorded row as Headgate keeps it. The kernel moves a template that became invalid to port 65535, where nothing finds it, until its
/// time is up; Headgate ends it at once. "Assured" only matters to the kernel's `drop_entry` defence, which Headgate does not have.
fn as_kept(row: &Connection) -> Option<Connection> {
    if row.r#virtual.ends_with(":65535") && row.dest.ends_with(":65535") {
        return None;
    }
    let state = if row.state == "ASSURED" { "NONE".to_owned() } else { row.state.clone() };
    Some(Connection { state, ..row.clone() })
}

fn compare_services(expected: &[ServiceLine], got: &[ServiceLine]) -> Result<()> {
    let same = expected.len() == got.len() && expected.iter().all(|service| got.contains(service));
    ensure!(same, "expected {expected:?}, got {got:?}");
    Ok(())
}

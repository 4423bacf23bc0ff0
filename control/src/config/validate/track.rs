//! `[[virtual_router.track]]` and `[virtual_router.notify]`.

use std::time::Duration;

use crate::config::error::{Findings, Problem};
use crate::config::raw;
use crate::config::reader::{At, Field};
use crate::program::Command;
use crate::vrrp::Notify;
use crate::vrrp::track::{Script, Track, Tracked};

/// keepalived's.
const INTERVAL: Duration = Duration::from_secs(1);

/// What else a virtual router may track: names of this configuration.
pub(super) struct Known<'a> {
    pub upstreams: &'a [String],
    pub services: &'a [String],
}

pub(super) fn track(raw: raw::Track, known: &Known<'_>, findings: &Findings) -> Option<Track> {
    let error = |problem| findings.error(&raw.place, Problem::VirtualRouter(problem));
    let interval = raw.interval.clone().or(INTERVAL);
    let mut found = Vec::new();
    let is_script = !raw.script.is_absent();
    let (is_file, is_process) = (!raw.file.is_absent(), !raw.process.is_absent());
    let others = [&raw.interface, &raw.upstream, &raw.service].map(|field| !field.is_absent());
    let given = [is_script, is_file, is_process].into_iter().chain(others).filter(|given| *given).count();
    let polls = is_script || is_file || is_process;
    if let Some(at) = raw.script.clone().set() {
        found.push(Tracked::Script(Script {
            command: Command { words: at.value, user: raw.user.clone().set().map(|at| at.value) },
            interval,
            timeout: raw.timeout.clone().or(interval),
            rise: raw.rise.clone().or(1),
            fall: raw.fall.clone().or(1),
        }));
    }
    found.extend(raw.interface.set().map(|at| Tracked::Interface(at.value)));
    found.extend(raw.file.set().map(|at| Tracked::File { path: at.value, interval }));
    found.extend(raw.process.set().map(|at| Tracked::Process { name: at.value, interval }));
    found.extend(named(raw.upstream, known.upstreams, "upstream", findings).map(Tracked::Upstream));
    found.extend(named(raw.service, known.services, "service", findings).map(Tracked::Service));
    let only_scripts = [raw.timeout.place(), raw.rise.place(), raw.fall.place(), raw.user.place()];
    for place in only_scripts.into_iter().flatten().filter(|_| !is_script) {
        findings.error(place, Problem::VirtualRouter("only for a script"));
    }
    if let Some(place) = raw.interval.place().filter(|_| !polls) {
        findings.error(place, Problem::VirtualRouter("only for a script, a file or a process"));
    }
    if given != 1 {
        error("expected one of script, interface, file, process, upstream and service");
    }
    let what = found.pop()?;
    let weight = raw.weight.or(i32::from(matches!(what, Tracked::File { .. })));
    Some(Track { what, weight, reverse: raw.reverse.or(false) })
}

fn named(raw: Field<String>, known: &[String], word: &'static str, findings: &Findings) -> Option<String> {
    let At { value, place } = raw.set()?;
    if !known.contains(&value) {
        findings.error(&place, Problem::NothingOfThatName { word, name: value.clone(), known: known.join(", ") });
    }
    Some(value)
}

/// Makes commands that run as this user.
pub(super) fn commands(user: Field<String>) -> impl Fn(Field<Vec<String>>) -> Option<Command> {
    let user = user.set().map(|at| at.value);
    move |words| Some(Command { words: words.set()?.value, user: user.clone() })
}

pub(super) fn notify(raw: raw::Notify) -> Notify {
    let command = commands(raw.user);
    Notify {
        master: command(raw.master),
        backup: command(raw.backup),
        fault: command(raw.fault),
        stop: command(raw.stop),
        any: command(raw.any),
    }
}

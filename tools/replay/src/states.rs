//! Plays the recorded state graphs: which state follows which packet, and when a connection ends.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use headgate_dataplane::pipeline::Verdict;
use headgate_wire::{Protocol, checksum};
use serde::{Deserialize, Serialize};

use crate::director::Director;
use crate::listing;
use crate::run::Difference;
use crate::topology::{self, CLIENT_SIDE, SERVER_SIDE};

const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 7), 40000);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 11);

/// A recorded graph, or recorded walks to the end of a connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct States {
    pub name: String,
    pub forward: String,
    #[serde(default)]
    pub sysctls: std::collections::BTreeMap<String, i64>,
    /// Arguments of `ipvsadm --set`.
    #[serde(default)]
    pub set: Option<[u32; 3]>,
    #[serde(default)]
    pub transitions: Vec<Transition>,
    #[serde(default)]
    pub walks: Vec<Walk>,
}

/// What one packet does after `path`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Transition {
    pub path: Vec<String>,
    pub event: String,
    /// `None`: there is no connection afterwards.
    pub to: Option<String>,
    pub expires: Option<u32>,
    pub d_active: i64,
    pub d_inactive: i64,
    /// Where the packet left, or an answer of the host's stack.
    pub out: Vec<String>,
}

/// A connection from its first packet to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Walk {
    pub walk: String,
    pub protocol: String,
    pub steps: Vec<Step>,
    /// Polled every half second; up to an eighth of the timeout late.
    pub gone_after_s: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    pub event: String,
    pub state: Option<String>,
    pub expires: Option<u32>,
    pub active: u32,
    pub inactive: u32,
}

/// Reads a file of `states/`.
///
/// # Errors
/// When it is not there or not of the known form.
pub fn read(file: &Path) -> Result<States> {
    let context = || file.display().to_string();
    serde_json::from_slice(&fs::read(file).with_context(context)?).with_context(context)
}

/// Plays everything in `states`; the differences.
///
/// # Errors
/// When the set-up needs what Headgate does not have.
pub fn play(states: &States) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for (event, transition) in states.transitions.iter().enumerate() {
        if let Err(error) = play_transition(&mut director(states)?, states, transition) {
            let what = format!("{} after {:?}: {error:#}", transition.event, transition.path);
            differences.push(Difference { event, what });
        }
    }
    for (event, walk) in states.walks.iter().enumerate() {
        if let Err(error) = play_walk(&mut director(states)?, states, walk) {
            differences.push(Difference { event, what: format!("{}: {error:#}", walk.walk) });
        }
    }
    Ok(differences)
}

/// One connection that is led by hand.
pub struct Session<'a> {
    states: &'a States,
    director: Director,
}

impl<'a> Session<'a> {
    /// A director set up as `states` says.
    ///
    /// # Errors
    /// When the set-up needs what Headgate does not have.
    pub fn new(states: &'a States) -> Result<Self> {
        Ok(Self { states, director: director(states)? })
    }

    /// Sends a TCP packet, such as `in:SA`.
    ///
    /// # Errors
    /// When the event is not of that form.
    pub fn tcp(&mut self, event: &str) -> Result<()> {
        send(&mut self.director, self.states, Protocol::TCP, event)?;
        Ok(())
    }

    /// `ipvsadm --set`, seconds.
    ///
    /// # Errors
    /// When the configuration cannot be published.
    pub fn set(&mut self, tcp: u32, fin: u32, udp: u32) -> Result<()> {
        self.director.ipvsadm(&format!("--set {tcp} {fin} {udp}"))?;
        self.director.publish()
    }

    /// State and seconds left.
    pub fn connection(&self) -> Option<(String, u32)> {
        let (state, expires) = connection(&self.director);
        state.zip(expires)
    }
}

fn director(states: &States) -> Result<Director> {
    let mut director = Director::new()?;
    for (key, value) in &states.sysctls {
        director.configuration.sysctl(key, *value)?;
    }
    for option in ["-t", "-u"] {
        let server = if is_nat(states) { "8080 -m" } else { "80 -g" };
        director.ipvsadm(&format!("-A {option} {VIP}:80 -s rr"))?;
        director.ipvsadm(&format!("-a {option} {VIP}:80 -r {SERVER}:{server}"))?;
    }
    if let Some([tcp, fin, udp]) = states.set {
        director.ipvsadm(&format!("--set {tcp} {fin} {udp}"))?;
    }
    director.publish()?;
    Ok(director)
}

fn is_nat(states: &States) -> bool {
    states.forward == "masq"
}

fn play_transition(director: &mut Director, states: &States, transition: &Transition) -> Result<()> {
    for event in &transition.path {
        send(director, states, Protocol::TCP, event)?;
    }
    let (active, inactive) = counts(director);
    let verdicts = send(director, states, Protocol::TCP, &transition.event)?;
    let (state, expires) = connection(director);
    let (now_active, now_inactive) = counts(director);
    ensure!(state == transition.to, "expected {:?}, got {state:?}", transition.to);
    ensure!(fits(transition.expires, expires), "expected {:?} s, got {expires:?}", transition.expires);
    let change = (now_active - active, now_inactive - inactive);
    let expected = (transition.d_active, transition.d_inactive);
    ensure!(change == expected, "expected active, inactive {expected:?}, got {change:?}");
    let mut left = Vec::new();
    for verdict in &verdicts {
        match verdict {
            Verdict::Tx(device) => left.push(*device),
            // The host's answer to the client, or silence where it has none.
            Verdict::ToKernel if !transition.out.is_empty() => left.push(CLIENT_SIDE),
            Verdict::ToKernel => ensure!(transition.event.contains('R'), "expected a drop, got ToKernel"),
            Verdict::Drop(_) => {}
        }
    }
    let out = transition.out.iter().map(|name| topology::device(name)).collect::<Result<Vec<_>>>()?;
    ensure!(out == left, "expected out of {out:?}, got {verdicts:?}");
    Ok(())
}

fn play_walk(director: &mut Director, states: &States, walk: &Walk) -> Result<()> {
    let protocol = if walk.protocol == "udp" { Protocol::UDP } else { Protocol::TCP };
    let mut timeout = 0;
    for (number, step) in walk.steps.iter().enumerate() {
        send(director, states, protocol, &step.event)?;
        let (state, expires) = connection(director);
        let (active, inactive) = counts(director);
        let fits = state == step.state
            && fits(step.expires, expires)
            && (active, inactive) == (step.active.into(), step.inactive.into());
        ensure!(fits, "step {number}: expected {step:?}, got {state:?} {expires:?} {active} {inactive}");
        timeout = expires.unwrap_or_default();
    }
    let mut seconds = 0;
    while connection(director).0.is_some() {
        director.advance(1000)?;
        seconds += 1;
        ensure!(f64::from(seconds) <= walk.gone_after_s, "expected the end after {} s, still there", walk.gone_after_s);
    }
    ensure!(seconds >= timeout, "expected the end after {timeout} s, it came after {seconds}");
    ensure!(counts(director) == (0, 0), "counts remain: {:?}", counts(director));
    Ok(())
}

/// Seconds are recorded cut off, just after the packet.
fn fits(recorded: Option<u32>, got: Option<u32>) -> bool {
    recorded.map(|seconds| seconds + 1) == got
}

fn connection(director: &Director) -> (Option<String>, Option<u32>) {
    let row = listing::connections(director).into_iter().next().map(|row| row.connection);
    row.map_or((None, None), |row| (Some(row.state), Some(row.expires)))
}

fn counts(director: &Director) -> (i64, i64) {
    let services = listing::services(director);
    let servers = services.iter().flat_map(|service| &service.dests);
    servers.fold((0, 0), |sum, server| (sum.0 + i64::from(server.active), sum.1 + i64::from(server.inactive)))
}

/// Sends the packet of `event`: `in:` from the client, `out:` from the server, then the TCP flags.
fn send(director: &mut Director, states: &States, protocol: Protocol, event: &str) -> Result<Vec<Verdict>> {
    let (side, flags) = event.split_once(':').context("an event has a side")?;
    let server = if is_nat(states) { (SERVER, 8080) } else { (VIP, 80) };
    let (device, mac, from, to) = match side {
        "in" => (CLIENT_SIDE, 0xc0, CLIENT, (VIP, 80)),
        _ => (SERVER_SIDE, 0x50, server, CLIENT),
    };
    let frame = frame(mac, from, to, protocol, tcp_flags(flags)?);
    Ok(director.send(device, &frame)?.into_iter().map(|(_, verdict)| verdict).collect())
}

fn tcp_flags(letters: &str) -> Result<u8> {
    letters.chars().try_fold(0, |flags, letter| {
        let bit = match letter {
            'F' => 1,
            'S' => 2,
            'R' => 4,
            'P' => 8,
            'A' => 16,
            '-' => 0,
            _ => anyhow::bail!("no TCP flag {letter}"),
        };
        Ok(flags | bit)
    })
}

fn frame(mac: u8, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), protocol: Protocol, flags: u8) -> Vec<u8> {
    let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    let (mut segment, at) = if protocol == Protocol::TCP {
        ([&ports[..], &[0, 0, 3, 232, 0, 0, 35, 40, 0x50, flags, 250, 240, 0, 0, 0, 0]].concat(), 16)
    } else {
        ([&ports[..], &[0, 8, 0, 0]].concat(), 6)
    };
    let sum = checksum::transport_v4(from.0, to.0, protocol, &segment);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    let length = (20 + segment.len()) as u16;
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol.0, 0, 0];
    ip[2..4].copy_from_slice(&length.to_be_bytes());
    ip.extend_from_slice(&from.0.octets());
    ip.extend_from_slice(&to.0.octets());
    let sum = checksum::sum(&ip).checksum();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [&[2, 0, 0, 0, 0, mac, 2, 0, 0, 0, 0x0c, 1, 8, 0], &ip[..], &segment[..]].concat()
}

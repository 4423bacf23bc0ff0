//! Plays the VRRP receive cases: one frame, one receiver in a known state, one expected outcome (`vrrp-captures/README.md`).

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use headgate_vrrp::datagram::of_frame;
use headgate_vrrp::hmac::{Key, Marks, Mode, Settings};
use headgate_vrrp::receive::{Here, find, receive};
use headgate_vrrp::router::{Authentication, CENTISECOND, Coverage, Family, Peers, Router, SECOND, Version};
use headgate_vrrp::{Action, Effect, Machine, State};
use serde::Deserialize;

const FORMAT: &str = "headgate-vrrp-receive-cases/1";
/// When the frame comes, in microseconds.
const NOW: u64 = 100 * SECOND;
/// When a master has to send its next advert: nothing but an advert of its own may change that.
const DUE: u64 = NOW + 7;

#[derive(Debug, Deserialize)]
pub struct Cases {
    format: String,
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
pub struct Case {
    pub id: String,
    pub name: String,
    frame_hex: String,
    receiver: Receiver,
    expected: Expected,
}

#[derive(Debug, Deserialize)]
struct Receiver {
    family: String,
    version: u8,
    vrid: u8,
    priority: u8,
    state: String,
    advert_interval_cs: u64,
    master_interval_cs: u64,
    preempt: bool,
    preempt_delay_running: bool,
    auth: Auth,
    mode: String,
    multicast_group: Option<IpAddr>,
    unicast_peers: Vec<IpAddr>,
    check_unicast_src: bool,
    min_ttl: Option<u8>,
    old_unicast_checksum: bool,
    interface_addresses: Vec<IpAddr>,
    primary_address: IpAddr,
    virtual_addresses: Vec<IpAddr>,
    address_mismatch: String,
    accept_empty_list: bool,
    strict_link_local: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Auth {
    None,
    Pass { password: String },
    Hmac { mode: String, keys: Vec<HexKey>, time_window_s: u64, now_unix_s: u64, last_sequence: Option<String> },
}

#[derive(Debug, Deserialize)]
struct HexKey {
    id: u8,
    hex: String,
}

#[derive(Debug, Deserialize)]
struct Expected {
    verdict: String,
    reason: Option<String>,
    warnings: Vec<String>,
    effect: String,
    timer_us: Option<u64>,
    adopted_interval_cs: Option<u64>,
    sends_advert: bool,
    sends_garp: bool,
}

impl Cases {
    /// # Errors
    /// When the file cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let cases: Self = serde_json::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
        ensure!(cases.format == FORMAT, "{}: format {:?} instead of {FORMAT:?}", path.display(), cases.format);
        Ok(cases)
    }
}

/// What came of a frame, in the words of the cases.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    verdict: String,
    reason: Option<String>,
    warnings: Vec<String>,
    effect: String,
    sends_advert: bool,
    sends_garp: bool,
}

impl Case {
    /// The differences; none when it passes.
    ///
    /// # Errors
    /// When the case itself makes no sense.
    pub fn play(&self) -> Result<Vec<String>> {
        let frame = bytes(&self.frame_hex)?;
        let router = self.receiver.router()?;
        let (mut machine, mut marks) = (self.receiver.machine(&router)?, self.receiver.marks(&frame)?);
        let before = machine.next_deadline();
        let outcome = self.receiver.take(&router, &mut machine, &mut marks, &frame);
        Ok(self.compare(&outcome, before, &machine))
    }

    fn compare(&self, outcome: &Outcome, before: Option<u64>, machine: &Machine) -> Vec<String> {
        let expected = &self.expected;
        let mut differences = Vec::new();
        let mut differ = |what: &str, expected: String, found: String| {
            if expected != found {
                let mut text = String::new();
                let _ = write!(text, "{what}: expected {expected}, got {found}");
                differences.push(text);
            }
        };
        differ("verdict", expected.verdict.clone(), outcome.verdict.clone());
        differ("reason", format!("{:?}", expected.reason), format!("{:?}", outcome.reason));
        differ("warnings", format!("{:?}", expected.warnings), format!("{:?}", outcome.warnings));
        differ("effect", expected.effect.clone(), outcome.effect.clone());
        differ("sends_advert", expected.sends_advert.to_string(), outcome.sends_advert.to_string());
        differ("sends_garp", expected.sends_garp.to_string(), outcome.sends_garp.to_string());
        let timer = machine.next_deadline().map(|at| at.saturating_sub(NOW));
        if let Some(wanted) = expected.timer_us {
            let near = timer.is_some_and(|timer| timer.abs_diff(wanted) <= 1);
            differ(
                "timer",
                "right".to_owned(),
                if near { "right".to_owned() } else { format!("{timer:?} for {wanted}") },
            );
        } else if !expected.sends_advert {
            differ("timer", format!("{before:?}"), format!("{:?}", machine.next_deadline()));
        }
        if let Some(interval) = expected.adopted_interval_cs {
            let down = 3 * interval * CENTISECOND;
            let adopted = expected.effect == "skew_timer" || timer.is_some_and(|timer| timer > down);
            differ("adopted interval", "true".to_owned(), adopted.to_string());
        }
        differences
    }
}

impl Receiver {
    fn router(&self) -> Result<Arc<Router>> {
        let family = if self.family == "ipv4" { Family::V4 } else { Family::V6 };
        let authentication = match &self.auth {
            Auth::None => Authentication::None,
            Auth::Pass { password } => {
                let mut bytes = [0; 8];
                for (to, from) in bytes.iter_mut().zip(password.bytes()) {
                    *to = from;
                }
                Authentication::Pass(bytes)
            }
            Auth::Hmac { mode, keys, time_window_s, .. } => {
                let mode = match mode.as_str() {
                    "enforce" => Mode::Enforce,
                    "permissive" => Mode::Permissive,
                    "receive-only" => Mode::ReceiveOnly,
                    other => bail!("mode {other:?}"),
                };
                let keys = keys.iter().map(|key| Ok(Key { id: key.id, secret: bytes(&key.hex)? }));
                Authentication::Hmac(Settings { keys: keys.collect::<Result<_>>()?, mode, window: *time_window_s })
            }
        };
        let peers = if self.mode == "unicast" {
            Peers::Unicast { peers: self.unicast_peers.clone(), only: self.check_unicast_src, min_ttl: self.min_ttl }
        } else {
            Peers::Multicast(self.multicast_group.unwrap_or(family.group()))
        };
        Ok(Arc::new(Router {
            name: "VI_1".to_owned(),
            interface: "eth0".to_owned(),
            id: self.vrid,
            family,
            version: if self.version == 2 { Version::V2 } else { Version::V3 },
            priority: self.priority,
            interval: self.advert_interval_cs * CENTISECOND,
            preempt: self.preempt,
            preempt_delay: if self.preempt_delay_running { SECOND } else { 0 },
            addresses: self.virtual_addresses.clone(),
            peers,
            authentication,
            coverage: Coverage::PseudoHeader,
            same_addresses: self.address_mismatch == "discard",
            accept_empty_list: self.accept_empty_list,
            strict_link_local: self.strict_link_local,
            old_unicast_checksum: self.old_unicast_checksum,
        }))
    }

    fn machine(&self, router: &Arc<Router>) -> Result<Machine> {
        let mut machine = Machine::new(Arc::clone(router), false);
        let patience = self.preempt_delay_running.then_some(NOW + SECOND);
        let state = match self.state.as_str() {
            "backup" => State::Backup,
            "master" => State::Master,
            "fault" => State::Fault,
            "init" => State::Init,
            other => bail!("state {other:?}"),
        };
        let deadline = matches!(state, State::Backup | State::Master).then_some(DUE);
        machine.put(state, self.master_interval_cs * CENTISECOND, patience, deadline);
        Ok(machine)
    }

    fn marks(&self, frame: &[u8]) -> Result<Marks> {
        let mut marks = Marks::default();
        if let Auth::Hmac { last_sequence: Some(last), .. } = &self.auth
            && let Ok(datagram) = of_frame(frame)
        {
            marks.set(datagram.source, u64::from_str_radix(last, 16)?);
        }
        Ok(marks)
    }

    fn take(&self, router: &Arc<Router>, machine: &mut Machine, marks: &mut Marks, frame: &[u8]) -> Outcome {
        let here = Here {
            running: matches!(machine.state(), State::Backup | State::Master),
            addresses: &self.interface_addresses,
            now_unix: if let Auth::Hmac { now_unix_s, .. } = &self.auth { *now_unix_s } else { 0 },
        };
        let received = of_frame(frame).and_then(|datagram| {
            find(std::iter::once(&**router), &datagram)?;
            receive(router, here, marks, &datagram)
        });
        let received = match received {
            Ok(received) => received,
            Err(reason) => {
                let (verdict, effect) = ("discard".to_owned(), "none".to_owned());
                return Outcome { verdict, effect, reason: Some(reason.to_string()), ..Outcome::default() };
            }
        };
        let mut actions = Vec::new();
        let effect = match machine.on_advert(NOW, &received, Some(self.primary_address), &mut actions) {
            Effect::RestartMasterDown => "restart_master_down",
            Effect::SkewTimer => "skew_timer",
            Effect::KeepTimer => "keep_timer",
            Effect::SendAdvert => "send_advert",
            Effect::SendAdvertAndAnnounce => "send_advert_and_garp",
            Effect::BecomeBackup => "become_backup",
            Effect::None => "none",
        };
        Outcome {
            verdict: "accept".to_owned(),
            warnings: received.warnings.iter().map(ToString::to_string).collect(),
            effect: effect.to_owned(),
            sends_advert: actions.iter().any(|action| matches!(action, Action::SendAdvert { .. })),
            sends_garp: actions.contains(&Action::Announce),
            ..Outcome::default()
        }
    }
}

/// Of text such as `0a63`.
///
/// # Errors
/// When it is none.
pub fn bytes(hex: &str) -> Result<Vec<u8>> {
    ensure!(hex.len().is_multiple_of(2) && hex.is_ascii(), "odd hexadecimal text");
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?)).collect()
}

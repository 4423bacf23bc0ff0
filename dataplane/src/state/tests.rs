//! The tables of `ip_vs_proto_tcp.c`, as recordings of Linux 6.1 show them, written down a second time and in the recordings' form.

use super::*;
use crate::testing::packets::{ACK, FIN, RST, SYN};

const NAMES: [&str; TcpState::COUNT] = ["NO", "ES", "SS", "SR", "FW", "TW", "CL", "CW", "LA", "LI", "SA"];

const PLAIN: &str = "
                   NO ES SS SR FW TW CL CW LA LI SA
INPUT       syn    SR ES ES SR SR SR SR SR SR SR SR
            fin    CL CW SS TW TW TW CL CW LA LI TW
            ack    ES ES SS ES FW TW CL CW CL LI ES
            rst    CL CL CL SR CL CL CL CL LA LI SR
OUTPUT      syn    SS ES SS SR SS SS SS SS SS LI SR
            fin    TW FW SS TW FW TW CL TW LA LI TW
            ack    ES ES SS ES FW TW CL CW LA ES ES
            rst    CL CL SS CL CL TW CL CL CL CL CL
INPUT_ONLY  syn    SR ES ES SR SR SR SR SR SR SR SR
            fin    CL FW SS TW FW TW CL CW LA LI TW
            ack    ES ES SS ES FW TW CL CW CL LI ES
            rst    CL CL CL SR CL CL CL CL LA LI CL
";

/// With `secure_tcp`, where it differs: way, flag, from, to.
const SECURE: &[(&str, &str, &str, &str)] = &[
    ("INPUT", "syn", "SA", "SA"),
    ("INPUT", "fin", "SA", "SA"),
    ("INPUT", "ack", "SR SA", "SR SA"),
    ("INPUT", "rst", "SA", "CL"),
    ("OUTPUT", "syn", "SR SA", "SA SA"),
    ("INPUT_ONLY", "syn", "NO FW TW CL CW LA LI SA", "SA SA SA SA SA SA SA SA"),
];

/// Seconds, and whether the schedulers count it as active.
const STATES: [(&str, &str, u32, bool); TcpState::COUNT] = [
    ("NO", "NONE", 2, false),
    ("ES", "ESTABLISHED", 900, true),
    ("SS", "SYN_SENT", 120, true),
    ("SR", "SYN_RECV", 60, true),
    ("FW", "FIN_WAIT", 120, false),
    ("TW", "TIME_WAIT", 120, false),
    ("CL", "CLOSE", 10, false),
    ("CW", "CLOSE_WAIT", 60, false),
    ("LA", "LAST_ACK", 30, false),
    ("LI", "LISTEN", 120, false),
    ("SA", "SYNACK", 120, true),
];

fn state(name: &str) -> TcpState {
    TcpState::from_index(NAMES.iter().position(|other| *other == name).unwrap() as u8)
}

fn way(name: &str) -> Way {
    match name {
        "INPUT" => Way::Input,
        "OUTPUT" => Way::Output,
        "INPUT_ONLY" => Way::InputOnly,
        _ => panic!("no way {name}"),
    }
}

fn flags(name: &str) -> Flags {
    match name {
        "syn" => SYN,
        "fin" => FIN,
        "ack" => ACK,
        "rst" => RST,
        _ => panic!("no flag {name}"),
    }
}

/// Way, flag, from and to of every transition in [`PLAIN`].
fn transitions() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let mut lines = PLAIN.trim().lines();
    let from: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    let (mut transitions, mut way) = (Vec::new(), "");
    for line in lines {
        let mut words: Vec<_> = line.split_whitespace().collect();
        if words.len() == 2 + TcpState::COUNT {
            way = words.remove(0);
        }
        let flag = words.remove(0);
        transitions.extend(from.iter().zip(words).map(|(from, to)| (way, flag, *from, to)));
    }
    assert_eq!(transitions.len(), 3 * 4 * TcpState::COUNT);
    transitions
}

#[test]
fn every_transition_is_that_of_the_recordings() {
    for (way_name, flag, from, to) in transitions() {
        let next = tcp_next(state(from), way(way_name), flags(flag), false);
        assert_eq!(next, state(to), "{way_name} {flag} in {from}");
    }
}

#[test]
fn secure_tcp_differs_where_the_kernel_does_and_nowhere_else() {
    let secure = |way: &str, flag: &str, from: &str| {
        let row = SECURE.iter().find(|row| (row.0, row.1) == (way, flag))?;
        let at = row.2.split(' ').position(|other| other == from)?;
        row.3.split(' ').nth(at)
    };
    for (way_name, flag, from, plain) in transitions() {
        let expected = secure(way_name, flag, from).unwrap_or(plain);
        let next = tcp_next(state(from), way(way_name), flags(flag), true);
        assert_eq!(next, state(expected), "{way_name} {flag} in {from}");
    }
}

#[test]
fn of_several_flags_the_strongest_decides() {
    let strength = [("rst", Flags::RST), ("syn", Flags::SYN), ("fin", Flags::FIN), ("ack", Flags::ACK)];
    for bits in 0..=u8::MAX {
        let flags_of_segment = Flags(bits);
        let strongest = strength.iter().find(|(_, flag)| flags_of_segment.contains(*flag));
        for (way_name, flag, from, to) in transitions() {
            let next = tcp_next(state(from), way(way_name), flags_of_segment, false);
            match strongest {
                Some((name, _)) if *name == flag => assert_eq!(next, state(to), "{way_name} {bits:#04x} in {from}"),
                Some(_) => {}
                None => assert_eq!(next, TcpState::Close, "{way_name} {bits:#04x} in {from}"),
            }
        }
    }
}

#[test]
fn timeouts_names_and_activity_are_the_kernels() {
    let timeouts = Timeouts::default();
    for (index, (short, name, seconds, active)) in STATES.into_iter().enumerate() {
        let state = state(short);
        assert_eq!((state as usize, state.name()), (index, name));
        assert_eq!((timeouts.tcp(state), state.is_active()), (seconds, active), "{name}");
    }
    assert_eq!((timeouts.udp, NEW_CONNECTION_S), (300, 3));
}

#[test]
fn set_changes_established_fin_wait_and_udp_alone() {
    let timeouts = Timeouts::new(7200, 17, 33);
    for (short, name, seconds, _) in STATES {
        let expected = match short {
            "ES" => 7200,
            "FW" => 17,
            _ => seconds,
        };
        assert_eq!(timeouts.tcp(state(short)), expected, "{name}");
    }
    assert_eq!(timeouts.udp, 33);
}

#[test]
fn an_index_out_of_range_reads_as_none() {
    for index in TcpState::COUNT as u8..=u8::MAX {
        assert_eq!(TcpState::from_index(index), TcpState::None);
    }
}

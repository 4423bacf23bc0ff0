//! What Headgate keeps in the state word of a connection, and how packets and the end of a connection change it.

use crate::family::Family;
use crate::packet::Flow;
use crate::proto;
use crate::servers::{ServerId, Servers};
use crate::snapshot::{Forward, Settings};
use crate::state::{TcpState, Way, tcp_next};
use crate::table::State;

pub use crate::snapshot::Forward as Method;

/// Counts as active for the schedulers.
const ACTIVE: u16 = 1;
/// No packet of the server was ever seen (always so for DR and tunnel).
const ONE_WAY: u16 = 1 << 1;
/// The forwarding method, two bits.
const METHOD_SHIFT: u32 = 2;
const METHOD_MASK: u16 = 3 << METHOD_SHIFT;
/// How many timer handles beyond the first are armed, two bits.
const EXTRA_TIMER: u16 = 1 << 4;
const EXTRA_TIMERS_MASK: u16 = 3 << 4;
/// The state word of a connection that does not exist yet.
pub fn new_state(method: Method) -> State {
    let one_way = if method == Method::Nat { 0 } else { ONE_WAY };
    State::new(0, one_way | ((method as u16) << METHOD_SHIFT), 0)
}

/// The forwarding method that the connection was made with.
#[inline(always)]
pub fn method(state: State) -> Method {
    match (state.flags() & METHOD_MASK) >> METHOD_SHIFT {
        0 => Forward::Nat,
        1 => Forward::Dr,
        2 => Forward::Tunnel,
        _ => Forward::Local,
    }
}

#[inline(always)]
pub fn is_active(state: State) -> bool {
    state.flags() & ACTIVE != 0
}

#[inline(always)]
pub fn is_one_way(state: State) -> bool {
    state.flags() & ONE_WAY != 0
}

/// Whether it is a TCP connection in ESTABLISHED, where it stays for long.
pub fn is_established(state: State) -> bool {
    TcpState::from_index(state.protocol_state()) == TcpState::Established
}

/// The way of a packet from the client.
#[inline(always)]
pub fn way_in(state: State) -> Way {
    if is_one_way(state) { Way::InputOnly } else { Way::Input }
}

pub fn extra_timers(state: State) -> u16 {
    (state.flags() & EXTRA_TIMERS_MASK) / EXTRA_TIMER
}

/// One timer handle more, unless there are four already.
pub fn with_extra_timer(state: State) -> Option<State> {
    (extra_timers(state) < 3).then(|| state.with_flags(state.flags() + EXTRA_TIMER))
}

#[must_use]
pub fn with_fewer_timers(state: State) -> State {
    if extra_timers(state) == 0 { state } else { state.with_flags(state.flags() - EXTRA_TIMER) }
}

/// The state word after a packet of `flow` that goes `way`.
#[inline(always)]
pub fn after<F: Family>(state: State, flow: &Flow<F>, way: Way, settings: &Settings) -> State {
    if F::protocol(&flow.key) == proto::TCP {
        let next = tcp_next(TcpState::from_index(state.protocol_state()), way, flow.flags, settings.secure_tcp);
        let active = if next.is_active() { ACTIVE } else { 0 };
        state
            .with_protocol_state(next as u8)
            .with_flags((state.flags() & !ACTIVE) | active)
            .with_timeout_seconds(settings.timeouts.tcp(next))
    } else {
        state.with_timeout_seconds(settings.timeouts.udp)
    }
}

/// Moves the server's counts along with the change of one connection's state word.
#[inline(always)]
pub fn follow(servers: &Servers, server: ServerId, old: State, new: State) {
    if is_active(old) != is_active(new) {
        servers.transition(server, is_active(new));
    }
}

/// The name of the state as ipvsadm prints it.
pub fn state_name(protocol: u8, state: State) -> &'static str {
    if protocol == proto::TCP { TcpState::from_index(state.protocol_state()).name() } else { "UDP" }
}

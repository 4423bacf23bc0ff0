//! What a packet does to the state of its connection: the IPVS state machines of TCP and UDP and their timeouts
//! (`ip_vs_proto_tcp.c`, `ip_vs_proto_udp.c`; every transition was checked against recordings of Linux 6.1).
//!
//! ```text
//!  NAT   SYN ─► SYN_RECV ─ACK─► ESTABLISHED ─client FIN─► CLOSE_WAIT ─server FIN─► TIME_WAIT
//!                                     └──────server FIN─► FIN_WAIT ───client FIN─► TIME_WAIT      RST: CLOSE
//!  DR, tunnel see the client only: SYN ─► SYN_RECV ─ACK─► ESTABLISHED ─FIN─► FIN_WAIT
//! ```

use headgate_wire::tcp::Flags;

/// States of a TCP connection, in the order of the kernel's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TcpState {
    None,
    Established,
    SynSent,
    SynRecv,
    FinWait,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    SynAck,
}

use TcpState::{
    Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI, None as NO,
    SynAck as SA, SynRecv as SR, SynSent as SS, TimeWait as TW,
};

impl TcpState {
    pub const COUNT: usize = 11;
    const ALL: [Self; Self::COUNT] = [NO, ES, SS, SR, FW, TW, CL, CW, LA, LI, SA];

    /// The state stored under `index`; an index out of range (a damaged table) reads as `None`.
    #[inline(always)]
    pub fn from_index(index: u8) -> Self {
        *Self::ALL.get(usize::from(index)).unwrap_or(&NO)
    }

    /// Whether a connection in this state counts as active for the schedulers.
    #[inline(always)]
    pub fn is_active(self) -> bool {
        matches!(self, ES | SS | SR | SA)
    }

    /// The name ipvsadm prints.
    pub fn name(self) -> &'static str {
        match self {
            NO => "NONE",
            ES => "ESTABLISHED",
            SS => "SYN_SENT",
            SR => "SYN_RECV",
            FW => "FIN_WAIT",
            TW => "TIME_WAIT",
            CL => "CLOSE",
            CW => "CLOSE_WAIT",
            LA => "LAST_ACK",
            LI => "LISTEN",
            SA => "SYNACK",
        }
    }
}

/// Which way a packet goes, as the state machine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client.
    Input,
    /// From the server.
    Output,
    /// From the client, on a connection whose replies do not pass here (DR, tunnel).
    InputOnly,
}

/// Columns: NO ES SS SR FW TW CL CW LA LI SA; rows: syn fin ack rst.
type Transitions = [[TcpState; TcpState::COUNT]; 4];

#[rustfmt::skip]
const INPUT: Transitions = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
];
#[rustfmt::skip]
const OUTPUT: Transitions = [
    [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
    [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
    [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
];
#[rustfmt::skip]
const INPUT_ONLY: Transitions = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];
// `secure_tcp`: ESTABLISHED only after a packet of the server was seen.
#[rustfmt::skip]
const SECURE_INPUT: Transitions = [
    [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA],
    [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA],
    [ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];
#[rustfmt::skip]
const SECURE_OUTPUT: Transitions = [
    [SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA],
    [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
    [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
];
#[rustfmt::skip]
const SECURE_INPUT_ONLY: Transitions = [
    [SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA],
    [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
    [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
];

/// The state after a segment with `flags`. Priority RST > SYN > FIN > ACK; a segment with none of them closes.
#[inline(always)]
pub fn tcp_next(state: TcpState, way: Way, flags: Flags, secure: bool) -> TcpState {
    let row = if flags.contains(Flags::RST) {
        3
    } else if flags.contains(Flags::SYN) {
        0
    } else if flags.contains(Flags::FIN) {
        1
    } else if flags.contains(Flags::ACK) {
        2
    } else {
        return CL;
    };
    let table = match (way, secure) {
        (Way::Input, false) => &INPUT,
        (Way::Output, false) => &OUTPUT,
        (Way::InputOnly, false) => &INPUT_ONLY,
        (Way::Input, true) => &SECURE_INPUT,
        (Way::Output, true) => &SECURE_OUTPUT,
        (Way::InputOnly, true) => &SECURE_INPUT_ONLY,
    };
    table[row][state as usize]
}

/// Timeouts in seconds, by state. What `ipvsadm --set` changes: ESTABLISHED, FIN_WAIT and UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    tcp: [u32; TcpState::COUNT],
    pub udp: u32,
}

/// A connection lives this long when the state machine has not spoken yet (`ip_vs_conn.c`).
pub const NEW_CONNECTION_S: u32 = 3;

impl Timeouts {
    /// The kernel's defaults with the three configurable ones replaced.
    pub fn new(tcp: u32, tcp_fin: u32, udp: u32) -> Self {
        let mut timeouts = Self::default();
        timeouts.tcp[ES as usize] = tcp;
        timeouts.tcp[FW as usize] = tcp_fin;
        timeouts.udp = udp;
        timeouts
    }

    #[inline(always)]
    pub fn tcp(&self, state: TcpState) -> u32 {
        self.tcp[state as usize]
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { tcp: [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120], udp: 300 }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

//! Which packets a benchmark sends, and the frames it sends them in.

use std::net::Ipv4Addr;

use headgate_wire::tcp::Flags;
use headgate_xsk::{Frame, FramePool};

use crate::packets::{FRAME, tcp4, udp4};
use crate::world::{UNSERVED_PORT, VIP, World, client};

/// Kinds of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UDP from a client of a NAT connection.
    NatForward,
    /// UDP from its server.
    NatReply,
    /// UDP to the direct-routing service.
    Dr,
    /// UDP to the tunnel service.
    Tunnel,
    /// TCP segments with ACK to the NAT service; the same client's SYN must have come before.
    TcpNat,
    TcpNatSyn,
    /// UDP to a port of the VIP without a service.
    Miss,
}

impl Kind {
    /// The frame of client `n`.
    pub fn frame(self, world: &World, n: u32) -> [u8; FRAME] {
        let to = |port: u16| (VIP, port);
        match self {
            Self::NatForward => udp4(client(n), to(80)),
            Self::NatReply => udp4(world.server_of(n), client(n)),
            Self::Dr => udp4(client(n), to(81)),
            Self::Tunnel => udp4(client(n), to(82)),
            Self::TcpNat => tcp4(client(n), to(80), Flags::ACK),
            Self::TcpNatSyn => tcp4(client(n), to(80), Flags::SYN),
            Self::Miss => udp4(client(n), to(UNSERVED_PORT)),
        }
    }
}

/// A packet that nothing balances, from an address of nobody.
pub fn stranger() -> [u8; FRAME] {
    udp4((Ipv4Addr::new(192, 0, 2, 77), 1), (VIP, UNSERVED_PORT))
}

/// Frames in which packets come again and again, as many as rings would hold, so that they do not all stay in the first-level cache.
#[derive(Debug)]
pub struct FrameSet {
    frames: Vec<Frame>,
}

impl FrameSet {
    /// # Panics
    /// When the pool has fewer frames.
    pub fn new(pool: &mut FramePool, count: usize) -> Self {
        Self { frames: (0..count).map(|_| pool.alloc().expect("the pool holds enough frames")).collect() }
    }

    /// Writes a packet into every frame.
    ///
    /// # Panics
    /// Never: a packet is shorter than a frame.
    pub fn prepare(&mut self, mut packet: impl FnMut() -> [u8; FRAME]) {
        for frame in &mut self.frames {
            frame.copy_from(&packet()).expect("64 bytes fit into a frame");
        }
    }

    pub fn frames_mut(&mut self) -> &mut Vec<Frame> {
        &mut self.frames
    }

    pub fn release(self, pool: &mut FramePool) {
        self.frames.into_iter().for_each(|frame| pool.free(frame));
    }
}

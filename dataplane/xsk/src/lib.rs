//! Memory and the kernel, for the data plane: everything of ours that needs `unsafe`.
//!
//! ```text
//!          device ─ queue ─ steering program ─▶ XSKMAP ─▶ socket ┐
//!                                                                │ rx, tx, fill, completion (ring)
//!   Umem ─ FramePool ─ Frame ◀──── receive / transmit ──── Port ─┤
//!                                                                └ Wire: the kernel's part played in memory
//! ```
//!
//! * [`frame`], [`umem`]: packet buffers, each with exactly one owner
//! * [`port`]: one (device, queue) as the worker sees it
//! * [`memory`]: a port without a kernel, for tests, fuzzing and benchmarks
//! * [`device`], [`socket`]: real ports; the mode they got is in [`Port::mode`]
//! * [`steering`]: the program that decides which packets come here
//! * [`selftest`]: whether a queue really delivers
//! * [`tap`]: the way back to the kernel for packets nobody here wants
//! * [`poll`]: waiting while there is nothing to do
//! * `generator`: packets for benchmarks (feature `generator`)
//! * [`link`], [`realtime`]: frames past the IP layer and threads past the others, for VRRP
//! * [`words`]: shared memory as atomic words, for the connection table

pub mod device;
pub mod error;
pub mod frame;
#[cfg(feature = "generator")]
pub mod generator;
pub mod link;
pub mod memory;
pub mod poll;
pub mod port;
pub mod realtime;
pub mod selftest;
pub mod socket;
pub mod steering;
pub mod tap;
pub mod umem;
pub mod words;

mod abi;
mod bpf;
mod map;
mod netlink;
mod ring;
mod sys;

#[cfg(test)]
mod privilege;

pub use abi::XdpStatistics;
pub use device::Device;
pub use error::XskError;
pub use frame::Frame;
pub use link::LinkSocket;
pub use memory::{Wire, memory_port};
pub use poll::{Poller, Waker};
pub use port::{Kick, Mode, Port, PortCounters};
pub use selftest::{SelfTest, self_test};
pub use socket::{BusyPoll, NoZeroCopy, PortRequest, SocketOptions, Sockets, ZeroCopy};
pub use steering::{
    Attach, AttachRequest, Changes, PortMatch, ServiceKey, Steering, SteeringCounters, SteeringFds, SteeringMaps,
    Verdict,
};
pub use tap::Tap;
pub use umem::{FramePool, HEADROOM, Umem, UmemConfig};
pub use words::{Pages, SharedWords};

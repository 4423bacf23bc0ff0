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
//! * [`words`]: shared memory as atomic words, for the connection table

pub mod error;
pub mod frame;
pub mod memory;
pub mod port;
pub mod umem;
pub mod words;

mod abi;
mod map;
mod ring;
mod sys;

pub use abi::XdpStatistics;
pub use error::XskError;
pub use frame::Frame;
pub use memory::{Wire, memory_port};
pub use port::{Kick, Mode, Port, PortCounters};
pub use umem::{FramePool, HEADROOM, Umem, UmemConfig};
pub use words::{Pages, SharedWords};

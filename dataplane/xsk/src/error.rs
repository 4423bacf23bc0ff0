//! What can go wrong while memory, sockets and programs are set up. Nothing here happens on the packet path.

use std::io;

/// A set-up error, with the numbers an operator needs to act on it.
#[derive(Debug, thiserror::Error)]
pub enum XskError {
    #[error("frames of {size} bytes are not possible, choose 2048 or 4096")]
    FrameSize { size: u32 },
    #[error("packet memory of 0 frames")]
    NoFrames,
    #[error("cannot reserve {bytes} bytes of packet memory: {source}")]
    Memory { bytes: usize, source: io::Error },
    #[error("a ring of {entries} entries is not possible, choose a power of two from 64 to 32768")]
    RingSize { entries: u32 },
    #[error("cannot reserve a ring of {entries} entries: {source}")]
    Ring { entries: u32, source: io::Error },
}

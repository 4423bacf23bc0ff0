//! A packet generator for benchmarks: an XDP program that the kernel runs over and over, whose frames leave through a device as if
//! they had been redirected there. Some millions of packets a second from one core, without a network card.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aya::EbpfLoader;
use aya::programs::Xdp;

use crate::bpf;
use crate::error::XskError;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/generator.bpf.o"));

/// Length of the frames in bytes.
pub const FRAME: usize = 64;
/// Source port of the first flow.
pub const FIRST_PORT: u16 = 1024;

const CHECKSUM: usize = 40;
/// Runs of the program between two visits of the scheduler.
const BATCH: u32 = 64;

/// A loaded generator.
#[derive(Debug)]
pub struct Generator {
    program: OwnedFd,
    frame: [u8; FRAME],
}

impl Generator {
    /// `frame`: Ethernet, IPv4 without options and UDP with a right checksum and source port 0. Flow `n` has source port
    /// [`FIRST_PORT`] + n.
    ///
    /// # Errors
    /// [`XskError::Load`] when the kernel refuses the program.
    pub fn new(frame: [u8; FRAME], flows: u16) -> Result<Self, XskError> {
        let words: [u64; FRAME / 8] =
            std::array::from_fn(|n| u64::from_ne_bytes(std::array::from_fn(|byte| frame[n * 8 + byte])));
        let checksum = u16::from_be_bytes([frame[CHECKSUM], frame[CHECKSUM + 1]]);
        let flows = u32::from(flows);
        let mut object = EbpfLoader::new()
            .override_global("template", &words[..], true)
            .override_global("checksum", &checksum, true)
            .override_global("flows", &flows, true)
            .load(OBJECT)
            .map_err(failed)?;
        let program = object.program_mut("headgate_generate").ok_or_else(|| failed("it is not in its object"))?;
        let program: &mut Xdp = program.try_into().map_err(failed)?;
        program.load().map_err(failed)?;
        let program = program.fd().map_err(failed)?.as_fd().try_clone_to_owned().map_err(failed)?;
        Ok(Self { program, frame })
    }

    /// Sends `packets` packets out of a device of the calling thread's network namespace, as fast as that takes them; what its peer
    /// has no room for is lost.
    ///
    /// # Errors
    /// That of `bpf(2)`: the device is gone, or does not take redirected frames.
    pub fn run(&self, ifindex: u32, packets: u32) -> io::Result<()> {
        bpf::live_runs(self.program.as_fd(), &self.frame, ifindex, packets, BATCH)
    }
}

fn failed(reason: impl ToString) -> XskError {
    XskError::Load { reason: reason.to_string() }
}

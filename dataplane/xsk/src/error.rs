//! What can go wrong while memory, sockets and programs are set up. Nothing here happens on the packet path.

use std::io;
use std::net::IpAddr;

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
    #[error("{device} queue {queue} needs {needed} free frames for its fill ring, {available} are left")]
    TooFewFrames { device: String, queue: u32, needed: usize, available: usize },

    #[error("there is no interface {name}: {source}")]
    NoDevice { name: String, source: io::Error },
    #[error("{device}: MTU {mtu} needs frames of {needed} bytes, frame size is {frame_size}")]
    Mtu { device: String, mtu: u32, needed: u32, frame_size: u32 },
    #[error("{device} has {queues} {direction} queues, there is no queue {queue}")]
    NoQueue { device: String, direction: &'static str, queue: u32, queues: u32 },
    #[error("cannot set {key} to {value}: {source}")]
    Sysctl { key: String, value: &'static str, source: io::Error },

    #[error("{device} cannot have the address {address}: {source}")]
    Address { device: String, address: IpAddr, source: io::Error },

    #[error("{device} queue {queue}: {step} failed: {source}")]
    Socket { device: String, queue: u32, step: &'static str, source: io::Error },
    #[error(
        "{bytes} bytes of packet memory exceed the limit of locked memory: keep CAP_IPC_LOCK or raise RLIMIT_MEMLOCK"
    )]
    LockedMemory { bytes: u64 },
    #[error("{device} queue {queue} is in use by another AF_XDP socket")]
    Busy { device: String, queue: u32 },
    #[error("{device} queue {queue} has no zero copy: {source}")]
    NoZeroCopy { device: String, queue: u32, source: io::Error },

    #[error("cannot load the steering program: {reason}")]
    Load { reason: String },
    #[error("{device} already has the XDP program {name} (id {id}), which is not ours: detach it first")]
    Foreign { device: String, id: u32, name: String },
    #[error("{device} refuses the steering program in {mode} mode: {source}")]
    Attach { device: String, mode: &'static str, source: io::Error },
    #[error("steering has no room for another device, {limit} is the limit")]
    TooManyDevices { limit: u32 },
    #[error("{device}: queue {queue} is beyond what steering can serve, {limit} queues per device is the limit")]
    TooManyQueues { device: String, queue: u32, limit: u32 },
    #[error("the steering program is not attached to interface {index}")]
    NotAttached { index: u32 },
    #[error("the steering map {map} is full: {wanted} entries are wanted, {limit} is the limit")]
    MapFull { map: &'static str, wanted: usize, limit: u32 },
    #[error("{address} protocol {protocol}: {ranges} separate port ranges, {limit} is the limit")]
    TooManyRanges { address: IpAddr, protocol: u8, ranges: usize, limit: usize },
    #[error("steering map {map}: {reason}")]
    Map { map: &'static str, reason: String },
}

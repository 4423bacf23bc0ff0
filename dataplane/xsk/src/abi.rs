//! The kernel's AF_XDP interface: constants and structures (include/uapi/linux/if_xdp.h, asm-generic/socket.h).
//!
//! Defined here because the headers of the oldest supported kernel (6.1) lack some of it. Sizes and offsets are checked at compile
//! time.

pub(crate) use libc::{AF_XDP, SOL_XDP};

pub(crate) const XDP_MMAP_OFFSETS: i32 = 1;
pub(crate) const XDP_RX_RING: i32 = 2;
pub(crate) const XDP_TX_RING: i32 = 3;
pub(crate) const XDP_UMEM_REG: i32 = 4;
pub(crate) const XDP_UMEM_FILL_RING: i32 = 5;
pub(crate) const XDP_UMEM_COMPLETION_RING: i32 = 6;
pub(crate) const XDP_STATISTICS: i32 = 7;
pub(crate) const XDP_OPTIONS: i32 = 8;
/// Since 6.17.
pub(crate) const XDP_MAX_TX_SKB_BUDGET: i32 = 9;

/// Bind flags.
pub(crate) const XDP_SHARED_UMEM: u16 = 1;
pub(crate) const XDP_COPY: u16 = 2;
pub(crate) const XDP_ZEROCOPY: u16 = 4;
pub(crate) const XDP_USE_NEED_WAKEUP: u16 = 8;

/// Answer of `XDP_OPTIONS`: the socket is in zero-copy mode.
pub(crate) const XDP_OPTIONS_ZEROCOPY: u32 = 1;

/// A packet continues in the next descriptor (multi-buffer).
pub(crate) const XDP_PKT_CONTD: u32 = 1;

/// Where the rings are in the offset space of the socket.
pub(crate) const XDP_PGOFF_RX_RING: i64 = 0;
pub(crate) const XDP_PGOFF_TX_RING: i64 = 0x8000_0000;
pub(crate) const XDP_UMEM_PGOFF_FILL_RING: i64 = 0x1_0000_0000;
pub(crate) const XDP_UMEM_PGOFF_COMPLETION_RING: i64 = 0x1_8000_0000;

/// Socket options of `SOL_SOCKET` for preferred busy polling.
pub(crate) const SO_BUSY_POLL: i32 = 46;
pub(crate) const SO_PREFER_BUSY_POLL: i32 = 69;
pub(crate) const SO_BUSY_POLL_BUDGET: i32 = 70;

/// `struct xdp_desc`: one packet of the RX or TX ring.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Offset of the packet in the UMEM.
    pub(crate) address: u64,
    pub(crate) len: u32,
    pub(crate) options: u32,
}

/// `struct xdp_umem_reg`. The last field was tail padding before 6.8 and stays zero here.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UmemRegistration {
    pub(crate) address: u64,
    pub(crate) len: u64,
    pub(crate) chunk_size: u32,
    pub(crate) headroom: u32,
    pub(crate) flags: u32,
    pub(crate) tx_metadata_len: u32,
}

/// `struct sockaddr_xdp`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Address {
    pub(crate) family: u16,
    pub(crate) flags: u16,
    pub(crate) ifindex: u32,
    pub(crate) queue: u32,
    pub(crate) shared_umem_fd: u32,
}

/// `struct xdp_ring_offset`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RingOffset {
    pub(crate) producer: u64,
    pub(crate) consumer: u64,
    pub(crate) desc: u64,
    pub(crate) flags: u64,
}

/// `struct xdp_mmap_offsets`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MmapOffsets {
    pub(crate) rx: RingOffset,
    pub(crate) tx: RingOffset,
    pub(crate) fill: RingOffset,
    pub(crate) completion: RingOffset,
}

/// `struct xdp_statistics`: what the kernel counted on one socket since it was opened.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct XdpStatistics {
    /// Packets dropped for other reasons than a full RX ring, among them packets longer than a chunk.
    pub rx_dropped: u64,
    /// Fill ring entries the kernel refused.
    pub rx_invalid_descs: u64,
    /// TX descriptors the kernel refused; their chunks never come back, so any rise is a bug of ours.
    pub tx_invalid_descs: u64,
    /// Packets dropped because the RX ring was full.
    pub rx_ring_full: u64,
    /// Packets dropped because the fill ring was empty.
    pub rx_fill_ring_empty_descs: u64,
    /// Times the kernel found the TX ring empty.
    pub tx_ring_empty_descs: u64,
}

const _: () = {
    use std::mem::offset_of;
    assert!(AF_XDP == 44 && SOL_XDP == 283);
    assert!(size_of::<Descriptor>() == 16 && offset_of!(Descriptor, len) == 8 && offset_of!(Descriptor, options) == 12);
    assert!(size_of::<UmemRegistration>() == 32 && offset_of!(UmemRegistration, chunk_size) == 16);
    assert!(offset_of!(UmemRegistration, flags) == 24 && offset_of!(UmemRegistration, tx_metadata_len) == 28);
    assert!(
        size_of::<Address>() == 16 && offset_of!(Address, ifindex) == 4 && offset_of!(Address, shared_umem_fd) == 12
    );
    assert!(size_of::<RingOffset>() == 32 && offset_of!(RingOffset, desc) == 16 && offset_of!(RingOffset, flags) == 24);
    assert!(size_of::<MmapOffsets>() == 128 && offset_of!(MmapOffsets, completion) == 96);
    assert!(size_of::<XdpStatistics>() == 48 && offset_of!(XdpStatistics, tx_ring_empty_descs) == 40);
};

//! What a port counts.

/// Events of one port since it was opened. Plain numbers: only the worker that owns the port writes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// System calls made for transmission.
    pub kicks: u64,
    /// Kicks answered EAGAIN: the kernel's budget per call was used up, or the socket's send memory is full.
    pub kick_again: u64,
    /// Kicks answered EBUSY: one packet each was dropped by the device queue.
    pub kick_dropped: u64,
    /// Kicks answered ENOBUFS: the kernel had no memory for the packet.
    pub kick_no_memory: u64,
    /// Kicks answered ENETDOWN: the device is down.
    pub kick_device_down: u64,
    /// Kicks answered ENXIO, EBADF or ENODEV: the device is gone.
    pub kick_device_gone: u64,
    /// Kicks that failed in another way.
    pub kick_failed: u64,
    /// Flushes that ended with packets left in the TX ring although nothing failed.
    pub stalled: u64,
    /// Wake-ups of the receive side that failed.
    pub wake_failed: u64,
    /// RX descriptors that made no sense, or belonged to a packet of several buffers.
    pub rx_rejected: u64,
    /// Frames refused by `transmit`: too short or of another UMEM.
    pub tx_rejected: u64,
    /// Completions of chunks that were not under way.
    pub completion_rejected: u64,
}

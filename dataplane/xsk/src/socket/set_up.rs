//! Everything that happens to a socket before it is bound; afterwards the kernel refuses it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::PortRequest;
use crate::abi::{self, Descriptor, MmapOffsets, RingOffset, SOL_XDP, UmemRegistration};
use crate::error::XskError;
use crate::map::Mapping;
use crate::port::{Held, Kernel, Mode, Parts, Port, fill_from};
use crate::ring::{self, Entry};
use crate::sys;
use crate::umem::{FramePool, Umem};

/// Makes an unbound socket with its four rings, the fill ring full. With `register`, it is the first one of the UMEM.
///
/// The fill ring is filled before the bind because some drivers fail, or never receive, with an empty one.
pub(super) fn port(
    umem: &Umem,
    ring_size: u32,
    request: PortRequest<'_>,
    register: bool,
    pool: &mut FramePool,
) -> Result<Port, XskError> {
    let (device, queue) = (request.device.name(), request.queue);
    let (needed, available) = (ring_size as usize, pool.available());
    if available < needed {
        return Err(XskError::TooFewFrames { device: device.to_string(), queue, needed, available });
    }
    let failed = |step| move |source| XskError::Socket { device: device.to_string(), queue, step, source };
    let socket = sys::socket(abi::AF_XDP, libc::SOCK_RAW, 0).map_err(failed("socket"))?;
    let fd = socket.as_fd();
    if register {
        register_umem(fd, umem).map_err(|source| match source.raw_os_error() {
            Some(libc::ENOBUFS) => XskError::LockedMemory { bytes: umem.area().bytes() },
            _ => failed("registering the packet memory")(source),
        })?;
    }
    for option in [abi::XDP_UMEM_FILL_RING, abi::XDP_UMEM_COMPLETION_RING, abi::XDP_RX_RING, abi::XDP_TX_RING] {
        sys::set_option(fd, SOL_XDP, option, &ring_size).map_err(failed("setting the ring size"))?;
    }
    let offsets =
        sys::option::<MmapOffsets>(fd, SOL_XDP, abi::XDP_MMAP_OFFSETS).map_err(failed("asking for the rings"))?;
    let mapped = failed("mapping the rings");
    let rx = map::<Descriptor>(fd, &offsets.rx, ring_size, abi::XDP_PGOFF_RX_RING).map_err(&mapped)?;
    let tx = map::<Descriptor>(fd, &offsets.tx, ring_size, abi::XDP_PGOFF_TX_RING).map_err(&mapped)?;
    let fill = map::<u64>(fd, &offsets.fill, ring_size, abi::XDP_UMEM_PGOFF_FILL_RING).map_err(&mapped)?;
    let completion =
        map::<u64>(fd, &offsets.completion, ring_size, abi::XDP_UMEM_PGOFF_COMPLETION_RING).map_err(&mapped)?;

    let area = umem.area().clone();
    let mut held = Held::none_of(area.clone());
    let mut fill = ring::producer(fill, offsets.fill, ring_size);
    fill_from(&mut fill, &mut held, &area, pool);
    Ok(Port::new(Parts {
        rx: ring::consumer(rx, offsets.rx, ring_size),
        tx: ring::producer(tx, offsets.tx, ring_size),
        fill,
        completion: ring::consumer(completion, offsets.completion, ring_size),
        kernel: Kernel::Socket(Arc::new(socket)),
        held,
        area,
        device: request.device.index(),
        queue,
        mode: Mode::Copy,
    }))
}

fn register_umem(fd: BorrowedFd<'_>, umem: &Umem) -> io::Result<()> {
    let area = umem.area();
    let registration = UmemRegistration {
        address: area.base().as_ptr() as u64,
        len: area.bytes(),
        chunk_size: area.frame_size(),
        ..UmemRegistration::default()
    };
    sys::set_option(fd, SOL_XDP, abi::XDP_UMEM_REG, &registration)
}

fn map<E: Entry>(fd: BorrowedFd<'_>, offset: &RingOffset, size: u32, at: i64) -> io::Result<Mapping> {
    Mapping::of_descriptor(fd, ring::mapping_len::<E>(offset, size), at)
}

//! The few commands of `bpf(2)` that the loader library does not offer in the form needed here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_CREATE: libc::c_long = 28;

const BPF_XDP: u32 = 37;
const XDP_FLAGS_SKB_MODE: u32 = 2;
const XDP_FLAGS_DRV_MODE: u32 = 4;
const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 2;

/// The part of `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
    rest: [u64; 6],
}

/// The part of `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Default)]
struct GetInfo {
    fd: u32,
    len: u32,
    info: u64,
}

/// The part of `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    verdict: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    zero: u32,
}

/// `struct xdp_md`.
#[repr(C)]
#[derive(Default)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
}

const _: () = {
    assert!(size_of::<LinkCreate>() == 64 && size_of::<GetInfo>() == 16);
    assert!(size_of::<TestRun>() == 80 && std::mem::offset_of!(TestRun, flags) == 64);
    assert!(size_of::<Context>() == 24);
};

/// Attaches an XDP program to an interface through a link: it is detached when the last descriptor of the link is closed.
///
/// The loader library would fall back to an attachment that outlives the process when the kernel answers EINVAL; this does not.
pub(crate) fn attach(program: BorrowedFd<'_>, ifindex: u32, native: bool) -> io::Result<OwnedFd> {
    let flags = if native { XDP_FLAGS_DRV_MODE } else { XDP_FLAGS_SKB_MODE };
    let mut attributes =
        LinkCreate { program: number(program), ifindex, attach_type: BPF_XDP, flags, ..LinkCreate::default() };
    // SAFETY: the attributes of this command hold no pointers.
    let fd = unsafe { bpf(BPF_LINK_CREATE, &mut attributes)? };
    // SAFETY: the kernel just made the descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The id of a program.
pub(crate) fn program_id(program: BorrowedFd<'_>) -> io::Result<u32> {
    // Type and id are the first two fields of `struct bpf_prog_info`; the kernel writes no more than it is given room for.
    let mut info = [0u32; 2];
    let mut attributes =
        GetInfo { fd: number(program), len: size_of_val(&info) as u32, info: info.as_mut_ptr() as u64 };
    // SAFETY: `info` points to `len` writable bytes that outlive the call.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes)? };
    Ok(info[1])
}

/// Where a test packet pretends to come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingress {
    pub(crate) ifindex: u32,
    pub(crate) queue: u32,
}

/// Runs a program on a packet of at least 14 bytes and returns its verdict; without `ingress` it comes from the loopback interface.
pub(crate) fn test_run(program: BorrowedFd<'_>, packet: &[u8], ingress: Option<Ingress>) -> io::Result<u32> {
    run(program, packet, ingress, 0, 1, 0)
}

/// Like `test_run`, but what the program decides is done to the packet. The device is the given one, its queue always 0.
pub(crate) fn live_run(program: BorrowedFd<'_>, packet: &[u8], ifindex: u32) -> io::Result<()> {
    run(program, packet, Some(Ingress { ifindex, queue: 0 }), BPF_F_TEST_XDP_LIVE_FRAMES, 1, 1).map(drop)
}

/// As [`live_run`], `repeat` times in batches.
#[cfg(feature = "generator")]
pub(crate) fn live_runs(
    program: BorrowedFd<'_>,
    packet: &[u8],
    ifindex: u32,
    repeat: u32,
    batch: u32,
) -> io::Result<()> {
    run(program, packet, Some(Ingress { ifindex, queue: 0 }), BPF_F_TEST_XDP_LIVE_FRAMES, repeat, batch).map(drop)
}

fn run(
    program: BorrowedFd<'_>,
    packet: &[u8],
    ingress: Option<Ingress>,
    flags: u32,
    repeat: u32,
    batch_size: u32,
) -> io::Result<u32> {
    let context = ingress.map(|ingress| Context {
        data_end: packet.len() as u32,
        ingress_ifindex: ingress.ifindex,
        rx_queue_index: ingress.queue,
        ..Context::default()
    });
    let mut attributes = TestRun {
        program: number(program),
        data_size_in: packet.len() as u32,
        data_in: packet.as_ptr() as u64,
        repeat,
        context_size_in: if context.is_some() { size_of::<Context>() as u32 } else { 0 },
        context_in: context.as_ref().map_or(0, |context| std::ptr::from_ref(context) as u64),
        flags,
        batch_size,
        ..TestRun::default()
    };
    // SAFETY: packet and context are live and as long as stated; no output buffers are given.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut attributes)? };
    Ok(attributes.verdict)
}

/// # Safety
/// `attributes` MUST be the structure of `command`, and the pointers in it valid for what the command does with them.
unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the caller's promise.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as i32) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

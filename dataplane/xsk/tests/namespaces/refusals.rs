//! What devices and kernel refuse, and what is left behind by a process that dies.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{Pair, enter, is_root, until};
use headgate_xsk::*;

fn memory(frame_size: u32) -> (Umem, FramePool) {
    Umem::new(UmemConfig { frame_size, frames: 512, huge_pages: false }).unwrap()
}

fn options(zero_copy: ZeroCopy) -> SocketOptions {
    SocketOptions { ring_size: 128, zero_copy, busy_poll: None }
}

fn native(device: &Device, queue: u32) -> PortRequest<'_> {
    PortRequest { device, queue, attach: Attach::Native }
}

#[test]
fn an_mtu_beyond_the_frame_is_refused() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.ip(&["link", "set", "v0", "mtu", "3000"]);
    net.here.run(|| {
        let device = Device::find("v0").unwrap();
        let (small, mut pool) = memory(2048);
        let mut sockets = Sockets::new(&small, options(ZeroCopy::Never)).unwrap();
        let error = sockets.open(native(&device, 0), &mut pool).unwrap_err();
        assert_eq!(error.to_string(), "v0: MTU 3000 needs frames of 3278 bytes, frame size is 2048");
        assert_eq!(pool.available(), pool.total());
        let (large, mut pool) = memory(4096);
        let port = Sockets::new(&large, options(ZeroCopy::Never)).unwrap().open(native(&device, 0), &mut pool).unwrap();
        assert_eq!(port.frames_in_rings(), 128);
    });
}

#[test]
fn queues_that_do_not_exist_or_are_taken_are_refused() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.run(|| {
        let device = Device::find("v0").unwrap();
        let (umem, mut pool) = memory(2048);
        let mut sockets = Sockets::new(&umem, options(ZeroCopy::Never)).unwrap();
        let error = sockets.open(native(&device, 1), &mut pool).unwrap_err();
        assert_eq!(error.to_string(), "v0 has 1 receive queues, there is no queue 1");
        let port = sockets.open(native(&device, 0), &mut pool).unwrap();

        let (other, mut other_pool) = memory(2048);
        let mut others = Sockets::new(&other, options(ZeroCopy::Never)).unwrap();
        let error = others.open(native(&device, 0), &mut other_pool).unwrap_err();
        assert_eq!(error.to_string(), "v0 queue 0 is in use by another AF_XDP socket");
        assert_eq!(other_pool.available(), other_pool.total());

        port.close(&mut pool);
        assert_eq!(pool.available(), pool.total());
        assert!(others.open(native(&device, 0), &mut other_pool).is_ok());
    });
}

#[test]
fn too_few_frames_are_refused() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.run(|| {
        let device = Device::find("v0").unwrap();
        let (umem, mut pool) = Umem::new(UmemConfig { frame_size: 2048, frames: 100, huge_pages: false }).unwrap();
        let error =
            Sockets::new(&umem, options(ZeroCopy::Auto)).unwrap().open(native(&device, 0), &mut pool).unwrap_err();
        assert_eq!(error.to_string(), "v0 queue 0 needs 128 free frames for its fill ring, 100 are left");
    });
}

#[test]
fn zero_copy_falls_back_for_the_whole_worker_or_is_an_error() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0", "v1"], 1);
    net.here.run(|| {
        let (first, second) = (Device::find("v0").unwrap(), Device::find("v1").unwrap());
        let requests = [native(&first, 0), native(&second, 0)];
        let (umem, mut pool) = memory(2048);
        let mut required = Sockets::new(&umem, options(ZeroCopy::Require)).unwrap();
        let error = required.open_all(&requests, &mut pool).unwrap_err();
        assert!(error.to_string().starts_with("v0 queue 0 has no zero copy: "), "{error}");
        assert_eq!(pool.available(), pool.total());

        let mut automatic = Sockets::new(&umem, options(ZeroCopy::Auto)).unwrap();
        let ports = automatic.open_all(&requests, &mut pool).unwrap();
        assert!(ports.iter().all(|port| port.mode() == Mode::Copy));
        assert_eq!(automatic.refused().map(|refused| refused.queue), Some(0));
    });
}

#[test]
fn a_program_of_somebody_else_is_left_alone() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.run(|| {
        let device = Device::find("v0").unwrap();
        let mut foreign = Steering::load().unwrap();
        foreign.attach(&device, AttachRequest::Native).unwrap();
        let id = foreign.program_id().unwrap();
        let mut ours = Steering::load().unwrap();
        let error = ours.attach(&device, AttachRequest::Native).unwrap_err();
        let expected =
            format!("v0 already has the XDP program headgate_steer (id {id}), which is not ours: detach it first");
        assert_eq!(error.to_string(), expected);
        assert_eq!(ours.attached(device.index()), None);
        assert_eq!(device.refresh().unwrap().xdp_program(), Some(id));
        drop(foreign);
        until("the foreign program to be gone", || device.refresh().unwrap().xdp_program().is_none());
        assert_eq!(ours.attach(&device, AttachRequest::Native).unwrap(), Attach::Native);
    });
}

#[test]
fn generic_mode_is_explicit_and_reported() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.run(|| {
        // Attaching natively to a veth whose peer has a larger MTU than one page allows is refused with ERANGE, for which there is
        // no silent fallback.
        let device = Device::find("v0").unwrap();
        net.there.ip(&["link", "set", "v0", "mtu", "9000"]);
        let mut steering = Steering::load().unwrap();
        let error = steering.attach(&device, AttachRequest::NativeOrGeneric).unwrap_err();
        assert!(error.to_string().starts_with("v0 refuses the steering program in "), "{error}");
        assert_eq!(steering.attach(&device, AttachRequest::Generic).unwrap(), Attach::Generic);
        let (umem, mut pool) = memory(2048);
        let mut sockets = Sockets::new(&umem, options(ZeroCopy::Auto)).unwrap();
        let request = PortRequest { device: &device, queue: 0, attach: Attach::Generic };
        let mut port = sockets.open(request, &mut pool).unwrap();
        assert_eq!(port.mode(), Mode::Generic);
        assert!(sockets.refused().unwrap().source.to_string().contains("generic"));
        steering.register(&port).unwrap();
        assert_eq!(self_test(&mut steering, &device, &mut port, &mut pool), SelfTest::Passed);
    });
}

#[test]
fn shared_descriptors_keep_the_program_attached() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    net.here.run(|| {
        let device = Device::find("v0").unwrap();
        let mut steering = Steering::load().unwrap();
        steering.attach(&device, AttachRequest::Native).unwrap();
        let id = steering.program_id().unwrap();
        let kept = steering.share().unwrap();
        drop(steering);
        assert_eq!(device.refresh().unwrap().xdp_program(), Some(id));
        let mut adopted = Steering::adopt(kept).unwrap();
        assert_eq!(adopted.attached(device.index()), Some(Attach::Native));
        assert_eq!(adopted.attach(&device, AttachRequest::Native).unwrap(), Attach::Native);
        assert!(adopted.detach(device.index()).unwrap());
        until("the program to be gone", || device.refresh().unwrap().xdp_program().is_none());
    });
}

/// The process that `a_killed_process_leaves_nothing_behind` kills; as a test of its own it does nothing.
#[test]
fn process_to_be_killed() {
    let Ok(namespace) = std::env::var("HEADGATE_TEST_NAMESPACE") else { return };
    enter(&namespace);
    let device = Device::find("v0").unwrap();
    let mut steering = Steering::load().unwrap();
    steering.attach(&device, AttachRequest::Native).unwrap();
    let (umem, mut pool) = memory(2048);
    let port = Sockets::new(&umem, options(ZeroCopy::Auto)).unwrap().open(native(&device, 0), &mut pool).unwrap();
    steering.register(&port).unwrap();
    println!("\nattached");
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_killed_process_leaves_nothing_behind() {
    if !is_root() {
        return;
    }
    let net = Pair::new(&["v0"], 1);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "refusals::process_to_be_killed", "--nocapture"])
        .env("HEADGATE_TEST_NAMESPACE", &net.here.name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let attached = lines.map_while(Result::ok).any(|line| line == "attached");
    net.here.run(|| {
        let device = Device::find("v0").unwrap();
        let program = device.xdp_program();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(attached && program.is_some(), "the process did not get as far as to attach");
        until("the program to be gone", || device.refresh().unwrap().xdp_program().is_none());
        let (umem, mut pool) = memory(2048);
        let port = Sockets::new(&umem, options(ZeroCopy::Auto)).unwrap().open(native(&device, 0), &mut pool).unwrap();
        assert_eq!(port.queue(), 0);
    });
}

//! Does a queue really deliver? To be asked once per port at start, before [`Steering::apply`].
//!
//! Some devices attach and bind without complaint and then never deliver a packet. Without a peer that sends, this much can be shown:
//! the device is up, our program is attached, the program sends packets of this queue to a socket, and (queue 0 in copy mode, the only
//! one the kernel lets a test packet come in on) a packet really appears in the RX ring. What cannot be shown is called not proven,
//! never passed: only traffic proves the driver's own receive path.

use std::time::{Duration, Instant};

use crate::device::Device;
use crate::error::XskError;
use crate::port::{Mode, Port};
use crate::steering::{PROBE, Steering, Verdict};
use crate::umem::FramePool;

/// Outcome of the self-test of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelfTest {
    /// A packet went through the program into the RX ring.
    Passed,
    /// Nothing is wrong as far as can be seen, but no packet was seen.
    NotProven {
        /// What could not be shown.
        reason: String,
    },
    /// The queue cannot work.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How long the test packet may take; it arrives within the system call that sends it unless the machine is overloaded.
const PATIENCE: Duration = Duration::from_millis(100);

/// Tests a port that is registered with `steering`. All packets that arrive meanwhile are freed, so nothing may be steered here yet.
pub fn self_test(steering: &mut Steering, device: &Device, port: &mut Port, pool: &mut FramePool) -> SelfTest {
    match run(steering, device, port, pool) {
        Ok(outcome) => outcome,
        Err(error) => failed(error.to_string()),
    }
}

/// Queues of a device, as it is now, that receive but have no port among `served`: what comes in there is lost to the services.
pub fn unserved_queues(device: &Device, served: &[Port]) -> Vec<u32> {
    let has_port = |queue: &u32| served.iter().any(|port| port.device() == device.index() && port.queue() == *queue);
    (0..device.rx_queues()).filter(|queue| !has_port(queue)).collect()
}

fn run(steering: &mut Steering, device: &Device, port: &mut Port, pool: &mut FramePool) -> Result<SelfTest, XskError> {
    let device = device.refresh()?;
    device.check_queue(port.queue())?;
    let ours = steering.program_id().ok();
    if device.xdp_program() != ours {
        return Ok(failed(format!("{} runs another XDP program than ours, or none", device.name())));
    }
    if !device.is_running() {
        return Ok(not_proven(format!("{} is down or has no carrier", device.name())));
    }
    steering.with_probe(|steering| probe(steering, &device, port, pool))
}

fn probe(steering: &Steering, device: &Device, port: &mut Port, pool: &mut FramePool) -> SelfTest {
    let packet = PROBE.packet(device.mac());
    match steering.ask(&packet, port.device(), port.queue()) {
        Ok(Verdict::Redirect) => {}
        Ok(Verdict::Unserved) => return failed("the program has no socket for the queue".to_string()),
        Ok(other) => return failed(format!("the program answers a packet for a service with {other:?}")),
        Err(error) => return not_proven(format!("the program cannot be asked about the queue: {error}")),
    }
    if port.queue() != 0 || port.mode() == Mode::ZeroCopy {
        return not_proven(
            "the program steers to the socket, but only real traffic shows that the queue delivers".to_string(),
        );
    }
    if let Err(error) = steering.inject(&packet, port.device()) {
        return not_proven(format!("no test packet can be made: {error}"));
    }
    if arrives(&packet, port, pool) {
        SelfTest::Passed
    } else {
        failed("a test packet was steered to the socket but did not arrive".to_string())
    }
}

fn arrives(packet: &[u8], port: &mut Port, pool: &mut FramePool) -> bool {
    let mut burst = Vec::with_capacity(64);
    let start = Instant::now();
    loop {
        port.receive(&mut burst, 64);
        let seen = burst.iter().any(|frame| frame.bytes() == packet);
        burst.drain(..).for_each(|frame| pool.free(frame));
        port.refill(pool);
        if seen || start.elapsed() > PATIENCE {
            return seen;
        }
        std::thread::yield_now();
    }
}

fn failed(reason: String) -> SelfTest {
    SelfTest::Failed { reason }
}

fn not_proven(reason: String) -> SelfTest {
    SelfTest::NotProven { reason }
}

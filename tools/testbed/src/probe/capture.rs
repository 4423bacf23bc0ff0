//! Recording frames on a device.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::packet_socket;
use crate::Namespace;

/// How often the idle recorder looks whether it shall stop.
const STOP_INTERVAL: Duration = Duration::from_millis(20);
/// How many of the last frames a panicking test gets to see.
const SHOWN: usize = 20;

/// A recorded frame, from the destination address on.
///
/// With default offloads on veth, TCP and UDP checksums may be partial (pseudo header only) and TCP segments larger
/// than the MTU; build the topology with `tx_off` to see final frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// Sent by the host that recorded it.
    pub outgoing: bool,
}

/// A running recorder; stops on drop, and prints its last frames when that happens in a panic.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
    name: String,
}

#[derive(Debug, Default)]
struct Shared {
    frames: Mutex<Vec<Frame>>,
    changed: Condvar,
    stop: AtomicBool,
}

impl Capture {
    /// Records the frames on `device` that `filter` accepts; frames sent after this returns are not missed.
    pub fn start(ns: &Namespace, device: &str, filter: impl Fn(&Frame) -> bool + Send + 'static) -> Result<Self> {
        let socket = packet_socket::open(ns, device, packet_socket::ALL)?;
        // As much as the machine's limit grants; a burst must not overrun the recorder.
        let _ = socket.set_recv_buffer_size(8 << 20);
        socket.set_read_timeout(Some(STOP_INTERVAL))?;
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        let record = move || {
            let mut buffer = vec![0; 1 << 17];
            while !state.stop.load(Ordering::Relaxed) {
                let Some((length, outgoing)) = packet_socket::receive(&socket, &mut buffer)? else { continue };
                let frame = Frame { bytes: buffer[..length].to_vec(), outgoing };
                if filter(&frame) {
                    state.frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
                    state.changed.notify_all();
                }
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("capture".to_owned()).spawn(record)?;
        Ok(Self { shared, thread: Some(thread), name: format!("{} {device}", ns.name()) })
    }

    /// What was recorded so far.
    pub fn frames(&self) -> Vec<Frame> {
        self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` frames are there and returns all there are.
    ///
    /// # Errors
    /// After `deadline`, saying how many there were.
    pub fn wait(&self, count: usize, deadline: Duration) -> Result<Vec<Frame>> {
        let end = Instant::now() + deadline;
        let mut frames = self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner);
        while frames.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("{}: {} of {count} frames within {deadline:?}", self.name, frames.len());
            }
            frames = self.shared.changed.wait_timeout(frames, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(frames.clone())
    }

    /// Ends the recording and returns it.
    pub fn stop(mut self) -> Result<Vec<Frame>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| anyhow::anyhow!("the capture's filter panicked"))??;
        }
        Ok(self.frames())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if std::thread::panicking() {
            let frames = self.frames();
            eprintln!("--- capture on {}: last of {} frames ---", self.name, frames.len());
            for frame in frames.iter().skip(frames.len().saturating_sub(SHOWN)) {
                let direction = if frame.outgoing { "out" } else { "in " };
                let start = &frame.bytes[..frame.bytes.len().min(96)];
                eprintln!("{direction} {:5} bytes {start:02x?}", frame.bytes.len());
            }
        }
    }
}

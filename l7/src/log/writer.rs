//! The thread that writes: disks are slow, workers must not be.

use std::io;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::sink::Sink;

/// Batches that may wait, of all workers.
const WAITING: usize = 128;
/// How long the last batches may wait for room, and to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines for a sink.
#[derive(Debug)]
pub struct Batch {
    pub sink: Arc<Sink>,
    /// Each with its end.
    pub lines: Vec<u8>,
    pub count: u64,
}

/// The way to the thread.
#[derive(Debug)]
pub struct Queue(Sender<Batch>);

/// The running thread.
#[derive(Debug)]
pub struct Writer {
    /// Says nothing; its other side goes with the thread.
    ended: std_mpsc::Receiver<()>,
}

impl Queue {
    pub fn new() -> (Self, Receiver<Batch>) {
        let (sender, receiver) = channel(WAITING);
        (Self(sender), receiver)
    }

    /// Never waits.
    pub fn put(&self, batch: Batch) {
        if let Err(error) = self.0.try_send(batch) {
            let batch = error.into_inner();
            batch.sink.lose(batch.count, &"they come faster than they can be written");
        }
    }

    /// The last ones of a worker: waits for a while.
    pub async fn put_in_time(&self, batch: Batch) {
        match tokio::time::timeout(PATIENCE, self.0.reserve()).await {
            Ok(Ok(place)) => place.send(batch),
            _ => batch.sink.lose(batch.count, &"nobody takes them"),
        }
    }
}

impl Writer {
    /// # Errors
    /// When there can be no more threads.
    pub fn start(mut queue: Receiver<Batch>) -> io::Result<Self> {
        let (alive, ended) = std_mpsc::channel::<()>();
        std::thread::Builder::new().name("l7-log".to_owned()).spawn(move || {
            while let Some(batch) = queue.blocking_recv() {
                batch.sink.write(&batch.lines);
            }
            drop(alive);
        })?;
        Ok(Self { ended })
    }

    /// Once no [`Queue`] is left: waits until all has been written, but not forever.
    pub fn join(self) {
        if self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }
}

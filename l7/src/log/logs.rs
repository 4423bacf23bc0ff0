//! All that is open, as the pool holds it.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::Destination;
use super::sink::Sink;
use super::writer::{Batch, Queue, Writer};

#[derive(Debug)]
pub struct Logs {
    open: Vec<Arc<Sink>>,
    /// Until there is a first log.
    waiting: Option<Receiver<Batch>>,
    writer: Option<Writer>,
}

/// A log that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the access log {destination}: {source}")]
pub struct OpenError {
    pub destination: Destination,
    pub source: io::Error,
}

impl Logs {
    pub fn new() -> (Self, Queue) {
        let (queue, waiting) = Queue::new();
        (Self { open: Vec::new(), waiting: Some(waiting), writer: None }, queue)
    }

    /// Each of these once; those that are open already stay as they are.
    ///
    /// # Errors
    /// When one cannot be opened; nothing has changed then.
    pub fn open<'a>(&mut self, wanted: impl Iterator<Item = &'a Destination>) -> Result<Vec<Arc<Sink>>, OpenError> {
        let mut sinks: Vec<Arc<Sink>> = Vec::new();
        for destination in wanted {
            let is_same = |sink: &&Arc<Sink>| sink.destination() == destination;
            if sinks.iter().find(is_same).is_some() {
                continue;
            }
            let failed = |source| OpenError { destination: destination.clone(), source };
            sinks.push(match self.open.iter().find(is_same) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Sink::open(destination).map_err(failed)?),
            });
            if let Some(queue) = self.waiting.take() {
                self.writer = Some(Writer::start(queue).map_err(failed)?);
            }
        }
        Ok(sinks)
    }

    /// Goes over to these.
    pub fn keep(&mut self, sinks: Vec<Arc<Sink>>) {
        self.open = sinks;
    }

    pub fn sinks(&self) -> &[Arc<Sink>] {
        &self.open
    }

    /// Leaves files behind that have been renamed.
    pub fn reopen(&self) {
        for sink in &self.open {
            let log = sink.destination();
            match sink.reopen() {
                Ok(()) => tracing::info!(%log, "access log opened again"),
                Err(error) => tracing::error!(%log, "cannot open the access log again: {error}"),
            }
        }
    }

    /// Once all queues are gone: waits for the last lines.
    pub fn finish(self) {
        if let Some(writer) = self.writer {
            writer.join();
        }
    }
}

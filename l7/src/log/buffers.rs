//! Lines of a worker, until there are enough of them or a second is over.

use std::cell::RefCell;
use std::sync::Arc;

use super::sink::Sink;
use super::writer::{Batch, Queue};

/// Bytes that are enough.
const ENOUGH: usize = 64 << 10;
/// Room for the line that makes them enough, if it is of a usual length.
const SPARE: usize = 4 << 10;

/// One batch for each sink that had a line lately.
#[derive(Debug, Default)]
pub struct Buffers(RefCell<Vec<Batch>>);

impl Buffers {
    /// Adds the line that `write` writes.
    pub fn add(&self, sink: &Arc<Sink>, queue: &Queue, write: impl FnOnce(&mut Vec<u8>)) {
        let mut batches = self.0.borrow_mut();
        let at = batches.iter().position(|batch| Arc::ptr_eq(&batch.sink, sink)).unwrap_or_else(|| {
            batches.push(Batch { sink: Arc::clone(sink), lines: Vec::with_capacity(ENOUGH + SPARE), count: 0 });
            batches.len() - 1
        });
        let batch = &mut batches[at];
        write(&mut batch.lines);
        batch.lines.push(b'\n');
        batch.count += 1;
        if batch.lines.len() >= ENOUGH {
            queue.put(batches.swap_remove(at));
        }
    }

    pub fn flush(&self, queue: &Queue) {
        self.0.take().into_iter().for_each(|batch| queue.put(batch));
    }

    /// At the end of the worker.
    pub async fn finish(&self, queue: &Queue) {
        for batch in self.0.take() {
            queue.put_in_time(batch).await;
        }
    }
}

#[cfg(test)]
mod tests;

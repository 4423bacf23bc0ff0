use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;

#[test]
fn a_full_queue_takes_nobody() {
    let queue = Queue::default();
    let first = queue.enter(1).unwrap();
    assert!(queue.enter(1).is_none());
    drop(first);
    assert!(queue.enter(1).is_some());
    assert_eq!(queue.counts(), Counts { waiting: 0, queued: 2, timed_out: 0, refused: 1 });
}

/// Many threads share one thing: each waits for it and gives it back. None is forgotten.
#[test]
fn nobody_is_left_waiting() {
    let (queue, taken) = (Arc::new(Queue::default()), Arc::new(AtomicBool::new(false)));
    let claim = |taken: &AtomicBool| taken.compare_exchange(false, true, SeqCst, SeqCst).is_ok();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (queue, taken) = (Arc::clone(&queue), Arc::clone(&taken));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..2000 {
                        let place = queue.enter(100).unwrap();
                        loop {
                            let mut freed = pin!(place.freed());
                            freed.as_mut().enable();
                            if claim(&taken) {
                                break;
                            }
                            freed.await;
                        }
                        drop(place);
                        taken.store(false, SeqCst);
                        queue.has_room();
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(queue.counts().waiting, 0);
}

use super::super::{Destination, Queue};
use super::*;

fn sink() -> Arc<Sink> {
    Arc::new(Sink::open(&Destination::File("/dev/null".into())).unwrap())
}

#[test]
fn lines_go_when_there_are_enough_of_them() {
    let (queue, mut taken) = Queue::new();
    let (buffers, sinks) = (Buffers::default(), [sink(), sink()]);
    for _ in 0..4 {
        for sink in &sinks {
            buffers.add(sink, &queue, |line| line.resize(line.len() + ENOUGH / 4 - 2, b'x'));
        }
    }
    assert!(taken.try_recv().is_err());
    buffers.add(&sinks[0], &queue, |line| line.extend_from_slice(b"last"));
    let batch = taken.try_recv().unwrap();
    assert!(Arc::ptr_eq(&batch.sink, &sinks[0]));
    assert_eq!((batch.count, batch.lines.len()), (5, 4 * (ENOUGH / 4 - 1) + 5));
    assert!(taken.try_recv().is_err(), "the other sink has too few");
}

#[test]
fn a_flush_sends_all_and_lets_go_of_the_sinks() {
    let (queue, mut taken) = Queue::new();
    let (buffers, sink) = (Buffers::default(), sink());
    buffers.add(&sink, &queue, |line| line.extend_from_slice(b"a"));
    buffers.flush(&queue);
    assert_eq!(taken.try_recv().unwrap().lines, b"a\n");
    assert_eq!(Arc::strong_count(&sink), 1);
    buffers.flush(&queue);
    assert!(taken.try_recv().is_err());
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let (queue, taken) = Queue::new();
    let (buffers, sink) = (Buffers::default(), sink());
    let mut lines = 0;
    while sink.dropped() == 0 {
        buffers.add(&sink, &queue, |line| line.resize(line.len() + ENOUGH, b'x'));
        lines += 1;
    }
    assert_eq!(lines, taken.len() as u64 + 1);
}

use super::*;

#[test]
fn entries_are_seen_after_publish_only() {
    let (mut producer, mut consumer) = pair::<u64>(4).unwrap();
    producer.push(7).unwrap();
    assert_eq!(consumer.available(1), 0);
    producer.publish();
    assert_eq!(producer.outstanding(), 1);
    assert_eq!(consumer.available(1), 1);
    assert_eq!((consumer.pop(), consumer.pop()), (Some(7), None));
    assert_eq!(producer.outstanding(), 1, "not released yet");
    consumer.release();
    assert_eq!(producer.outstanding(), 0);
}

#[test]
fn a_full_ring_gives_the_entry_back() {
    let (mut producer, mut consumer) = pair::<u64>(2).unwrap();
    assert_eq!((producer.size(), consumer.size()), (2, 2));
    assert_eq!((producer.push(1), producer.push(2), producer.push(3)), (Ok(()), Ok(()), Err(3)));
    producer.publish();
    assert_eq!(consumer.pop(), Some(1));
    assert_eq!(producer.room(1), 0, "read, but not released");
    consumer.release();
    assert_eq!(producer.room(1), 1);
    assert_eq!(producer.push(3), Ok(()));
}

#[test]
fn the_other_index_is_read_only_when_needed() {
    let (mut producer, mut consumer) = pair::<u64>(8).unwrap();
    for value in 0..4 {
        producer.push(value).unwrap();
    }
    producer.publish();
    for _ in 0..4 {
        assert!(consumer.pop().is_some());
    }
    consumer.release();
    assert_eq!(producer.room(2), 4, "four were known to be free, that is enough for two");
    assert_eq!(producer.room(5), 8);
}

#[test]
fn indexes_wrap_at_two_to_the_thirty_two() {
    let (producer, consumer) = pair::<u64>(4).unwrap();
    let start = u32::MAX - 1;
    producer_ring(&producer).store_producer(start);
    producer_ring(&producer).store_consumer(start);
    let (mut producer, mut consumer) = (reopen_producer(producer), reopen_consumer(consumer));
    for value in 0..100 {
        producer.push(value).unwrap();
        producer.push(value + 1000).unwrap();
        producer.publish();
        assert_eq!((consumer.pop(), consumer.pop(), consumer.pop()), (Some(value), Some(value + 1000), None));
        consumer.release();
        assert_eq!(producer.room(4), 4);
    }
}

#[test]
fn an_absurd_index_of_the_other_side_stays_within_the_ring() {
    let (mut producer, consumer) = pair::<u64>(4).unwrap();
    producer_ring(&producer).store_producer(1_000_000);
    producer_ring(&producer).store_consumer(2_000_000);
    assert_eq!(reopen_consumer(consumer).available(1), 4);
    assert_eq!(producer.room(5), 0);
}

#[test]
fn the_wakeup_flag_crosses_the_ring() {
    let (producer, consumer) = pair::<u64>(4).unwrap();
    assert!(!producer.needs_wakeup());
    consumer.set_needs_wakeup(true);
    assert!(producer.needs_wakeup());
    consumer.set_needs_wakeup(false);
    assert!(!producer.needs_wakeup());
}

#[test]
fn nothing_is_lost_or_reordered_between_two_threads() {
    const COUNT: u64 = 200_000;
    let (mut producer, mut consumer) = pair::<Descriptor>(64).unwrap();
    let writer = std::thread::spawn(move || {
        let mut value = 0;
        while value < COUNT {
            let entry = Descriptor { address: value, len: value as u32, options: !(value as u32) };
            if producer.push(entry).is_ok() {
                value += 1;
            } else {
                producer.publish();
                std::thread::yield_now();
            }
            if value.is_multiple_of(7) {
                producer.publish();
            }
        }
        producer.publish();
    });
    let mut expected = 0;
    while expected < COUNT {
        let Some(entry) = consumer.pop() else {
            consumer.release();
            std::thread::yield_now();
            continue;
        };
        assert_eq!((entry.address, entry.len, entry.options), (expected, expected as u32, !(expected as u32)));
        expected += 1;
    }
    writer.join().unwrap();
}

fn producer_ring<E: Entry>(producer: &Producer<E>) -> &Ring<E> {
    &producer.ring
}

fn reopen_producer<E: Entry>(producer: Producer<E>) -> Producer<E> {
    let ring = &producer.ring;
    Producer::new(Ring::over(ring.memory.clone(), ring.offset, ring.size))
}

fn reopen_consumer<E: Entry>(consumer: Consumer<E>) -> Consumer<E> {
    let ring = &consumer.ring;
    Consumer::new(Ring::over(ring.memory.clone(), ring.offset, ring.size))
}

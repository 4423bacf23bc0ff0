use super::*;

fn put(buffer: &mut Buffer, bytes: &[u8]) {
    buffer.space()[..bytes.len()].copy_from_slice(bytes);
    buffer.filled(bytes.len());
}

#[test]
fn an_empty_buffer_holds_no_memory() {
    let mut buffer = Buffer::default();
    assert!(buffer.memory.is_none() && buffer.data().is_empty());
    put(&mut buffer, b"hello");
    buffer.consume(2);
    assert_eq!(buffer.data(), b"llo");
    buffer.consume(3);
    assert!(buffer.memory.is_none() && buffer.data().is_empty());
}

#[test]
fn the_memory_is_used_again() {
    let mut buffer = Buffer::default();
    put(&mut buffer, b"a");
    let address = buffer.data().as_ptr();
    buffer.consume(1);
    put(&mut buffer, b"b");
    assert_eq!(buffer.data().as_ptr(), address);
}

#[test]
fn room_is_made_at_the_end() {
    let mut buffer = Buffer::default();
    let length = buffer.space().len();
    buffer.filled(length);
    assert!(buffer.is_full() && buffer.space().is_empty());
    buffer.consume(length - 3);
    assert!(!buffer.is_full());
    assert_eq!(buffer.space().len(), SIZE - 3);
    assert_eq!(buffer.data().len(), 3);
}

#[test]
fn it_grows_to_its_limit_and_keeps_the_data() {
    let mut buffer = Buffer::default();
    put(&mut buffer, b"head");
    buffer.consume(1);
    assert!(buffer.grow(SIZE + 10));
    assert_eq!(buffer.data(), b"ead");
    assert_eq!(buffer.space().len(), SIZE + 10 - 3);
    assert!(!buffer.grow(SIZE + 10));
}

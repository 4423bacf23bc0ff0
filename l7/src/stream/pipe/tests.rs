use super::*;

fn read(pipe: &Pipe) -> io::Result<Vec<u8>> {
    let mut buffer = Buffer::default();
    pipe.try_read(&mut buffer).map(|_| buffer.data().to_vec())
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn what_one_end_writes_the_other_reads() {
    let (one, other) = Pipe::pair();
    assert_eq!(kind(read(&other)), Some(ErrorKind::WouldBlock));
    one.try_write(b"ab").unwrap();
    one.try_write_vectored(&[IoSlice::new(b""), IoSlice::new(b"c")]).unwrap();
    assert_eq!(read(&other).unwrap(), b"abc");
    other.try_write(b"back").unwrap();
    one.finish_writing();
    assert_eq!(read(&other).unwrap(), b"");
    assert_eq!(read(&one).unwrap(), b"back", "the other direction goes on");
}

#[test]
fn a_full_pipe_takes_no_more_until_it_is_read() {
    let (one, other) = Pipe::pair();
    let much = vec![7; 1 << 20];
    let taken = one.try_write(&much).unwrap();
    assert_eq!(kind(one.try_write(&much)), Some(ErrorKind::WouldBlock));
    let mut context = Context::from_waker(Waker::noop());
    assert!(one.poll_write_ready(&mut context).is_pending());
    assert_eq!(read(&other).unwrap().len(), taken);
    assert!(one.poll_write_ready(&mut context).is_ready());
}

#[test]
fn the_end_of_one_is_seen_by_the_other() {
    let (one, other) = Pipe::pair();
    one.try_write(b"last words").unwrap();
    drop(one);
    assert_eq!(read(&other).unwrap(), b"last words");
    assert_eq!(read(&other).unwrap(), b"");
    assert_eq!(kind(other.try_write(b"x")), Some(ErrorKind::BrokenPipe));
    let (one, other) = Pipe::pair();
    one.reset_on_close();
    drop(one);
    assert_eq!(kind(read(&other)), Some(ErrorKind::ConnectionReset));
    let (one, other) = Pipe::pair();
    one.break_off(ErrorKind::ConnectionRefused);
    assert_eq!(kind(read(&other)), Some(ErrorKind::ConnectionRefused));
    assert_eq!(kind(other.try_write(b"x")), Some(ErrorKind::ConnectionRefused));
}

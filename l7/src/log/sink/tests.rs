use std::path::PathBuf;

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("headgate-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn files_are_appended_to_and_left_behind_once_they_are_renamed() {
    let folder = Folder::new("rotate");
    let (path, old) = (folder.0.join("access.log"), folder.0.join("access.log.1"));
    std::fs::write(&path, "before\n").unwrap();
    let sink = Sink::open(&Destination::File(path.clone())).unwrap();
    sink.write(b"one\ntwo\n");
    std::fs::rename(&path, &old).unwrap();
    sink.write(b"three\n");
    assert_eq!(read(&old), "before\none\ntwo\nthree\n");
    sink.reopen().unwrap();
    sink.write(b"four\n");
    assert_eq!((&*read(&path), read(&old).lines().count()), ("four\n", 4));
    assert_eq!((sink.written(), sink.dropped()), (4, 0));
}

#[test]
fn what_cannot_be_opened_is_an_error_and_changes_nothing() {
    let folder = Folder::new("gone");
    let path = folder.0.join("inner").join("access.log");
    assert_eq!(Sink::open(&Destination::File(path.clone())).unwrap_err().kind(), ErrorKind::NotFound);
    std::fs::create_dir(folder.0.join("inner")).unwrap();
    let sink = Sink::open(&Destination::File(path.clone())).unwrap();
    std::fs::rename(folder.0.join("inner"), folder.0.join("moved")).unwrap();
    sink.reopen().unwrap_err();
    sink.write(b"line\n");
    assert_eq!(read(&folder.0.join("moved/access.log")), "line\n");
    assert!(Sink::open(&Destination::File(folder.0.clone())).is_err(), "a folder");
    assert!(Sink::open(&Destination::Syslog(folder.0.join("nobody"))).is_err());
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let sink = Sink::open(&Destination::File("/dev/full".into())).unwrap();
    sink.write(b"one\ntwo\n");
    assert_eq!((sink.written(), sink.dropped()), (0, 2));
}

#[test]
fn syslog_gets_a_datagram_for_each_line() {
    let folder = Folder::new("syslog");
    let path = folder.0.join("log");
    let server = UnixDatagram::bind(&path).unwrap();
    let sink = Sink::open(&Destination::Syslog(path.clone())).unwrap();
    sink.write(b"one\ntwo\n");
    let receive = |server: &UnixDatagram| {
        let mut datagram = [0; 256];
        let length = server.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    };
    let first = receive(&server);
    // <190>Nov  6 08:49:37 headgate: one
    assert!(first.starts_with("<190>") && first.ends_with(" headgate: one") && first.len() == 34, "{first}");
    assert!(receive(&server).ends_with(" headgate: two"));
    // It is started anew: the lines that find this out are lost, no others.
    drop(server);
    std::fs::remove_file(&path).unwrap();
    let server = UnixDatagram::bind(&path).unwrap();
    sink.write(b"three\nfour\n");
    sink.write(b"five\n");
    assert!(receive(&server).ends_with(" headgate: five"));
    assert_eq!((sink.written(), sink.dropped()), (3, 2));
}

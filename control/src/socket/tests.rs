use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use headgate_api::{ErrorKind, Request, Response, ServerChange, Services};
use tokio::sync::oneshot;

use super::*;

/// A daemon in a thread, on a socket in a directory of its own; both are gone when it is dropped.
struct Daemon {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("headgate-socket-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

fn on_runtime<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    work()
}

impl Daemon {
    fn start(mut handler: impl FnMut(Request) -> Response + Send + 'static) -> Self {
        let path = directory().join("sub/headgate.sock");
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let at = path.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(&at).unwrap();
                ready.send(()).unwrap();
                tokio::select! {
                    () = serve(server, &mut handler) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self { path, stop: Some(stop), thread: Some(thread) }
    }

    /// Names the service it is asked about.
    fn echo() -> Self {
        Self::start(|request| match request {
            Request::Services { name: Some(name), .. } => Response::error(ErrorKind::NotFound, name),
            _ => Response::Services(Services::new(vec![])),
        })
    }

    fn client(&self) -> Client {
        Client::connect(&self.path).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        let joined = self.thread.take().unwrap().join();
        let _ = fs::remove_dir_all(self.path.parent().unwrap().parent().unwrap());
        if !std::thread::panicking() {
            joined.unwrap();
        }
    }
}

fn ask_name(client: &mut Client, name: &str) -> Response {
    client.request(Request::Services { name: Some(name.to_owned()), rates: false, zero: false }).unwrap()
}

/// Sends raw bytes, returns the answer line.
fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(bytes).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_client_asks_as_often_as_it_likes() {
    let daemon = Daemon::echo();
    let mut client = daemon.client();
    for name in ["a", "b", "c"] {
        assert_eq!(ask_name(&mut client, name), Response::error(ErrorKind::NotFound, name));
    }
    assert_eq!(client.request(Request::Status).unwrap(), Response::Services(Services::new(vec![])));
}

#[test]
fn a_silent_client_does_not_hold_up_another() {
    let daemon = Daemon::echo();
    let mut silent = UnixStream::connect(&daemon.path).unwrap();
    silent.write_all(b"{\"version\":1,").unwrap();
    assert_eq!(ask_name(&mut daemon.client(), "x"), Response::error(ErrorKind::NotFound, "x"));
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let daemon = Daemon::echo();
    let mut clients: Vec<Client> = (0..40).map(|_| daemon.client()).collect();
    for (number, client) in clients.iter_mut().enumerate().rev() {
        let name = number.to_string();
        assert_eq!(ask_name(client, &name), Response::error(ErrorKind::NotFound, name.as_str()));
    }
}

#[test]
fn malformed_requests_are_refused_and_the_connection_goes_on() {
    let daemon = Daemon::echo();
    for line in
        ["\n", "{}\n", "nonsense\n", "{\"version\":1,\"request\":\"fly\"}\n", "[1]\n", "\u{0}\n", "{\"version\":-1}\n"]
    {
        let mut stream = UnixStream::connect(&daemon.path).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.write_all(b"{\"version\":1,\"request\":\"status\"}\n").unwrap();
        let answers: Vec<String> = BufReader::new(stream).lines().take(2).map(Result::unwrap).collect();
        assert!(answers[0].contains("bad_request"), "{line:?}: {answers:?}");
        assert!(answers[1].contains("services"), "{line:?}: {answers:?}");
    }
}

#[test]
fn another_version_is_told_ours() {
    let daemon = Daemon::echo();
    let answer = raw(&daemon.path, b"{\"version\":2,\"request\":{\"new\":true}}\n");
    assert!(answer.contains("speaks version 1 of the protocol, not 2"), "{answer}");
}

#[test]
fn an_oversized_request_is_refused() {
    let daemon = Daemon::echo();
    let answer = raw(&daemon.path, &vec![b'x'; 64 * 1024]);
    assert!(answer.contains("longer than 65536 bytes"), "{answer}");
}

#[test]
fn a_request_may_end_with_the_stream() {
    let daemon = Daemon::echo();
    let mut stream = UnixStream::connect(&daemon.path).unwrap();
    stream.write_all(br#"{"version":1,"request":"status"}"#).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("services"), "{line}");
}

#[test]
fn too_many_clients_are_told_so() {
    let daemon = Daemon::echo();
    let clients: Vec<Client> = (0..64)
        .map(|_| {
            let mut client = daemon.client();
            ask_name(&mut client, "in");
            client
        })
        .collect();
    let mut line = String::new();
    BufReader::new(UnixStream::connect(&daemon.path).unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("64 clients"), "{line}");
    drop(clients);
}

#[test]
fn the_socket_is_private_and_gone_with_its_daemon() {
    let daemon = Daemon::echo();
    let path = daemon.path.clone();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    drop(daemon);
    assert!(!path.exists());
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn a_dead_daemons_socket_is_replaced() {
    let dir = directory();
    fs::create_dir(&dir).unwrap();
    let path = dir.join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    on_runtime(|| drop(Server::bind(&path).unwrap()));
    assert!(!path.exists());
    assert!(dir.exists(), "a directory that was there stays");
    fs::remove_dir(&dir).unwrap();
}

#[test]
fn a_living_daemons_socket_is_not_taken() {
    let daemon = Daemon::echo();
    let error = on_runtime(|| Server::bind(&daemon.path).unwrap_err());
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert_eq!(ask_name(&mut daemon.client(), "x"), Response::error(ErrorKind::NotFound, "x"));
}

#[test]
fn a_file_that_is_no_socket_stays() {
    let dir = directory();
    fs::create_dir(&dir).unwrap();
    let path = dir.join("s");
    fs::write(&path, "precious").unwrap();
    let error = on_runtime(|| Server::bind(&path).unwrap_err());
    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn an_absent_daemon_is_named_as_such() {
    let error = Client::connect(Path::new("/nonexistent/headgate.sock")).unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon(_)));
    assert!(error.to_string().contains("/nonexistent/headgate.sock"), "{error}");
}

#[test]
fn a_daemon_that_drops_the_call_says_that_it_stops() {
    let path = directory().join("s");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let mut server = Server::bind(&path).unwrap();
        let at = path.clone();
        let change = ServerChange::Drain;
        let request = Request::Server { service: "s".into(), address: "10.0.0.1:0".parse().unwrap(), change };
        let asking = tokio::task::spawn_blocking(move || Client::connect(&at).unwrap().request(request));
        let call = server.next().await.unwrap();
        assert!(matches!(call.request(), Request::Server { .. }));
        drop(call);
        asking.await.unwrap().unwrap()
    });
    assert_eq!(answer, Response::error(ErrorKind::Failed, "the daemon is stopping"));
}

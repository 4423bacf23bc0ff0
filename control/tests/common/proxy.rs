//! A proxy with servers that do as they are told, all on loopback in one namespace.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headgate_testbed::traffic::{HttpClient, Response};
use headgate_testbed::{Daemon, Namespace, Topology};
use serde_json::Value;

use super::BINARY;

pub const PROXY: SocketAddr = at(8080);
/// Where servers of tests listen.
pub const PRIMARY: u16 = 9001;
pub const SECOND: u16 = 9002;
pub const BACKUP: u16 = 9003;
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub const fn at(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// A namespace with a proxy in it.
pub struct Bed {
    pub daemon: Daemon,
    topology: Topology,
}

/// A namespace for servers and, later, a proxy.
pub fn namespace(name: &str) -> Topology {
    Topology::new(name).build().unwrap()
}

/// One upstream "app" with these servers (port, keys) and one route with timeouts of a second; `upstream` and `route`: more keys.
pub fn config(upstream: &str, servers: &[(u16, &str)], route: &str) -> String {
    let mut text = format!("[[upstream]]\nname = \"app\"\n{upstream}\n");
    for (port, keys) in servers {
        write!(text, "[[upstream.server]]\naddress = \"127.0.0.1:{port}\"\n{keys}\n").unwrap();
    }
    text + &format!(
        "[[listener]]\nname = \"http\"\naddress = [\"{PROXY}\"]\n[[listener.route]]\nupstream = \"app\"\n\
         timeouts = {{ connect = \"1s\", send = \"1s\", read = \"1s\" }}\n{route}\n"
    )
}

impl Bed {
    pub fn start(topology: Topology, config: &str) -> Self {
        let daemon = Daemon::start(topology.director(), BINARY, config).unwrap();
        Self { daemon, topology }
    }

    pub fn ns(&self) -> &Namespace {
        self.topology.director()
    }

    pub fn client(&self) -> HttpClient {
        HttpClient::connect(self.ns(), PROXY).unwrap()
    }

    /// One request on a connection of its own.
    pub fn get(&self, path: &str) -> Response {
        self.client().get(path).unwrap()
    }

    /// The status and the body of one request on a connection of its own.
    pub fn ask(&self, method: &str, body: &[u8]) -> (u16, String) {
        let response = self.client().request(method, "/", &[], body).unwrap();
        (response.status, response.text())
    }

    /// A server as `upstreams --json` shows it.
    pub fn server(&self, port: u16) -> Value {
        let answer = self.daemon.json(&["upstreams", "app"]).unwrap();
        let servers = answer["upstreams"][0]["servers"].as_array().unwrap();
        servers.iter().find(|server| server["address"] == at(port).to_string()).unwrap().clone()
    }

    pub fn count(&self, port: u16, key: &str) -> u64 {
        self.server(port)[key].as_u64().unwrap()
    }

    pub fn state(&self, port: u16) -> String {
        self.server(port)["state"].as_str().unwrap().to_owned()
    }

    /// Raw bytes on a connection of their own, which the caller reads.
    pub fn raw(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.ns().enter(|| TcpStream::connect(PROXY)).unwrap().unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// The end of every test: it stops in order.
    pub fn finish(mut self) {
        let status = self.daemon.stop().unwrap();
        let log = self.daemon.log();
        assert!(status.success() && log.contains("headgate stopped"), "{status}\n{log}");
    }
}

/// What a server does with a request once it has read it.
pub enum Do {
    Reply(Vec<u8>),
    /// Replies and closes.
    Close(Vec<u8>),
    /// Replies and resets.
    Reset(Vec<u8>),
    /// Waits until the other side closes.
    Hang,
}

pub fn reply(text: impl AsRef<str>) -> Do {
    Do::Reply(text.as_ref().as_bytes().to_vec())
}

pub fn status(status: u16, body: &str) -> Do {
    reply(format!("HTTP/1.1 {status} Test\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

#[derive(Debug, Clone)]
pub struct Request {
    /// `GET / HTTP/1.1`
    pub line: String,
    pub head: String,
    pub body: Vec<u8>,
}

/// A scripted server; it stops with the test.
pub struct Server {
    seen: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicU64>,
    closed: Arc<AtomicU64>,
}

impl Server {
    /// Does with each request what `act` says; `act` also gets the number of the request, from 0.
    pub fn start(topology: &Topology, port: u16, act: impl Fn(usize, &Request) -> Do + Send + Sync + 'static) -> Self {
        Self::start_at(topology, at(port), act)
    }

    /// The same at any address of the namespace.
    pub fn start_at(
        topology: &Topology,
        address: SocketAddr,
        act: impl Fn(usize, &Request) -> Do + Send + Sync + 'static,
    ) -> Self {
        let listener = topology.director().enter(|| TcpListener::bind(address)).unwrap().unwrap();
        let server = Self { seen: Arc::default(), connections: Arc::default(), closed: Arc::default() };
        let (seen, connections) = (Arc::clone(&server.seen), Arc::clone(&server.connections));
        let (closed, act) = (Arc::clone(&server.closed), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (seen, act, closed) = (Arc::clone(&seen), Arc::clone(&act), Arc::clone(&closed));
                std::thread::spawn(move || {
                    serve(stream, &seen, &*act);
                    closed.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        server
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that have ended.
    pub fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }
}

/// A server that answers `ok` with its port.
pub fn good(topology: &Topology, port: u16) -> Server {
    Server::start(topology, port, move |_, _| status(200, &port.to_string()))
}

/// A server that dies once it has read so many bytes of a request.
pub fn dies_after(topology: &Topology, port: u16, bytes: usize) {
    let listener = topology.director().enter(|| TcpListener::bind(at(port))).unwrap().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read_exact(&mut vec![0; bytes]);
            reset(&stream);
        }
    });
}

fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Request>>, act: &(impl Fn(usize, &Request) -> Do + ?Sized)) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(&stream);
    while let Some(request) = read(&mut reader) {
        let number = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push(request.clone());
            seen.len() - 1
        };
        let (bytes, goes_on) = match act(number, &request) {
            Do::Reply(bytes) => (bytes, true),
            Do::Close(bytes) => (bytes, false),
            Do::Reset(bytes) => {
                let _ = (&stream).write_all(&bytes);
                return reset(&stream);
            }
            Do::Hang => {
                let _ = reader.read(&mut [0; 16]);
                return;
            }
        };
        if (&stream).write_all(&bytes).is_err() || !goes_on {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: head.lines().next().unwrap_or_default().to_owned(), head, body })
}

/// Accepts upgrades and sends everything back.
pub fn echo(topology: &Topology, port: u16) {
    let listener = topology.director().enter(|| TcpListener::bind(at(port))).unwrap().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer);
                let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    let _ = stream.write_all(&buffer[..length]);
                }
            });
        }
    });
}

pub const BACKUP_KEY: &str = "backup = true";

/// A primary that does this with each request, and a backup that is well.
pub fn with_backup(
    name: &str,
    upstream: &str,
    act: impl Fn(usize) -> Do + Send + Sync + 'static,
) -> (Bed, Server, Server) {
    let topology = namespace(name);
    let primary = Server::start(&topology, PRIMARY, move |number, _| act(number));
    let backup = good(&topology, BACKUP);
    let bed = Bed::start(topology, &config(upstream, &[(PRIMARY, ""), (BACKUP, BACKUP_KEY)], ""));
    (bed, primary, backup)
}

pub fn is_from_backup(answer: (u16, String)) -> bool {
    (answer.0, answer.1.as_str()) == (200, "9003")
}

//! Echo servers that say who they are.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::ifaddrs::getifaddrs;
use socket2::SockRef;

use crate::Namespace;

/// How often a blocked reader looks whether it shall stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// Answers each datagram with `NAME ` in front of it, from the address it was sent to (also a VIP on `lo`).
#[derive(Debug)]
pub struct UdpEcho {
    stop: Arc<AtomicBool>,
    datagrams: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl UdpEcho {
    /// Binds `port` on every address the namespace has now: one socket each, so that replies have the right source.
    pub fn start(ns: &Namespace, name: &str, port: u16) -> Result<Self> {
        let sockets = ns.enter(|| -> Result<Vec<UdpSocket>> {
            let addresses = local_addresses()?;
            addresses
                .into_iter()
                .map(|ip| UdpSocket::bind((ip, port)).with_context(|| format!("bind {ip} port {port}")))
                .collect()
        })??;
        ensure!(!sockets.is_empty(), "{} has no address", ns.name());
        let mut echo = Self { stop: Arc::default(), datagrams: Arc::default(), threads: Vec::new() };
        for socket in sockets {
            socket.set_read_timeout(Some(STOP_INTERVAL))?;
            let (stop, datagrams, name) = (Arc::clone(&echo.stop), Arc::clone(&echo.datagrams), name.to_owned());
            let work = move || echo_datagrams(&socket, &name, &stop, &datagrams);
            echo.threads.push(std::thread::Builder::new().name("udp-echo".to_owned()).spawn(work)?);
        }
        Ok(echo)
    }

    /// Datagrams received so far.
    pub fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn echo_datagrams(socket: &UdpSocket, name: &str, stop: &AtomicBool, datagrams: &AtomicU64) {
    let mut buffer = vec![0; 65536];
    while !stop.load(Ordering::Relaxed) {
        // Errors are time-outs and ICMP errors about earlier answers; neither ends the service.
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
        let answer = [name.as_bytes(), b" ", &buffer[..length]].concat();
        // Counted first: whoever has the answer sees the count.
        datagrams.fetch_add(1, Ordering::Relaxed);
        let _ = socket.send_to(&answer, peer);
    }
}

/// Addresses of the current thread's namespace but link-local ones.
fn local_addresses() -> Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in getifaddrs()?.filter_map(|interface| interface.address) {
        if let Some(v4) = address.as_sockaddr_in() {
            addresses.push(IpAddr::V4(v4.ip()));
        } else if let Some(v6) = address.as_sockaddr_in6()
            && !v6.ip().is_unicast_link_local()
        {
            addresses.push(IpAddr::V6(v6.ip()));
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Greets each connection with `NAME\n` and echoes what it receives after that.
#[derive(Debug)]
pub struct TcpEcho {
    listener: TcpListener,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    connections: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl TcpEcho {
    /// Listens on `port` of all addresses of the namespace, IPv4 and IPv6.
    pub fn start(ns: &Namespace, name: &str, port: u16) -> Result<Self> {
        let listener = ns.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))?;
        let listener = listener.with_context(|| format!("listen on port {port} in {}", ns.name()))?;
        let streams = Arc::<Mutex<Vec<TcpStream>>>::default();
        let connections = Arc::<AtomicU64>::default();
        let (acceptor, list, count, name) =
            (listener.try_clone()?, Arc::clone(&streams), Arc::clone(&connections), name.to_owned());
        let accept = move || {
            while let Ok((stream, _)) = acceptor.accept() {
                count.fetch_add(1, Ordering::Relaxed);
                let Ok(copy) = stream.try_clone() else { continue };
                list.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
                let name = name.clone();
                // Errors end the one connection they happen on.
                let _ = std::thread::Builder::new().spawn(move || echo_stream(stream, &name));
            }
        };
        let thread = std::thread::Builder::new().name("tcp-echo".to_owned()).spawn(accept)?;
        Ok(Self { listener, streams, connections, thread: Some(thread) })
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for TcpEcho {
    fn drop(&mut self) {
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn echo_stream(mut stream: TcpStream, name: &str) {
    let mut buffer = vec![0; 16384];
    let mut answer = stream.set_nodelay(true).and_then(|()| writeln!(stream, "{name}"));
    while answer.is_ok() {
        answer = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => stream.write_all(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        };
    }
    // The list of open streams holds a copy, so dropping ours would not end the connection.
    let _ = stream.shutdown(Shutdown::Both);
}

/// One datagram out of the namespace and its answer.
///
/// # Errors
/// When no answer came within `timeout`.
pub fn udp_ask(ns: &Namespace, target: SocketAddr, payload: &[u8], timeout: Duration) -> Result<Vec<u8>> {
    let unspecified: IpAddr =
        if target.is_ipv4() { std::net::Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = ns.enter(|| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((unspecified, 0))?;
        socket.connect(target)?;
        Ok(socket)
    })??;
    socket.set_read_timeout(Some(timeout))?;
    socket.send(payload)?;
    let mut buffer = vec![0; 65536];
    let length = socket.recv(&mut buffer).with_context(|| format!("no answer from {target} within {timeout:?}"))?;
    buffer.truncate(length);
    Ok(buffer)
}

//! An echo request (RFC 792, RFC 4443 section 4).

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};

use headgate_wire::checksum::sum;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::words;

const DATA: &[u8; 16] = b"headgate  check ";

pub async fn ask(target: IpAddr) -> Result<(), String> {
    let number = RandomState::new().hash_one(target);
    let socket = open(target).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => "not permitted: a ping needs CAP_NET_RAW".to_owned(),
        _ => words(&error),
    })?;
    let request = request(target.is_ipv4(), number as u32);
    socket.send(&request).await.map_err(|error| words(&error))?;
    let mut packet = [0; 1500];
    loop {
        let length = socket.recv(&mut packet).await.map_err(|error| words(&error))?;
        if is_reply(target.is_ipv4(), &packet[..length], &request) {
            return Ok(());
        }
    }
}

/// Hears of this address only.
fn open(target: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) =
        if target.is_ipv4() { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.connect(&SocketAddr::new(target, 0).into())?;
    // Sending and receiving is the same with it.
    UdpSocket::from_std(socket.into())
}

/// Identifier and sequence number are `number`. The kernel does the checksum of ICMPv6.
fn request(is_v4: bool, number: u32) -> Vec<u8> {
    let mut message = vec![if is_v4 { 8 } else { 128 }, 0, 0, 0];
    message.extend(number.to_be_bytes());
    message.extend(DATA);
    if is_v4 {
        let checksum = sum(&message).checksum();
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    message
}

/// A raw socket gives the header of IPv4 packets too, and everything that this host sends to us.
fn is_reply(is_v4: bool, packet: &[u8], request: &[u8]) -> bool {
    let header = if is_v4 { packet.first().map_or(0, |first| usize::from(first & 15) * 4) } else { 0 };
    let kind = if is_v4 { 0 } else { 129 };
    packet.get(header..).is_some_and(|message| message.first() == Some(&kind) && message.get(4..) == request.get(4..))
}

//! Frames of the traffic around the director of [`headgate_replay::topology`]: what clients and servers send, answers to frames
//! that came out, ICMP errors about them, and fragments.

use headgate_dataplane::snapshot::DeviceId;
use headgate_replay::topology::{CLIENT_SIDE, SERVER_SIDE};
use headgate_wire::{Protocol, icmpv4, icmpv6, ipv4, ipv6};

use crate::check::{ETHER, repair};
use crate::input::Input;

/// Ports of the virtual address: the services', and one that has none.
pub const PORTS: [u16; 8] = [80, 81, 82, 83, 84, 85, 86, 99];
/// Where servers behind NAT listen.
pub const SERVER_PORT: u16 = 8080;

const V4: u16 = 0x0800;
const V6: u16 = 0x86dd;

/// A frame made of what the input says, and the device it arrives on.
pub fn frame(input: &mut Input<'_>) -> (DeviceId, Vec<u8>) {
    let shape = input.byte();
    let (v6, tcp, from_server) = (shape & 1 != 0, shape & 2 != 0, shape & 12 == 12);
    let (client, client_port) = (input.below(4), 1024 + u16::from(input.below(8)));
    let port = PORTS[usize::from(input.below(8))];
    let server = 11 + input.below(3);
    let protocol = if tcp { Protocol::TCP } else { Protocol::UDP };
    let (ports, device) =
        if from_server { ([SERVER_PORT, client_port], SERVER_SIDE) } else { ([client_port, port], CLIENT_SIDE) };
    let segment = segment(protocol, ports, input);
    let packet = if v6 {
        let (client, vip, server) = (v6_address(2, client), v6_address(0, 0), v6_address(1, server));
        let (source, destination) = if from_server { (server, client) } else { (client, vip) };
        packet_v6(source, destination, protocol, &segment)
    } else {
        let (client, vip, server) = ([192, 0, 2, client], [10, 0, 0, 100], [10, 1, 0, server]);
        let (source, destination) = if from_server { (server, client) } else { (client, vip) };
        packet_v4(source, destination, protocol, &segment)
    };
    (device, ether(v6, &packet))
}

/// The receiver's answer to a frame that was sent out: addresses and ports the other way round.
pub fn answer(frame: &[u8]) -> Vec<u8> {
    let mut answer = frame.to_vec();
    let Some(packet) = answer.get_mut(ETHER..) else { return answer };
    let (addresses, len, upper) = match packet.first().map(|first| first >> 4) {
        Some(4) => (12, 4, usize::from(packet[0] & 15) * 4),
        Some(6) => (8, 16, ipv6::HEADER_LEN),
        _ => return answer,
    };
    for (at, len) in [(addresses, len), (upper, 2)] {
        if packet.len() >= at + 2 * len {
            let (source, destination) = packet[at..at + 2 * len].split_at_mut(len);
            source.swap_with_slice(destination);
        }
    }
    answer
}

/// An ICMP error of somebody on the way about a frame that was sent out.
pub fn error(frame: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let Some(packet) = frame.get(ETHER..) else { return frame.to_vec() };
    let quote = &packet[..packet.len().min(20 + usize::from(input.byte()))];
    let rest = u32::from(input.word());
    let kind = usize::from(input.below(4));
    if packet.first().is_some_and(|first| first >> 4 == 6) {
        let Some(to) = packet.get(8..24) else { return frame.to_vec() };
        let (kind, code) = [(1, 4), (2, 0), (3, 0), (1, 0)][kind];
        let message = message([kind, code], rest, quote, icmpv6::HEADER_LEN);
        let to = to.try_into().unwrap_or_default();
        return ether(true, &packet_v6(v6_address(1, 200), to, Protocol::ICMPV6, &message));
    }
    let Some(to) = packet.get(12..16) else { return frame.to_vec() };
    let (kind, code) = [(3, 3), (3, 4), (11, 0), (3, 1)][kind];
    let message = message([kind, code], rest, quote, icmpv4::HEADER_LEN);
    ether(false, &packet_v4([10, 1, 0, 200], to.try_into().unwrap_or_default(), Protocol::ICMP, &message))
}

/// Cuts an IPv4 packet in two, the first part of `at` times 8 bytes. Both have the identification of the whole.
pub fn cut(frame: &[u8], at: u8) -> Option<[Vec<u8>; 2]> {
    let payload = frame.get(ETHER + ipv4::MIN_LEN..)?;
    let (first, second) = payload.split_at_checked(usize::from(at % 32) * 8 + 8)?;
    if frame[ETHER] != 0x45 || second.is_empty() {
        return None;
    }
    let part = |bytes: &[u8], flags: u16| {
        let mut part = frame[..ETHER + ipv4::MIN_LEN].to_vec();
        part[ETHER + 2..ETHER + 4].copy_from_slice(&((ipv4::MIN_LEN + bytes.len()) as u16).to_be_bytes());
        part[ETHER + 6..ETHER + 8].copy_from_slice(&flags.to_be_bytes());
        part.extend_from_slice(bytes);
        repair(&mut part);
        part
    };
    Some([part(first, 0x2000), part(second, (first.len() / 8) as u16)])
}

fn v6_address(network: u8, host: u8) -> [u8; 16] {
    let mut address = [0; 16];
    address[0] = 0xfd;
    match network {
        // The virtual address.
        0 => address[14] = 1,
        1 => (address[3], address[15]) = (1, host),
        _ => (address[3], address[15]) = (9, host),
    }
    address
}

fn segment(protocol: Protocol, ports: [u16; 2], input: &mut Input<'_>) -> Vec<u8> {
    let mut segment: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    if protocol == Protocol::TCP {
        segment.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1, 0x50, input.byte(), 0x40, 0, 0, 0, 0, 0]);
    }
    // Long ones exceed what fits one packet behind a tunnel header.
    let len = [0, 5, 64, 300, 1460][usize::from(input.below(5))];
    if protocol == Protocol::UDP {
        segment.extend_from_slice(&(8 + len as u16).to_be_bytes());
        segment.extend_from_slice(&[0, 0]);
    }
    segment.resize(segment.len() + len, 0x61);
    segment
}

fn message(kind: [u8; 2], rest: u32, quote: &[u8], header: usize) -> Vec<u8> {
    let mut message = vec![0; header];
    message[..2].copy_from_slice(&kind);
    message[4..8].copy_from_slice(&rest.to_be_bytes());
    message.extend_from_slice(quote);
    message
}

fn packet_v4(source: [u8; 4], destination: [u8; 4], protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let len = (ipv4::MIN_LEN + payload.len()) as u16;
    let mut packet = vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol.0, 0, 0];
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet.extend_from_slice(payload);
    packet
}

fn packet_v6(source: [u8; 16], destination: [u8; 16], protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, len[0], len[1], protocol.0, 64];
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet.extend_from_slice(payload);
    packet
}

fn ether(v6: bool, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 0xc0, 2, 0, 0, 0, 0x0c, 1];
    frame.extend_from_slice(&(if v6 { V6 } else { V4 }).to_be_bytes());
    frame.extend_from_slice(packet);
    repair(&mut frame);
    frame
}

//! What is done with a datagram once its fragments are there: it is looked up, counted and rewritten once, as a whole, and leaves in
//! fragments as large as the largest that came (`ip_defrag`, `ip_do_fragment`).
//!
//! A frame cannot hold a whole datagram. So a frame with the beginning of it, the *lead*, goes through the pipeline like any packet, and the
//! rest follows it to wherever it went.

use std::net::IpAddr;

use headgate_wire::ipv6::ext::FragmentHeader;
use headgate_wire::{Protocol, ether, ipv4, ipv6, udp, vlan};
use headgate_xsk::Frame;

use super::fragments::{Added, Piece};
use super::icmp_out::IcmpError;
use super::{Env, Ingress, Pipeline, Verdict};
use crate::drop_reason::DropReason;
use crate::family::{Family, V4, V6};
use crate::packet::{self, Flow};
use crate::snapshot::DeviceId;
use crate::table::{Direction, KIND_CONNECTION, Key4, Key6};

/// Longest datagram, its IP header included.
pub(super) const MAX_DATAGRAM: usize = 65_535 + ipv6::Header::LEN;
/// Bytes of the datagram in the lead: as much as an ICMP error quotes, and below every MTU.
const LEAD_V4: usize = 576;
const LEAD_V6: usize = 1280;
/// Time exceeded, fragment reassembly (RFC 792, RFC 4443).
const REASSEMBLY_V4: IcmpError = IcmpError::Relayed { kind: 11, code: 1 };
const REASSEMBLY_V6: IcmpError = IcmpError::Relayed { kind: 3, code: 1 };

/// A datagram put together in [`Pipeline::datagram`].
struct Whole {
    /// Bytes of its IP header, without a fragment header.
    header: usize,
    length: usize,
    /// The largest IP packet that brought a part of it.
    largest: usize,
    protocol: Protocol,
}

impl Pipeline {
    /// Takes a fragment; `v6_header` = offset of an IPv6 fragment header.
    #[cold]
    pub(super) fn fragment(&mut self, env: &mut Env<'_>, ingress: Ingress, frame: Frame, v6_header: Option<usize>) {
        let mut given_up = std::mem::take(&mut self.fragments);
        let added = self.waiting.add(frame, v6_header, env.now.millis, &mut given_up);
        if let Added::Complete(slot) = added {
            let pieces = self.waiting.take(slot);
            let pieces = self.complete_datagram(env, ingress, pieces, v6_header.is_some());
            self.waiting.restore(slot, pieces, &mut given_up);
            given_up.drain(..).for_each(|frame| env.frames.free(frame));
        }
        for frame in given_up.drain(..) {
            self.drop(frame, DropReason::Fragment);
        }
        self.fragments = given_up;
        if let Added::Refused(frame) = added {
            self.drop(frame, DropReason::Fragment);
        }
    }

    /// Gives up datagrams that waited for 30 s. Who sent the first fragment to one of our addresses is told, unless it was ICMP: that may
    /// be an error, which no error answers (RFC 1122 §3.2.2, RFC 4443 §2.4 (e)).
    pub(super) fn expire_fragments(&mut self, env: &mut Env<'_>) {
        while let Some(slot) = self.waiting.expired(env.now.millis) {
            let mut pieces = self.waiting.take(slot);
            let first = pieces.first().is_some_and(|piece| piece.offset == 0).then(|| pieces.remove(0));
            self.give_up(slot, pieces);
            let Some(Piece { frame, .. }) = first else {
                continue;
            };
            match timed_out(frame.bytes()).filter(|(address, _)| env.snapshot.network.takes(*address)) {
                Some((address, error)) => {
                    self.icmp_error(env, frame, error, address);
                }
                None => self.drop(frame, DropReason::Fragment),
            }
        }
    }

    /// Drops all fragments that wait.
    pub(super) fn drop_fragments(&mut self) {
        while let Some(slot) = self.waiting.any() {
            let pieces = self.waiting.take(slot);
            self.give_up(slot, pieces);
        }
    }

    fn give_up(&mut self, slot: usize, pieces: Vec<Piece>) {
        let mut frames = std::mem::take(&mut self.fragments);
        self.waiting.restore(slot, pieces, &mut frames);
        for frame in frames.drain(..) {
            self.drop(frame, DropReason::Fragment);
        }
        self.fragments = frames;
    }

    /// Returns the pieces whose frames are free now.
    fn complete_datagram(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        mut pieces: Vec<Piece>,
        is_v6: bool,
    ) -> Vec<Piece> {
        let before = self.out.len();
        let whole = self.assemble(&pieces, is_v6);
        let lead = whole.as_ref().and_then(|whole| self.lead(env, whole, is_v6));
        if let (Some(whole), Some(lead)) = (whole, lead) {
            let ingress = Ingress { partial: false, ..ingress };
            let held = self.hold.len();
            let known = if is_v6 {
                self.send_lead::<V6>(env, ingress, lead, &whole, flow_v6)
            } else {
                self.send_lead::<V4>(env, ingress, lead, &whole, flow_v4)
            };
            if self.hold.len() > held {
                // The rest cannot wait along; what was asked for is there when the sender tries again.
                if let Some(frame) = self.hold.give_up_newest() {
                    self.drop(frame, DropReason::HoldQueueFull);
                }
                return pieces;
            }
            match self.out.last() {
                Some((_, Verdict::Tx(device))) if known && self.out.len() == before + 1 => {
                    let device = *device;
                    if let Some((lead, _)) = self.out.pop() {
                        self.follow_lead(env, lead, device, &whole, is_v6, &mut pieces);
                    }
                    return pieces;
                }
                Some((_, Verdict::ToKernel)) if self.out.len() == before + 1 => {
                    if let Some((lead, _)) = self.out.pop() {
                        env.frames.free(lead);
                    }
                }
                _ => return pieces,
            }
        }
        // The kernel puts them together itself.
        for piece in pieces.drain(..) {
            self.pass_to_kernel(piece.frame);
        }
        pieces
    }

    /// Puts the datagram together; `None` when it is not one of a protocol with ports.
    fn assemble(&mut self, pieces: &[Piece], is_v6: bool) -> Option<Whole> {
        let (first, last) = (pieces.first()?, pieces.last()?);
        let bytes = first.frame.bytes();
        let (header, protocol) = if is_v6 {
            (ipv6::Header::LEN, FragmentHeader::parse(bytes.get(ipv6::Header::LEN..)?).ok()?.0.next_header())
        } else {
            (first.start, ipv4::Header::parse(bytes).ok()?.0.protocol())
        };
        if !matches!(protocol, Protocol::TCP | Protocol::UDP) {
            return None;
        }
        let length = header + last.offset + last.payload().len();
        let whole = self.datagram.get_mut(..length)?;
        whole[..header].copy_from_slice(bytes.get(..header)?);
        for piece in pieces {
            let start = header + piece.offset;
            whole[start..start + piece.payload().len()].copy_from_slice(piece.payload());
        }
        if is_v6 {
            whole[6] = protocol.0;
        } else {
            // Neither offset nor MF.
            whole[6] &= 0x40;
            whole[7] = 0;
        }
        let largest = pieces.iter().map(|piece| piece.frame.len()).max()?;
        Some(Whole { header, length, largest, protocol })
    }

    fn lead(&mut self, env: &mut Env<'_>, whole: &Whole, is_v6: bool) -> Option<Frame> {
        let length = whole.length.min(if is_v6 { LEAD_V6 } else { LEAD_V4 });
        set_length(&mut self.datagram[..whole.header], length);
        let mut lead = env.frames.alloc()?;
        if lead.copy_from(&self.datagram[..length]).is_none() {
            env.frames.free(lead);
            return None;
        }
        Some(lead)
    }

    /// Sends the lead through the pipeline. Whether it was a packet of a connection that may go on.
    fn send_lead<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        lead: Frame,
        whole: &Whole,
        flow: fn(&[u8], &Whole) -> Result<Flow<F>, DropReason>,
    ) -> bool {
        let flow = match flow(lead.bytes(), whole) {
            Ok(flow) => flow,
            Err(reason) => {
                self.drop(lead, reason);
                return false;
            }
        };
        let table = F::table(env.table);
        let hash = table.hash(&flow.key);
        let (icmp, bytes) = (self.counters.icmp_sent.value(), whole.length - lead.len());
        self.flow(env, ingress, lead, &flow, hash, table.candidate(hash));
        if self.counters.icmp_sent.value() != icmp {
            return false;
        }
        // What the lead was short of.
        let counted = F::table(env.table)
            .find(&flow.key)
            .and_then(|found| Some((found.direction, env.servers.id(found.server)?)));
        if let Some((direction, id)) = counted
            && let Some(traffic) = self.counters.server(id)
            && matches!(self.out.last(), Some((_, Verdict::Tx(_))))
        {
            let counter = if direction == Direction::Forward { &traffic.bytes_in } else { &traffic.bytes_out };
            counter.add(bytes as u64);
        }
        true
    }

    /// Sends the whole datagram where the lead went.
    fn follow_lead(
        &mut self,
        env: &mut Env<'_>,
        mut lead: Frame,
        device: DeviceId,
        whole: &Whole,
        is_v6: bool,
        pieces: &mut Vec<Piece>,
    ) {
        let tagged = lead.bytes().get(12..14) == Some(&[0x81, 0x00]);
        let link = ether::Header::LEN + if tagged { vlan::Header::LEN } else { 0 };
        let lead_length = whole.length.min(if is_v6 { LEAD_V6 } else { LEAD_V4 });
        let Some(outer) = lead.len().checked_sub(link + lead_length) else {
            return self.drop(lead, DropReason::Fragment);
        };
        let mtu = env.snapshot.network.device(device).map_or(0, |device| usize::from(device.mtu));
        // As it leaves here: new addresses, ports, checksum and TTL.
        let had_sum = has_sum(&self.datagram, whole);
        self.datagram[..lead_length].copy_from_slice(&lead.bytes()[link + outer..]);
        set_length(&mut self.datagram[..whole.header], whole.length);
        if !had_sum && has_sum(&self.datagram, whole) {
            // NAT gave the datagram the checksum it came without (RFC 768), but of the lead alone.
            let datagram = &mut self.datagram[..whole.length];
            if is_v6 {
                V6::fill_checksum(datagram, whole.header, whole.protocol.0);
            } else {
                V4::fill_checksum(datagram, whole.header, whole.protocol.0);
            }
        }
        if outer == ipv6::Header::LEN {
            // Nobody fragments an IPv6 packet on the way.
            if lead.pull_front(link + outer).is_none() {
                return self.drop(lead, DropReason::TooBig);
            }
            let destination = match ipv6::Header::parse(lead.bytes()) {
                Ok((header, _)) => header.destination().into(),
                Err(_) => match ipv4::Header::parse(lead.bytes()) {
                    Ok((header, _)) => header.destination().into(),
                    Err(_) => return self.drop(lead, DropReason::TooBig),
                },
            };
            let mtu = mtu.saturating_sub(outer) as u16;
            self.icmp_error(env, lead, IcmpError::TooBig { mtu }, destination);
            return;
        }
        // Link header and the header that is repeated in front of every fragment.
        let (repeated, payload) = if outer > 0 { (outer, 0) } else { (whole.header, whole.header) };
        let mut head = [0; ether::Header::LEN + vlan::Header::LEN + ipv4::MAX_LEN];
        let head = &mut head[..link + repeated];
        head.copy_from_slice(&lead.bytes()[..link + repeated]);
        if outer > 0 && head[link + 4..link + 6] == [0, 0] {
            self.ident = self.ident.wrapping_add(1);
            head[link + 4..link + 6].copy_from_slice(&self.ident.to_be_bytes());
        }
        let cut = Cut { link, is_v6, protocol: whole.protocol, id: self.random() as u32 };
        let overhead = repeated + if is_v6 && outer == 0 { FragmentHeader::LEN } else { 0 };
        let step = whole.largest.min(mtu).saturating_sub(overhead) & !7;
        let rest = &self.datagram[payload..whole.length];
        if step == 0 || rest.len().div_ceil(step) > pieces.len() + 1 + env.frames.available() {
            return self.drop(lead, DropReason::NoFrame);
        }
        let mut own = Some(lead);
        for (number, part) in rest.chunks(step).enumerate() {
            let frame = own.take().or_else(|| pieces.pop().map(|piece| piece.frame)).or_else(|| env.frames.alloc());
            let Some(mut frame) = frame else {
                return;
            };
            let offset = number * step;
            let written = cut.write(&mut frame, head, part, offset, offset + part.len() < rest.len());
            if written {
                self.out.push((frame, Verdict::Tx(device)));
            } else {
                self.counters.count_drop(DropReason::NoFrame);
                self.out.push((frame, Verdict::Drop(DropReason::NoFrame)));
            }
        }
    }
}

/// Whether a datagram put together has a transport checksum: UDP may have none.
fn has_sum(datagram: &[u8], whole: &Whole) -> bool {
    let at = whole.header + udp::CHECKSUM_OFFSET;
    whole.protocol != Protocol::UDP || datagram.get(at..at + 2) != Some(&[0, 0])
}

/// Who answers for a first fragment whose datagram never came, and how; nobody when it is ICMP.
fn timed_out(fragment: &[u8]) -> Option<(IpAddr, IcmpError)> {
    if fragment.first()? >> 4 == 4 {
        let (header, _) = ipv4::Header::parse(fragment).ok()?;
        return (header.protocol() != Protocol::ICMP).then(|| (header.destination().into(), REASSEMBLY_V4));
    }
    let (header, rest) = ipv6::Header::parse(fragment).ok()?;
    let (fragment, _) = FragmentHeader::parse(rest).ok()?;
    (fragment.next_header() != Protocol::ICMPV6).then(|| (header.destination().into(), REASSEMBLY_V6))
}

/// How a datagram is cut.
struct Cut {
    link: usize,
    is_v6: bool,
    protocol: Protocol,
    /// Identification of IPv6 fragments; IPv4 has it in the header.
    id: u32,
}

impl Cut {
    fn write(&self, frame: &mut Frame, head: &[u8], part: &[u8], offset: usize, more: bool) -> bool {
        let is_v4 = head.get(self.link).is_some_and(|byte| byte >> 4 == 4);
        let extension = FragmentHeader::new(self.protocol, offset as u16, more, self.id);
        let extension: &[u8] = if is_v4 { &[] } else { extension.as_bytes() };
        debug_assert!(is_v4 || self.is_v6, "an IPv6 header in front of IPv4 is refused earlier");
        frame.reset();
        if frame.set_len(head.len() + extension.len() + part.len()).is_none() {
            return false;
        }
        let bytes = frame.bytes_mut();
        let (front, back) = bytes.split_at_mut(head.len());
        front.copy_from_slice(head);
        back[..extension.len()].copy_from_slice(extension);
        back[extension.len()..].copy_from_slice(part);
        let ip = &mut front[self.link..];
        if is_v4 {
            let units = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
            ip[6..8].copy_from_slice(&units.to_be_bytes());
        } else {
            ip[6] = Protocol::FRAGMENT.0;
        }
        let length = ip.len() + back.len();
        set_length(ip, length);
        true
    }
}

/// Writes the length of an IP packet into its header, and the header checksum.
fn set_length(header: &mut [u8], length: usize) {
    if header[0] >> 4 == 4 {
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        ipv4::fill_checksum(header);
    } else {
        let payload = (length - ipv6::Header::LEN) as u16;
        header[4..6].copy_from_slice(&payload.to_be_bytes());
    }
}

fn flow_v4(packet: &[u8], whole: &Whole) -> Result<Flow<V4>, DropReason> {
    let (header, _) = ipv4::Header::parse(packet)?;
    let (source, destination, protocol) = (header.source_bits(), header.destination_bits(), whole.protocol.0);
    let (ports, flags) = packet::transport(&packet[whole.header..], protocol)?;
    let key = Key4::new(source, destination, ports.0, ports.1, protocol, KIND_CONNECTION);
    Ok(Flow { key, l4: whole.header as u16, flags })
}

fn flow_v6(packet: &[u8], whole: &Whole) -> Result<Flow<V6>, DropReason> {
    let (header, _) = ipv6::Header::parse(packet)?;
    let protocol = whole.protocol.0;
    let (ports, flags) = packet::transport(&packet[whole.header..], protocol)?;
    let key =
        Key6::new(*header.source_bytes(), *header.destination_bytes(), ports.0, ports.1, protocol, KIND_CONNECTION);
    Ok(Flow { key, l4: whole.header as u16, flags })
}

#[cfg(all(test, not(loom)))]
mod tests;

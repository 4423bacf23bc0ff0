//! Fragmentation of an IPv4 packet that is larger than the way out (RFC 791 §3.2).

use headgate_wire::ipv4;
use headgate_xsk::Frame;

use super::{Env, Pipeline};
use crate::drop_reason::DropReason;
use crate::snapshot::egress::Way;

impl Pipeline {
    /// Sends a packet in fragments that fit `way`. The first fragment keeps the frame, the others take frames of their own.
    #[cold]
    pub(super) fn emit_split(&mut self, env: &mut Env<'_>, mut frame: Frame, way: &Way) {
        let Some(plan) = Plan::new(frame.bytes(), usize::from(way.mtu)) else {
            return self.drop(frame, DropReason::TooBig);
        };
        let total = frame.len();
        let mut at = plan.header + plan.step;
        let mut rest = std::mem::take(&mut self.fragments);
        while at < total {
            let end = total.min(at + plan.step);
            let Some(mut fragment) = env.frames.alloc() else {
                break;
            };
            if fragment.set_len(plan.header + end - at).is_none() {
                env.frames.free(fragment);
                break;
            }
            let bytes = fragment.bytes_mut();
            bytes[..plan.header].copy_from_slice(&frame.bytes()[..plan.header]);
            bytes[plan.header..].copy_from_slice(&frame.bytes()[at..end]);
            blank_uncopied_options(&mut bytes[ipv4::MIN_LEN..plan.header]);
            plan.finish(bytes, at - plan.header, end < total);
            rest.push(fragment);
            at = end;
        }
        if at < total {
            // Half a datagram helps nobody.
            rest.drain(..).for_each(|fragment| env.frames.free(fragment));
            self.fragments = rest;
            return self.drop(frame, DropReason::NoFrame);
        }
        frame.truncate(plan.header + plan.step);
        plan.finish(frame.bytes_mut(), 0, true);
        self.emit(env, frame, way);
        for fragment in rest.drain(..) {
            self.emit(env, fragment, way);
        }
        self.fragments = rest;
    }
}

/// How a packet is cut.
struct Plan {
    /// Bytes of the IP header, repeated in front of each fragment.
    header: usize,
    /// Payload bytes of each fragment but the last; a multiple of 8.
    step: usize,
    /// Fragment offset and MF of the packet itself, which may be a fragment already.
    offset: usize,
    more: bool,
}

impl Plan {
    fn new(packet: &[u8], mtu: usize) -> Option<Self> {
        let (ip, _) = ipv4::Header::parse(packet).ok()?;
        let header = ip.header_len();
        let step = mtu.checked_sub(header)? & !7;
        (step > 0).then_some(Self {
            header,
            step,
            offset: usize::from(ip.fragment_offset()),
            more: ip.more_fragments(),
        })
    }

    fn finish(&self, packet: &mut [u8], offset: usize, more: bool) {
        let length = packet.len() as u16;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        let units = ((self.offset + offset) / 8) as u16;
        let more = if more || self.more { 0x2000 } else { 0 };
        packet[6..8].copy_from_slice(&(units | more).to_be_bytes());
        ipv4::fill_checksum(&mut packet[..self.header]);
    }
}

/// Options without the copied flag stay in the first fragment alone; elsewhere they become no-operations (as `ip_options_fragment`).
fn blank_uncopied_options(options: &mut [u8]) {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let length = match kind {
            0 => return,
            1 => 1,
            _ => match options.get(at + 1) {
                Some(&length) if length >= 2 && at + usize::from(length) <= options.len() => usize::from(length),
                _ => return,
            },
        };
        if kind & 0x80 == 0 {
            options[at..at + length].fill(1);
        }
        at += length;
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

//! The last part of the way: TTL, size, rewriting, link header (`ip_vs_xmit.c`).

use std::net::IpAddr;

use headgate_wire::{EtherType, ether, vlan};
use headgate_xsk::Frame;

use super::hold::Resolve;
use super::icmp_out::IcmpError;
use super::tunnel;
use super::{Env, Ingress, Pipeline, Verdict};
use crate::connection::{self, Method};
use crate::drop_reason::DropReason;
use crate::family::{Checksum, Family, Side};
use crate::packet::Flow;
use crate::servers::ServerId;
use crate::snapshot::egress::{Egress, L2, Way};
use crate::state;
use crate::table::Found;

/// How a packet is made ready for its server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<A> {
    /// New destination address and port.
    Nat(A, u16),
    Dr,
    /// Address of the outer packet, and the server there.
    Tunnel(IpAddr, ServerId),
    Local,
}

impl Pipeline {
    /// Sends a client's packet to its server.
    #[inline(always)]
    pub(super) fn send_to_server<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        mut frame: Frame,
        flow: &Flow<F>,
        target: Target<F::Addr>,
        way: &Way,
    ) {
        let protocol = F::protocol(&flow.key);
        let l4 = usize::from(flow.l4);
        if let Target::Local = target {
            self.complete::<F>(&mut frame, l4, protocol, ingress);
            return self.pass_to_kernel(frame);
        }
        if F::ttl(frame.bytes()) <= 1 {
            return self.tell_client::<F>(env, frame, flow, IcmpError::TimeExceeded);
        }
        let (mut path_mtu, mut mtu) = (way.mtu, way.mtu);
        if let Target::Tunnel(outer, server) = target {
            path_mtu = self.path_mtus.get(server, env.now).map_or(path_mtu, |learned| learned.min(path_mtu));
            mtu = path_mtu.saturating_sub(tunnel::overhead(outer));
        }
        let too_big = frame.len() > usize::from(mtu) && mtu > 0;
        if too_big && must_not_fragment::<F>(env, &frame, target) {
            // The quoted checksum may be half made; the client's stack does not look at it.
            F::decrement_ttl(frame.bytes_mut());
            return self.tell_client::<F>(env, frame, flow, IcmpError::TooBig { mtu });
        }
        match target {
            Target::Nat(address, port) => {
                let done =
                    F::rewrite(frame.bytes_mut(), l4, Side::Destination, (address, port), protocol, ingress.partial);
                if done == Checksum::Completed {
                    self.counters.checksums_completed.add(1);
                }
            }
            Target::Dr | Target::Local => {
                F::decrement_ttl(frame.bytes_mut());
                self.complete::<F>(&mut frame, l4, protocol, ingress);
            }
            Target::Tunnel(outer, _) => {
                F::decrement_ttl(frame.bytes_mut());
                self.complete::<F>(&mut frame, l4, protocol, ingress);
                let pmtu_disc = env.snapshot.settings.pmtu_disc;
                let source = way.source;
                if !self.encapsulate(&mut frame, outer, source, pmtu_disc) {
                    return self.drop(frame, DropReason::NoRoute);
                }
            }
        }
        if too_big {
            self.emit_split(env, frame, &Way { mtu: path_mtu, ..*way });
        } else {
            self.emit(env, frame, way);
        }
    }

    #[inline(always)]
    pub(super) fn complete<F: Family>(&mut self, frame: &mut Frame, l4: usize, protocol: u8, ingress: Ingress) {
        if ingress.partial && F::complete_checksum(frame.bytes_mut(), l4, protocol) {
            self.counters.checksums_completed.add(1);
        }
    }

    /// An ICMP error to the client, from the VIP. IPVS sees it leave and takes it for traffic of a connection whose server has the VIP
    /// too, so it counts there (`ip_vs_out_icmp`).
    #[cold]
    pub(super) fn tell_client<F: Family>(&mut self, env: &mut Env<'_>, frame: Frame, flow: &Flow<F>, error: IcmpError) {
        let server = F::table(env.table)
            .find(&flow.key)
            .filter(|found| connection::method(found.state) != Method::Nat)
            .and_then(|found| env.servers.id(found.server));
        let sent = self.icmp_error(env, frame, error, F::to_ip(F::destination(&flow.key)));
        if let (Some(server), Some(length)) = (server, sent) {
            self.count_out(server, length);
        }
    }

    /// Gives a finished IP packet its link header, or parks it until the neighbour is known.
    #[inline(always)]
    pub(super) fn emit(&mut self, env: &mut Env<'_>, mut frame: Frame, way: &Way) {
        match way.egress {
            Egress::Ready { device, ref l2 } => {
                if write_link_header(&mut frame, l2) {
                    self.out.push((frame, Verdict::Tx(device)));
                } else {
                    self.drop(frame, DropReason::NoFrame);
                }
            }
            Egress::Unresolved { device, address, vlan } => self.park(env, frame, Resolve { device, address }, vlan),
            Egress::Local => self.pass_to_kernel(frame),
            Egress::Unreachable => self.drop(frame, DropReason::NoRoute),
            Egress::NotServed => self.drop(frame, DropReason::DeviceNotServed),
        }
    }

    /// Stamps the connection and takes its state on by one packet.
    #[inline(always)]
    pub(super) fn advance_state<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        found: &Found<F::Key>,
        flow: &Flow<F>,
        way: state::Way,
    ) {
        if connection::after(found.state, flow, way, &env.snapshot.settings) != found.state {
            self.change_state::<F>(env, found.id, found.server, flow, way);
        }
        F::table(env.table).stamp(found.id, env.now.tick);
    }
}

/// A tunnel with `pmtu_disc` off never tells anybody, it fragments the outer packet.
fn must_not_fragment<F: Family>(env: &Env<'_>, frame: &Frame, target: Target<F::Addr>) -> bool {
    match target {
        Target::Tunnel(IpAddr::V4(_), _) if !env.snapshot.settings.pmtu_disc => false,
        Target::Tunnel(IpAddr::V6(_), _) => true,
        _ => F::dont_fragment(frame.bytes()),
    }
}

/// Puts the Ethernet header, with a VLAN tag where the way has one, in front of the IP packet.
#[inline(always)]
fn write_link_header(frame: &mut Frame, l2: &L2) -> bool {
    let is_v4 = frame.bytes().first().is_some_and(|byte| byte >> 4 == 4);
    let mut ethertype = if is_v4 { EtherType::IPV4 } else { EtherType::IPV6 };
    if let Some(id) = l2.vlan {
        let Some(tag) = frame.push_front(vlan::Header::LEN) else {
            return false;
        };
        tag.copy_from_slice(vlan::Header::new(id, ethertype).as_bytes());
        ethertype = EtherType::VLAN;
    }
    let Some(Ok((header, _))) = frame.push_front(ether::Header::LEN).map(ether::Header::parse_mut) else {
        return false;
    };
    header.set_destination(l2.destination);
    header.set_source(l2.source);
    header.set_ethertype(ethertype);
    true
}

#[cfg(all(test, not(loom)))]
mod tests;

//! A packet from the server of a known NAT connection, on its way back to the client (`handle_response` of `ip_vs_core.c`).

use std::net::IpAddr;

use headgate_xsk::Frame;

use super::icmp_out::IcmpError;
use super::{Env, Ingress, Pipeline, device_address};
use crate::drop_reason::DropReason;
use crate::family::{Checksum, Family, Side};
use crate::packet::Flow;
use crate::state::Way;
use crate::table::Found;

impl Pipeline {
    #[inline(always)]
    pub(super) fn reply<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        mut frame: Frame,
        flow: &Flow<F>,
        found: &Found<F::Key>,
    ) {
        // As a router does it: TTL and MTU are looked at before anything is translated, so that the server is told about its own packet.
        let way = F::way_to(&env.snapshot.network, F::destination(&flow.key));
        if F::ttl(frame.bytes()) <= 1 {
            return self.tell_server::<F>(env, ingress, frame, IcmpError::TimeExceeded);
        }
        let too_big = frame.len() > usize::from(way.mtu);
        if too_big && way.mtu > 0 && F::dont_fragment(frame.bytes()) {
            return self.tell_server::<F>(env, ingress, frame, IcmpError::TooBig { mtu: way.mtu });
        }

        let id = env.servers.id(found.server);
        if let Some(id) = id {
            self.count_out(id, frame.len());
        }
        self.advance_state::<F>(env, found, flow, Way::Output);

        let vip = (F::destination(&found.forward), F::ports(&found.forward).1);
        let protocol = F::protocol(&flow.key);
        let l4 = usize::from(flow.l4);
        if F::rewrite(frame.bytes_mut(), l4, Side::Source, vip, protocol, ingress.partial) == Checksum::Completed {
            self.counters.checksums_completed.add(1);
        }
        if too_big {
            self.emit_split(env, frame, &way);
        } else {
            self.emit(env, frame, &way);
        }
        if env.snapshot.settings.expire_nodest_conn && id.and_then(|id| env.snapshot.server(id)).is_none() {
            self.end_connection::<F>(env, found.id);
        }
    }

    /// An ICMP error back to the sender of a packet that came from the server side, from our address there.
    #[cold]
    pub(super) fn tell_server<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        frame: Frame,
        error: IcmpError,
    ) {
        let like = F::to_ip(F::packet_source(frame.bytes()));
        match own_address(env, ingress, like) {
            Some(source) => {
                self.icmp_error(env, frame, error, source);
            }
            None => self.drop(frame, DropReason::IcmpUnsent),
        }
    }
}

/// Our address towards `peer`: the preferred source of the route there, else the address of the device the packet came from.
fn own_address(env: &Env<'_>, ingress: Ingress, peer: IpAddr) -> Option<IpAddr> {
    env.snapshot.network.way_to(peer).source.or_else(|| device_address(env.snapshot, ingress.device, peer))
}

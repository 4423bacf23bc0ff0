//! ICMP errors about balanced packets, from clients, servers and routers: each finds the connection of the packet it quotes
//! (`ip_vs_in_icmp`, `ip_vs_out_icmp` of `ip_vs_core.c`).
//!
//! ```text
//!  from the client side   outer  router ─► VIP        quotes  VIP:port ─► client     goes on to the server of the connection
//!  from the server side   outer  router ─► client     quotes  client ─► server:port  goes on to the client, from the VIP
//!  about our tunnel       outer  router ─► us         quotes  us ─► server [ client ─► VIP:port ]   the client is told by us
//! ```

mod quote;

use std::net::IpAddr;

use headgate_xsk::Frame;

use self::quote::{Quote, Quoted};
use super::icmp_out::IcmpError;
use super::{Env, Pipeline};
use crate::connection::{self, Method};
use crate::drop_reason::DropReason;
use crate::family::{Family, V4, V6};
use crate::snapshot::egress::Way;
use crate::table::{Direction, Found, KIND_CONNECTION};

impl Pipeline {
    #[cold]
    pub(super) fn icmp4(&mut self, env: &mut Env<'_>, frame: Frame, l4: usize) {
        match quote::of_v4(frame.bytes(), l4) {
            Quoted::Flow(quote) => self.icmp_about::<V4>(env, frame, l4, &quote),
            Quoted::Tunnel { .. } if !V4::icmp_is_intact(frame.bytes(), l4) => {
                self.drop(frame, DropReason::IcmpChecksum);
            }
            Quoted::Tunnel { server, inner, kind } => self.icmp_about_tunnel(env, frame, server, inner, kind),
            Quoted::Nothing => self.pass_to_kernel(frame),
        }
    }

    #[cold]
    pub(super) fn icmp6(&mut self, env: &mut Env<'_>, frame: Frame, l4: usize) {
        match quote::of_v6(frame.bytes(), l4) {
            Quoted::Flow(quote) => self.icmp_about::<V6>(env, frame, l4, &quote),
            Quoted::Tunnel { .. } if !V6::icmp_is_intact(frame.bytes(), l4) => {
                self.drop(frame, DropReason::IcmpChecksum);
            }
            Quoted::Tunnel { server, inner, kind } => self.icmp_about_tunnel(env, frame, server, inner, kind),
            Quoted::Nothing => self.pass_to_kernel(frame),
        }
    }

    fn icmp_about<F: Translate>(&mut self, env: &mut Env<'_>, frame: Frame, l4: usize, quote: &Quote<F::Addr>) {
        let ports = (quote.ports.1, quote.ports.0);
        let key = F::key(quote.destination, quote.source, ports, quote.protocol, KIND_CONNECTION);
        let mut found = F::table(env.table).find(&key);
        if found.is_none() && env.snapshot.settings.schedule_icmp && self.connect_for_icmp::<F>(env, key) {
            found = F::table(env.table).find(&key);
        }
        match found {
            Some(found) if found.direction == Direction::Forward => {
                self.icmp_to_server::<F>(env, frame, l4, quote, &found);
            }
            Some(found) => self.icmp_to_client::<F>(env, frame, l4, quote, &found),
            None => self.pass_to_kernel(frame),
        }
    }

    fn icmp_to_server<F: Translate>(
        &mut self,
        env: &mut Env<'_>,
        mut frame: Frame,
        l4: usize,
        quote: &Quote<F::Addr>,
        found: &Found<F::Key>,
    ) {
        let Some(server) = env.servers.id(found.server).and_then(|id| env.snapshot.server(id)) else {
            return self.drop(frame, DropReason::ServerGone);
        };
        let method = connection::method(found.state);
        if method == Method::Nat && !F::icmp_is_intact(frame.bytes(), l4) {
            return self.drop(frame, DropReason::IcmpChecksum);
        }
        self.count_in(server.id, frame.len());
        if F::ttl(frame.bytes()) <= 1 {
            return self.drop(frame, DropReason::TtlExceeded);
        }
        let way = server.way;
        match (method, &found.reverse) {
            (Method::Nat, Some(reverse)) => {
                F::decrement_ttl(frame.bytes_mut());
                let to = (F::source(reverse), F::ports(reverse).0);
                F::translate(frame.bytes_mut(), l4, quote, Towards::Server(to.0, to.1));
            }
            (Method::Dr, _) => F::decrement_ttl(frame.bytes_mut()),
            (Method::Tunnel, _) => {
                F::decrement_ttl(frame.bytes_mut());
                let pmtu_disc = env.snapshot.settings.pmtu_disc;
                if !self.encapsulate(&mut frame, server.address, way.source, pmtu_disc) {
                    return self.drop(frame, DropReason::NoRoute);
                }
            }
            (Method::Local, _) | (Method::Nat, None) => return self.pass_to_kernel(frame),
        }
        self.emit_if_fits(env, frame, way);
    }

    fn icmp_to_client<F: Translate>(
        &mut self,
        env: &mut Env<'_>,
        mut frame: Frame,
        l4: usize,
        quote: &Quote<F::Addr>,
        found: &Found<F::Key>,
    ) {
        if !F::icmp_is_intact(frame.bytes(), l4) {
            return self.drop(frame, DropReason::IcmpChecksum);
        }
        if F::ttl(frame.bytes()) <= 1 {
            return self.drop(frame, DropReason::TtlExceeded);
        }
        if let Some(id) = env.servers.id(found.server) {
            self.count_out(id, frame.len());
        }
        F::decrement_ttl(frame.bytes_mut());
        let vip = (F::destination(&found.forward), F::ports(&found.forward).1);
        F::translate(frame.bytes_mut(), l4, quote, Towards::Client(vip.0, vip.1));
        let way = F::way_to(&env.snapshot.network, F::source(&found.forward));
        self.emit_if_fits(env, frame, way);
    }

    fn emit_if_fits(&mut self, env: &mut Env<'_>, frame: Frame, way: Way) {
        if frame.len() > usize::from(way.mtu) && way.mtu > 0 {
            return self.drop(frame, DropReason::TooBig);
        }
        self.emit(env, frame, &way);
    }

    /// A router or the server complains about the outer packet of a tunnel. The client learns it from us; a smaller path MTU is kept for
    /// the packets to come.
    fn icmp_about_tunnel(
        &mut self,
        env: &mut Env<'_>,
        frame: Frame,
        server: IpAddr,
        inner: std::ops::Range<usize>,
        kind: quote::TunnelError,
    ) {
        // The quoted client's packet becomes the offender of our own error.
        match frame.bytes().get(inner.start).map(|byte| byte >> 4) {
            Some(4) => self.relay_to_client::<V4>(env, frame, server, inner, kind),
            Some(6) => self.relay_to_client::<V6>(env, frame, server, inner, kind),
            _ => self.pass_to_kernel(frame),
        }
    }

    fn relay_to_client<F: Translate>(
        &mut self,
        env: &mut Env<'_>,
        mut frame: Frame,
        server: IpAddr,
        inner: std::ops::Range<usize>,
        kind: quote::TunnelError,
    ) {
        let Some(quote) = F::quoted_flow(&frame.bytes()[inner.clone()]) else {
            return self.pass_to_kernel(frame);
        };
        let key = F::key(quote.source, quote.destination, quote.ports, quote.protocol, KIND_CONNECTION);
        let known = F::table(env.table)
            .find(&key)
            .filter(|found| connection::method(found.state) == Method::Tunnel)
            .and_then(|found| env.servers.id(found.server))
            .filter(|id| env.snapshot.server(*id).is_some_and(|known| known.address == server));
        let Some(id) = known else {
            return self.pass_to_kernel(frame);
        };
        let error = match kind {
            quote::TunnelError::TooBig { mtu } => {
                let mtu = self.path_mtus.learn(id, server, mtu, env.now);
                let mtu = mtu.saturating_sub(super::tunnel::overhead(server));
                if !F::dont_fragment(&frame.bytes()[inner.clone()]) || usize::from(mtu) < F::MIN_MTU {
                    return self.drop(frame, DropReason::TooBig);
                }
                IcmpError::TooBig { mtu }
            }
            quote::TunnelError::Other { kind, code } => IcmpError::Relayed { kind, code },
        };
        if frame.pull_front(inner.start).is_none() {
            return self.drop(frame, DropReason::Truncated);
        }
        if let Some(length) = self.icmp_error(env, frame, error, F::to_ip(quote.destination)) {
            self.count_out(id, length);
        }
    }
}

/// Whom a translated ICMP error is for, and the address and port that its quote must show instead.
#[derive(Debug, Clone, Copy)]
enum Towards<A> {
    /// Address and port of the server.
    Server(A, u16),
    /// Address and port of the VIP.
    Client(A, u16),
}

/// What translating ICMP errors needs to know of a family. `l4` is the offset of the ICMP header.
trait Translate: Family {
    /// The least MTU that may be announced.
    const MIN_MTU: usize;

    fn icmp_is_intact(packet: &[u8], l4: usize) -> bool;
    /// Rewrites outer address, quoted address and port, and all checksums but the quoted transport checksum, which IPVS leaves alone.
    fn translate(packet: &mut [u8], l4: usize, quote: &Quote<Self::Addr>, towards: Towards<Self::Addr>);
    /// The addresses and ports of a quoted packet.
    fn quoted_flow(quoted: &[u8]) -> Option<Quote<Self::Addr>>;
}

#[cfg(all(test, not(loom)))]
mod tests;

//! A packet from the client of a known connection, on its way to the server (`ip_vs_in` of `ip_vs_core.c`).

use headgate_wire::tcp::Flags;
use headgate_xsk::Frame;

use super::transmit::Target;
use super::{Env, Ingress, Pipeline};
use crate::connection::{self, Method};
use crate::drop_reason::DropReason;
use crate::family::Family;
use crate::packet::Flow;
use crate::proto;
use crate::servers::ServerId;
use crate::state::TcpState;
use crate::table::{ConnId, Found};

impl Pipeline {
    #[inline(always)]
    pub(super) fn forward<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        frame: Frame,
        flow: &Flow<F>,
        found: &Found<F::Key>,
    ) {
        if flow.flags.contains(Flags::SYN) && reschedules::<F>(env, flow, found) {
            self.end_connection::<F>(env, found.id);
            return self.unknown(env, ingress, frame, flow);
        }
        let Some(server) = env.servers.id(found.server).and_then(|id| env.snapshot.server(id)) else {
            return self.server_gone(env, ingress, frame, flow, found.id);
        };
        if found.state.reverse_lost() {
            F::table(env.table).restore_reverse(found.id);
        }
        self.count_in(server.id, frame.len());
        self.advance_state::<F>(env, found, flow, connection::way_in(found.state));
        let target = match (connection::method(found.state), &found.reverse) {
            (Method::Nat, Some(reverse)) => Target::Nat(F::source(reverse), F::ports(reverse).0),
            (Method::Nat, None) | (Method::Local, _) => Target::Local,
            (Method::Dr, _) => Target::Dr,
            (Method::Tunnel, _) => Target::Tunnel(server.address, server.id),
        };
        self.send_to_server(env, ingress, frame, flow, target, &server.way);
    }

    /// The server was taken out of the configuration: by default packets are swallowed in the hope that it comes back; with
    /// `expire_nodest_conn` the connection ends and the packet is looked at as if there were none.
    #[cold]
    fn server_gone<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        frame: Frame,
        flow: &Flow<F>,
        id: ConnId,
    ) {
        if env.snapshot.settings.expire_nodest_conn {
            self.end_connection::<F>(env, id);
            self.unknown(env, ingress, frame, flow);
        } else {
            self.drop(frame, DropReason::ServerGone);
        }
    }

    #[inline(always)]
    pub(super) fn count_in(&self, id: ServerId, bytes: usize) {
        if let Some(traffic) = self.counters.server(id) {
            traffic.packets_in.add(1);
            traffic.bytes_in.add(bytes as u64);
        }
    }

    #[inline(always)]
    pub(super) fn count_out(&self, id: ServerId, bytes: usize) {
        if let Some(traffic) = self.counters.server(id) {
            traffic.packets_out.add(1);
            traffic.bytes_out.add(bytes as u64);
        }
    }
}

/// Whether a SYN that hits a connection begins a new one (`is_new_conn_expected` and its caller in `ip_vs_core.c`).
///
/// Inlined so that `found` never needs an address and stays in registers.
#[inline(always)]
fn reschedules<F: Family>(env: &Env<'_>, flow: &Flow<F>, found: &Found<F::Key>) -> bool {
    let settings = &env.snapshot.settings;
    let mode = settings.conn_reuse_mode;
    if mode == 0 || F::protocol(&flow.key) != proto::TCP {
        return false;
    }
    let weight = env.servers.id(found.server).and_then(|id| env.snapshot.server(id)).map(|server| server.weight);
    if settings.expire_nodest_conn && weight == Some(0) {
        return true;
    }
    if found.template.is_some() {
        return false;
    }
    match TcpState::from_index(found.state.protocol_state()) {
        TcpState::TimeWait | TcpState::Close => true,
        TcpState::FinWait => mode & 2 != 0 && connection::is_one_way(found.state),
        _ => false,
    }
}

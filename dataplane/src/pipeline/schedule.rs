//! A packet that no connection knows: which service is it for, which server gets it (`ip_vs_schedule` of `ip_vs_core.c`).

use headgate_wire::tcp::Flags;
use headgate_xsk::Frame;

use super::icmp_out::IcmpError;
use super::transmit::Target;
use super::{Env, Ingress, Pipeline};
use crate::connection;
use crate::drop_reason::DropReason;
use crate::family::Family;
use crate::packet::Flow;
use crate::proto;
use crate::sched;
use crate::servers::ServerId;
use crate::snapshot::{Forward, Ports, Server, Service, Settings, Snapshot};
use crate::state::NEW_CONNECTION_S;
use crate::table::{ConnId, CreateError, KIND_CONNECTION, New, OnReverseTaken};

/// The port of FTP data connections; IPVS never schedules a client that comes from it.
const FTP_DATA: u16 = 20;

/// What the choice of a server came to.
pub(super) struct Choice {
    pub server: ServerId,
    pub template: Option<ConnId>,
}

impl Pipeline {
    #[cold]
    pub(super) fn unknown<F: Family>(&mut self, env: &mut Env<'_>, ingress: Ingress, mut frame: Frame, flow: &Flow<F>) {
        let snapshot = env.snapshot;
        let protocol = F::protocol(&flow.key);
        let (source_port, port) = F::ports(&flow.key);
        let Some(service) = snapshot.services.find(protocol, F::to_ip(F::destination(&flow.key)), port) else {
            return self.no_service(env, ingress, frame, flow);
        };
        // Only routed through: IPVS hooks into local input, so it does not see such packets.
        if !snapshot.network.takes(F::to_ip(F::destination(&flow.key))) {
            self.complete::<F>(&mut frame, usize::from(flow.l4), protocol, ingress);
            return self.pass_to_kernel(frame);
        }
        if snapshot.network.is_local(F::to_ip(F::source(&flow.key))) {
            return self.drop(frame, DropReason::MartianSource);
        }
        if !starts_connection(&snapshot.settings, protocol, flow.flags, source_port) {
            self.complete::<F>(&mut frame, usize::from(flow.l4), protocol, ingress);
            return self.pass_to_kernel(frame);
        }
        let choice = match service.persistence {
            Some(persistence) => match self.persist(env, service, persistence, flow) {
                Ok(choice) => choice,
                Err(reason) => return self.drop(frame, reason),
            },
            None => self.pick(env, service, flow).map(|server| Choice { server, template: None }),
        };
        let Some((choice, server)) =
            choice.and_then(|choice| snapshot.server(choice.server).map(|server| (choice, server)))
        else {
            return self.tell_client(env, frame, flow, IcmpError::PortUnreachable);
        };
        if service.one_packet {
            self.count_connection(server.id);
            self.count_in(server.id, frame.len());
            let target = target::<F>(server, service, port);
            if let Some(template) = choice.template {
                F::table(env.table).template_leave(template);
            }
            return self.send_to_server(env, ingress, frame, flow, target, &server.way);
        }
        self.connect(env, ingress, frame, flow, service, server, choice.template);
    }

    /// Lets the scheduler choose.
    pub(super) fn pick<F: Family>(&mut self, env: &Env<'_>, service: &Service, flow: &Flow<F>) -> Option<ServerId> {
        let request = sched::Request {
            client: F::to_ip(F::source(&flow.key)),
            client_port: F::ports(&flow.key).0,
            destination: F::to_ip(F::destination(&flow.key)),
            protocol: F::protocol(&flow.key),
            now_seconds: env.now.millis / 1000,
            random: self.random(),
        };
        service.pool.pick(env.servers, &request).map(|member| member.id)
    }

    #[expect(clippy::too_many_arguments, reason = "everything known about the packet so far, and nothing else")]
    fn connect<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        ingress: Ingress,
        frame: Frame,
        flow: &Flow<F>,
        service: &Service,
        server: &Server,
        template: Option<ConnId>,
    ) {
        let target = target::<F>(server, service, F::ports(&flow.key).1);
        let reverse = reverse_key::<F>(&flow.key, target);
        let fresh = connection::new_state(server.forward);
        let state = connection::after(fresh, flow, connection::way_in(fresh), &env.snapshot.settings);
        let new = New {
            forward: flow.key,
            reverse,
            server: server.id.index(),
            template,
            state,
            now: env.now.tick,
            on_reverse_taken: OnReverseTaken::Take,
        };
        match F::table(env.table).create(&mut self.pool, &new) {
            Ok(id) => {
                env.servers.bind(server.id, connection::is_active(state));
                self.arm::<F>(id, env.now.tick, state.timeout_seconds());
                self.count_connection(server.id);
                self.count_in(server.id, frame.len());
                self.send_to_server(env, ingress, frame, flow, target, &server.way);
            }
            Err(error) => {
                if let Some(template) = template {
                    F::table(env.table).template_leave(template);
                }
                match error {
                    // Another worker was faster with a packet of the same connection.
                    CreateError::Exists(_) => match F::table(env.table).find(&flow.key) {
                        Some(found) if !flow.flags.contains(Flags::SYN) || found.reverse == reverse => {
                            self.forward(env, ingress, frame, flow, &found);
                        }
                        _ => self.drop(frame, DropReason::TableContended),
                    },
                    CreateError::Full | CreateError::ProbeLimit => self.drop(frame, DropReason::TableFull),
                    CreateError::Contended | CreateError::ReverseTaken => self.drop(frame, DropReason::TableContended),
                }
            }
        }
    }

    fn count_connection(&self, id: ServerId) {
        if let Some(traffic) = self.counters.server(id) {
            traffic.connections.add(1);
        }
    }

    /// With `schedule_icmp`: makes the connection that an ICMP error from the client side should have had, so that it reaches the server a
    /// packet of the client would reach. `forward`: the key of the client's packets. False when there is no service or no server for it.
    pub(super) fn connect_for_icmp<F: Family>(&mut self, env: &mut Env<'_>, forward: F::Key) -> bool {
        let snapshot = env.snapshot;
        let flow: Flow<F> = Flow { key: forward, l4: 0, flags: Flags::NONE };
        let (protocol, port) = (F::protocol(&forward), F::ports(&forward).1);
        let service = snapshot
            .services
            .find(protocol, F::to_ip(F::destination(&forward)), port)
            .filter(|service| !service.one_packet && snapshot.network.takes(F::to_ip(F::destination(&forward))));
        let Some(service) = service else {
            return false;
        };
        let choice = match service.persistence {
            Some(persistence) => self.persist(env, service, persistence, &flow).ok().flatten(),
            None => self.pick(env, service, &flow).map(|server| Choice { server, template: None }),
        };
        let Some((choice, server)) =
            choice.and_then(|choice| snapshot.server(choice.server).map(|server| (choice, server)))
        else {
            return false;
        };
        let new = New {
            forward,
            reverse: reverse_key::<F>(&forward, target::<F>(server, service, port)),
            server: server.id.index(),
            template: choice.template,
            // The state machine speaks when the client does.
            state: connection::new_state(server.forward).with_timeout_seconds(NEW_CONNECTION_S),
            now: env.now.tick,
            on_reverse_taken: OnReverseTaken::Refuse,
        };
        let Ok(id) = F::table(env.table).create(&mut self.pool, &new) else {
            if let Some(template) = choice.template {
                F::table(env.table).template_leave(template);
            }
            return false;
        };
        env.servers.bind(server.id, false);
        self.arm::<F>(id, env.now.tick, NEW_CONNECTION_S);
        self.count_connection(server.id);
        true
    }

    /// Nothing is balanced on that port: the kernel answers, or forwards what a server sent without a connection. With
    /// `nat_icmp_send` a server that answers into the void is told so.
    fn no_service<F: Family>(&mut self, env: &mut Env<'_>, ingress: Ingress, mut frame: Frame, flow: &Flow<F>) {
        let snapshot = env.snapshot;
        if snapshot.settings.nat_icmp_send && !flow.flags.contains(Flags::RST) && is_nat_server::<F>(snapshot, flow) {
            F::decrement_ttl(frame.bytes_mut());
            return self.tell_server::<F>(env, ingress, frame, IcmpError::PortUnreachable);
        }
        self.complete::<F>(&mut frame, usize::from(flow.l4), F::protocol(&flow.key), ingress);
        self.pass_to_kernel(frame);
    }
}

/// Where the packets of a connection to `server` go. `port` is the one the client asked for.
pub(super) fn target<F: Family>(server: &Server, service: &Service, port: u16) -> Target<F::Addr> {
    match (server.forward, F::from_ip(server.address)) {
        (Forward::Nat, Some(address)) => {
            // A port-0 service keeps the client's port whatever the server's says (`ip_vs_sched_persist`).
            let keeps = server.port == 0 || service.ports == Ports::Any;
            Target::Nat(address, if keeps { port } else { server.port })
        }
        (Forward::Dr, _) => Target::Dr,
        (Forward::Tunnel, _) => Target::Tunnel(server.address, server.id),
        // The configuration refuses NAT between families.
        (Forward::Local, _) | (Forward::Nat, None) => Target::Local,
    }
}

/// The key of the server's packets, where they pass here.
fn reverse_key<F: Family>(forward: &F::Key, target: Target<F::Addr>) -> Option<F::Key> {
    let Target::Nat(address, port) = target else {
        return None;
    };
    let client = (F::source(forward), F::ports(forward).0);
    Some(F::key(address, client.0, (port, client.1), F::protocol(forward), KIND_CONNECTION))
}

/// TCP begins with a SYN (any segment but a reset with `sloppy_tcp`), UDP with any datagram.
fn starts_connection(settings: &Settings, protocol: u8, flags: Flags, source_port: u16) -> bool {
    if protocol != proto::TCP {
        return true;
    }
    !flags.contains(Flags::RST) && (flags.contains(Flags::SYN) || settings.sloppy_tcp) && source_port != FTP_DATA
}

fn is_nat_server<F: Family>(snapshot: &Snapshot, flow: &Flow<F>) -> bool {
    let address = F::to_ip(F::source(&flow.key));
    let port = F::ports(&flow.key).0;
    let protocol = F::protocol(&flow.key);
    snapshot.servers().any(|server| {
        server.forward == Forward::Nat
            && server.address == address
            && (server.port == port || server.port == 0)
            && snapshot.services.get(server.service).is_some_and(|service| service.protocol == protocol)
    })
}

#[cfg(all(test, not(loom)))]
mod tests;

//! The end of connections: timers, and the bookkeeping when one goes.

use super::{Env, Pipeline};
use crate::connection;
use crate::family::{Family, V4, V6};
use crate::packet::Flow;
use crate::servers::Servers;
use crate::state;
use crate::table::{self, ConnId, Found, Pool, TICKS_PER_SECOND, Table, Tick};
use crate::wheel::Handle;

/// A template that still controls connections when its time is up gets this much more (`ip_vs_conn.c`).
const TEMPLATE_EXTENSION_S: u32 = 60;

/// The longest timeout of a state that a connection only passes through. A connection with several timers that has longer to live than
/// this has come back to ESTABLISHED: one of its timers is enough.
const PASSING_STATE_S: u32 = 120;

impl Pipeline {
    /// Ends connections and waiting fragments whose time is up; of connections at most `budget` timers a call; returns how many timers were looked at.
    pub fn expire(&mut self, env: &mut Env<'_>, budget: usize) -> usize {
        self.expire_fragments(env);
        let (pool, connections, servers, now) = (&mut self.pool, env.table, env.servers, env.now.tick);
        self.wheel.advance(now, budget, |handle| match handle.family {
            table::Family::V4 => visit::<V4>(pool, connections, servers, handle.id, now),
            table::Family::V6 => visit::<V6>(pool, connections, servers, handle.id, now),
        })
    }

    /// Ends a connection or template at once.
    pub(super) fn end_connection<F: Family>(&mut self, env: &Env<'_>, id: ConnId) {
        end::<F>(&mut self.pool, env.table, env.servers, id);
    }

    /// Arms the timer of a new connection.
    pub(super) fn arm<F: Family>(&mut self, id: ConnId, now: Tick, timeout_s: u32) {
        let handle = Handle { family: F::FAMILY, id };
        if self.wheel.arm(handle, now.plus_seconds(timeout_s)).is_err() {
            self.counters.timers_refused.add(1);
        }
    }

    /// The state word changes: swap it, move the server's counts along, and see that a shorter deadline has a timer of its own.
    #[cold]
    pub(super) fn change_state<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        server: u32,
        flow: &Flow<F>,
        way: state::Way,
    ) {
        let settings = &env.snapshot.settings;
        let changed = F::table(env.table).update_state(id, |old| {
            let new = connection::after(old, flow, way, settings);
            if new.timeout_seconds() < old.timeout_seconds() {
                connection::with_extra_timer(new).unwrap_or(new)
            } else {
                new
            }
        });
        let Some((old, new)) = changed else {
            return;
        };
        if let Some(server) = env.servers.id(server) {
            connection::follow(env.servers, server, old, new);
        }
        if connection::extra_timers(new) > connection::extra_timers(old) {
            self.arm::<F>(id, env.now.tick, new.timeout_seconds());
        }
    }
}

/// A timer fired: end the connection, or say when to look again.
fn visit<F: Family>(pool: &mut Pool, table: &Table, servers: &Servers, id: ConnId, now: Tick) -> Option<Tick> {
    let found = F::table(table).get(id)?;
    let idle = F::table(table).last_seen(id, now)?.age(now);
    let timeout = found.state.timeout_seconds() * TICKS_PER_SECOND;
    if idle < timeout {
        let left = timeout - idle;
        if connection::extra_timers(found.state) > 0 && left > PASSING_STATE_S * TICKS_PER_SECOND {
            F::table(table).update_state(id, connection::with_fewer_timers);
            return None;
        }
        return Some(now.plus(left));
    }
    if F::is_template(&found.forward) && !F::table(table).template_close_if_unused(id) {
        return Some(now.plus_seconds(TEMPLATE_EXTENSION_S));
    }
    end::<F>(pool, table, servers, id);
    None
}

fn end<F: Family>(pool: &mut Pool, table: &Table, servers: &Servers, id: ConnId) {
    let Some(ended) = F::table(table).end(pool, id) else {
        return;
    };
    release::<F>(table, servers, &ended);
}

fn release<F: Family>(table: &Table, servers: &Servers, ended: &Found<F::Key>) {
    let Some(server) = servers.id(ended.server) else {
        return;
    };
    if F::is_template(&ended.forward) {
        return servers.template_unbound(server);
    }
    servers.unbind(server, connection::is_active(ended.state));
    if let Some(template) = ended.template {
        F::table(table).template_leave(template);
    }
}

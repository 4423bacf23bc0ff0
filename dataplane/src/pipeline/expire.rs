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

/// Entries of the table looked at in a call, once timers were refused: a million take 40 s at a call each 10 ms.
const SWEEP: u32 = 256;

/// Where the sweep through the table goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweep {
    family: table::Family,
    start: u32,
}

impl Pipeline {
    /// Ends connections and waiting fragments whose time is up; of connections at most `budget` timers a call; returns how many timers were looked at.
    pub fn expire(&mut self, env: &mut Env<'_>, budget: usize) -> usize {
        self.expire_fragments(env);
        self.sweep(env);
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

    /// Arms a timer of a connection; false when the wheel is full.
    pub(super) fn arm<F: Family>(&mut self, id: ConnId, now: Tick, timeout_s: u32) -> bool {
        let handle = Handle { family: F::FAMILY, id };
        let armed = self.wheel.arm(handle, now.plus_seconds(timeout_s)).is_ok();
        if !armed {
            self.counters.timers_refused.add(1);
            self.sweep.get_or_insert(Sweep { family: table::Family::V4, start: 0 });
        }
        armed
    }

    /// After the wheel was full once, there may be connections without a timer: from then on the table itself is looked through, again
    /// and again, a piece at each call.
    fn sweep(&mut self, env: &Env<'_>) {
        let Some(Sweep { family, start }) = self.sweep else {
            return;
        };
        let (pool, connections, servers, now) = (&mut self.pool, env.table, env.servers, env.now.tick);
        let more = match family {
            table::Family::V4 => look_through::<V4>(pool, connections, servers, start, now),
            table::Family::V6 => look_through::<V6>(pool, connections, servers, start, now),
        };
        self.sweep = Some(match (more, family) {
            (true, _) => Sweep { family, start: start + SWEEP },
            (false, table::Family::V4) => Sweep { family: table::Family::V6, start: 0 },
            (false, table::Family::V6) => Sweep { family: table::Family::V4, start: 0 },
        });
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
        let one_more = connection::extra_timers(new) > connection::extra_timers(old);
        if one_more && !self.arm::<F>(id, env.now.tick, new.timeout_seconds()) {
            F::table(env.table).update_state(id, connection::with_fewer_timers);
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
        // Back from a state that is soon over: one of its timers is enough, and none lies further ahead than its time is up.
        if connection::extra_timers(found.state) > 0 && connection::is_established(found.state) {
            F::table(table).update_state(id, connection::with_fewer_timers);
            return None;
        }
        return Some(now.plus(left));
    }
    if end_of_time::<F>(pool, table, servers, &found) {
        return None;
    }
    Some(now.plus_seconds(TEMPLATE_EXTENSION_S))
}

/// Ends what is over among the entries from `start` on; false behind the last.
fn look_through<F: Family>(pool: &mut Pool, table: &Table, servers: &Servers, start: u32, now: Tick) -> bool {
    let family = F::table(table);
    for found in family.scan(start, SWEEP) {
        let timeout = found.state.timeout_seconds() * TICKS_PER_SECOND;
        if family.last_seen(found.id, now).is_some_and(|seen| seen.age(now) >= timeout) {
            end_of_time::<F>(pool, table, servers, &found);
        }
    }
    start.saturating_add(SWEEP) < family.watermark()
}

/// Ends a connection or template whose time is up; false for a template that still controls connections.
fn end_of_time<F: Family>(pool: &mut Pool, table: &Table, servers: &Servers, found: &Found<F::Key>) -> bool {
    if F::is_template(&found.forward) && !F::table(table).template_close_if_unused(found.id) {
        return false;
    }
    end::<F>(pool, table, servers, found.id);
    true
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

#[cfg(all(test, not(loom)))]
mod tests;

//! Clients that come back to the same server: templates (`ip_vs_sched_persist` of `ip_vs_core.c`).

use super::schedule::Choice;
use super::{Env, Pipeline};
use crate::drop_reason::DropReason;
use crate::family::Family;
use crate::packet::Flow;
use crate::servers::ServerId;
use crate::snapshot::{Persistence, Ports, Service};
use crate::table::{CreateError, KIND_TEMPLATE, New, OnReverseTaken, State};

/// Times a template may vanish or appear under our hands before the packet is dropped; each needs another worker at the same client.
const TRIES: usize = 4;

impl Pipeline {
    /// The server of the client's template, or a new choice with a new template; `Ok(None)` = no server. The template of the answer is
    /// joined.
    pub(super) fn persist<F: Family>(
        &mut self,
        env: &mut Env<'_>,
        service: &Service,
        persistence: Persistence,
        flow: &Flow<F>,
    ) -> Result<Option<Choice>, DropReason> {
        let key = template_key::<F>(service, persistence, flow);
        let table = F::table(env.table);
        for _ in 0..TRIES {
            if let Some(template) = table.find(&key) {
                let server = env.servers.id(template.server).filter(|server| template_is_valid(env, *server));
                let Some(server) = server else {
                    self.end_connection::<F>(env, template.id);
                    continue;
                };
                if table.template_join(template.id) {
                    table.stamp(template.id, env.now.tick);
                    return Ok(Some(Choice { server, template: Some(template.id) }));
                }
                continue;
            }
            let Some(server) = self.pick(env, service, flow) else {
                return Ok(None);
            };
            let new = New {
                forward: key,
                reverse: None,
                server: server.index(),
                template: None,
                state: State::new(0, 0, persistence.timeout_s),
                now: env.now.tick,
                on_reverse_taken: OnReverseTaken::Refuse,
            };
            match table.create(&mut self.pool, &new) {
                Ok(id) => {
                    env.servers.template_bound(server);
                    self.arm::<F>(id, env.now.tick, persistence.timeout_s);
                    if table.template_join(id) {
                        return Ok(Some(Choice { server, template: Some(id) }));
                    }
                }
                Err(CreateError::Full | CreateError::ProbeLimit) => return Err(DropReason::TableFull),
                Err(CreateError::Exists(_) | CreateError::Contended | CreateError::ReverseTaken) => {}
            }
        }
        Err(DropReason::TableContended)
    }
}

/// A template leads nowhere when its server was removed, or has weight 0 under `expire_quiescent_template`.
fn template_is_valid(env: &Env<'_>, server: ServerId) -> bool {
    let quiescent = env.snapshot.settings.expire_quiescent_template;
    env.snapshot.server(server).is_some_and(|server| server.weight > 0 || !quiescent)
}

/// Client and mask, no client port; the virtual port, or 0 for a service on all ports.
fn template_key<F: Family>(service: &Service, persistence: Persistence, flow: &Flow<F>) -> F::Key {
    let client = F::mask(F::source(&flow.key), persistence.prefix_len);
    let port = if service.ports == Ports::Any { 0 } else { F::ports(&flow.key).1 };
    F::key(client, F::destination(&flow.key), (0, port), F::protocol(&flow.key), KIND_TEMPLATE)
}

#[cfg(all(test, not(loom)))]
mod tests;

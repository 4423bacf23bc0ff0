//! The program and its configuration.

use headgate_api::{NodeState, Status};

use crate::admin::exposition::{Exposition, Metric, gauge};

const BUILD: Metric = gauge("headgate_build_info", "The running program and the node's name.");
const UPTIME: Metric = gauge("headgate_uptime_seconds", "Time since the start.");
const STATE: Metric = gauge("headgate_node_state", "1 for the state the node is in.");
const GENERATION: Metric = gauge("headgate_config_generation", "Number of the configuration in use.");
const RELOAD_OK: Metric =
    gauge("headgate_config_last_reload_successful", "Whether the last reload was accepted; absent before the first.");
const RELOAD_TIME: Metric = gauge(
    "headgate_config_last_reload_timestamp_seconds",
    "When the last reload was asked for, since 1970; absent before the first.",
);

const STATES: [NodeState; 3] = [NodeState::Running, NodeState::Draining, NodeState::Failed];

pub(super) fn write(out: &mut Exposition, status: &Status) {
    out.family(BUILD).sample(&[("version", &status.headgate), ("node", &status.node)], true);
    out.single(UPTIME, status.uptime_s);
    let mut family = out.family(STATE);
    for state in STATES {
        family.sample(&[("state", &state.to_string())], status.state == state);
    }
    out.single(GENERATION, status.generation);
    if let Some(reload) = &status.last_reload {
        out.single(RELOAD_OK, reload.ok);
        out.single(RELOAD_TIME, reload.unix_s);
    }
}

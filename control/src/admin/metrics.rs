//! All numbers of the node for Prometheus. Base units (seconds, bytes); counters since the start, or since `services --zero`.
//!
//! One file per part of the node, with its metrics in a table at the top.

mod dataplane;
mod node;
mod proxy;
mod services;
mod vrrp;

use super::Overview;
use super::exposition::{Exposition, Metric};

/// A number of a `T` and where it comes from.
type Number<T, V = u64> = (Metric, fn(&T) -> V);

/// The body of `/metrics`.
pub fn metrics(overview: &Overview) -> String {
    let mut out = Exposition::default();
    node::write(&mut out, &overview.status);
    dataplane::write(&mut out, &overview.status.dataplane);
    services::write(&mut out, &overview.services.services);
    vrrp::write(&mut out, &overview.vrrp);
    proxy::write(&mut out, &overview.status.proxy, &overview.upstreams.upstreams);
    out.into_text()
}

//! The proxy's sections: `[proxy]` here, the others in a file each.

pub(in crate::config) mod edits;
pub(in crate::config) mod files;
pub(in crate::config) mod listener;
pub(in crate::config) mod log;
pub(in crate::config) mod route;
pub(in crate::config) mod sticky;
pub(in crate::config) mod tls;
pub(in crate::config) mod upstream;

use std::ops::RangeInclusive;
use std::time::Duration;

pub(in crate::config) use edits::HeaderEdits;
pub(in crate::config) use files::{ErrorPages, Files};
pub(in crate::config) use listener::{Limits, Listener};
pub(in crate::config) use log::{AccessLog, LineFormat};
pub(in crate::config) use route::Route;
pub(in crate::config) use sticky::Sticky;
pub(in crate::config) use tls::{Certificate, ListenerTls, UpstreamTls};
pub(in crate::config) use upstream::{Hash, Retry, Upstream, UpstreamServer};

use super::dataplane::{Workers, workers};
use crate::config::reader::{Field, Keys, Section};

pub(in crate::config) static PROXY: Keys = Keys { supported: &["workers"], later: &[] };

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);

pub(in crate::config) struct Proxy {
    pub workers: Field<Workers>,
}

impl Proxy {
    pub fn read(section: &Section<'_, '_>) -> Self {
        Self { workers: section.field("workers", workers) }
    }
}

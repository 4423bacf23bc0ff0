//! `[dataplane]`, `[dataplane.timeouts]`, `[dataplane.ipvs]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::error::{Place, Problem};
use crate::config::model::{ReuseMode, XdpMode};
use crate::config::reader::{At, Field, Keys, Section, Value};
use crate::config::text;

pub(in crate::config) static DATAPLANE: Keys =
    Keys { supported: &["interfaces", "workers", "xdp", "connections", "busy_poll", "timeouts", "ipvs"], later: &[] };

pub(in crate::config) static TIMEOUTS: Keys = Keys { supported: &["tcp", "tcp_fin", "udp"], later: &[] };

/// The kernel's names. Those under `later` belong to SCTP, connection synchronisation, conntrack or the defence against
/// floods: known, so that an operator who brings them along hears that they have no effect, instead of "unknown key".
pub(in crate::config) static IPVS: Keys = Keys {
    supported: &[
        "expire_nodest_conn",
        "expire_quiescent_template",
        "conn_reuse_mode",
        "sloppy_tcp",
        "secure_tcp",
        "nat_icmp_send",
        "pmtu_disc",
        "schedule_icmp",
        "lblc_expiration",
        "lblcr_expiration",
    ],
    later: &[
        "am_droprate",
        "amemthresh",
        "backup_only",
        "cache_bypass",
        "conntrack",
        "drop_entry",
        "drop_packet",
        "ignore_tunneled",
        "run_estimation",
        "sloppy_sctp",
        "snat_reroute",
        "sync_persist_mode",
        "sync_ports",
        "sync_qlen_max",
        "sync_refresh_period",
        "sync_retries",
        "sync_sock_size",
        "sync_threshold",
        "sync_version",
    ],
};

/// Below, a lookup costs more than the table saves; above, the kernel's own table ends too (2^30).
const CONNECTIONS: RangeInclusive<u32> = 1024..=1 << 30;

/// More cores than any machine has; the real check is against the host.
const CORES: RangeInclusive<u16> = 0..=8191;

/// Shorter would end live connections, longer than a month (ipvsadm's limit for persistence too) only fills the table.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(31 * 24);

pub(in crate::config) struct Dataplane {
    pub place: Place,
    pub interfaces: Field<Vec<At<String>>>,
    pub workers: Field<Workers>,
    pub xdp: Field<XdpMode>,
    pub connections: Field<u32>,
    pub busy_poll: Field<bool>,
    pub timeouts: Option<Timeouts>,
    pub ipvs: Option<Ipvs>,
}

/// `None` = "auto".
pub(in crate::config) type Workers = Option<Vec<At<u16>>>;

pub(in crate::config) struct Timeouts {
    pub tcp: Field<Duration>,
    pub tcp_fin: Field<Duration>,
    pub udp: Field<Duration>,
}

pub(in crate::config) struct Ipvs {
    pub expire_nodest_conn: Field<bool>,
    pub expire_quiescent_template: Field<bool>,
    pub conn_reuse_mode: Field<ReuseMode>,
    pub sloppy_tcp: Field<bool>,
    pub secure_tcp: Field<bool>,
    pub nat_icmp_send: Field<bool>,
    pub pmtu_disc: Field<bool>,
    pub schedule_icmp: Field<bool>,
    pub lblc_expiration: Field<Duration>,
    pub lblcr_expiration: Field<Duration>,
}

impl Dataplane {
    pub fn read(section: &Section<'_, '_>) -> Self {
        let interface = |v: &Value<'_, '_>| v.parse("an interface name", text::interface);
        Self {
            place: section.place().clone(),
            interfaces: section.field("interfaces", |v| v.list("an array of interface names", interface)),
            workers: section.field("workers", workers),
            xdp: section.field("xdp", |v| v.choice(&XdpMode::WORDS)),
            connections: section.field("connections", |v| v.integer(CONNECTIONS, "connections")),
            busy_poll: section.field("busy_poll", Value::boolean),
            timeouts: section.section("timeouts", &TIMEOUTS).map(|s| Timeouts::read(&s)),
            ipvs: section.section("ipvs", &IPVS).map(|s| Ipvs::read(&s)),
        }
    }
}

impl Timeouts {
    fn read(section: &Section<'_, '_>) -> Self {
        let timeout = |key| section.field(key, |v| v.duration(TIMEOUT));
        Self { tcp: timeout("tcp"), tcp_fin: timeout("tcp_fin"), udp: timeout("udp") }
    }
}

impl Ipvs {
    fn read(section: &Section<'_, '_>) -> Self {
        let switch = |key| section.field(key, Value::switch);
        Self {
            expire_nodest_conn: switch("expire_nodest_conn"),
            expire_quiescent_template: switch("expire_quiescent_template"),
            conn_reuse_mode: section.field("conn_reuse_mode", |v| v.integer(0..=3, "").map(ReuseMode)),
            sloppy_tcp: switch("sloppy_tcp"),
            secure_tcp: section.field("secure_tcp", secure_tcp),
            nat_icmp_send: switch("nat_icmp_send"),
            pmtu_disc: switch("pmtu_disc"),
            schedule_icmp: switch("schedule_icmp"),
            lblc_expiration: section.field("lblc_expiration", expiration),
            lblcr_expiration: section.field("lblcr_expiration", expiration),
        }
    }
}

pub(super) fn workers(value: &Value<'_, '_>) -> Option<Workers> {
    if value.is_word("auto") {
        return Some(None);
    }
    let cores = value.list("\"auto\" or an array of cores such as [2, 3]", |v| v.integer(CORES, ""))?;
    Some(Some(cores))
}

/// The kernel's modes: 0 off, 3 always; 1 and 2 switch by free memory.
fn secure_tcp(value: &Value<'_, '_>) -> Option<bool> {
    if !value.is_integer() {
        return value.switch();
    }
    match value.integer::<u8>(0..=3, "")? {
        0 => Some(false),
        3 => Some(true),
        mode => value.refuse(Problem::ValueNotSupported(format!("mode {mode} (switching by free memory)"))),
    }
}

/// A duration, or the kernel's form: a number of seconds.
fn expiration(value: &Value<'_, '_>) -> Option<Duration> {
    if !value.is_integer() {
        return value.duration(TIMEOUT);
    }
    value.integer(TIMEOUT.start().as_secs()..=TIMEOUT.end().as_secs(), "seconds").map(Duration::from_secs)
}

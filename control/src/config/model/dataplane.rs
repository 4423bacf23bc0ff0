//! `[dataplane]` with its timeouts and the IPVS switches.

use std::num::NonZeroU32;
use std::time::Duration;

use super::word;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataplane {
    pub(in crate::config) interfaces: Vec<String>,
    pub(in crate::config) workers: Workers,
    pub(in crate::config) xdp: XdpMode,
    pub(in crate::config) connections: NonZeroU32,
    pub(in crate::config) busy_poll: bool,
    pub(in crate::config) timeouts: Timeouts,
    pub(in crate::config) ipvs: Ipvs,
}

impl Dataplane {
    /// Names of the devices to take packets from; each once, never empty when there are services.
    pub fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    pub fn xdp(&self) -> XdpMode {
        self.xdp
    }

    /// Most entries the connection table takes.
    pub fn connections(&self) -> NonZeroU32 {
        self.connections
    }

    /// Spin instead of sleeping when idle.
    pub fn busy_poll(&self) -> bool {
        self.busy_poll
    }

    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub fn ipvs(&self) -> Ipvs {
        self.ipvs
    }
}

impl Default for Dataplane {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            workers: Workers::Auto,
            xdp: XdpMode::Auto,
            connections: NonZeroU32::MIN.saturating_add(999_999),
            busy_poll: false,
            timeouts: Timeouts::default(),
            ipvs: Ipvs::default(),
        }
    }
}

/// Which cores carry a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workers {
    Auto,
    /// Never empty; each core once, in the order of the file.
    Cores(Vec<u16>),
}

/// What to ask of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpMode {
    /// The fastest that works.
    Auto,
    Zerocopy,
    Native,
    Generic,
}

impl XdpMode {
    pub(in crate::config) const WORDS: [(&'static str, Option<Self>); 4] = [
        ("auto", Some(Self::Auto)),
        ("zerocopy", Some(Self::Zerocopy)),
        ("native", Some(Self::Native)),
        ("generic", Some(Self::Generic)),
    ];

    /// As in the file.
    pub fn word(self) -> &'static str {
        word(&Self::WORDS, self)
    }
}

/// What `ipvsadm --set` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub(in crate::config) tcp: Duration,
    pub(in crate::config) tcp_fin: Duration,
    pub(in crate::config) udp: Duration,
}

impl Timeouts {
    /// Of an established TCP connection.
    pub fn tcp(self) -> Duration {
        self.tcp
    }

    /// Of a TCP connection after the server's FIN.
    pub fn tcp_fin(self) -> Duration {
        self.tcp_fin
    }

    pub fn udp(self) -> Duration {
        self.udp
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { tcp: Duration::from_mins(15), tcp_fin: Duration::from_mins(2), udp: Duration::from_mins(5) }
    }
}

/// The IPVS sysctls that concern this layer, with the kernel's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipvs {
    pub(in crate::config) expire_nodest_conn: bool,
    pub(in crate::config) expire_quiescent_template: bool,
    pub(in crate::config) conn_reuse_mode: ReuseMode,
    pub(in crate::config) sloppy_tcp: bool,
    pub(in crate::config) secure_tcp: bool,
    pub(in crate::config) nat_icmp_send: bool,
    pub(in crate::config) pmtu_disc: bool,
    pub(in crate::config) schedule_icmp: bool,
    pub(in crate::config) lblc_expiration: Duration,
    pub(in crate::config) lblcr_expiration: Duration,
}

impl Ipvs {
    /// Connections of a removed server end at their next packet instead of waiting for it to come back.
    pub fn expire_nodest_conn(self) -> bool {
        self.expire_nodest_conn
    }

    /// A template whose server has weight 0 is no longer followed.
    pub fn expire_quiescent_template(self) -> bool {
        self.expire_quiescent_template
    }

    pub fn conn_reuse_mode(self) -> ReuseMode {
        self.conn_reuse_mode
    }

    /// Any TCP segment without RST may start a connection.
    pub fn sloppy_tcp(self) -> bool {
        self.sloppy_tcp
    }

    /// The stricter TCP state table is in use always (the kernel's mode 3).
    pub fn secure_tcp(self) -> bool {
        self.secure_tcp
    }

    /// A NAT server's packet without a connection is answered with port unreachable.
    pub fn nat_icmp_send(self) -> bool {
        self.nat_icmp_send
    }

    /// Tunnel packets carry the DF of what they hold.
    pub fn pmtu_disc(self) -> bool {
        self.pmtu_disc
    }

    /// An ICMP error without a connection makes one.
    pub fn schedule_icmp(self) -> bool {
        self.schedule_icmp
    }

    pub fn lblc_expiration(self) -> Duration {
        self.lblc_expiration
    }

    pub fn lblcr_expiration(self) -> Duration {
        self.lblcr_expiration
    }
}

impl Default for Ipvs {
    fn default() -> Self {
        Self {
            expire_nodest_conn: false,
            expire_quiescent_template: false,
            conn_reuse_mode: ReuseMode(1),
            sloppy_tcp: false,
            secure_tcp: false,
            nat_icmp_send: false,
            pmtu_disc: true,
            schedule_icmp: false,
            lblc_expiration: Duration::from_hours(24),
            lblcr_expiration: Duration::from_hours(24),
        }
    }
}

/// The two bits of `conn_reuse_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReuseMode(pub(in crate::config) u8);

impl ReuseMode {
    /// The kernel's number, 0 to 3.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// A SYN that meets a connection in TIME_WAIT or CLOSE is scheduled anew. The kernel does so whenever the mode is not 0.
    pub fn reschedules(self) -> bool {
        self.0 != 0
    }

    /// FIN_WAIT counts too where replies are not seen.
    pub fn in_fin_wait(self) -> bool {
        self.0 & 2 != 0
    }
}

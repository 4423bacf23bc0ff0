//! What a virtual router is and does.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::router::Micros;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started, or stopped.
    Init,
    Backup,
    Master,
    /// Something that is tracked has failed: no part in elections.
    Fault,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Backup => "backup",
            Self::Master => "master",
            Self::Fault => "fault",
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To the group or to each peer. Priority 0 says that the master leaves.
    SendAdvert {
        priority: u8,
    },
    /// Whether this node is to hold the addresses.
    Hold(bool),
    /// Gratuitous ARP or unsolicited neighbour advertisements for all addresses.
    Announce,
    /// The timer of a member of a sync group has run out: the group decides.
    WantsMaster,
    Became {
        from: State,
        to: State,
        cause: Cause,
    },
}

/// Why a state changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    Started,
    Stopped,
    /// Priority 255.
    Owner,
    /// So many microseconds without an advert.
    Silence(Micros),
    /// The master has said that it leaves.
    MasterLeft(Option<IpAddr>),
    Preempted {
        by: IpAddr,
        priority: u8,
    },
    Fault(Arc<str>),
    FaultOver,
    Group(Arc<str>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Stopped => f.write_str("stopped"),
            Self::Owner => f.write_str("owner of the addresses"),
            Self::Silence(micros) => write!(f, "no advert for {}.{:03} ms", micros / 1000, micros % 1000),
            Self::MasterLeft(Some(master)) => write!(f, "{master} left"),
            Self::MasterLeft(None) => f.write_str("the master left"),
            Self::Preempted { by, priority } => write!(f, "{by} has priority {priority}"),
            Self::Fault(what) => f.write_str(what),
            Self::FaultOver => f.write_str("fault over"),
            Self::Group(name) => write!(f, "sync group {name}"),
        }
    }
}

/// What an advert has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    RestartMasterDown,
    /// The master leaves.
    SkewTimer,
    /// Of lower priority, to be preempted: it does not count.
    KeepTimer,
    SendAdvert,
    SendAdvertAndAnnounce,
    BecomeBackup,
    None,
}

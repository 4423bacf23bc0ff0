//! What is behind the rings of a port.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::abi::{XDP_STATISTICS, XdpStatistics};
use crate::memory::Link;
use crate::sys;

/// The other side of the rings.
#[derive(Debug)]
pub(crate) enum Kernel {
    Socket(Arc<OwnedFd>),
    Memory(Arc<Link>),
}

impl Kernel {
    #[inline]
    pub(crate) fn kick(&self) -> io::Result<()> {
        match self {
            Self::Socket(fd) => sys::kick(fd.as_fd()),
            Self::Memory(link) => link.kick(),
        }
    }

    #[inline]
    pub(crate) fn wake(&self) -> io::Result<()> {
        match self {
            Self::Socket(fd) => sys::wake(fd.as_fd()),
            Self::Memory(_) => Ok(()),
        }
    }

    pub(crate) fn statistics(&self) -> io::Result<XdpStatistics> {
        match self {
            Self::Socket(fd) => sys::option(fd.as_fd(), crate::abi::SOL_XDP, XDP_STATISTICS),
            Self::Memory(_) => Ok(XdpStatistics::default()),
        }
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Socket(fd) => Some(fd.as_fd()),
            Self::Memory(_) => None,
        }
    }

    /// After this the other side touches no chunk of the rings any more.
    pub(crate) fn close(self) {
        match self {
            Self::Socket(fd) => drop(fd),
            Self::Memory(link) => link.close(),
        }
    }
}

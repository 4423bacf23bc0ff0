//! Why a command ends without its result, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use super::output;
use crate::socket::ClientError;

/// "Configuration error" of sysexits.h.
pub(super) const BAD_CONFIGURATION: u8 = 78;
const FAILED: u8 = 1;
const USAGE_OR_NO_DAEMON: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The daemon's own words.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(&'static str),
    /// Every problem has been printed.
    #[error("{0}")]
    BadConfiguration(String),
    #[error(transparent)]
    Daemon(#[from] ClientError),
    #[error("the daemon gave an answer to another question (another version of Headgate?)")]
    OtherAnswer,
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Tells the user, and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        let code = self.code();
        if code != 0 {
            output::complain(&format!("headgate: {self}"));
        }
        ExitCode::from(code)
    }

    fn code(&self) -> u8 {
        match self {
            // The reader, `head` for example, has seen enough.
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::BadConfiguration(_) => BAD_CONFIGURATION,
            Self::Usage(_) | Self::Daemon(ClientError::NoDaemon(_)) => USAGE_OR_NO_DAEMON,
            Self::Refused(_) | Self::Failed(_) | Self::Daemon(_) | Self::OtherAnswer | Self::Output(_) => FAILED,
        }
    }
}

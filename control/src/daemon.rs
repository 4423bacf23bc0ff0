//! The running daemon.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, Environment, LoadError};
use crate::logging;

/// What `headgate run` was told.
#[derive(Debug, Clone)]
pub struct Options {
    pub config: PathBuf,
    /// Instead of `control.socket`.
    pub socket: Option<PathBuf>,
    /// How long connections may go on after the order to stop.
    pub drain: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Configuration(#[from] LoadError),
    #[error("{0:#}")]
    Start(#[from] anyhow::Error),
}

/// Runs until it is told to stop.
pub fn run(options: &Options) -> Result<(), RunError> {
    let loaded = config::load(&options.config, &Environment::detect())?;
    logging::init(loaded.model.control().log()).map_err(anyhow::Error::from)?;
    Err(anyhow::anyhow!("this build has no data plane").into())
}

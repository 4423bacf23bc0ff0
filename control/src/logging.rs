//! Logs to standard error. The environment variable `RUST_LOG` overrides the level of the configuration.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::model::{Log, LogFormat, LogLevel};

/// Changes the level while the program runs.
#[derive(Debug, Clone)]
pub struct LogControl(reload::Handle<EnvFilter, Registry>);

impl LogControl {
    /// Does nothing when `RUST_LOG` is set.
    pub fn set_level(&self, level: LogLevel) {
        // It fails only when the subscriber is gone, and with it all logging.
        let _ = self.0.reload(filter(level));
    }
}

/// Starts logging for the whole process; an error if it has been started before.
pub fn init(log: Log) -> Result<LogControl, TryInitError> {
    let (filter, handle) = reload::Layer::new(filter(log.level()));
    let output = match log.format() {
        LogFormat::Json => fmt::layer().json().with_writer(std::io::stderr).boxed(),
        LogFormat::Text => fmt::layer().with_ansi(colours()).with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(output).try_init()?;
    Ok(LogControl(handle))
}

/// An invalid `RUST_LOG` counts as absent.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.word()))
}

fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

use std::net::SocketAddr;
use std::time::Duration;

use super::Passed;
use crate::health::check::Exec;
use crate::program::status;

/// Statuses below this have another meaning than a weight.
const WEIGHTS: u32 = 2;

pub async fn ask(target: SocketAddr, exec: &Exec, timeout: Duration) -> Result<Passed, String> {
    let environment = [("HEADGATE_ADDRESS", target.ip().to_string()), ("HEADGATE_PORT", target.port().to_string())];
    let status = status(&exec.command, &[], &environment, timeout).await?;
    match status.code().and_then(|code| u32::try_from(code).ok()) {
        Some(0) => Ok(Passed::default()),
        Some(code) if exec.dynamic_weight && code >= WEIGHTS => Ok(Passed { weight: Some(code - WEIGHTS) }),
        _ => Err(status.to_string()),
    }
}

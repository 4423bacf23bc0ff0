//! The cases, and what wrk says of them.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// 128 bytes, 64 connections.
    S64,
    /// 128 bytes, 512 connections.
    S512,
    /// 10 kB, 64 connections.
    K64,
    /// 128 bytes, 64 clients with a new connection for each request.
    Close64,
    /// 64 KiB to the server, 32 connections.
    Post32,
    /// 256 kB, 32 connections.
    Large32,
    /// 1 MB, 16 connections.
    Huge16,
    /// 10 kB over TLS 1.3, 64 connections.
    Tls64,
    /// A full TLS handshake for each request, 32 clients.
    Handshake32,
}

impl Case {
    /// What nginx's processor time per request is to be, divided by ours.
    pub fn goal(self) -> Option<f64> {
        match self {
            Self::S64 => Some(1.4),
            Self::S512 | Self::Tls64 => Some(1.5),
            Self::K64 | Self::Close64 => Some(1.3),
            Self::Post32 => Some(1.1),
            Self::Large32 => None,
            Self::Huge16 => Some(2.0),
            Self::Handshake32 => Some(1.6),
        }
    }

    pub fn connections(self) -> usize {
        match self {
            Self::S512 => 512,
            Self::S64 | Self::K64 | Self::Close64 | Self::Tls64 => 64,
            Self::Post32 | Self::Large32 | Self::Handshake32 => 32,
            Self::Huge16 => 16,
        }
    }

    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls64 | Self::Handshake32)
    }

    /// Bytes of a response.
    pub fn size(self) -> usize {
        match self {
            Self::S64 | Self::S512 | Self::Close64 | Self::Post32 | Self::Handshake32 => 128,
            Self::K64 | Self::Tls64 => 10_000,
            Self::Large32 => 256_000,
            Self::Huge16 => 1_000_000,
        }
    }

    /// Whether peers gain by splicing, or by waiting for the first bytes of a connection.
    pub fn is_download(self) -> bool {
        matches!(self, Self::Large32 | Self::Huge16)
    }

    /// For wrk, in Lua.
    pub fn script(self) -> &'static str {
        match self {
            Self::Post32 => "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", 65536)\n",
            Self::Close64 | Self::Handshake32 => "wrk.headers[\"Connection\"] = \"close\"\n",
            _ => "",
        }
    }
}

/// One candidate in one pair.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measured {
    /// Of processor time per request.
    pub microseconds: f64,
    /// Of the latency, in microseconds, under a load as high as it goes.
    pub p99: f64,
    pub requests: u64,
}

/// Requests and the 99th percentile of the latency in microseconds, from what wrk prints.
///
/// # Errors
/// When anything went wrong, as then the figures mean nothing.
pub fn parse(output: &str) -> Result<(u64, f64)> {
    ensure!(!output.contains("Non-2xx") && !output.contains("Socket errors"), "requests failed:\n{output}");
    let p99 = output.lines().find_map(|line| line.trim().strip_prefix("99%")).context("wrk gives no latency")?;
    let requests =
        output.lines().find_map(|line| line.trim().split_once(" requests in ")).context("wrk gives no count")?;
    let requests = requests.0.parse().context("the count of wrk")?;
    ensure!(requests > 0, "no requests:\n{output}");
    Ok((requests, microseconds(p99.trim())?))
}

fn microseconds(text: &str) -> Result<f64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().with_context(|| format!("latency {text:?}"))?;
    Ok(number
        * match unit {
            "us" => 1.0,
            "ms" => 1e3,
            _ => 1e6,
        })
}

#[cfg(test)]
mod tests;

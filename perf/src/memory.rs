//! How much memory a connection takes.

use std::fmt;

use anyhow::Result;
use headgate_dataplane::table::{Capacity, ConnId, Family, Table, Tick};
use headgate_dataplane::wheel::{Handle, Wheel};
use serde::Serialize;

/// The most bytes an IPv4 connection over NAT may take.
pub const GOAL: f64 = 128.0;

/// Bytes of one IPv4 connection over NAT at the configured maximum.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Footprint {
    pub table: f64,
    pub timer: f64,
}

impl Footprint {
    /// From the layout of a table and a wheel for a million connections.
    ///
    /// # Errors
    /// Never, unless the table refuses that size.
    pub fn measure() -> Result<Self> {
        const CONNECTIONS: u32 = 1_000_000;
        let words = |v4| Table::words_needed(&Capacity { v4, v6: 0 });
        let table = (words(CONNECTIONS)? - words(0)?) * size_of::<u64>();
        let mut wheel = Wheel::new(CONNECTIONS as usize, Tick::new(0));
        for index in 0..CONNECTIONS {
            let handle = Handle { family: Family::V4, id: ConnId { index, generation: 0 } };
            // Deadlines spread over a quarter of an hour, as those of established connections.
            wheel.arm(handle, Tick::new(1 + index % 7200))?;
        }
        let per_connection = |bytes: usize| bytes as f64 / f64::from(CONNECTIONS);
        Ok(Self { table: per_connection(table), timer: per_connection(wheel.bytes()) })
    }

    pub fn total(self) -> f64 {
        self.table + self.timer
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, Self { table, timer }) = (self.total(), self);
        write!(f, "bytes per IPv4 NAT connection: table {table:.1} + timer {timer:.1} = {total:.1} (goal {GOAL:.0})")
    }
}

#[cfg(test)]
mod tests;

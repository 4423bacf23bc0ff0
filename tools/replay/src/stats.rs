//! Traffic counters as `ipvsadm -Ln --stats --exact` prints them.

use anyhow::{Result, ensure};
use headgate_dataplane::counters::TrafficTotals;

use crate::director::Director;

/// The counters of all servers, by number.
pub fn reading(director: &Director) -> Vec<TrafficTotals> {
    (0..director.servers.capacity())
        .map_while(|index| director.servers.id(index))
        .map(|id| TrafficTotals::of([&*director.counters], id))
        .collect()
}

/// Compares the lines of servers in `text` with what was counted since `base`. A service's own line is the sum of its servers.
///
/// # Errors
/// When they differ.
pub fn compare(text: &str, director: &Director, base: &[TrafficTotals]) -> Result<()> {
    let expected: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("->"))
        .map(|line| line.split_whitespace().skip(1).collect())
        .filter(|words: &Vec<_>| words.len() > 1)
        .collect();
    let counters = reading(director);
    let mut got = Vec::new();
    for service in &director.configuration.services {
        for member in service.pool.members() {
            let index = member.id.index() as usize;
            let now = counters[index].since(base.get(index).copied().unwrap_or_default());
            let address = std::net::SocketAddr::new(member.address, member.port).to_string();
            let numbers = [now.connections, now.packets_in, now.packets_out, now.bytes_in, now.bytes_out];
            got.push(std::iter::once(address).chain(numbers.map(|number| number.to_string())).collect::<Vec<_>>());
        }
    }
    let same = expected.len() == got.len() && expected.iter().all(|line| got.iter().any(|other| other == line));
    ensure!(same, "expected {expected:?}, got {got:?}");
    Ok(())
}

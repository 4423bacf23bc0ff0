//! Vectors and consequences from the IPVS rules; `tests/sched_replay` compares with recordings of the kernel.

mod concurrent;
mod hashing;
mod least;
mod names;
mod round;

use std::net::IpAddr;

use headgate_xsk::SharedWords;

use super::*;
use crate::servers::{Identity, ServerId, Servers, ServiceKey};

/// A service with its servers, named by letters in list order ("walk order"): A is the head of the list.
struct Service {
    servers: Servers,
    pool: Pool,
    ids: Vec<ServerId>,
}

impl Service {
    /// Servers 10.0.0.1, 10.0.0.2 ... port 80 with these weights, in walk order: the last one is added first.
    fn new(scheduler: Scheduler, flags: Flags, weights: &[u32]) -> Self {
        let addressed: Vec<_> =
            (1..).zip(weights).map(|(last, weight)| (ip(&format!("10.0.0.{last}")), *weight)).collect();
        Self::with(scheduler, flags, 80, &addressed)
    }

    fn with(scheduler: Scheduler, flags: Flags, port: u16, walk_order: &[(IpAddr, u32)]) -> Self {
        let words = SharedWords::new(c"servers", Servers::words_needed(64), false).unwrap();
        let servers = Servers::new(words).unwrap();
        let mut pool = Pool::new(scheduler, flags, Settings::default());
        let mut ids = Vec::new();
        for (address, weight) in walk_order.iter().rev() {
            let service = ServiceKey::Address(ip("10.0.0.100"), 80);
            let id = servers.assign(&Identity { protocol: 6, service, address: *address, port }).unwrap();
            pool.add(Member::new(id, *address, port, *weight));
            ids.insert(0, id);
        }
        Self { servers, pool, ids }
    }

    /// The id of server `letter`.
    fn id(&self, letter: char) -> ServerId {
        self.ids[letter as usize - 'A' as usize]
    }

    fn set_load(&self, letter: char, active: u32, inactive: u32) {
        (0..active).for_each(|_| self.servers.bind(self.id(letter), true));
        (0..inactive).for_each(|_| self.servers.bind(self.id(letter), false));
    }

    /// Sets the OVERLOAD flag without leaving a connection.
    fn overload(&self, letter: char) {
        self.servers.bind(self.id(letter), false);
        self.servers.set_thresholds(self.id(letter), 1, 0);
    }

    fn relieve(&self, letter: char) {
        self.servers.unbind(self.id(letter), false);
        self.servers.set_thresholds(self.id(letter), 0, 0);
    }

    /// The letter picked, `-` for none.
    fn pick(&self, request: &Request) -> char {
        let letter = |id| (b'A'..).zip(&self.ids).find(|(_, known)| **known == id).unwrap().0.into();
        self.pool.pick(&self.servers, request).map_or('-', |member| letter(member.id))
    }

    fn pick_any(&self) -> char {
        self.pick(&from("192.0.2.1", 1024))
    }

    fn picks(&self, count: usize) -> String {
        (0..count).map(|_| self.pick_any()).collect()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn from(client: &str, client_port: u16) -> Request {
    let destination = ip("10.0.0.100");
    Request { client: ip(client), client_port, destination, protocol: 6, now_seconds: 0, random: 0 }
}

fn to(destination: &str, now_seconds: u64) -> Request {
    Request { destination: ip(destination), now_seconds, ..from("192.0.2.1", 1024) }
}

const PLAIN: Flags = Flags { fallback: false, port: false };
const PORT: Flags = Flags { fallback: false, port: true };
const FALLBACK: Flags = Flags { fallback: true, port: false };

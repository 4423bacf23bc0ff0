//! Two to five routers on a virtual wire and a virtual clock. The wire loses, delays and is cut into two for a while; after it has healed there is
//! exactly one master, and never two for longer than the protocol allows. `HEADGATE_SEED` plays one run again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use headgate_vrrp::datagram::Datagram;
use headgate_vrrp::hmac::Marks;
use headgate_vrrp::message::{Advert, Ends, Password};
use headgate_vrrp::receive::{Here, receive};
use headgate_vrrp::router::{Coverage, Family, Micros, Router, SECOND, Version};
use headgate_vrrp::{Action, Machine, State};

const RUNS: u64 = 400;

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

struct Station {
    machine: Machine,
    address: IpAddr,
}

struct World {
    stations: Vec<Station>,
    random: Random,
    now: Micros,
    /// When, a number against ties, and: to whom, from whom, what.
    flying: BTreeMap<(Micros, u64), (usize, usize, Vec<u8>)>,
    sent: u64,
    /// Of a thousand.
    loss: u64,
    longest_delay: Micros,
    /// Those below cannot reach those from it on.
    cut: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let count = 2 + random.below(4);
        let interval = [SECOND / 100, SECOND / 10, SECOND][random.below(3) as usize];
        let version = if interval == SECOND && random.below(2) == 0 { Version::V2 } else { Version::V3 };
        // Equal priorities are decided by the address.
        let same = random.below(4) == 0;
        let station = |index: u64, random: &mut Random| {
            let addresses = vec![IpAddr::from([10, 0, 0, 100])];
            let router = Router {
                version,
                priority: if same { 100 } else { 1 + random.below(254) as u8 },
                interval,
                preempt: random.below(3) > 0,
                preempt_delay: if random.below(4) == 0 { interval * 5 } else { 0 },
                ..Router::new("VI_1", "eth0", 51, addresses)
            };
            Station {
                machine: Machine::new(Arc::new(router), false),
                address: IpAddr::from([10, 0, 0, index as u8 + 1]),
            }
        };
        let stations = (0..count).map(|index| station(index, &mut random)).collect();
        let (flying, longest_delay) = (BTreeMap::new(), interval / 10);
        Self { stations, random, now: 0, flying, sent: 0, loss: 0, longest_delay, cut: 0 }
    }

    fn interval(&self) -> Micros {
        self.stations[0].machine.router().interval
    }

    fn masters(&self) -> usize {
        self.stations.iter().filter(|station| station.machine.state() == State::Master).count()
    }

    fn start(&mut self, index: usize) {
        let mut out = Vec::new();
        self.stations[index].machine.start(self.now, &mut out);
        self.carry_out(index, &out);
    }

    /// Until a time; the longest while with more than one master.
    fn run(&mut self, end: Micros) -> Micros {
        let (mut longest, mut since) = (0, None);
        loop {
            let timer = self.stations.iter().filter_map(|station| station.machine.next_deadline()).min();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let Some(next) = timer.into_iter().chain(arrival).min().filter(|at| *at < end) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.arrive();
            } else {
                for index in 0..self.stations.len() {
                    let mut out = Vec::new();
                    self.stations[index].machine.on_timer(self.now, &mut out);
                    self.carry_out(index, &out);
                }
            }
            if self.masters() > 1 {
                longest = longest.max(self.now - *since.get_or_insert(self.now));
            } else {
                since = None;
            }
        }
        self.now = end;
        longest.max(since.map_or(0, |since| end - since))
    }

    fn arrive(&mut self) {
        let Some((_, (to, from, bytes))) = self.flying.pop_first() else { return };
        let (source, station) = (self.stations[from].address, &mut self.stations[to]);
        let datagram = Datagram { source, destination: Family::V4.group(), ttl: 255, message: &bytes };
        let running = matches!(station.machine.state(), State::Backup | State::Master);
        let here = Here { running, addresses: &[station.address], now_unix: 0 };
        let router = Arc::clone(station.machine.router());
        let Ok(received) = receive(&router, here, &mut Marks::default(), &datagram) else { return };
        let mut out = Vec::new();
        station.machine.on_advert(self.now, &received, Some(station.address), &mut out);
        self.carry_out(to, &out);
    }

    fn carry_out(&mut self, from: usize, actions: &[Action]) {
        for action in actions {
            let Action::SendAdvert { priority } = action else { continue };
            let router = self.stations[from].machine.router();
            let advert = Advert {
                id: router.id,
                priority: *priority,
                interval: router.interval,
                addresses: router.addresses.clone(),
            };
            let ends = Ends { source: self.stations[from].address, destination: Family::V4.group() };
            let bytes = match router.version {
                Version::V2 => advert.encode_v2(Password(None)),
                Version::V3 => advert.encode_v3(ends, Coverage::PseudoHeader),
            };
            for to in (0..self.stations.len()).filter(|to| *to != from) {
                let parted = (from < self.cut) != (to < self.cut);
                if parted || self.random.below(1000) < self.loss {
                    continue;
                }
                self.sent += 1;
                let at = self.now + 1 + self.random.below(self.longest_delay);
                self.flying.insert((at, self.sent), (to, from, bytes.clone()));
            }
        }
    }
}

#[test]
fn there_is_one_master_whatever_the_wire_has_done() {
    let one = std::env::var("HEADGATE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let seeds = one.map_or(0..RUNS, |seed| seed..seed + 1);
    for seed in seeds {
        let mut world = World::new(seed);
        let interval = world.interval();
        for index in 0..world.stations.len() {
            world.run(world.now + world.random.0 % interval);
            world.start(index);
        }
        for _ in 0..3 {
            // Some bad time, of loss or of a cut, and some stations that stop and come back.
            world.loss = world.random.below(700);
            world.cut = world.random.below(world.stations.len() as u64) as usize;
            world.run(world.now + 20 * interval);
            let (index, mut out) = (world.random.below(world.stations.len() as u64) as usize, Vec::new());
            world.stations[index].machine.stop(&mut out);
            world.carry_out(index, &out);
            world.run(world.now + 10 * interval);
            world.start(index);
            (world.loss, world.cut) = (0, 0);
            // What flies may be of before; then all masters hear each other within an interval.
            world.run(world.now + 2 * interval + world.longest_delay);
            let together = world.run(world.now + 20 * interval);
            assert!(
                together <= interval + world.longest_delay,
                "seed {seed}: two masters for {together} µs of {interval}"
            );
            assert_eq!(world.masters(), 1, "seed {seed}");
            let quiet = world.run(world.now + 20 * interval);
            assert_eq!((quiet, world.masters()), (0, 1), "seed {seed}: not at rest");
        }
    }
}

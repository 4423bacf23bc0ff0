//! A process is killed at any instruction while it works on the table: what it leaves is sound as it lies, and tidy after a rebuild.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use headgate_dataplane::table::{
    Capacity, KIND_CONNECTION, Key4, New, OnReverseTaken, Pool, Seeds, State, Table, Tick,
};
use headgate_xsk::SharedWords;

/// Where the child finds the parent's memfd.
const PATH: &str = "HEADGATE_TEST_TABLE";
const CAPACITY: Capacity = Capacity { v4: 200_000, v6: 0 };
const KILLS: u32 = 200;
const KEYS: u64 = 500;

fn connection(client: u32, server: u32) -> New<Key4> {
    New {
        forward: Key4::new(client, 1, 1000, 80, 6, KIND_CONNECTION),
        reverse: Some(Key4::new(1000 + server, client, 8080, 1000, 6, KIND_CONNECTION)),
        server,
        template: None,
        state: State::new(1, 0, 60),
        now: Tick::new(1),
        on_reverse_taken: OnReverseTaken::Take,
    }
}

/// xorshift64.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn churn(table: &Table, seed: u64, until: Instant) {
    let (mut pool, mut random) = (Pool::new(table), seed | 1);
    while Instant::now() < until {
        let new = connection((next(&mut random) % KEYS) as u32, (next(&mut random) % 3) as u32);
        if let Err(headgate_dataplane::table::CreateError::Exists(id)) = table.v4().create(&mut pool, &new) {
            table.v4().end(&mut pool, id);
        }
    }
}

/// Not a test of its own: the process that gets killed. Without the parent there is nothing to do.
#[test]
fn child_of_the_kill_test() {
    let Ok(path) = std::env::var(PATH) else { return };
    let memory = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let table = Table::attach(SharedWords::attach(memory.into()).unwrap()).unwrap();
    println!("child churns");
    let until = Instant::now() + Duration::from_secs(10); // for a parent that died
    std::thread::scope(|scope| {
        scope.spawn(|| churn(&table, 11, until));
        scope.spawn(|| churn(&table, 22, until));
    });
}

#[test]
fn a_killed_process_leaves_a_sound_table() {
    let words = SharedWords::new(c"headgate-kill-test", Table::words_needed(&CAPACITY).unwrap(), false).unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), words.as_fd().as_raw_fd());
    let table = Table::create(words, CAPACITY, Seeds([3, 5, 7, 11])).unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut unfinished = 0;
    for kill in 1..=KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_of_the_kill_test", "--nocapture"])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert!(output.lines().map_while(Result::ok).any(|line| line.contains("child churns")), "the child began");
        let moment = Instant::now() + Duration::from_micros(next(&mut random) % 3000);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let report = table.v4().audit();
        assert_eq!(report.violations, [], "as it lies after kill {kill}");
        unfinished += report.unfinished;
        if kill % 20 == 0 {
            let live = report.live;
            table.rebuild(Tick::new(2));
            let report = table.v4().audit();
            assert_eq!(report.violations, [], "rebuilt after kill {kill}");
            assert_eq!((report.unfinished, report.stale_slots, report.two_owners, report.excess_counts), (0, 0, 0, 0));
            assert_eq!(report.live, live, "a rebuild loses no live connection");
        }
    }
    println!("{KILLS} kills left {unfinished} half-made entries");
}

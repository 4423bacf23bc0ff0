use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn handle(n: u32) -> Handle {
    let family = if n.is_multiple_of(2) { Family::V4 } else { Family::V6 };
    Handle { family, id: ConnId { index: n, generation: n.wrapping_mul(3) & ((1 << 30) - 1) } }
}

fn collect(wheel: &mut Wheel, now: Tick) -> Vec<u32> {
    let mut fired = Vec::new();
    wheel.advance(now, usize::MAX, |handle| {
        fired.push(handle.id.index);
        None
    });
    fired.sort_unstable();
    fired
}

#[test]
fn a_handle_keeps_all_its_bits() {
    for family in [Family::V4, Family::V6] {
        let widest = Handle { family, id: ConnId { index: (1 << 31) - 1, generation: (1 << 30) - 1 } };
        assert_eq!(Handle::unpack(widest.pack()), widest);
        let least = Handle { family, id: ConnId { index: 0, generation: 0 } };
        assert_eq!(Handle::unpack(least.pack()), least);
    }
}

#[test]
fn a_timer_fires_at_its_deadline_and_not_a_tick_before() {
    for (start, ahead) in
        [(0, 1), (0, SLOTS as u32), (0, SLOTS as u32 * 3 + 5), ((1 << 24) - 3, 10), (77, (1 << 23) - 1)]
    {
        let start = Tick::new(start);
        let mut wheel = Wheel::new(4, start);
        wheel.arm(handle(1), start.plus(ahead)).unwrap();
        assert_eq!(collect(&mut wheel, start.plus(ahead - 1)), []);
        assert_eq!(collect(&mut wheel, start.plus(ahead)), [1], "from {start:?}, {ahead} ticks ahead");
        assert!(wheel.is_empty());
    }
}

#[test]
fn a_deadline_that_is_over_fires_with_the_next_tick() {
    let now = Tick::new(1000);
    let mut wheel = Wheel::new(4, now);
    wheel.arm(handle(1), now).unwrap();
    wheel.arm(handle(2), Tick::new(900)).unwrap();
    assert_eq!(collect(&mut wheel, now), []);
    assert_eq!(collect(&mut wheel, now.plus(1)), [1, 2]);
}

#[test]
fn rearming_to_the_past_within_a_callback_ends() {
    let mut wheel = Wheel::new(4, Tick::new(0));
    wheel.arm(handle(1), Tick::new(5)).unwrap();
    let mut asked = 0;
    let fired = wheel.advance(Tick::new(5), usize::MAX, |_| {
        asked += 1;
        Some(Tick::new(5))
    });
    assert_eq!((fired, asked, wheel.len()), (1, 1, 1));
    assert_eq!(collect(&mut wheel, Tick::new(6)), [1]);
}

#[test]
fn the_budget_bounds_a_call_and_loses_nothing() {
    let mut wheel = Wheel::new(1000, Tick::new(0));
    for n in 0..1000 {
        wheel.arm(handle(n), Tick::new(10 + n % 3)).unwrap();
    }
    let now = Tick::new(12);
    let mut fired = 0;
    for _ in 0..10 {
        assert!(wheel.is_behind(now));
        fired += wheel.advance(now, 100, |_| None);
    }
    assert_eq!((fired, wheel.len()), (1000, 0));
    assert!(!wheel.is_behind(now));
}

#[test]
fn a_full_wheel_refuses_and_never_grows_its_memory() {
    let mut wheel = Wheel::new(25_000, Tick::new(0));
    let reserved = wheel.chunks.capacity();
    for n in 0..25_000 {
        wheel.arm(handle(n), Tick::new(1 + n * 7919 % 20_000)).unwrap();
    }
    assert_eq!(wheel.arm(handle(0), Tick::new(1)), Err(WheelFull { capacity: 25_000 }));
    let mut now = Tick::new(0);
    for round in 0..40_000u32 {
        now = now.plus(1);
        wheel.advance(now, 5, |handle| Some(now.plus(handle.id.index.wrapping_mul(round) % 30_000)));
    }
    assert_eq!(wheel.len(), 25_000);
    assert_eq!(wheel.chunks.capacity(), reserved);
}

#[test]
fn a_long_pause_fires_everything_due_once() {
    let mut wheel = Wheel::new(100, Tick::new(0));
    for n in 0..100 {
        wheel.arm(handle(n), Tick::new(1 + n * 1000)).unwrap();
    }
    assert_eq!(collect(&mut wheel, Tick::new(50_000)), (0..50).collect::<Vec<_>>());
    assert_eq!(collect(&mut wheel, Tick::new(50_001)), [50]);
    assert_eq!(wheel.len(), 49);
}

proptest! {
    /// Against a sorted map: every timer fires, with deadline <= now, at the first advance that reaches it (the next tick for
    /// deadlines already over).
    #[test]
    fn it_fires_like_a_sorted_map(
        start in 0u32..1 << 24,
        steps in proptest::collection::vec((1u32..20_000, proptest::collection::vec((-50i32..60_000, any::<bool>()), 0..12)), 1..40),
    ) {
        let mut now = Tick::new(start);
        let mut wheel = Wheel::new(4000, now);
        let mut model: BTreeMap<u32, i64> = BTreeMap::new();
        let mut clock = 0i64;
        let mut next = 0;
        for (forward, timers) in steps {
            for (ahead, _) in timers {
                wheel.arm(handle(next), Tick::new(now.get().wrapping_add_signed(ahead))).unwrap();
                model.insert(next, clock + i64::from(ahead).max(1));
                next += 1;
            }
            now = now.plus(forward);
            clock += i64::from(forward);
            let due: Vec<u32> = model.iter().filter(|(_, at)| **at <= clock).map(|(n, _)| *n).collect();
            prop_assert_eq!(collect(&mut wheel, now), due.clone());
            model.retain(|n, _| !due.contains(n));
            prop_assert_eq!(wheel.len(), model.len());
        }
    }
}

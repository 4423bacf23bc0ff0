use super::*;

/// A w1 A10 T10, B w3 A29 T400, C w0.
#[test]
fn tabled_loads_have_tabled_winners() {
    let table = [
        (Scheduler::Lc, 'A'),
        (Scheduler::Wlc, 'A'),
        (Scheduler::Sed, 'B'),
        (Scheduler::Nq, 'B'),
        (Scheduler::Fo, 'B'),
        (Scheduler::Ovf, '-'),
    ];
    for (scheduler, winner) in table {
        let service = Service::new(scheduler, PLAIN, &[1, 3, 0]);
        service.set_load('A', 10, 0);
        service.set_load('B', 29, 371);
        assert_eq!(service.pick_any(), winner, "{scheduler}");
    }
}

#[test]
fn ovf_takes_one_more_than_the_weight() {
    let service = Service::new(Scheduler::Ovf, PLAIN, &[1, 3]);
    service.set_load('A', 1, 0);
    service.set_load('B', 3, 100);
    assert_eq!(service.pick_any(), 'B');
    service.set_load('B', 1, 0);
    assert_eq!(service.pick_any(), 'A');
    service.set_load('A', 1, 0);
    assert_eq!(service.pick_any(), '-');
}

#[test]
fn the_first_wins_ties() {
    let with_ties = [Scheduler::Lc, Scheduler::Wlc, Scheduler::Sed, Scheduler::Nq, Scheduler::Fo, Scheduler::Ovf];
    for scheduler in with_ties {
        let service = Service::new(scheduler, PLAIN, &[0, 2, 2, 2]);
        assert_eq!(service.pick_any(), 'B', "{scheduler}");
        service.set_load('B', 1, 0);
        service.set_load('C', 1, 0);
        service.set_load('D', 1, 0);
        assert_eq!(service.pick_any(), 'B', "{scheduler}");
    }
}

#[test]
fn overloaded_servers_are_passed_over() {
    let schedulers = Scheduler::ALL.into_iter().filter(|s| !matches!(s, Scheduler::Dh | Scheduler::Sh | Scheduler::Mh));
    for scheduler in schedulers {
        let service = Service::new(scheduler, PLAIN, &[9, 9, 1]);
        service.overload('A');
        service.overload('B');
        assert_eq!(service.picks(3), "CCC", "{scheduler}");
        service.overload('C');
        // lblc goes on with the server it remembers.
        assert_eq!(service.pick_any(), if scheduler == Scheduler::Lblc { 'C' } else { '-' }, "{scheduler}");
    }
}

#[test]
fn a_pool_without_usable_servers_picks_nobody() {
    for scheduler in Scheduler::ALL {
        for weights in [&[][..], &[0], &[0, 0, 0]] {
            for flags in [PLAIN, FALLBACK] {
                assert_eq!(Service::new(scheduler, flags, weights).picks(2), "--", "{scheduler} {weights:?}");
            }
        }
    }
}

#[test]
fn nq_prefers_any_idle_server() {
    let service = Service::new(Scheduler::Nq, PLAIN, &[100, 1]);
    service.set_load('A', 1, 0);
    service.set_load('B', 0, 50);
    assert_eq!(service.pick_any(), 'B');
}

#[test]
fn wlc_weighs_active_connections_257_fold() {
    let service = Service::new(Scheduler::Wlc, PLAIN, &[1, 1]);
    service.set_load('A', 1, 0);
    service.set_load('B', 0, 256);
    assert_eq!(service.pick_any(), 'B');
    service.set_load('B', 0, 1);
    assert_eq!(service.pick_any(), 'A', "equal, the first wins");
}

#[test]
fn wlc_compares_the_largest_weights_without_overflow() {
    let service = Service::new(Scheduler::Wlc, PLAIN, &[i32::MAX as u32, i32::MAX as u32 - 1]);
    assert_eq!(service.pick_any(), 'A');
    service.set_load('A', 1, 0);
    assert_eq!(service.pick_any(), 'B');
}

/// A seeded sequence of 64-bit words (xorshift64*).
fn random_words(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |word| {
        let mut word = *word;
        word ^= word >> 12;
        word ^= word << 25;
        word ^= word >> 27;
        Some(word)
    })
    .map(|word| word.wrapping_mul(0x2545_f491_4f6c_dd1d))
}

/// Without load the better of two is the first drawn, so picks follow the draw's odds: (w+1)/(S+1) for the first listed, w/(S+1) for the others.
#[test]
fn twos_draws_by_weight() {
    let service = Service::new(Scheduler::Twos, PLAIN, &[1, 2, 0, 4]);
    let rounds = 40_000;
    let mut counts = [0_u32; 4];
    for random in random_words(7).take(rounds) {
        let picked = service.pick(&Request { random, ..from("192.0.2.1", 1) });
        counts[picked as usize - 'A' as usize] += 1;
    }
    assert_eq!(counts[2], 0);
    let odds = [2.0, 2.0, 0.0, 4.0].map(|share| share / 8.0 * rounds as f64);
    let chi_square: f64 = [0, 1, 3].map(|i| (f64::from(counts[i]) - odds[i]).powi(2) / odds[i]).iter().sum();
    assert!(chi_square < 13.8, "chi-square {chi_square} at 2 degrees of freedom, p = 0.001; counts {counts:?}");
}

/// With B busier than A in proportion to weight, B is chosen only when both draws give B: odds (2/4)^2.
#[test]
fn twos_takes_the_less_loaded_of_two_independent_draws() {
    let service = Service::new(Scheduler::Twos, PLAIN, &[1, 2]);
    service.set_load('A', 1, 0);
    service.set_load('B', 3, 0);
    let rounds = 40_000;
    let mut busier = 0.0;
    for random in random_words(11).take(rounds) {
        if service.pick(&Request { random, ..from("192.0.2.1", 1) }) == 'B' {
            busier += 1.0;
        }
    }
    let expected = rounds as f64 / 4.0;
    let deviations = (busier - expected) / (expected * 0.75).sqrt();
    assert!(deviations.abs() < 3.3, "{busier} of {rounds}, {deviations} standard deviations off");
}

#[test]
fn lblc_keeps_a_destination_with_its_server() {
    let service = Service::new(Scheduler::Lblc, PLAIN, &[1, 1]);
    assert_eq!(service.pick(&to("203.0.113.1", 0)), 'A');
    service.set_load('A', 1, 50);
    assert_eq!(service.pick(&to("203.0.113.2", 0)), 'B');
    assert_eq!(service.pick(&to("203.0.113.1", 0)), 'A', "one active connection is not more than weight 1");
    service.set_load('A', 1, 0);
    assert_eq!(service.pick(&to("203.0.113.1", 0)), 'B', "A has more than its weight, B less than half of it");
    service.set_load('B', 1, 0);
    assert_eq!(service.pick(&to("203.0.113.1", 0)), 'B');
}

#[test]
fn lblc_ignores_overload_of_the_remembered_server_but_not_weight_0_or_removal() {
    let mut service = Service::new(Scheduler::Lblc, PLAIN, &[1, 1]);
    assert_eq!(service.pick_any(), 'A');
    service.overload('A');
    assert_eq!(service.pick_any(), 'A');
    let mut edited = service.pool.clone();
    edited.remove(service.id('A'));
    assert_eq!(service.pick_any(), 'A', "the old pool still has it");
    service.pool = edited;
    assert_eq!(service.pick_any(), 'B');
    service.pool.set_weight(service.id('B'), 0);
    assert_eq!(service.pick_any(), '-');
}

#[test]
fn lblc_cache_outlives_edits_but_not_another_scheduler() {
    let mut service = Service::new(Scheduler::Lblc, PLAIN, &[1, 1]);
    assert_eq!(service.pick_any(), 'A');
    service.set_load('A', 1, 0);
    service.pool.set_weight(service.id('B'), 3);
    service.pool.change_scheduler(Scheduler::Lblc, PLAIN);
    assert_eq!(service.pick_any(), 'A', "remembered");
    service.pool.change_scheduler(Scheduler::Wlc, PLAIN);
    service.pool.change_scheduler(Scheduler::Lblc, PLAIN);
    assert_eq!(service.pick_any(), 'B', "forgotten");
}

#[test]
fn lblcr_spreads_a_destination_over_a_growing_set() {
    let service = Service::new(Scheduler::Lblcr, PLAIN, &[1, 1, 4]);
    service.set_load('C', 4, 0);
    assert_eq!(service.pick_any(), 'A');
    service.set_load('A', 2, 0);
    assert_eq!(service.pick_any(), 'B', "A has too much, so B joins the set");
    service.set_load('B', 3, 0);
    // C, at 4 of 4, is no reason to leave A, which is now the least of {A, B}.
    assert_eq!(service.pick_any(), 'A');
    service.overload('A');
    assert_eq!(service.pick_any(), 'B', "overload counts in the set");
}

#[test]
fn lblcr_drops_the_most_loaded_when_the_set_stays_unchanged() {
    let mut service = Service::new(Scheduler::Lblcr, PLAIN, &[1, 1]);
    service.pool.change_settings(Settings { lblcr_expiration: 100, ..Settings::default() });
    assert_eq!(service.pick(&to("203.0.113.1", 10)), 'A');
    service.set_load('A', 2, 0);
    assert_eq!(service.pick(&to("203.0.113.1", 10)), 'B');
    service.set_load('B', 1, 0);
    let relieve_a = |service: &Service| (0..2).for_each(|_| service.servers.unbind(service.id('A'), true));
    assert_eq!(service.pick(&to("203.0.113.1", 110)), 'B', "100 s, not more");
    assert_eq!(service.pick(&to("203.0.113.1", 111)), 'B', "A leaves the set");
    relieve_a(&service);
    assert_eq!(service.pick(&to("203.0.113.1", 112)), 'B', "A is idle but no longer in the set");
}

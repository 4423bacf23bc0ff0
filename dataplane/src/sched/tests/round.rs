use super::*;

fn wrr(weights: &[u32]) -> Service {
    Service::new(Scheduler::Wrr, PLAIN, weights)
}

/// The service filled under another scheduler first, as after `ipvsadm -E -s wrr`.
fn wrr_attached(weights: &[u32]) -> Service {
    let mut service = Service::new(Scheduler::Rr, PLAIN, weights);
    service.pool.change_scheduler(Scheduler::Wrr, PLAIN);
    service
}

#[test]
fn rr_begins_with_the_server_added_last() {
    assert_eq!(Service::new(Scheduler::Rr, PLAIN, &[1, 5, 0, 1]).picks(7), "ABDABDA");
}

#[test]
fn rr_pointer_moves_to_the_predecessor_of_a_removed_server() {
    for (removed, next) in [('B', "CAC"), ('A', "CBC"), ('C', "ABA")] {
        let mut service = Service::new(Scheduler::Rr, PLAIN, &[1, 1, 1]);
        assert_eq!(service.picks(2), "AB");
        service.pool.remove(service.id(removed));
        assert_eq!(service.picks(3), next, "{removed} removed after B was chosen");
    }
    let mut service = Service::new(Scheduler::Rr, PLAIN, &[1, 1, 1]);
    assert_eq!(service.picks(1), "A");
    service.pool.remove(service.id('A'));
    assert_eq!(service.picks(2), "BC", "the predecessor of the first is the head");
}

#[test]
fn rr_goes_on_behind_its_server_when_another_is_added() {
    let mut service = Service::new(Scheduler::Rr, PLAIN, &[1, 1, 1]);
    let added = service.pool.members()[0];
    service.pool.remove(added.id);
    assert_eq!(service.picks(1), "B");
    service.pool.add(added);
    assert_eq!(service.picks(3), "CAB");
}

#[test]
fn rr_no_change_edit_keeps_the_position_and_another_scheduler_loses_it() {
    let mut service = Service::new(Scheduler::Rr, PLAIN, &[1, 1, 1]);
    assert_eq!(service.picks(1), "A");
    service.pool.change_scheduler(Scheduler::Rr, PLAIN);
    assert_eq!(service.picks(1), "B");
    service.pool.change_scheduler(Scheduler::Wlc, PLAIN);
    service.pool.change_scheduler(Scheduler::Rr, PLAIN);
    assert_eq!(service.picks(1), "A");
}

#[test]
fn clones_go_their_own_ways_from_the_same_position() {
    for scheduler in [Scheduler::Rr, Scheduler::Wrr] {
        let mut service = Service::new(scheduler, PLAIN, &[1, 1, 1]);
        assert_eq!(service.picks(1), "A");
        let published = service.pool.clone();
        assert_eq!(service.picks(2), "BC", "{scheduler}");
        service.pool = published;
        assert_eq!(service.picks(2), "BC", "{scheduler}");
    }
}

/// As recorded; servers were added one by one, which leaves limit 1.
#[test]
fn wrr_fresh_service_begins_in_the_lowest_pass() {
    let table: [(&[u32], &str); 6] = [
        (&[1, 2, 4], "ABCCCBCABC"),
        (&[2, 3, 4], "ABCCBCABCABCCBCABC"),
        (&[2, 4, 6], "ABCCBCABCCBC"),
        (&[3, 3, 6], "ABCCABCCABCC"),
        (&[5, 0, 7], "ACCCACACACAC"),
        (&[2, 4, 6, 8], "ABCDDCDBCDABCD"),
    ];
    for (weights, sequence) in table {
        assert_eq!(wrr(weights).picks(sequence.len()), sequence, "{weights:?}");
    }
}

#[test]
fn wrr_attached_to_a_filled_service_begins_with_the_heaviest() {
    assert_eq!(wrr_attached(&[1, 2, 4]).picks(7), "CCBCABC");
}

#[test]
fn wrr_gives_each_server_its_weight_in_a_round() {
    for weights in [&[1, 2, 4][..], &[10, 0, 5], &[3, 1, 4, 1, 5, 9, 2, 6, 5, 3], &[1000, 1, 300, 5000]] {
        let round: u32 = weights.iter().sum();
        let picks = wrr_attached(weights).picks(round as usize);
        let counts: Vec<_> = (b'A'..).zip(weights).map(|(l, _)| picks.matches(char::from(l)).count() as u32).collect();
        let divisor = weights.iter().copied().fold(0, wrr::gcd);
        assert_eq!(counts, weights, "{weights:?}, gcd {divisor}");
    }
}

#[test]
fn wrr_edit_resets_the_position_but_not_the_limit() {
    let mut service = wrr(&[1, 2, 4]);
    assert_eq!(service.picks(6), "ABCCCB", "in the pass with limit 2");
    service.pool.set_weight(service.id('A'), 1);
    assert_eq!(service.picks(5), "BCABC", "that pass begins again");
}

/// The head counts as no server: the first pick after an edit that finds nobody leaves the limit of a new round.
#[test]
fn wrr_limit_after_giving_up() {
    let overload_all = |service: &Service| ['A', 'B', 'C'].map(|letter| service.overload(letter));
    let relieve_all = |service: &Service| ['A', 'B', 'C'].map(|letter| service.relieve(letter));

    let at_head = wrr(&[1, 2, 4]);
    overload_all(&at_head);
    assert_eq!(at_head.picks(2), "--");
    relieve_all(&at_head);
    assert_eq!(at_head.picks(3), "CCB", "began at the head: limit 4");

    let in_last_pass = wrr(&[1, 2, 4]);
    assert_eq!(in_last_pass.picks(1), "A");
    overload_all(&in_last_pass);
    assert_eq!(in_last_pass.picks(1), "-");
    relieve_all(&in_last_pass);
    assert_eq!(in_last_pass.picks(4), "BCCC", "began behind A with limit 1: still there");

    let above = wrr(&[1, 2, 4]);
    assert_eq!(above.picks(6), "ABCCCB");
    overload_all(&above);
    assert_eq!(above.picks(1), "-");
    relieve_all(&above);
    assert_eq!(above.picks(3), "CCB", "began behind B with limit 2: limit 4 from behind B");
}

#[test]
fn wrr_skips_passes_over_extreme_weights_at_once() {
    let service = wrr_attached(&[i32::MAX as u32, 1]);
    service.overload('A');
    assert_eq!(service.picks(3), "BBB");
    service.relieve('A');
    assert_eq!(service.picks(3), "AAA");
}

/// The rules of the kernel's walk, step by step, against the arithmetic of ours.
struct Walk {
    last: Option<usize>,
    limit: i64,
    top: i64,
    step: i64,
}

impl Walk {
    fn pick(&mut self, weights: &[u32], overloaded: &[bool]) -> Option<usize> {
        let (start, mut from, mut wrapped, mut last_pass, mut stop) = (self.last, self.last, false, false, None);
        loop {
            for index in from.map_or(0, |index| index + 1)..weights.len() {
                if !overloaded[index] && i64::from(weights[index]) >= self.limit {
                    self.last = Some(index);
                    return Some(index);
                }
                if stop == Some(index) {
                    return None;
                }
            }
            from = None;
            self.limit -= self.step;
            if self.limit <= 0 {
                self.limit = self.top;
                if last_pass || start.is_none() {
                    return None;
                }
                wrapped = true;
            }
            last_pass = self.limit <= self.step;
            if last_pass && wrapped {
                stop = start;
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn wrr_equals_the_walk_pass_by_pass(
        weights in proptest::collection::vec(0_u32..30, 1..7),
        factor in 1_u32..4,
        flags in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..80),
    ) {
        let weights: Vec<u32> = weights.iter().map(|weight| weight * factor).collect();
        let service = wrr_attached(&weights);
        let step = weights.iter().copied().fold(0, wrr::gcd).max(1);
        let top = i64::from(weights.iter().max().unwrap() + 1) - i64::from(step);
        let mut walk = Walk { last: None, limit: top, top, step: step.into() };
        for flags in flags {
            let overloaded: Vec<bool> = (0..weights.len()).map(|index| flags >> index & 1 != 0).collect();
            for (id, overloaded) in service.ids.iter().zip(&overloaded) {
                while service.servers.load(*id).total() < 2 {
                    service.servers.bind(*id, false);
                }
                service.servers.set_thresholds(*id, u32::from(*overloaded), 0);
            }
            let expected = if top == 0 { None } else { walk.pick(&weights, &overloaded) };
            let expected = expected.map_or('-', |index| char::from(b'A' + index as u8));
            proptest::prop_assert_eq!(service.pick_any(), expected);
        }
    }
}

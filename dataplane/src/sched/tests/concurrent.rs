use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwap;

use super::*;

const WORKERS: u32 = 2;
const EDITS: u32 = 60;

/// Workers pick while the control thread edits: nobody panics, and a pick is a member of the very pool it was made from.
#[test]
fn workers_pick_while_control_edits() {
    for scheduler in Scheduler::ALL {
        let Service { servers, pool, ids } = Service::new(scheduler, FALLBACK, &[3, 1, 2, 5, 4]);
        let all: HashSet<_> = ids.iter().copied().collect();
        let published = ArcSwap::from_pointee(pool);
        let done = AtomicBool::new(false);
        let picked = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let (servers, published, done, picked) = (&servers, &published, &done, &picked);
                scope.spawn(move || {
                    let mut bound = Vec::new();
                    for round in 0_u32.. {
                        let pool = published.load();
                        let number = round * WORKERS + worker;
                        let request = Request {
                            random: u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                            ..to(&format!("203.0.{}.{}", number / 256 % 4, number % 256), number.into())
                        };
                        if let Some(member) = pool.pick(servers, &request) {
                            assert!(pool.members().iter().any(|known| std::ptr::eq(known, member)));
                            assert_ne!(member.weight, 0);
                            servers.bind(member.id, true);
                            bound.push(member.id);
                            picked.fetch_add(1, Ordering::Relaxed);
                        }
                        if bound.len() > 4 {
                            servers.unbind(bound.swap_remove(2), true);
                        }
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    for id in bound {
                        servers.unbind(id, true);
                    }
                });
            }
            for edit in 0..EDITS {
                let mut pool = Pool::clone(&published.load());
                let member = pool.members()[edit as usize % pool.members().len()];
                match edit % 4 {
                    0 => assert!(pool.remove(member.id)),
                    1 => assert!(pool.set_weight(member.id, edit % 3)),
                    2 => {
                        let missing =
                            ids.iter().find(|id| pool.members().iter().all(|known| known.id != **id)).unwrap();
                        pool.add(Member::new(*missing, ip("10.0.0.9"), 80, 1 + edit % 5));
                    }
                    _ => servers.set_thresholds(member.id, edit % 16, 0),
                }
                pool.housekeep(u64::from(edit) * 60);
                published.store(Arc::new(pool));
                // Each edit is met by at least one pick attempt of some worker, or by a scheduler that has nobody to give.
                let before = picked.load(Ordering::Relaxed);
                for _ in 0..1000 {
                    if picked.load(Ordering::Relaxed) != before {
                        break;
                    }
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(picked.load(Ordering::Relaxed) > EDITS / 2, "{scheduler}: workers hardly picked");
        for id in all {
            assert_eq!(servers.load(id).total(), 0, "{scheduler}");
        }
    }
}

/// Picks of `rr` by several workers of one pool are still evenly spread: no pick is lost or doubled.
#[test]
fn rr_and_wrr_stay_even_under_contention() {
    for (scheduler, weights) in [(Scheduler::Rr, [1, 1, 1]), (Scheduler::Wrr, [1, 2, 3])] {
        let service = Service::new(scheduler, PLAIN, &weights);
        let rounds = 3000;
        let per_worker = rounds * weights.iter().sum::<u32>() / WORKERS;
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    for _ in 0..per_worker {
                        let member = service.pool.pick(&service.servers, &from("192.0.2.1", 1)).unwrap();
                        service.servers.bind(member.id, true);
                    }
                });
            }
        });
        let counts: Vec<u32> = service.ids.iter().map(|id| service.servers.active(*id)).collect();
        assert_eq!(counts, weights.map(|weight| weight * rounds), "{scheduler}");
    }
}

//! The kernel does not take what it is told to send.

use super::rig::{RING, Rig};
use crate::drop_reason::DropReason;
use crate::proto;
use crate::snapshot::Forward;
use crate::testing::packets::{SYN, client, open, tcp};
use crate::testing::world::{BACK, FRONT, VIP, VirtualService, World, v4};
use crate::worker::RETRY_MS;

const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EBUSY: i32 = 16;
const EPERM: i32 = 1;
const ENXIO: i32 = 6;
const ENETDOWN: i32 = 100;
const ENOBUFS: i32 = 105;

fn rig() -> Rig {
    let mut world = World::new();
    world.services = vec![VirtualService::new(proto::TCP, VIP, 80).with(v4(11), Forward::Nat)];
    Rig::new(world, 1)
}

fn request(n: u16) -> Vec<u8> {
    tcp(client(n), (VIP, 80).into(), SYN, b"")
}

fn kicks(rig: &Rig) -> u64 {
    rig.stations[0].worker.ports().nth(BACK.index()).unwrap().counters().kicks
}

#[test]
fn while_a_device_is_down_nothing_is_queued_for_it() {
    for errno in [ENETDOWN, ENXIO] {
        let mut rig = rig();
        rig.stations[0].wire(BACK).answer_kicks(&[errno]);
        assert!(rig.stations[0].wire(FRONT).deliver(&request(1)));
        rig.round(0);
        let before = kicks(&rig);
        for n in 2..6 {
            assert!(rig.stations[0].wire(FRONT).deliver(&request(n)));
            rig.round(0);
        }
        assert_eq!(rig.stations[0].dropped(DropReason::TxRefused), 4, "errno {errno}");
        assert_eq!(kicks(&rig), before, "nor is it kicked");
        let back = rig.collect(0, BACK);
        assert_eq!(back.len(), 1, "only what was queued before");

        rig.advance(RETRY_MS, RETRY_MS);
        let (_, back) = rig.exchange(0, FRONT, &request(7));
        assert_eq!(open(&back[0]).source, client(7), "it is up again");
        assert_eq!(rig.stations[0].dropped_in_all(), 4);
        rig.shut_down();
    }
}

#[test]
fn a_full_ring_of_a_device_that_is_down_does_not_stop_the_other() {
    let mut rig = rig();
    let down = vec![ENETDOWN; 1000];
    rig.stations[0].wire(BACK).answer_kicks(&down);
    for n in 0..RING as u16 {
        assert!(rig.stations[0].wire(FRONT).deliver(&request(n)));
    }
    assert_eq!(rig.round(0), RING as usize);
    for n in 0..40 {
        assert!(rig.stations[0].wire(FRONT).deliver(&request(n)));
        rig.advance(10, 10);
    }
    assert_eq!(rig.stations[0].dropped(DropReason::TxRefused), 40);
    // Replies still leave through the front.
    assert!(rig.stations[0].wire(BACK).deliver(&tcp((v4(11), 8080).into(), client(1), SYN, b"")));
    rig.round(0);
    assert_eq!((rig.collect(0, FRONT).len(), rig.collect(0, BACK).len()), (1, RING as usize));
    rig.shut_down();
}

#[test]
fn what_the_kernel_left_in_the_ring_goes_with_the_next_round() {
    // More answers than one flush asks for.
    for errno in [EAGAIN, EBUSY, ENOBUFS, ENOMEM, EPERM] {
        let mut rig = rig();
        let answers = vec![errno; 65];
        rig.stations[0].wire(BACK).answer_kicks(&answers);
        assert!(rig.stations[0].wire(FRONT).deliver(&request(1)));
        assert_eq!(rig.round(0), 1);
        let before = kicks(&rig);
        assert!(rig.stations[0].worker.idle_for(rig.now) <= 1, "no long sleep, errno {errno}");
        assert_eq!(rig.round(0), 0, "nothing came in");
        assert!(kicks(&rig) > before, "but the kernel is asked again, errno {errno}");
        assert_eq!(rig.collect(0, BACK).len(), 1);
        rig.round(0);
        let before = kicks(&rig);
        rig.round(0);
        assert_eq!(kicks(&rig), before, "an empty ring is left alone");
        assert!(rig.stations[0].worker.idle_for(rig.now) > 1);
        assert_eq!(rig.stations[0].dropped_in_all(), 0);
        rig.shut_down();
    }
}

#[test]
fn a_full_ring_that_the_kernel_does_not_empty_is_offered_again() {
    let mut rig = rig();
    let answers = vec![EAGAIN; 64];
    rig.stations[0].wire(BACK).answer_kicks(&answers);
    for n in 0..RING as u16 {
        assert!(rig.stations[0].wire(FRONT).deliver(&request(n)));
    }
    assert_eq!(rig.round(0), RING as usize);
    let before = kicks(&rig);
    assert!(rig.stations[0].wire(FRONT).deliver(&request(99)));
    assert_eq!(rig.round(0), 0, "no room");
    assert!(kicks(&rig) > before, "the way to room is a kick");
    rig.collect(0, BACK);
    assert_eq!(rig.round(0), 1);
    assert_eq!((rig.collect(0, BACK).len(), rig.stations[0].dropped_in_all()), (1, 0));
    rig.shut_down();
}

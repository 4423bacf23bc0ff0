use std::net::IpAddr;

use super::*;
use crate::testing::world::{SERVER_SLOTS, VirtualService, World, v4, v6};

fn ids() -> (PathMtus, ServerId, ServerId) {
    let mut world = World::new();
    let service = VirtualService::new(crate::proto::TCP, crate::testing::world::VIP, 80);
    let tunnel = crate::snapshot::Forward::Tunnel;
    world.services = vec![service.with(v4(11), tunnel).with(v6(11), tunnel)];
    (PathMtus::new(SERVER_SLOTS as usize), world.id(0, v4(11)), world.id(0, v6(11)))
}

fn at(millis: u64) -> Now {
    Now::from_millis(millis)
}

#[test]
fn the_least_report_counts_for_ten_minutes() {
    let (mtus, id, other) = ids();
    assert_eq!(mtus.get(id, at(0)), None);
    assert_eq!(mtus.learn(id, v4(11), 1400, at(1000)), 1400);
    assert_eq!(mtus.learn(id, v4(11), 1450, at(2000)), 1450);
    assert_eq!(mtus.get(id, at(2000)), Some(1400), "more is no news");
    mtus.learn(id, v4(11), 1300, at(3000));
    assert_eq!((mtus.get(id, at(602_999)), mtus.get(id, at(603_000))), (Some(1300), None));
    assert_eq!(mtus.get(other, at(3000)), None);
    mtus.learn(id, v4(11), 1450, at(603_000));
    assert_eq!(mtus.get(id, at(603_000)), Some(1450), "the old one is forgotten");
}

#[test]
fn what_no_path_has_is_not_believed() {
    let (mtus, id4, id6) = ids();
    let cases: [(ServerId, IpAddr, u16, u16); 6] = [
        (id4, v4(11), 600, 600),
        (id4, v4(11), 0, 552),
        (id4, v4(11), 68, 552),
        (id6, v6(11), 1400, 1400),
        (id6, v6(11), 1279, 1280),
        (id6, v6(11), 0, 1280),
    ];
    for (id, address, reported, believed) in cases {
        assert_eq!(mtus.learn(id, address, reported, at(0)), believed, "{address} {reported}");
        assert_eq!(mtus.get(id, at(0)), Some(believed), "{address} {reported}");
    }
}

#[test]
fn an_id_out_of_range_is_nobodys() {
    let (_, _, id) = ids();
    let mtus = PathMtus::new(0);
    mtus.learn(id, v4(11), 1400, at(0));
    assert_eq!(mtus.get(id, at(0)), None);
}

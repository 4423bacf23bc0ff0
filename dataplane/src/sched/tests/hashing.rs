use super::hash::{client, fold, hash_32};
use super::siphash::siphash13;
use super::*;

/// Client, folded, hash_32(address, 8), hash_32(address + 31337, 8), server by dh (as destination), sh, sh-port; mh slot and server, mh-port
/// slot and server. Servers A w1, B w2, C w4.
type Row = (&'static str, u32, u32, u32, char, char, char, u32, char, u32, char);
const TABLE: [Row; 7] = [
    ("192.168.1.1", 0xc0a80101, 136, 52, 'B', 'C', 'C', 2456, 'C', 565, 'B'),
    ("192.168.1.2", 0xc0a80102, 234, 149, 'A', 'C', 'B', 811, 'C', 2923, 'C'),
    ("10.0.0.2", 0x0a000002, 137, 52, 'C', 'C', 'C', 1884, 'C', 2799, 'C'),
    ("203.0.113.7", 0xcb007107, 124, 39, 'B', 'C', 'C', 1705, 'C', 1401, 'A'),
    ("198.51.100.7", 0xc6336407, 171, 86, 'A', 'C', 'B', 924, 'A', 1626, 'C'),
    ("2001:db8::1", 0x20010db9, 63, 234, 'A', 'A', 'C', 3457, 'B', 1832, 'C'),
    ("fe80::1:2:3:4", 0xfe820006, 236, 151, 'C', 'C', 'C', 1456, 'C', 4071, 'C'),
];
const WEIGHTS: [u32; 3] = [1, 2, 4];
const CLIENT_PORT: u16 = 31337;

#[test]
fn addresses_fold_and_hash_like_the_kernel() {
    for (address, folded, plain, with_port, ..) in TABLE {
        let request = from(address, CLIENT_PORT);
        assert_eq!(fold(request.client), folded, "{address}");
        assert_eq!(hash_32(client(&request, false), 8), plain, "{address}");
        assert_eq!(hash_32(client(&request, true), 8), with_port, "{address}");
    }
}

#[test]
fn ports_count_for_tcp_udp_and_sctp_only() {
    for (protocol, has_ports) in [(6, true), (17, true), (132, true), (50, false), (0, false)] {
        let request = Request { protocol, ..from("192.0.2.1", 7) };
        assert_eq!(client(&request, true) != client(&request, false), has_ports, "protocol {protocol}");
    }
}

#[test]
fn dh_and_sh_pick_the_tabled_servers() {
    let dh = Service::new(Scheduler::Dh, PLAIN, &WEIGHTS);
    let sh = Service::new(Scheduler::Sh, PLAIN, &WEIGHTS);
    let sh_port = Service::new(Scheduler::Sh, PORT, &WEIGHTS);
    for (address, _, _, _, by_dh, by_sh, by_sh_port, ..) in TABLE {
        assert_eq!(dh.pick(&to(address, 0)), by_dh, "dh {address}");
        assert_eq!(sh.pick(&from(address, CLIENT_PORT)), by_sh, "sh {address}");
        assert_eq!(sh_port.pick(&from(address, CLIENT_PORT)), by_sh_port, "sh-port {address}");
    }
}

#[test]
fn mh_picks_the_tabled_servers_in_the_tabled_slots() {
    let mh = Service::new(Scheduler::Mh, PLAIN, &WEIGHTS);
    let mh_port = Service::new(Scheduler::Mh, PORT, &WEIGHTS);
    for (address, _, _, _, _, _, _, slot, server, port_slot, port_server) in TABLE {
        let request = from(address, CLIENT_PORT);
        assert_eq!(siphash13(client(&request, false), 2_654_435_761) % 4093, slot, "{address}");
        assert_eq!(siphash13(client(&request, true), 2_654_435_761) % 4093, port_slot, "{address}");
        assert_eq!(mh.pick(&request), server, "mh {address}");
        assert_eq!(mh_port.pick(&request), port_server, "mh-port {address}");
    }
}

#[test]
fn mh_hashes_of_the_servers() {
    let hashes = |last: u32| {
        let key = 0x0a00_0000 + last + 80;
        let (h1, h2) = (siphash13(key, 2_654_435_761), siphash13(key, 2_654_446_892));
        (h1, h1 % 4093, h2 % 4092 + 1)
    };
    assert_eq!(hashes(1), (0x439c_0cbe, 3167, 700));
    assert_eq!(hashes(2), (0xa1cf_683b, 1231, 3544));
    assert_eq!(hashes(3), (0x2cdf_0afa, 1631, 3453));
}

#[test]
fn mh_table_is_filled_like_the_kernels() {
    let table = mh::table(Service::new(Scheduler::Mh, PLAIN, &WEIGHTS).pool.members());
    let first: String = table[..32].iter().map(|index| ['A', 'B', 'C'][*index as usize]).collect();
    assert_eq!(first, "CBCCCCBCCAABBCACBCCACCCCBCBBACCB");
    let slots = [0, 1, 2].map(|server| table.iter().filter(|index| **index == server).count());
    assert_eq!(slots, [585, 1170, 2338]);
}

#[test]
fn mh_drained_server_keeps_its_slots_and_fallback_passes_them_on() {
    let mut mh = Service::new(Scheduler::Mh, PLAIN, &WEIGHTS);
    mh.pool.set_weight(mh.id('C'), 0);
    assert_eq!(mh.pick(&from("192.168.1.1", 1)), '-');
    mh.pool.change_scheduler(Scheduler::Mh, FALLBACK);
    for (address, server) in [("192.168.1.1", 'B'), ("192.168.1.2", 'A'), ("10.0.0.2", 'A'), ("203.0.113.7", 'B')] {
        assert_eq!(mh.pick(&from(address, 1)), server, "{address}");
    }
}

#[test]
fn mh_server_added_with_weight_0_has_no_slots() {
    let mh = Service::new(Scheduler::Mh, PLAIN, &[1, 0]);
    assert!(mh::table(mh.pool.members()).iter().all(|index| *index == 0));
    assert_eq!(Service::new(Scheduler::Mh, FALLBACK, &[0, 0]).pick_any(), '-');
}

#[test]
fn mh_takes_huge_weights_down_to_few_turns() {
    let mh = Service::new(Scheduler::Mh, PLAIN, &[i32::MAX as u32, 1, 1 << 20]);
    let table = mh::table(mh.pool.members());
    let slots = [0, 1, 2].map(|server| table.iter().filter(|index| **index == server).count());
    // 63 turns and one turn each: 62 complete rounds of 65 slots, and 63 slots are left for A.
    assert_eq!(slots, [62 * 63 + 63, 62, 62]);
}

/// Recorded; servers .11 w4, .12 w3, .13 w2 added in this order, port 8080. Client, then sh, sh-port, mh, mh-port.
const RECORDED: [(&str, u16, [u8; 4]); 6] = [
    ("204.194.119.55", 14113, [11, 11, 11, 11]),
    ("108.222.247.64", 35418, [13, 12, 13, 12]),
    ("117.102.242.170", 19304, [11, 13, 11, 11]),
    ("13.105.8.249", 42532, [11, 11, 11, 12]),
    ("116.40.82.34", 2967, [12, 11, 13, 11]),
    ("221.204.87.145", 1025, [12, 11, 13, 13]),
];

#[test]
fn recorded_clients_reach_their_servers() {
    let walk_order = [13, 12, 11].map(|last| (IpAddr::from([10, 1, 0, last]), u32::from(15 - last)));
    let schedulers = [(Scheduler::Sh, PLAIN), (Scheduler::Sh, PORT), (Scheduler::Mh, PLAIN), (Scheduler::Mh, PORT)];
    for (column, (scheduler, flags)) in schedulers.into_iter().enumerate() {
        let service = Service::with(scheduler, flags, 8080, &walk_order);
        for (address, port, picked) in RECORDED {
            let expected = ['C', 'B', 'A'][usize::from(picked[column] - 11)];
            assert_eq!(service.pick(&from(address, port)), expected, "{scheduler} {address}:{port}");
        }
    }
}

#[test]
fn recorded_destinations_reach_their_servers_by_dh() {
    let walk_order = [14, 13, 12, 11].map(|last| (IpAddr::from([10, 1, 0, last]), 1));
    let dh = Service::with(Scheduler::Dh, PLAIN, 0, &walk_order);
    let recorded = [
        ("172.28.194.52", 54, 'C'),
        ("172.21.117.64", 207, 'D'),
        ("172.20.44.65", 124, 'A'),
        ("172.28.45.241", 177, 'B'),
        ("172.31.102.108", 28, 'A'),
        ("172.22.191.211", 114, 'C'),
    ];
    for (destination, bucket, server) in recorded {
        assert_eq!(hash_32(fold(ip(destination)), 8), bucket);
        assert_eq!(dh.pick(&to(destination, 0)), server, "{destination}");
    }
}

#[test]
fn recorded_ipv6_clients_reach_their_servers() {
    let walk_order = ["fd00:1::f", "fd00:1::e", "fd00:1::d", "fd00:1::c", "fd00:1::b"].map(ip);
    let walk_order: Vec<_> = walk_order.into_iter().zip([1, 0, 2, 3, 4]).collect();
    let sh = Service::with(Scheduler::Sh, PLAIN, 8080, &walk_order);
    let mh = Service::with(Scheduler::Mh, PLAIN, 8080, &walk_order);
    let recorded = [
        ("2001:db8:3a0a:5ed4:f659:6019:2058:3171", 234, 'C', 525, 'A'),
        ("2001:db8:b36:15cf:2309:3f59:cfb0:ffc7", 221, '-', 2692, 'C'),
        ("2001:db8:359c:6695:a452:7c2:758a:7cc7", 92, 'D', 1306, 'D'),
    ];
    for (address, bucket, by_sh, slot, by_mh) in recorded {
        let request = from(address, 1);
        assert_eq!(hash_32(client(&request, false), 8), bucket);
        assert_eq!(siphash13(client(&request, false), 2_654_435_761) % 4093, slot);
        assert_eq!((sh.pick(&request), mh.pick(&request)), (by_sh, by_mh), "{address}");
    }
}

#[test]
fn dh_has_no_fallback_and_ignores_weights() {
    let dh = Service::new(Scheduler::Dh, FALLBACK, &[0, 5, 1]);
    for (address, _, _, _, server, ..) in TABLE {
        let expected = if server == 'A' { '-' } else { server };
        assert_eq!(dh.pick(&to(address, 0)), expected, "{address}");
    }
}

#[test]
fn sh_server_of_weight_0_takes_one_bucket_a_round() {
    let sh = Service::new(Scheduler::Sh, PLAIN, &[10, 0, 5]);
    let table = sh::table(sh.pool.members());
    assert_eq!(table.len(), 256);
    assert_eq!(table[..17], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 0]);
}

#[test]
fn sh_fallback_probes_from_twice_the_hash() {
    // 2001:db8::1 has hash 63: its bucket is A's, the first probe is bucket 126 (126 mod 7 = 0: A's too), the second 127: B's.
    let mut sh = Service::new(Scheduler::Sh, PLAIN, &WEIGHTS);
    sh.overload('A');
    assert_eq!(sh.pick(&from("2001:db8::1", 1)), '-');
    sh.pool.change_scheduler(Scheduler::Sh, FALLBACK);
    assert_eq!(sh.pick(&from("2001:db8::1", 1)), 'B');
    sh.overload('B');
    assert_eq!(sh.pick(&from("2001:db8::1", 1)), 'C');
    sh.overload('C');
    assert_eq!(sh.pick(&from("2001:db8::1", 1)), '-');
}

#[test]
fn sh_weight_larger_than_the_table_fills_it() {
    let sh = Service::new(Scheduler::Sh, PLAIN, &[u32::MAX, 1]);
    assert!(sh::table(sh.pool.members()).iter().all(|index| *index == 0));
}

#[test]
fn extend_prepares_the_same_table_as_add() {
    for scheduler in [Scheduler::Dh, Scheduler::Sh, Scheduler::Mh] {
        let one_by_one = Service::new(scheduler, PLAIN, &WEIGHTS);
        let mut at_once = Pool::new(scheduler, PLAIN, Settings::default());
        at_once.extend(one_by_one.pool.members().iter().rev().copied());
        assert_eq!(at_once.members(), one_by_one.pool.members());
        for last in 0..=255 {
            let request = from(&format!("192.0.2.{last}"), 1);
            let ours = at_once.pick(&one_by_one.servers, &request);
            assert_eq!(ours, one_by_one.pool.pick(&one_by_one.servers, &request));
        }
    }
}

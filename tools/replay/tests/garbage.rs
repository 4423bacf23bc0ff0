//! Recorded packets with random damage: nothing panics, no frame is lost, and no fragment waits for ever.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use headgate_replay::director::Director;
use headgate_replay::recording::Recording;
use headgate_replay::topology::{CLIENT_SIDE, SERVER_SIDE};

const ROUNDS: usize = 60_000;

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

fn packets() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/ipvs.jsonl.zst");
    let unpacked = ruzstd::decoding::StreamingDecoder::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let recordings = BufReader::new(unpacked).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    recordings
        .filter_map(|recording| match recording {
            Recording::Fixture(fixture) => Some(fixture.input),
            Recording::States(_) => None,
        })
        .flatten()
        .collect()
}

/// Makes the checksum of an IPv4 header right again, so that the damage gets past it.
fn repair(frame: &mut [u8]) {
    if let Some(ip) = frame.get_mut(14..34)
        && ip[0] == 0x45
    {
        ip[10..12].fill(0);
        let sum = headgate_wire::checksum::sum(ip).checksum();
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

#[test]
fn damaged_packets_do_no_harm() {
    let packets = packets();
    let mut random = Random(0x5eed_1234_abcd_0001);
    let mut director = Director::new().unwrap();
    for (method, port) in [("-m", 8080), ("-g", 80), ("-i", 80)] {
        for (service, server) in [("10.0.0.100", "10.1.0.11"), ("[fd00::100]", "[fd00:1::b]")] {
            let virtual_port = match method {
                "-m" => 53,
                "-g" => 80,
                _ => 54,
            };
            for option in ["-t", "-u"] {
                director.ipvsadm(&format!("-A {option} {service}:{virtual_port} -s rr")).unwrap();
                let server = format!("{server}:{port}");
                director.ipvsadm(&format!("-a {option} {service}:{virtual_port} -r {server} {method}")).unwrap();
            }
        }
    }
    director.configuration.sysctl("schedule_icmp", 1).unwrap();
    director.publish().unwrap();
    for _ in 0..ROUNDS {
        let mut frame = packets[random.below(packets.len())].clone();
        // The headers are where damage tells; three packets in four have some.
        for _ in 0..random.below(4) {
            let at = random.below(frame.len().min(80));
            frame[at] = random.below(256) as u8;
        }
        // To the three services in turn, when it is a first fragment or no fragment.
        if frame.get(23) == Some(&17) && frame.len() > 38 && random.below(2) == 0 {
            frame[37] = [53, 80, 54][random.below(3)];
        }
        if random.below(8) == 0 {
            frame.truncate(random.below(frame.len() + 1));
        }
        repair(&mut frame);
        let device = if random.below(2) == 0 { CLIENT_SIDE } else { SERVER_SIDE };
        director.send(device, &frame).unwrap();
        if random.below(1000) == 0 {
            director.advance(1000).unwrap();
        }
    }
    director.advance(1_000_000).unwrap();
    assert_eq!(director.frames_held(), 0);
    assert_eq!((director.table.v4().iter().count(), director.table.v6().iter().count()), (0, 0));
}

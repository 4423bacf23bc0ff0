//! All recordings of Linux IPVS through the packet path. What differs is listed here with the reason, event by event; a listed difference
//! that is gone fails too.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use headgate_replay::recording::Recording;

/// How a recording differs.
enum Differs {
    /// It cannot be set up.
    Setup,
    /// In these events.
    At(&'static [usize]),
}
use Differs::{At, Setup};

const MARKS: &str = "no services by firewall mark yet";
const SCTP: &str = "no SCTP yet";
const FTP: &str = "no FTP helper and no conntrack";
const TUNNELS: &str = "no GRE and GUE tunnels";
const LOCAL_CLIENT: &str = "clients on the director itself are not balanced: their packets never pass a device";

const DIFFERENCES: &[(&str, Differs, &str)] = &[
    ("backup-only-off", Setup, "forwarding does not depend on net.ipv4.ip_forward"),
    ("ftp-conntrack0", Setup, FTP),
    ("ftp-conntrack1", Setup, FTP),
    ("ftp-long-pasv", Setup, FTP),
    ("fwmark", Setup, MARKS),
    ("fwmark-and-vip", Setup, MARKS),
    (
        "icmp-tun-from-path",
        At(&[1]),
        "the kernel announces the path MTU it knew before the error, Headgate the one from the error",
    ),
    ("local-client", At(&[0, 1, 5]), LOCAL_CLIENT),
    ("nat-sctp", Setup, SCTP),
    ("nat-tcp-fields", At(&[7]), "IPv4 options pass as they are: no record route"),
    ("port0-nonpersistent", At(&[18]), "refusing a configuration is not the packet path's"),
    ("sip-pe", Setup, "no SIP persistence"),
    ("tun-gre", Setup, TUNNELS),
    ("tun-gue", Setup, TUNNELS),
    ("tun-gue-csum", Setup, TUNNELS),
    ("tun-gue-remcsum", Setup, TUNNELS),
    ("tun6-gre", Setup, TUNNELS),
    ("tun6-gue", Setup, TUNNELS),
];

fn recordings() -> impl Iterator<Item = Recording> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/ipvs.jsonl.zst");
    let unpacked = ruzstd::decoding::StreamingDecoder::new(BufReader::new(File::open(path).unwrap())).unwrap();
    BufReader::new(unpacked).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

#[test]
fn headgate_does_what_linux_does() {
    let (mut wrong, mut played) = (Vec::new(), 0);
    for recording in recordings() {
        played += 1;
        let name = recording.name();
        let known = DIFFERENCES.iter().find(|(known, ..)| *known == name);
        match (recording.play(), known) {
            (Err(_), Some((_, Setup, _))) => {}
            (Err(error), _) => wrong.push(format!("{name}: {error:#}")),
            (Ok(_), Some((_, Setup, reason))) => wrong.push(format!("{name} can be set up, but is listed: {reason}")),
            (Ok(differences), known) => {
                let expected = known.map_or(&[][..], |(_, differs, _)| match differs {
                    At(events) => events,
                    Setup => &[],
                });
                let events: Vec<_> = differences.iter().map(|difference| difference.event).collect();
                if events != expected {
                    let what: Vec<_> = differences
                        .iter()
                        .map(|difference| format!("{}: {}", difference.event, difference.what))
                        .collect();
                    wrong.push(format!("{name}: differs at {events:?}, listed {expected:?}\n  {}", what.join("\n  ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(played, 88, "recordings in the file");
}

//! All receive cases, and the captures of keepalived: what it sends is what we would send, byte for byte.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use headgate_replay::vrrp::{Cases, bytes};
use headgate_vrrp::announce;
use headgate_vrrp::datagram::of_frame;
use headgate_vrrp::message::{Advert, Ends, Message, Password};
use headgate_vrrp::router::{Coverage, Family, Version};

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vrrp-captures").join(name)
}

#[test]
fn all_receive_cases_have_their_outcome() {
    let cases = Cases::read(&file("receive-cases.json")).expect("readable");
    assert_eq!(cases.cases.len(), 168);
    let differences: Vec<String> = cases
        .cases
        .iter()
        .flat_map(|case| {
            let found = case.play().expect("a case that makes sense");
            found.into_iter().map(|difference| format!("{} ({}): {difference}", case.id, case.name))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_keepalived_sends_is_what_we_send() {
    let text = std::fs::read_to_string(file("captures.json")).expect("readable");
    let captures: BTreeMap<String, Vec<(u64, String)>> = serde_json::from_str(&text).expect("JSON");
    let (mut adverts, mut announcements) = (0, 0);
    for (name, frames) in &captures {
        for (at, hex) in frames {
            let frame = bytes(hex).expect("hexadecimal");
            if let Ok(datagram) = of_frame(&frame) {
                assert_eq!(
                    encode_again(datagram.message, datagram.source, datagram.destination),
                    datagram.message,
                    "{name} at {at}"
                );
                adverts += 1;
            } else if let Some((address, mac)) = announced(&frame) {
                assert_eq!(announce::frame(address, mac, false), frame, "{name} at {at}");
                announcements += 1;
            }
        }
    }
    // AH is refused: its five adverts are not among them.
    assert_eq!((adverts, announcements), (5 + 17 + 5 + 5 + 6, 10 + 10 + 20 + 10 + 10 + 20));
}

/// Decoded and encoded.
fn encode_again(bytes: &[u8], source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let message = Message::new(bytes).expect("eight bytes");
    let (version, family) = (if message.version() == 2 { Version::V2 } else { Version::V3 }, Family::of(source));
    let advert = Advert {
        id: message.id(),
        priority: message.priority(),
        interval: message.interval(version),
        addresses: message.addresses(family),
    };
    match version {
        Version::V2 => {
            let password = message.password(family).try_into().expect("eight bytes");
            advert.encode_v2(Password((message.auth_type() == 1).then_some(password)))
        }
        Version::V3 => advert.encode_v3(Ends { source, destination }, Coverage::PseudoHeader),
    }
}

/// The address that a gratuitous ARP or neighbour advertisement is about, and where it is.
fn announced(frame: &[u8]) -> Option<(IpAddr, announce::Mac)> {
    let mac = frame[6..12].try_into().ok()?;
    match frame[12..14] {
        [0x08, 0x06] if frame[28..32] == frame[38..42] => {
            Some((IpAddr::from(<[u8; 4]>::try_from(&frame[28..32]).ok()?), mac))
        }
        [0x86, 0xdd] if frame[20] == 58 && frame[54] == 136 => {
            Some((IpAddr::from(<[u8; 16]>::try_from(&frame[62..78]).ok()?), mac))
        }
        _ => None,
    }
}

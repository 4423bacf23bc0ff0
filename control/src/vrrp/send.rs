//! Sends an advert: to the group, or to each peer.

use std::io;
use std::net::IpAddr;

use headgate_vrrp::Router;
use headgate_vrrp::hmac::{Mode, Numbers, trailer};
use headgate_vrrp::message::{Advert, Ends, Password};
use headgate_vrrp::router::{Authentication, Peers, Version};

use super::socket::AdvertSocket;
use crate::time::unix;

/// # Errors
/// The last one, when it could not be sent to all.
pub fn adverts(
    router: &Router,
    priority: u8,
    source: IpAddr,
    socket: &AdvertSocket,
    numbers: &mut Numbers,
) -> io::Result<()> {
    let number = numbers.next(unix());
    let to = |destination: IpAddr| {
        socket.send(Ends { source, destination }, &message(router, priority, Ends { source, destination }, number))
    };
    match &router.peers {
        Peers::Multicast(group) => to(*group),
        // One that is away must not keep the others from hearing us.
        Peers::Unicast { peers, .. } => peers.iter().map(|peer| to(*peer)).fold(Ok(()), Result::and),
    }
}

/// As it is sent to one destination.
pub fn message(router: &Router, priority: u8, ends: Ends, number: u64) -> Vec<u8> {
    let advert = Advert { id: router.id, priority, interval: router.interval, addresses: router.addresses.clone() };
    let mut message = match router.version {
        Version::V2 => {
            let password =
                if let Authentication::Pass(password) = router.authentication { Some(password) } else { None };
            advert.encode_v2(Password(password))
        }
        Version::V3 => advert.encode_v3(ends, router.coverage),
    };
    if let Authentication::Hmac(settings) = &router.authentication
        && settings.mode != Mode::ReceiveOnly
        && let Some(key) = settings.keys.first()
    {
        message.extend(trailer(key, ends.source, &message, number));
        if ends.source.is_ipv6() {
            headgate_vrrp::message::seal_again(&mut message, ends);
        }
    }
    message
}

//! What an advert has to be to count (RFC 9568 section 7.1, RFC 3768 section 7.1). The first check that fails names the reason.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::datagram::Datagram;
use crate::hmac::{Marks, TRAILER};
use crate::message::{ADVERT, AUTH_NONE, AUTH_PASS, Advert, Checksum, Ends, Message};
use crate::reason::{Reason, Warning};
use crate::router::{Authentication, Coverage, Family, Peers, Router, Version};

/// An advert that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub advert: Advert,
    pub source: IpAddr,
    /// In the order of their names.
    pub warnings: Vec<Warning>,
    /// Its checksum is that of RFC 9568, not the common one.
    pub message_only: bool,
}

/// What the checks need to know besides the settings.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// In BACKUP or MASTER.
    pub running: bool,
    /// Addresses of this node on the interface.
    pub addresses: &'a [IpAddr],
    /// Seconds since 1970.
    pub now_unix: u64,
}

/// Which of the virtual routers of an interface an advert is for.
///
/// # Errors
/// When it is for none of them.
pub fn find<'r>(
    mut routers: impl Iterator<Item = &'r Router> + Clone,
    datagram: &Datagram<'_>,
) -> Result<&'r Router, Reason> {
    let message = Message::new(datagram.message).ok_or(Reason::LengthShort)?;
    let family = Family::of(datagram.source);
    if !routers.clone().any(|router| router.family == family) {
        return Err(Reason::Family);
    }
    routers.find(|router| router.family == family && router.id == message.id()).ok_or(Reason::Vrid)
}

/// # Errors
/// The first reason not to take it.
pub fn receive(
    router: &Router,
    here: Here<'_>,
    marks: &mut Marks,
    datagram: &Datagram<'_>,
) -> Result<Received, Reason> {
    let message = Message::new(datagram.message).ok_or(Reason::LengthShort)?;
    if !here.running {
        return Err(Reason::NotRunning);
    }
    ends(router, here, datagram)?;
    if message.version() != router.version.number() {
        return Err(Reason::Version);
    }
    if message.kind() != ADVERT {
        return Err(Reason::Type);
    }
    let (message_bytes, trailer) = split(router, message, datagram.message)?;
    let ends = Ends { source: datagram.source, destination: datagram.destination };
    let checksum = message.checksum(router.version, ends, message_bytes.len());
    let old = checksum == Checksum::OldUnicast;
    if checksum == Checksum::Wrong || (old && !router.old_unicast_checksum) {
        return Err(Reason::Checksum);
    }
    if message.count() == 0 && !router.accept_empty_list {
        return Err(Reason::CountZero);
    }
    authentication(router, here, marks, datagram.source, message_bytes, trailer)?;
    let interval = message.interval(router.version);
    if router.version == Version::V2 && interval != router.interval {
        return Err(Reason::IntervalMismatch);
    }
    if interval == 0 {
        return Err(Reason::IntervalZero);
    }
    let advert = Advert {
        id: message.id(),
        priority: message.priority(),
        interval,
        addresses: message.addresses(router.family),
    };
    let mut warnings = BTreeSet::new();
    list(router, &advert, &mut warnings)?;
    link_local(router, &advert, datagram.source, &mut warnings)?;
    let checks = [
        (interval != router.interval, Warning::IntervalMismatch),
        (old, Warning::OldUnicastChecksum),
        (router.priority == 255 && advert.priority == 255, Warning::TwoOwners),
    ];
    warnings.extend(checks.iter().filter(|(odd, _)| *odd).map(|(_, warning)| *warning));
    let message_only = checksum == Checksum::MessageOnly && router.coverage == Coverage::PseudoHeader;
    Ok(Received { advert, source: datagram.source, warnings: warnings.into_iter().collect(), message_only })
}

/// Who has sent it and to whom.
fn ends(router: &Router, here: Here<'_>, datagram: &Datagram<'_>) -> Result<(), Reason> {
    if here.addresses.contains(&datagram.source) {
        return Err(Reason::OwnSource);
    }
    match &router.peers {
        Peers::Multicast(group) => {
            if datagram.destination != *group {
                return Err(Reason::Destination);
            }
            if datagram.ttl != 255 {
                return Err(Reason::Ttl);
            }
        }
        Peers::Unicast { peers, only, min_ttl } => {
            if !here.addresses.contains(&datagram.destination) {
                return Err(Reason::Destination);
            }
            if *only && !peers.contains(&datagram.source) {
                return Err(Reason::UnknownPeer);
            }
            if min_ttl.is_some_and(|min| datagram.ttl < min) {
                return Err(Reason::Ttl);
            }
        }
    }
    Ok(())
}

/// The message and its trailer, which together are all there is.
fn split<'a>(router: &Router, message: Message<'_>, bytes: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Reason> {
    let length = message.length(router.version, router.family);
    let (message, rest) = bytes.split_at_checked(length).ok_or(Reason::LengthShort)?;
    let signed = matches!(router.authentication, Authentication::Hmac(_));
    if rest.is_empty() || (signed && rest.len() == TRAILER) { Ok((message, rest)) } else { Err(Reason::LengthLong) }
}

fn authentication(
    router: &Router,
    here: Here<'_>,
    marks: &mut Marks,
    source: IpAddr,
    bytes: &[u8],
    trailer: &[u8],
) -> Result<(), Reason> {
    if let Authentication::Hmac(settings) = &router.authentication {
        marks.verify(settings, source, bytes, trailer, here.now_unix)?;
    }
    if router.version == Version::V3 {
        return Ok(());
    }
    let Some(message) = Message::new(bytes) else { return Err(Reason::LengthShort) };
    match (&router.authentication, message.auth_type()) {
        (Authentication::Pass(password), AUTH_PASS) => {
            if message.password(router.family) == password {
                Ok(())
            } else {
                Err(Reason::AuthData)
            }
        }
        (Authentication::None | Authentication::Hmac(_), AUTH_NONE) => Ok(()),
        _ => Err(Reason::AuthType),
    }
}

/// Whether it names the addresses that we would.
fn list(router: &Router, advert: &Advert, warnings: &mut BTreeSet<Warning>) -> Result<(), Reason> {
    let (reason, warning) = if advert.addresses.len() != router.addresses.len() {
        (Reason::AddressCount, Warning::AddressCount)
    } else if advert.addresses.iter().any(|address| !router.addresses.contains(address)) {
        (Reason::AddressList, Warning::AddressList)
    } else {
        return Ok(());
    };
    let is_let_be = router.accept_empty_list && advert.addresses.is_empty();
    if router.same_addresses && !is_let_be {
        return Err(reason);
    }
    warnings.insert(warning);
    Ok(())
}

fn link_local(
    router: &Router,
    advert: &Advert,
    source: IpAddr,
    warnings: &mut BTreeSet<Warning>,
) -> Result<(), Reason> {
    if router.family == Family::V4 {
        return Ok(());
    }
    let is_local = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    if advert.addresses.first().is_some_and(|first| !is_local(first)) {
        if router.strict_link_local {
            return Err(Reason::FirstAddressNotLinkLocal);
        }
        warnings.insert(Warning::FirstAddressNotLinkLocal);
    }
    if !is_local(&source) {
        warnings.insert(Warning::SourceNotLinkLocal);
    }
    Ok(())
}

//! The signed trailer of keepalived 2.4 (`auth_hmac`): 28 bytes behind the message that prove who sent it, and when.
//!
//! ```text
//!  0 type = 1   1 key id   2 reserved   4 seconds   8 fraction, 1/65536 s   10 counter   12 HMAC-SHA-256, cut to 16 bytes
//! ```

use std::net::IpAddr;

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use crate::message::HEADER;
use crate::reason::Reason;
use crate::router::Family;

pub const TRAILER: usize = 28;
const KIND: u8 = 1;
/// Of the trailer, what the digest covers.
const STAMPED: usize = 12;
const DIGEST: usize = 16;
/// How many senders' last numbers are kept; the one heard longest ago makes room.
const SENDERS: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The first one signs what we send.
    pub keys: Vec<Key>,
    pub mode: Mode,
    /// Seconds that the clocks may differ, 1 to 300.
    pub window: u64,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    pub id: u8,
    /// 32 to 64 bytes.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Adverts without trailer are thrown away.
    Enforce,
    /// They count; a trailer that is there must be right.
    Permissive,
    /// As permissive, and ours carry none.
    ReceiveOnly,
}

/// What the senders have numbered last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(Vec<(IpAddr, u64)>);

impl Marks {
    /// # Errors
    /// The reason to throw the advert away. Only an advert that is right moves the mark of its sender.
    pub fn verify(
        &mut self,
        settings: &Settings,
        source: IpAddr,
        message: &[u8],
        trailer: &[u8],
        now_unix: u64,
    ) -> Result<(), Reason> {
        if trailer.is_empty() {
            return if settings.mode == Mode::Enforce { Err(Reason::HmacMissing) } else { Ok(()) };
        }
        let Ok(trailer) = <&[u8; TRAILER]>::try_from(trailer) else { return Err(Reason::HmacMalformed) };
        if trailer[0] != KIND || trailer[2..4] != [0, 0] {
            return Err(Reason::HmacMalformed);
        }
        let number = u64::from_be_bytes(*trailer[4..].first_chunk().ok_or(Reason::HmacMalformed)?);
        if now_unix.abs_diff(number >> 32) > settings.window {
            return Err(Reason::HmacStale);
        }
        let key = settings.keys.iter().find(|key| key.id == trailer[1]).ok_or(Reason::HmacKey)?;
        let expected = digest(key, source, message, &trailer[..STAMPED]);
        // A secret is at stake: the comparison must not tell how much was right.
        if aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &trailer[STAMPED..]).is_err() {
            return Err(Reason::HmacDigest);
        }
        let known = self.0.iter().position(|(known, _)| *known == source);
        if let Some(known) = known {
            let last = self.0.remove(known).1;
            // One from outside of the window is of a clock that has been set.
            let counts = now_unix.abs_diff(last >> 32) <= settings.window;
            if counts && (number.wrapping_sub(last) as i64) <= 0 {
                self.0.push((source, last));
                return Err(Reason::HmacReplay);
            }
        } else if self.0.len() == SENDERS {
            self.0.remove(0);
        }
        self.0.push((source, number));
        Ok(())
    }

    /// As after an advert with this number.
    pub fn set(&mut self, source: IpAddr, number: u64) {
        self.0.push((source, number));
    }
}

/// Numbers what we send: the clock, but never twice the same.
#[derive(Debug, Default)]
pub struct Numbers(u64);

impl Numbers {
    /// `now`: since 1970.
    pub fn next(&mut self, now: std::time::Duration) -> u64 {
        let clock = (now.as_secs() << 32) | ((u64::from(now.subsec_nanos()) * 65_536 / 1_000_000_000) << 16);
        self.0 = clock.max(self.0.wrapping_add(1));
        self.0
    }
}

/// The trailer of a message, whose checksum does not matter.
pub fn trailer(key: &Key, source: IpAddr, message: &[u8], number: u64) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    trailer[0] = KIND;
    trailer[1] = key.id;
    trailer[4..STAMPED].copy_from_slice(&number.to_be_bytes());
    let digest = digest(key, source, message, &trailer[..STAMPED]);
    trailer[STAMPED..].copy_from_slice(&digest);
    trailer
}

fn digest(key: &Key, source: IpAddr, message: &[u8], stamp: &[u8]) -> [u8; DIGEST] {
    let mut begin = [0; 20];
    begin[0] = if Family::of(source) == Family::V4 { 4 } else { 6 };
    begin[1] = message[0] >> 4;
    begin[2] = message[1];
    match source {
        IpAddr::V4(source) => begin[4..8].copy_from_slice(&source.octets()),
        IpAddr::V6(source) => begin[4..].copy_from_slice(&source.octets()),
    }
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, &key.secret));
    context.update(&begin);
    context.update(&message[..6]);
    // The checksum is not signed.
    context.update(&[0, 0]);
    context.update(&message[HEADER..]);
    context.update(stamp);
    context.update(&[0; DIGEST]);
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&context.sign().as_ref()[..DIGEST]);
    digest
}

//! IPv4 options (RFC 791 section 3.1): reading them, and filling a record route option.
//!
//! ```text
//!  record route
//! +--------+--------+--------+---------------------+
//! |00000111| length | pointer|     route data ...  |   pointer: 1-based, to the next free slot; smallest is 4
//! +--------+--------+--------+---------------------+
//! ```

use core::net::Ipv4Addr;

use super::MIN_LEN;
use crate::ParseError;

/// End of the list; one byte, the rest is padding.
pub const END: u8 = 0;
/// No operation; one byte.
pub const NOP: u8 = 1;
pub const RECORD_ROUTE: u8 = 7;
pub const TIMESTAMP: u8 = 68;
pub const LOOSE_SOURCE_ROUTE: u8 = 131;
pub const STRICT_SOURCE_ROUTE: u8 = 137;
/// RFC 2113.
pub const ROUTER_ALERT: u8 = 148;

/// Set in the kind of options that every fragment carries.
const COPIED: u8 = 0x80;
/// Kind and length.
const OPTION_HEADER: usize = 2;
const RECORD_ROUTE_FIRST: usize = 4;
const ADDRESS_LEN: usize = 4;

/// One option; `NOP` and `END` are not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub kind: u8,
    /// Of the kind byte, from the start of the options.
    pub offset: usize,
    /// Without kind and length.
    pub data: &'a [u8],
}

impl Entry<'_> {
    /// Whether each fragment of the packet carries this option, or only the first.
    pub const fn is_copied(&self) -> bool {
        self.kind & COPIED != 0
    }
}

/// The options in the bytes between fixed header and payload. Stops after the first malformed one.
pub fn entries(options: &[u8]) -> Entries<'_> {
    Entries { options, at: 0 }
}

/// See [`entries`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    options: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.at;
            match *self.options.get(offset..)? {
                [] | [END, ..] => {
                    self.at = self.options.len();
                    return None;
                }
                [NOP, ..] => self.at += 1,
                [kind, len, ..] if usize::from(len) >= OPTION_HEADER => {
                    self.at += usize::from(len);
                    return Some(match self.options.get(offset + OPTION_HEADER..self.at) {
                        Some(data) => Ok(Entry { kind, offset, data }),
                        None => self.malformed(),
                    });
                }
                [_, ..] => return Some(self.malformed()),
            }
        }
    }
}

impl Entries<'_> {
    fn malformed<T>(&mut self) -> Result<T, ParseError> {
        self.at = self.options.len();
        Err(ParseError::Ipv4Option)
    }
}

/// Enters `address` into the record route option of `header`, the bytes of a header with its options. Returns whether there was
/// such an option with room; then the header checksum must follow.
pub fn record_route(header: &mut [u8], address: Ipv4Addr) -> Result<bool, ParseError> {
    let options = header.get_mut(MIN_LEN..).ok_or(ParseError::Ipv4Short)?;
    let Some(entry) = find(options, RECORD_ROUTE)? else { return Ok(false) };
    let pointer = usize::from(*entry.data.first().ok_or(ParseError::Ipv4Option)?);
    let len = OPTION_HEADER + entry.data.len();
    if pointer < RECORD_ROUTE_FIRST {
        return Err(ParseError::Ipv4Option);
    }
    let slot = pointer - 1;
    if slot + ADDRESS_LEN > len {
        return Ok(false);
    }
    let offset = entry.offset;
    let option = &mut options[offset..offset + len];
    option[slot..slot + ADDRESS_LEN].copy_from_slice(&address.octets());
    option[OPTION_HEADER] = (pointer + ADDRESS_LEN) as u8;
    Ok(true)
}

fn find(options: &[u8], kind: u8) -> Result<Option<Entry<'_>>, ParseError> {
    for entry in entries(options) {
        let entry = entry?;
        if entry.kind == kind {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;

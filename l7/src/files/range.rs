//! One range of bytes (RFC 9110 section 14). Of several the whole is sent, which is allowed, and cheaper than what they are mostly used for.

/// What a Range field comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    Whole,
    Part {
        first: u64,
        /// At least 1.
        length: u64,
    },
    /// Outside of the file, or no range at all: 416 as nginx has it.
    Unsatisfiable,
}

/// Reads the field's value for a file of `size` bytes.
pub fn range(value: &[u8], size: u64) -> Range {
    const UNIT: &[u8] = b"bytes=";
    let Some((unit, set)) = value.split_at_checked(UNIT.len()) else { return Range::Whole };
    // Of an empty file every range lies outside; who asks for all of it, as downloads do, is to get it.
    if size == 0 || !unit.eq_ignore_ascii_case(UNIT) || set.contains(&b',') {
        return Range::Whole;
    }
    let part = bounds(set.trim_ascii(), size).filter(|(first, end)| first < end);
    part.map_or(Range::Unsatisfiable, |(first, end)| Range::Part { first, length: end - first })
}

/// First byte and the one behind the last.
fn bounds(set: &[u8], size: u64) -> Option<(u64, u64)> {
    let dash = memchr::memchr(b'-', set)?;
    let (first, last) = (set[..dash].trim_ascii(), set[dash + 1..].trim_ascii());
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some((size.saturating_sub(number(last)?), size)),
        (false, true) => Some((number(first)?, size)),
        (false, false) => Some((number(first)?, number(last)?.saturating_add(1).min(size))),
    }
}

/// Digits; what is too large for any file is as good as the largest number.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(sum.saturating_mul(10).saturating_add(u64::from(digit)))
    })
}

#[cfg(test)]
mod tests;

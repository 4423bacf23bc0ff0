//! Borrowing a header struct from the front of a slice: the one length check all formats share.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ParseError;

/// The first `size_of::<T>()` bytes as `T`, and what follows; `short` if there are fewer.
#[inline(always)]
pub(crate) fn prefix<T>(bytes: &[u8], short: ParseError) -> Result<(&T, &[u8]), ParseError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    T::ref_from_prefix(bytes).map_err(|_| short)
}

/// As [`prefix`], writable.
#[inline(always)]
pub(crate) fn prefix_mut<T>(bytes: &mut [u8], short: ParseError) -> Result<(&mut T, &mut [u8]), ParseError>
where
    T: FromBytes + IntoBytes + KnownLayout + Unaligned,
{
    T::mut_from_prefix(bytes).map_err(|_| short)
}

/// Writes `value` over the front of `bytes` and borrows it there.
#[inline(always)]
pub(crate) fn init<T>(bytes: &mut [u8], value: T, short: ParseError) -> Result<(&mut T, &mut [u8]), ParseError>
where
    T: FromBytes + IntoBytes + KnownLayout + Unaligned,
{
    let (header, rest) = prefix_mut(bytes, short)?;
    *header = value;
    Ok((header, rest))
}

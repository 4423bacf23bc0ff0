//! Time as the proxy needs it: milliseconds since the process began, and the date of responses.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds of a clock that never goes back and is the same in all threads; it begins at some hours, so that "long ago" is not below
/// zero.
pub fn micros() -> u64 {
    const HEAD_START: Duration = Duration::from_hours(24);
    (BEGIN.elapsed() + HEAD_START).as_micros() as u64
}

/// [`micros`] in milliseconds.
pub fn millis() -> u64 {
    micros() / 1000
}

/// Runs `take` with the current IMF-fixdate (RFC 9110 section 5.6.7), made once a second per thread.
pub fn with_date<T>(take: impl FnOnce(&[u8]) -> T) -> T {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    DATE.with_borrow_mut(|(second, text)| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if *second != now || text.is_empty() {
            *second = now;
            *text = fixdate(now);
        }
        take(text.as_bytes())
    })
}

/// Seconds since 1970 at a time in [`micros`] that has just been, without asking the system each time: a step of its clock shows up within a
/// second.
pub(crate) fn seconds(at: u64) -> u64 {
    const TRUSTED: u64 = 1_000_000;
    thread_local! {
        /// A time in `micros`, and what the system's clock said then, in microseconds since 1970.
        static ASKED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    let (mut then, mut said) = ASKED.get();
    if at.saturating_sub(then) >= TRUSTED {
        then = micros();
        said = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        ASKED.set((then, said));
    }
    said.saturating_add_signed(at.wrapping_sub(then) as i64) / 1_000_000
}

/// Seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn fixdate(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = civil(days);
    let weekday = DAYS[(days % 7) as usize];
    let month = MONTHS[month - 1];
    format!("{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month (1 to 12) and day of a count of days since 1970, by the Gregorian calendar's cycle of 400 years.
pub fn civil(days: u64) -> (u64, usize, u64) {
    // Counted from 1 March of year 0, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let number = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(number <= 2), number as usize, of_month)
}

#[cfg(test)]
mod tests;

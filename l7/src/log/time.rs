//! The time as logs write it, made once a second per thread.

use std::cell::RefCell;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::{MONTHS, civil};

/// A second in the ways that it is written.
#[derive(Debug, Default)]
pub struct Times {
    second: u64,
    /// `$time_local`: `06/Nov/1994:08:49:37 +0100`
    pub local: String,
    /// `$time_iso8601`: `1994-11-06T08:49:37+01:00`
    pub iso8601: String,
    /// RFC 3164: `Nov  6 08:49:37`
    pub syslog: String,
}

/// Runs `take` with a second of the local time zone. `second`: since 1970.
pub fn with_times<T>(second: u64, take: impl FnOnce(&Times) -> T) -> T {
    thread_local! {
        static TIMES: RefCell<Times> = RefCell::new(Times::new(0, 0));
    }
    TIMES.with_borrow_mut(|times| {
        if times.second != second {
            *times = Times::new(second, offset(second));
        }
        take(times)
    })
}

/// Seconds that the local time is ahead of UTC.
fn offset(second: u64) -> i32 {
    let moment = Timestamp::from_second(second as i64).unwrap_or_default();
    TimeZone::system().to_offset(moment).seconds()
}

impl Times {
    fn new(second: u64, offset: i32) -> Self {
        let shown = second.saturating_add_signed(offset.into());
        let (days, rest) = (shown / 86400, shown % 86400);
        let (year, month, day) = civil(days);
        let name = MONTHS[month - 1];
        let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
        Self {
            second,
            local: format!("{day:02}/{name}/{year:04}:{time} {sign}{hours:02}{minutes:02}"),
            iso8601: format!("{year:04}-{month:02}-{day:02}T{time}{sign}{hours:02}:{minutes:02}"),
            syslog: format!("{name} {day:2} {time}"),
        }
    }
}

#[cfg(test)]
mod tests;

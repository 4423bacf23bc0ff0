//! Numbers for people: short, with the unit they need.

/// Up to five digits as they are, more with k, M, G, T, P, E (powers of 1000): `12345`, `1.2M`, `340M`.
pub(crate) fn short(n: u64) -> String {
    if n < 100_000 {
        return n.to_string();
    }
    let mut scale: u64 = 1000;
    for unit in ["k", "M", "G", "T", "P"] {
        let whole = n / scale;
        if whole < 10 {
            return format!("{whole}.{}{unit}", n % scale / (scale / 10));
        }
        if whole < 1000 {
            return format!("{whole}{unit}");
        }
        scale *= 1000;
    }
    format!("{}.{}E", n / scale, n % scale / (scale / 10))
}

/// `3d 4h`, `4h 5m`, `5m 6s`, `6s`: the two largest units.
pub(crate) fn elapsed(seconds: u64) -> String {
    let (d, h, m, s) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m {s}s"),
        (0, _, _) => format!("{h}h {m}m"),
        _ => format!("{d}d {h}h"),
    }
}

/// `14:59`, as ipvsadm shows when a connection expires.
pub(super) fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// `1 server`, `2 servers`.
pub(super) fn count(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keeps_at_least_two_digits_and_never_rounds_up() {
        for (n, text) in [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100k"),
            (999_999, "999k"),
            (1_000_000, "1.0M"),
            (1_290_000, "1.2M"),
            (34_000_000_000, "34G"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short(n), text);
        }
    }

    #[test]
    fn times_show_two_units() {
        assert_eq!(["6s", "5m 6s", "4h 5m", "3d 4h"], [6, 306, 14_706, 273_906].map(elapsed)[..]);
        assert_eq!(["00:09", "14:59", "100:00"], [9, 899, 6000].map(clock)[..]);
    }
}

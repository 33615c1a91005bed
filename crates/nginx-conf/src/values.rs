//! nginx's notations of times and sizes.

/// A time such as `1h30m`, `500ms` or `10`, in milliseconds; a number without a unit means seconds. Units go
/// from the longest to the shortest, each at most once.
pub fn milliseconds(text: &str) -> Option<u64> {
    time(text, false)
}

/// A time in whole seconds, in which years may stand and milliseconds may not.
pub fn seconds(text: &str) -> Option<u64> {
    time(text, true).map(|milliseconds| milliseconds / 1000)
}

/// A size such as `8k` or `1m`, in bytes.
pub fn size(text: &str) -> Option<u64> {
    let number = |digits: &str, unit: u64| digits_only(digits)?.checked_mul(unit);
    match text.char_indices().next_back()? {
        (end, 'k' | 'K') => number(text.get(..end)?, 1 << 10),
        (end, 'm' | 'M') => number(text.get(..end)?, 1 << 20),
        _ => digits_only(text),
    }
}

/// A size that may be in gigabytes too: `1g`.
pub fn offset(text: &str) -> Option<u64> {
    match text.strip_suffix(['g', 'G']) {
        Some(digits) => digits_only(digits)?.checked_mul(1 << 30),
        None => size(text),
    }
}

/// Digits alone, as nginx reads a number.
pub fn number(text: &str) -> Option<u64> {
    digits_only(text)
}

fn digits_only(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok().filter(|number| *number <= i64::MAX as u64) } else { None }
}

/// The units with their rank and their length in milliseconds.
const UNITS: [(&str, u8, u64); 8] = [
    ("ms", 7, 1),
    ("y", 0, 365 * 86_400_000),
    ("M", 1, 30 * 86_400_000),
    ("w", 2, 7 * 86_400_000),
    ("d", 3, 86_400_000),
    ("h", 4, 3_600_000),
    ("m", 5, 60_000),
    ("s", 6, 1000),
];

fn time(text: &str, whole_seconds: bool) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    // The rank of the next unit must be at least this.
    let mut rank = if whole_seconds { 0 } else { 2 };
    loop {
        let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        let number = digits_only(number)?;
        let unit = UNITS.iter().find(|(unit, ..)| after.starts_with(unit));
        let (after, length) = match unit {
            Some((unit, place, length)) => {
                if *place < rank || (whole_seconds && *place == 7) {
                    return None;
                }
                rank = place + 1;
                (after.get(unit.len()..)?, *length)
            }
            // A number without a unit stands at the end only.
            None if after.trim_start_matches(' ').is_empty() => (after, 1000),
            None => return None,
        };
        total = total.checked_add(number.checked_mul(length)?).filter(|total| *total <= i64::MAX as u64)?;
        rest = after.trim_start_matches(' ');
        if rest.is_empty() {
            return Some(total);
        }
        unit?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nginx_s() {
        let cases = [
            ("10", Some(10_000)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1m 30s", Some(90_000)),
            ("1d12", Some(86_412_000)),
            ("0", Some(0)),
            ("1w", Some(604_800_000)),
            ("1M", None),
            ("1y", None),
            ("30m1h", None),
            ("1s1s", None),
            ("", None),
            ("s", None),
            ("-1", None),
            ("1.5s", None),
            ("10 5", None),
            ("99999999999999999999", None),
            ("9223372036854775807w", None),
        ];
        for (text, expected) in cases {
            assert_eq!(milliseconds(text), expected, "{text:?}");
        }
        assert_eq!(seconds("1y"), Some(365 * 86_400));
        assert_eq!(seconds("1M1d"), Some(31 * 86_400));
        assert_eq!(seconds("100ms"), None);
    }

    #[test]
    fn sizes_are_nginx_s() {
        assert_eq!(size("8k"), Some(8192));
        assert_eq!(size("20M"), Some(20 << 20));
        assert_eq!(size("1g"), None);
        assert_eq!(offset("1g"), Some(1 << 30));
        assert_eq!(offset("75M"), Some(75 << 20));
        for wrong in ["", "k", "1kb", "-1", "1.5m", "99999999999999999m", "1é"] {
            assert_eq!(size(wrong), None, "{wrong:?}");
        }
    }
}

//! Lifetime by status, for replies that carry no freshness of their own.

use std::time::Duration;

use http::StatusCode;

/// Rules from the setting `ttl`: a status, a class (`2xx`) or `any`; the more particular one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlRules {
    rules: Vec<(Statuses, Duration)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Statuses {
    One(u16),
    /// All statuses of a hundred, such as 4xx.
    Class(u16),
    Any,
}

impl TtlRules {
    /// One lifetime for 200, 301 and 302, as nginx's `valid` without a status.
    pub fn new(ttl: Duration) -> Self {
        Self { rules: [200, 301, 302].map(|status| (Statuses::One(status), ttl)).into() }
    }

    /// From pairs such as ("200", 1 s), ("404", 5 s), ("2xx", …), ("any", …). The error is for the settings
    /// checker.
    pub fn by_status<'a>(pairs: impl IntoIterator<Item = (&'a str, Duration)>) -> Result<Self, String> {
        let mut rules = Vec::new();
        for (statuses, ttl) in pairs {
            let statuses = parse(statuses)?;
            if rules.iter().any(|(other, _)| *other == statuses) {
                return Err(format!("{statuses:?} has two lifetimes"));
            }
            rules.push((statuses, ttl));
        }
        rules.sort_by_key(|(statuses, _)| *statuses);
        Ok(Self { rules })
    }

    /// The lifetime of this status; none where the settings do not name it.
    pub fn get(&self, status: StatusCode) -> Option<Duration> {
        let code = status.as_u16();
        let fits = |statuses: &Statuses| match *statuses {
            Statuses::One(one) => one == code,
            Statuses::Class(class) => class == code / 100,
            Statuses::Any => true,
        };
        // Sorted: one status before a class before any.
        self.rules.iter().find(|(statuses, _)| fits(statuses)).map(|(_, ttl)| *ttl)
    }
}

impl Default for TtlRules {
    fn default() -> Self {
        Self::new(Duration::from_secs(1))
    }
}

fn parse(text: &str) -> Result<Statuses, String> {
    let wrong = || format!("{text:?} is not a status (\"404\"), a class (\"4xx\") or \"any\"");
    match text.as_bytes() {
        b"any" => Ok(Statuses::Any),
        [class @ b'2'..=b'5', b'x', b'x'] => Ok(Statuses::Class(u16::from(*class - b'0'))),
        [b'2'..=b'5', _, _] => match text.parse() {
            Ok(206 | 304) => Err(format!("{text} is never stored: it is only part of a page")),
            Ok(status) => Ok(Statuses::One(status)),
            Err(_) => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(rules: &TtlRules, status: u16) -> Option<u64> {
        rules.get(StatusCode::from_u16(status).unwrap()).map(|ttl| ttl.as_secs())
    }

    #[test]
    fn default_is_one_second_for_pages_and_redirects() {
        let rules = TtlRules::default();
        for (status, ttl) in
            [(200, Some(1)), (301, Some(1)), (302, Some(1)), (307, None), (404, None), (500, None)]
        {
            assert_eq!(secs(&rules, status), ttl, "{status}");
        }
    }

    #[test]
    fn the_more_particular_rule_counts_in_any_order() {
        let rule = |text, secs| (text, Duration::from_secs(secs));
        let rules = TtlRules::by_status([rule("any", 1), rule("4xx", 2), rule("404", 3)]).unwrap();
        for (status, ttl) in [(200, 1), (500, 1), (410, 2), (404, 3)] {
            assert_eq!(secs(&rules, status), Some(ttl), "{status}");
        }
    }

    #[test]
    fn refuses_what_is_no_status() {
        for text in ["", "abc", "20", "2000", "6xx", "1xx", "100", "206", "304", "2x", "20x", "+20"] {
            assert!(TtlRules::by_status([(text, Duration::ZERO)]).is_err(), "{text}");
        }
        assert!(TtlRules::by_status([("404", Duration::ZERO), ("404", Duration::ZERO)]).is_err());
    }
}

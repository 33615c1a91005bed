//! A name pattern of the settings: literal text in which `*` stands for any run of bytes.

/// A pattern such as `_ga*` or `mp_*_mixpanel`. Case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    shape: Shape,
}

/// Most patterns are plain: they are compared without looking for stars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Exact,
    /// One `*`, at the end.
    Prefix,
    Any,
}

impl Glob {
    /// The error is for the settings checker.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern matches nothing".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!("pattern {text:?} holds {bad:?}, which no name can"));
        }
        let shape = match text.find('*') {
            None => Shape::Exact,
            Some(at) if at + 1 == text.len() => Shape::Prefix,
            Some(_) => Shape::Any,
        };
        Ok(Self { text: text.into(), shape })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Time grows with the product of the lengths at worst, and memory not at all.
    pub fn matches(&self, name: &[u8]) -> bool {
        let pattern = self.text.as_bytes();
        match self.shape {
            Shape::Exact => pattern == name,
            // The last byte first: most names differ there, and one byte is compared faster than a slice.
            Shape::Prefix => pattern.split_last().is_some_and(|(_, prefix)| {
                let last = prefix.len().wrapping_sub(1);
                name.get(last) == prefix.get(last) && name.starts_with(prefix)
            }),
            Shape::Any => Self::matches_any(pattern, name),
        }
    }

    fn matches_any(pattern: &[u8], name: &[u8]) -> bool {
        let (mut p, mut n) = (0, 0);
        // Where to go on when what follows the last `*` does not fit: let that `*` take one byte more.
        let mut retry = None;
        loop {
            match (pattern.get(p), name.get(n)) {
                (Some(b'*'), _) => {
                    retry = Some((p + 1, n));
                    p += 1;
                }
                (Some(a), Some(b)) if a == b => {
                    p += 1;
                    n += 1;
                }
                (None, None) => return true,
                _ => match retry {
                    Some((after_star, taken)) if taken < name.len() => {
                        p = after_star;
                        n = taken + 1;
                        retry = Some((after_star, taken + 1));
                    }
                    _ => return false,
                },
            }
        }
    }

    /// Without a `*`.
    pub(crate) fn is_exact(&self) -> bool {
        self.shape == Shape::Exact
    }

    /// Bytes that must be there: the more, the more particular the pattern.
    pub(crate) fn literal_len(&self) -> usize {
        self.text.bytes().filter(|b| *b != b'*').count()
    }

    /// The byte that a matching name begins with; none if the pattern begins with `*`.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        self.text.bytes().next().filter(|b| *b != b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_people_expect() {
        let cases = [
            ("sessionid", "sessionid", true),
            ("sessionid", "sessionid2", false),
            ("sessionid", "Sessionid", false),
            ("_ga*", "_ga", true),
            ("_ga*", "_ga_X1", true),
            ("_ga*", "x_ga", false),
            ("*", "", true),
            ("*", "anything", true),
            ("mp_*_mixpanel", "mp_1_mixpanel", true),
            ("mp_*_mixpanel", "mp_1_mixpanel_2", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "acb", false),
            ("*x", "xxy", false),
            ("**", "q", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Glob::new(pattern).unwrap().matches(name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn refuses_what_no_name_can_hold() {
        for pattern in ["", " ", "a b", "a\n", "\0"] {
            assert!(Glob::new(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = Glob::new(&"*a".repeat(50)).unwrap();
        assert!(!pattern.matches(&[b'a'; 40]));
        assert!(!pattern.matches("b".repeat(5000).as_bytes()));
    }
}

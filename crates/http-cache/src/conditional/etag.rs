//! Entity tags (RFC 9110 section 8.8.3): reading and comparing them.

use http::header::ETAG;
use http::{HeaderMap, HeaderName};

/// An entity tag, with its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// "two entity tags are equivalent if both are not weak and their opaque-tags match
    /// character-by-character."
    Strong,
    /// "two entity tags are equivalent if their opaque-tags match character-by-character, regardless of
    /// either or both being tagged as "weak"."
    Weak,
}

impl Comparison {
    pub(crate) fn holds(self, one: &EntityTag<'_>, other: &EntityTag<'_>) -> bool {
        one.opaque == other.opaque && (self == Self::Weak || !(one.weak || other.weak))
    }
}

impl EntityTag<'_> {
    pub(crate) fn is_weak(&self) -> bool {
        self.weak
    }
}

/// The entity tag of a reply; none if it is not one.
pub(crate) fn of(reply: &HeaderMap) -> Option<EntityTag<'_>> {
    let mut lines = reply.get_all(ETAG).iter();
    let first = lines.next()?;
    if lines.next().is_some() { None } else { parse(first.as_bytes()) }
}

/// `"x"` or `W/"x"`, and nothing else.
pub(crate) fn parse(text: &[u8]) -> Option<EntityTag<'_>> {
    let (tag, rest) = take(text.trim_ascii())?;
    rest.is_empty().then_some(tag)
}

/// Whether a list of entity tags (or `*`) in the request holds the reply's.
pub(crate) fn any_matches(request: &HeaderMap, name: &HeaderName, reply: &HeaderMap, by: Comparison) -> bool {
    let lines = || request.get_all(name).iter();
    // `*` matches if there is "a current representation for the target resource" (sections 13.1.1 and
    // 13.1.2): the caller holds one.
    if lines().any(|line| line.as_bytes().trim_ascii() == b"*") {
        return true;
    }
    let Some(current) = of(reply) else { return false };
    lines().any(|line| tags(line.as_bytes()).any(|tag| by.holds(&tag, &current)))
}

/// The entity tags of one line, up to the first thing that is none.
fn tags(mut rest: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    std::iter::from_fn(move || {
        while let Some(after) =
            rest.strip_prefix(b",").or_else(|| rest.strip_prefix(b" ")).or_else(|| rest.strip_prefix(b"\t"))
        {
            rest = after;
        }
        let (tag, after) = take(rest)?;
        rest = after;
        Some(tag)
    })
}

/// One entity tag at the front, and the rest.
fn take(text: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    // "weak = %s"W/"": case counts.
    let (weak, quoted) = match text.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let end = memchr::memchr(b'"', quoted.strip_prefix(b"\"")?)? + 2;
    let (opaque, rest) = quoted.split_at_checked(end)?;
    Some((EntityTag { weak, opaque }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_a_tag() {
        for text in [r#""x""#, r#"W/"x""#, r#""""#, r#" "a,b" "#, r#""a\""#] {
            assert!(parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["", "x", "\"", "\"x", "x\"", "w/\"x\"", "W/x", "\"a\"b", "\"a\", \"b\"", "*"] {
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_examples_of_section_8_8_3_2() {
        let cases = [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
        ];
        for (one, other, strong, weak) in cases {
            let (one, other) = (parse(one.as_bytes()).unwrap(), parse(other.as_bytes()).unwrap());
            assert_eq!(Comparison::Strong.holds(&one, &other), strong);
            assert_eq!(Comparison::Weak.holds(&one, &other), weak);
        }
    }

    #[test]
    fn lists() {
        let cases: &[(&str, &[&str])] = &[
            (r#""a", W/"b",,"c""#, &["\"a\"", "\"b\"", "\"c\""]),
            (r#""a,b" , "c""#, &["\"a,b\"", "\"c\""]),
            (r#"junk, "a""#, &[]),
            (r#""a" junk "b""#, &["\"a\""]),
            ("", &[]),
            (r#""a"#, &[]),
        ];
        for (line, expected) in cases {
            let found: Vec<_> =
                tags(line.as_bytes()).map(|tag| std::str::from_utf8(tag.opaque).unwrap()).collect();
            assert_eq!(&found, expected, "{line}");
        }
    }
}

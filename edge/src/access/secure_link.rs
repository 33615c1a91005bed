//! `secure_link`: links that only who knows a secret can make, as nginx's module does with `secure_link_md5`.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::variables::{Facts, RouteFacts, Template, Values};

/// The variables that a check sets.
pub(crate) const VARIABLES: [&str; 2] = ["secure_link", "secure_link_expires"];

/// Sixteen bytes as base64, with padding.
const LONGEST_HASH: usize = 24;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Debug, PartialEq)]
pub(crate) struct SecureLink {
    /// The hash in the link and, behind a comma, when it expires.
    pub(crate) link: Template,
    /// What the hash was made of.
    pub(crate) md5: Template,
    /// Links that are wrong or expired get 403 and 410; else rules decide.
    pub(crate) refuse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkVerdict {
    Right,
    Expired,
    Wrong,
}

impl SecureLink {
    /// Checks the link of a request, and sets the variables.
    pub(crate) fn check(&self, facts: &Facts<'_>, now: SystemTime) -> (LinkVerdict, Values) {
        let mut values = facts.values.clone();
        let link = self.link.value(facts);
        let parts = parts(&link);
        if let Some((text, _)) = parts.and_then(|(_, expires)| expires) {
            values.set("secure_link_expires", text.to_vec());
        }
        let Some((Some(hash), expires)) = parts else {
            values.set("secure_link", Vec::new());
            return (LinkVerdict::Wrong, values);
        };
        let made = {
            let facts = Facts { values: &values, route: RouteFacts { ..facts.route }, ..*facts };
            Md5::digest(self.md5.value(&facts))
        };
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let verdict = match expires {
            _ if !bool::from(made.as_slice().ct_eq(&hash)) => LinkVerdict::Wrong,
            Some((_, expires)) if expires < seconds => LinkVerdict::Expired,
            _ => LinkVerdict::Right,
        };
        let word: &[u8] = match verdict {
            LinkVerdict::Right => b"1",
            LinkVerdict::Expired => b"0",
            LinkVerdict::Wrong => b"",
        };
        values.set("secure_link", word.to_vec());
        (verdict, values)
    }
}

/// The hash, if it is one, and the time as text and number.
type Parts<'a> = (Option<[u8; 16]>, Option<(&'a [u8], u64)>);

fn parts(link: &[u8]) -> Option<Parts<'_>> {
    let (hash, expires) = match link.iter().position(|byte| *byte == b',') {
        Some(comma) => (link.get(..comma)?, Some(link.get(comma + 1..)?)),
        None => (link, None),
    };
    let expires = match expires {
        None => None,
        Some(text) => {
            let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
            let number = is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten();
            Some((text, number.filter(|number| *number > 0)?))
        }
    };
    let hash = (hash.len() <= LONGEST_HASH).then(|| BASE64.decode(hash).ok()?.try_into().ok()).flatten();
    Some((hash, expires))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_hash_and_a_time() {
        let hash = "nPMXOgzE1D1oyWNZYGgf2w";
        for (link, expected) in [
            (hash.to_owned(), Some(None)),
            (format!("{hash}=="), Some(None)),
            (format!("{hash},2147483647"), Some(Some(2_147_483_647))),
            (format!("{hash},"), None),
            (format!("{hash},0"), None),
            (format!("{hash},-5"), None),
            (format!("{hash},99999999999999999999999"), None),
            (format!("{hash},1,2"), None),
            (String::new(), None),
            ("short".into(), None),
            (format!("{hash}AAAA"), None),
            ("nPMXOgzE1D1oyWNZYGg/2w".into(), None),
        ] {
            let read = parts(link.as_bytes());
            let read = read.and_then(|(hash, expires)| hash.map(|_| expires.map(|(_, number)| number)));
            assert_eq!(read, expected, "{link}");
        }
        // The time is told of a wrong hash too, as in nginx.
        assert!(matches!(parts(b"***,5"), Some((None, Some((b"5", 5))))));
    }
}

//! The languages that earlier replies for one page showed in Content-Language: a visitor whose favourite is
//! among them need not have a variant for each way of writing Accept-Language.
//!
//! Only the favourite counts, and only if the page has it: then whatever else the visitor accepts changes
//! nothing. A language that a page lacks is never concluded, because a server may prefer in its own order.

use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE};
use http::{HeaderMap, HeaderValue};

use super::ranges;

/// The most favourites that are known of one page. The oldest makes room.
const MAX_KNOWN: usize = 64;
/// No language tag in use is longer.
const MAX_TAG: usize = 35;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearntLanguages {
    /// A favourite, and the language in which the page came for it.
    known: Vec<(Box<str>, Box<str>)>,
    /// Languages in which the page did not come although they were all that was asked for.
    unsure: Vec<Box<str>>,
}

impl LearntLanguages {
    /// Learns from a reply that varies by language, and the request that it answers.
    pub fn learn(&mut self, request: &HeaderMap, reply: &HeaderMap) {
        let (Some(favourite), Some(language)) = (favourite(request), language_of(reply)) else { return };
        if !is_variety(&favourite, &language) {
            self.doubt(&favourite);
            return;
        }
        if self.unsure.iter().any(|unsure| **unsure == *language) {
            return;
        }
        self.known.retain(|(known, _)| **known != *favourite);
        if self.known.len() >= MAX_KNOWN {
            self.known.remove(0);
        }
        self.known.push((favourite.into(), language.into()));
    }

    /// What Accept-Language is reduced to; `None`: it stays as it is.
    pub fn reduced(&self, request: &HeaderMap) -> Option<HeaderValue> {
        if self.known.is_empty() {
            return None;
        }
        let favourite = favourite(request)?;
        let (_, language) = self.known.iter().find(|(known, _)| **known == *favourite)?;
        let sent = request.get(ACCEPT_LANGUAGE)?;
        // RFC 9110 section 12.5.4: "language-range", compared without regard to case.
        if sent.as_bytes().eq_ignore_ascii_case(language.as_bytes()) {
            return None;
        }
        HeaderValue::from_str(language).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Asked for this language first, the page came in another: what was reduced to it no longer is.
    fn doubt(&mut self, language: &str) {
        let before = self.known.len();
        self.known.retain(|(_, known)| **known != *language);
        if self.known.len() < before && self.unsure.len() < MAX_KNOWN {
            self.unsure.push(language.into());
        }
    }
}

/// The range that the request prefers. `None`: any language, or none.
fn favourite(request: &HeaderMap) -> Option<String> {
    let favourite = ranges(request).into_iter().next()?;
    (favourite != "*" && favourite.len() <= MAX_TAG).then_some(favourite)
}

/// The one language of the reply, in lower case.
fn language_of(reply: &HeaderMap) -> Option<String> {
    let mut lines = reply.get_all(CONTENT_LANGUAGE).iter();
    let tag = lines.next()?.to_str().ok()?.trim().to_ascii_lowercase();
    let is_tag = (1..=MAX_TAG).contains(&tag.len())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_tag && lines.next().is_none()).then_some(tag)
}

/// Whether one is the other, or a regional form of it.
fn is_variety(one: &str, other: &str) -> bool {
    let (long, short) = if one.len() < other.len() { (other, one) } else { (one, other) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn learnt(pairs: &[(&str, &str)]) -> LearntLanguages {
        let mut learnt = LearntLanguages::default();
        for (accepts, language) in pairs {
            learnt.learn(&fields(ACCEPT_LANGUAGE, accepts), &fields(CONTENT_LANGUAGE, language));
        }
        learnt
    }

    fn reduced(learnt: &LearntLanguages, accepts: &str) -> Option<String> {
        let reduced = learnt.reduced(&fields(ACCEPT_LANGUAGE, accepts))?;
        Some(reduced.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_favourite_that_the_page_has_is_all_that_counts() {
        let learnt = learnt(&[("de-CH,de;q=0.9", "de"), ("fr", "fr-CA"), ("it, en;q=0.5", "en")]);
        let cases = [
            ("de-CH", Some("de")),
            ("de-ch, en;q=0.7", Some("de")),
            ("en;q=0.7, de-CH", Some("de")),
            ("fr;q=0.9, it;q=0.8", Some("fr-ca")),
            // Not known: the page may have one for Austria, or for these.
            ("de-AT, de;q=0.9", None),
            ("de", None),
            ("it", None),
            ("en", None),
            ("*, de-CH;q=0.5", None),
            ("", None),
        ];
        for (accepts, expected) in cases {
            assert_eq!(reduced(&learnt, accepts).as_deref(), expected, "{accepts}");
        }
    }

    #[test]
    fn nothing_is_concluded_from_what_is_no_single_language() {
        for language in ["de, en", "", "d e", "de_DE", "a-language-tag-that-is-longer-than-any-in-use"] {
            assert!(learnt(&[("de-CH", language)]).is_empty(), "{language}");
        }
        assert!(learnt(&[("*", "de"), ("de;q=0", "de"), ("de", "den")]).is_empty());
    }

    #[test]
    fn a_language_that_does_not_come_alone_is_not_asked_for_alone() {
        let mut learnt = learnt(&[("de-CH, de", "de"), ("de-AT, de", "de"), ("en-GB", "en")]);
        learnt.learn(&fields(ACCEPT_LANGUAGE, "de"), &fields(CONTENT_LANGUAGE, "en"));
        assert_eq!((reduced(&learnt, "de-CH, it"), reduced(&learnt, "de-AT, it")), (None, None));
        assert_eq!(reduced(&learnt, "en-GB, it").as_deref(), Some("en"));
        // Nor is it learnt again.
        learnt.learn(&fields(ACCEPT_LANGUAGE, "de-CH, de"), &fields(CONTENT_LANGUAGE, "de"));
        assert_eq!(reduced(&learnt, "de-CH, it"), None);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut learnt = LearntLanguages::default();
        for n in 0..10 * MAX_KNOWN {
            let accepts = format!("de-{n}");
            learnt.learn(&fields(ACCEPT_LANGUAGE, &accepts), &fields(CONTENT_LANGUAGE, "de"));
        }
        assert_eq!(learnt.known.len(), MAX_KNOWN);
        assert_eq!(reduced(&learnt, &format!("de-{}", 10 * MAX_KNOWN - 1)).as_deref(), Some("de"));
    }
}

//! The languages that a site has: Accept-Language is reduced to the best of them, so that pages have one
//! variant for each.

pub mod learnt;

use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderValue};

/// Language tags in lower case. Empty: Accept-Language is left as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages(Vec<Box<str>>);

/// The most elements of Accept-Language that are looked at: no browser sends more.
const MAX_ELEMENTS: usize = 32;
/// A longer range names no language.
const MAX_RANGE: usize = 64;
/// Django knows more than a hundred.
const MAX_LANGUAGES: usize = 128;

impl Languages {
    /// The error is for the settings checker.
    pub fn new<'a>(tags: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut all = Vec::new();
        for tag in tags {
            let is_tag = tag.split('-').all(|part| {
                (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
            if !is_tag {
                return Err(format!("{tag:?} is not a language such as \"de\" or \"pt-br\""));
            }
            all.push(tag.to_ascii_lowercase().into());
        }
        if all.len() > MAX_LANGUAGES {
            Err(format!("more than {MAX_LANGUAGES} languages"))
        } else {
            Ok(Self(all))
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the best language of the site in place of what the request accepts; nothing if the site has none
    /// of them.
    pub(crate) fn reduce(&self, request: &mut HeaderMap) {
        if self.is_empty() || !request.contains_key(ACCEPT_LANGUAGE) {
            return;
        }
        let best = self.best(request).and_then(|tag| HeaderValue::from_str(tag).ok());
        request.remove(ACCEPT_LANGUAGE);
        if let Some(best) = best {
            request.insert(ACCEPT_LANGUAGE, best);
        }
    }

    /// RFC 4647 section 3.4 (lookup), by falling weight; then, as Django does, a regional variant of what was
    /// asked for.
    fn best(&self, request: &HeaderMap) -> Option<&str> {
        // "*" takes whatever the site gives: so does nothing at all.
        ranges(request).iter().take_while(|range| *range != "*").find_map(|range| self.find(range))
    }

    fn find(&self, range: &str) -> Option<&str> {
        let mut shorter = range;
        loop {
            if let Some(tag) = self.0.iter().find(|tag| ***tag == *shorter) {
                return Some(tag);
            }
            match shorter.rfind('-') {
                Some(at) => shorter = shorter.get(..at)?,
                None => break,
            }
        }
        let regional = |tag: &&str| tag.strip_prefix(shorter).is_some_and(|rest| rest.starts_with('-'));
        self.0.iter().map(|tag| &**tag).find(regional)
    }
}

/// The language ranges that the request accepts, in lower case, by falling weight.
fn ranges(request: &HeaderMap) -> Vec<String> {
    let mut ranges: Vec<(u16, String)> = Vec::new();
    let lines = request.get_all(ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
    for element in lines.flat_map(|line| line.split(',')).take(MAX_ELEMENTS) {
        let mut parts = element.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(Some(1000), thousandths).unwrap_or(0);
        if weight > 0 && (1..=MAX_RANGE).contains(&range.len()) {
            ranges.push((weight, range));
        }
    }
    // Stable: of two of one weight the first counts.
    ranges.sort_by_key(|(weight, _)| u16::MAX - weight);
    ranges.into_iter().map(|(_, range)| range).collect()
}

/// A weight (RFC 9110 section 12.4.2) times 1000.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_languages_as_django_has() {
        let tags: Vec<_> = (0..128).map(|number| format!("x{number}")).collect();
        assert!(Languages::new(tags.iter().map(String::as_str)).is_ok());
        let more = tags.iter().map(String::as_str).chain(["de"]);
        assert_eq!(Languages::new(more).unwrap_err(), "more than 128 languages");
    }

    #[test]
    fn a_range_that_is_too_long_is_no_language() {
        let languages = Languages::new(["de", "en"]).unwrap();
        let mut request = HeaderMap::new();
        let long = format!("de{},en;q=0.1", "-x".repeat(40));
        request.insert(ACCEPT_LANGUAGE, long.parse().unwrap());
        languages.reduce(&mut request);
        assert_eq!(request[ACCEPT_LANGUAGE], "en");
    }

    #[test]
    fn one_language_is_left() {
        let languages = Languages::new(["de", "en", "fr-CA", "pt-br", "pt"]).unwrap();
        let cases = [
            ("de-CH,de;q=0.9,en;q=0.8", Some("de")),
            ("en-GB", Some("en")),
            ("it, en;q=0.1", Some("en")),
            ("en;q=0.5, DE;q=0.6", Some("de")),
            ("en, de", Some("en")),
            ("pt-BR, pt", Some("pt-br")),
            ("pt-PT", Some("pt")),
            ("fr", Some("fr-ca")),
            ("fr-CH", Some("fr-ca")),
            ("it, ru", None),
            ("*", None),
            ("it, *, de;q=0.5", None),
            ("de;q=0, en;q=0.1", Some("en")),
            ("de;q=junk", None),
            ("de;q=2", None),
            ("", None),
        ];
        for (accepts, expected) in cases {
            let mut request = HeaderMap::new();
            request.insert(ACCEPT_LANGUAGE, accepts.parse().unwrap());
            languages.reduce(&mut request);
            let left = request.get(ACCEPT_LANGUAGE).map(|value| value.to_str().unwrap());
            assert_eq!(left, expected, "{accepts}");
            let once = request.clone();
            languages.reduce(&mut request);
            assert_eq!(request, once, "normal form of {accepts}");
        }
    }

    #[test]
    fn refuses_what_is_no_language() {
        for tag in ["", "de_CH", "de-", "toolongatag", "*", "é"] {
            assert!(Languages::new([tag]).is_err(), "{tag}");
        }
    }
}

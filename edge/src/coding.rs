//! Content codings: which of them a client accepts (Accept-Encoding), and bodies in them.
//!
//! `rule` says which replies a location codes, and `head` what that changes in their heads. `encoder` codes a
//! body piece by piece, `kept` holds the coded copies of a stored body, and `work` bounds the memory and the
//! processors that coding takes.

pub(crate) mod encoder;
pub(crate) mod head;
pub(crate) mod kept;
pub(crate) mod rule;
pub(crate) mod work;

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Coding {
    #[serde(rename = "br")]
    Brotli,
    #[serde(rename = "zstd")]
    Zstandard,
    #[serde(rename = "gzip")]
    Gzip,
}

impl Coding {
    /// The codings, smallest result first. Of the files beside a file, the first one that a client accepts is
    /// sent, whatever weights the client gives them.
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The suffix that the sibling's name has after the file's own name.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// A weight of 1, in thousandths.
const FULL: u16 = 1000;

/// The codings that a client accepts, with the weight of each in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codings {
    weights: [u16; 3],
    /// The weight of a body as it is, if the client names one.
    identity: u16,
}

impl Codings {
    /// What Accept-Encoding accepts. Without the field nothing: only the body itself suits every client.
    pub(crate) fn accepted_by(headers: &HeaderMap) -> Self {
        Self::of_lines(headers.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes))
    }

    /// Reads the lines of the field.
    pub(crate) fn of_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut weights, mut identity, mut any) = ([None; 3], None, None);
        let lines = lines.filter_map(|line| std::str::from_utf8(line).ok()).filter(|line| line.is_ascii());
        for item in lines.flat_map(|line| line.split(',')) {
            let (name, weight) = split_weight(item);
            match coding(name) {
                Some(coding) => keep_larger(&mut weights[coding as usize], weight),
                None if name == "*" => any = Some(weight),
                None if name.eq_ignore_ascii_case("identity") => identity = Some(weight),
                None => {}
            }
        }
        // RFC 9110 section 12.5.3: "The asterisk "*" symbol in an Accept-Encoding field matches any available
        // content coding not explicitly listed in the field."
        let weights = weights.map(|weight| weight.or(any).unwrap_or(0));
        Self { weights, identity: identity.unwrap_or(0) }
    }

    pub(crate) fn contains(self, coding: Coding) -> bool {
        self.weight(coding) > 0
    }

    /// The coding that the client wants most; of several, the first of `offered`. `None`: it accepts none of
    /// them, or prefers the body as it is.
    pub(crate) fn best(self, offered: &[Coding]) -> Option<Coding> {
        let weight = |coding: &&Coding| self.weight(**coding);
        let best = offered.iter().rev().max_by_key(weight)?;
        (self.contains(*best) && self.weight(*best) >= self.identity).then_some(*best)
    }

    fn weight(self, coding: Coding) -> u16 {
        self.weights[coding as usize]
    }
}

fn keep_larger(weight: &mut Option<u16>, another: u16) {
    *weight = Some(weight.unwrap_or(0).max(another));
}

/// The name and its weight. An invalid weight counts as zero.
fn split_weight(item: &str) -> (&str, u16) {
    let Some((name, parameters)) = item.split_once(';') else { return (item.trim(), FULL) };
    let weight =
        parameters.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
    let weight = match weight {
        Some(weight) => thousandths(weight.trim()),
        None if parameters.trim().is_empty() => FULL,
        None => 0,
    };
    (name.trim(), weight)
}

fn thousandths(weight: &str) -> u16 {
    let weight = weight.parse::<f32>().unwrap_or(0.0);
    // A weight that is not zero is accepted, however small.
    if weight > 0.0 { ((weight.min(1.0) * f32::from(FULL)).round() as u16).max(1) } else { 0 }
}

fn coding(name: &str) -> Option<Coding> {
    // RFC 9110 section 8.4.1.3: "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"."
    let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
    Coding::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_is_chosen_then_the_first_offered() {
        use Coding::{Brotli, Gzip, Zstandard};
        let cases: &[(&str, &[Coding], Option<Coding>)] = &[
            ("gzip, deflate, br, zstd", &Coding::ALL, Some(Brotli)),
            ("gzip, deflate, br, zstd", &[Gzip, Brotli], Some(Gzip)),
            ("gzip;q=1.0, br;q=0.9", &Coding::ALL, Some(Gzip)),
            ("br;q=0.5, zstd;q=0.5, gzip;q=0.4", &Coding::ALL, Some(Brotli)),
            ("br", &[Gzip, Zstandard], None),
            ("br;q=0", &Coding::ALL, None),
            ("*", &[Zstandard], Some(Zstandard)),
            ("identity, gzip;q=0.5", &Coding::ALL, None),
            ("identity;q=0.5, gzip", &Coding::ALL, Some(Gzip)),
            ("identity, gzip", &Coding::ALL, Some(Gzip)),
            ("gzip;q=0.0001", &Coding::ALL, Some(Gzip)),
            ("", &Coding::ALL, None),
            ("gzip", &[], None),
        ];
        for (field, offered, expected) in cases {
            let accepted = Codings::of_lines([field.as_bytes()].into_iter());
            assert_eq!(accepted.best(offered), *expected, "{field} {offered:?}");
        }
    }

    #[test]
    fn accepted() {
        let cases: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&[""], &[]),
            (&["identity"], &[]),
            (&["gzip"], &["gzip"]),
            (&["gzip, deflate, br, zstd"], &["br", "zstd", "gzip"]),
            (&["gzip", "br"], &["br", "gzip"]),
            (&["GZip , x-gzip"], &["gzip"]),
            (&["x-gzip"], &["gzip"]),
            (&["br;q=0, gzip;q=0.001"], &["gzip"]),
            (&["br; q=0.0 , gzip ;Q=1"], &["gzip"]),
            (&["*"], &["br", "zstd", "gzip"]),
            (&["*, br;q=0"], &["zstd", "gzip"]),
            (&["*;q=0, gzip"], &["gzip"]),
            (&["*;q=0"], &[]),
            (&["gzip;q=x, br;level=3, zstd;q="], &[]),
            (&["gzip;q=NaN"], &[]),
            (&["gzipped, bro, br2"], &[]),
            (&[",,;,gzip"], &["gzip"]),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            let accepted = Codings::accepted_by(&headers);
            let names: Vec<_> = Coding::ALL
                .into_iter()
                .filter(|coding| accepted.contains(*coding))
                .map(Coding::name)
                .collect();
            assert_eq!(names, *expected, "{values:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_bytes(b"gzip\xff").unwrap());
        assert_eq!(Codings::accepted_by(&headers), Codings::default());
    }
}

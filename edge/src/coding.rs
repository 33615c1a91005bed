//! Content codings: which of them a client accepts (Accept-Encoding), and bodies in them.
//!
//! `rule` says which replies a location codes, and `head` what that changes in their heads. `encoder` codes a
//! body piece by piece, `copies` holds the coded copies of a stored body, and `work` bounds the memory and
//! the processors that coding takes.

pub(crate) mod copies;
pub(crate) mod encoder;
pub(crate) mod gunzip;
pub(crate) mod head;
pub(crate) mod pieces;
pub(crate) mod rule;
pub(crate) mod work;

use std::cell::RefCell;

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};
use http1::accept_encoding::{Weights, weights};
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

/// The codings that a client accepts, with the weight of each in the order of `Coding::ALL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Codings(Weights<3>);

/// Browsers say the same in each request, and most of them the same as each other.
#[derive(Default)]
struct LastRead {
    line: Vec<u8>,
    codings: Codings,
}

impl LastRead {
    /// So long a line is remembered.
    const LONGEST: usize = 128;

    fn read(&mut self, line: &[u8]) -> Codings {
        if line == self.line {
            return self.codings;
        }
        let codings = Codings::read([line].into_iter());
        if line.len() <= Self::LONGEST {
            self.line.clear();
            self.line.extend_from_slice(line);
            self.codings = codings;
        }
        codings
    }
}

thread_local! {
    static LAST_READ: RefCell<LastRead> = RefCell::default();
}

impl Codings {
    /// What Accept-Encoding accepts.
    pub(crate) fn accepted_by(headers: &HeaderMap) -> Self {
        Self::of_lines(headers.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes))
    }

    /// Reads the lines of the field.
    pub(crate) fn of_lines<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let (first, second) = (lines.next(), lines.next());
        match (first, second) {
            (Some(only), None) => LAST_READ.with_borrow_mut(|last| last.read(only)),
            _ => Self::read(first.into_iter().chain(second).chain(lines)),
        }
    }

    fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(weights(lines, Coding::ALL.map(Coding::name)))
    }

    pub(crate) fn contains(self, coding: Coding) -> bool {
        self.weight(coding) > 0
    }

    /// The coding that the client wants most; of several, the first of `offered`. `None`: it accepts none of
    /// them, or prefers the body as it is.
    pub(crate) fn best(self, offered: &[Coding]) -> Option<Coding> {
        let weight = |coding: &&Coding| self.weight(**coding);
        let best = offered.iter().rev().max_by_key(weight)?;
        (self.contains(*best) && self.weight(*best) >= self.0.identity).then_some(*best)
    }

    fn weight(self, coding: Coding) -> u16 {
        self.0.codings[coding as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_last_is_no_other_lines_answer() {
        let long = format!("gzip;q=0.5{}", " ".repeat(200));
        for line in ["", "br", "gzip", "br", &long, "br", "", "gzip, br;q=0.1", &long] {
            let line = line.as_bytes();
            assert_eq!(Codings::of_lines([line].into_iter()), Codings::read([line].into_iter()));
            assert_eq!(
                Codings::of_lines([line, b"zstd"].into_iter()),
                Codings::read([line, b"zstd"].into_iter())
            );
        }
        assert_eq!(Codings::of_lines(std::iter::empty()), Codings::default());
    }

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
        let accepted = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_bytes(value).unwrap());
            let codings = Codings::accepted_by(&headers);
            Coding::ALL
                .into_iter()
                .filter(|coding| codings.contains(*coding))
                .map(Coding::name)
                .collect::<Vec<_>>()
        };
        assert_eq!(accepted(b"gzip, deflate, br, zstd"), ["br", "zstd", "gzip"]);
        assert_eq!(accepted(b"*, br;q=0"), ["zstd", "gzip"]);
        assert_eq!(accepted(b"gzip\xff"), [""; 0]);
        assert_eq!(Codings::accepted_by(&HeaderMap::new()), Codings::default());
    }
}

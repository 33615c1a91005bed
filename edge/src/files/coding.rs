//! Content codings of precompressed siblings (`app.js.br` beside `app.js`), and which of them a client
//! accepts.

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// The codings, smallest result first. The first one that a client accepts is sent, whatever weights the
    /// client gives them.
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The suffix that the sibling's name has after the file's own name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// A set of codings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Codings(u8);

impl Codings {
    /// What Accept-Encoding accepts. Without the field nothing: only the file itself suits every client.
    pub(super) fn accepted_by(headers: &HeaderMap) -> Self {
        let (mut named, mut accepted, mut any) = (Self::default(), Self::default(), false);
        for item in headers.get_all(ACCEPT_ENCODING).iter().flat_map(items) {
            let (name, is_wanted) = split_weight(item);
            if name == "*" {
                any = is_wanted;
            }
            let Some(coding) = coding(name) else { continue };
            named.insert(coding);
            if is_wanted {
                accepted.insert(coding);
            }
        }
        if any {
            // RFC 9110 §12.5.3: "The asterisk "*" symbol in an Accept-Encoding field matches any available
            // content coding not explicitly listed in the field."
            Coding::ALL
                .into_iter()
                .filter(|coding| !named.contains(*coding))
                .for_each(|coding| accepted.insert(coding));
        }
        accepted
    }

    pub(super) fn contains(self, coding: Coding) -> bool {
        self.0 & bit(coding) != 0
    }

    fn insert(&mut self, coding: Coding) {
        self.0 |= bit(coding);
    }
}

fn bit(coding: Coding) -> u8 {
    1 << coding as u8
}

fn items(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',')
}

/// The name, and whether its weight is more than zero. An invalid weight counts as zero.
fn split_weight(item: &str) -> (&str, bool) {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let weight =
        parameters.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
    let is_wanted = match weight {
        Some(weight) => weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0),
        None => parameters.trim().is_empty(),
    };
    (name.trim(), is_wanted)
}

fn coding(name: &str) -> Option<Coding> {
    // RFC 9110 §8.4.1.3: "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"."
    let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
    Coding::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

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

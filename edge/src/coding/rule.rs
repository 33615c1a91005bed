//! What a location compresses: `compress`, ready for use.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING,
};
use http::{HeaderMap, StatusCode};

use crate::coding::Coding;
use crate::coding::encoder::Level;

/// Fields with a digest of the body as it is.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];
/// Types whose parts must arrive one by one, at once.
const NEVER: [&str; 3] = ["text/event-stream", "multipart/x-mixed-replace", "application/grpc"];

#[derive(Debug)]
pub(crate) struct Compress {
    /// Tells this rule from all others.
    pub(crate) id: u64,
    types: Vec<TypePattern>,
    pub(crate) min_length: u64,
    pub(crate) level: Level,
    /// In the order of preference.
    pub(crate) codings: Vec<Coding>,
    /// Replies that are one visitor's own too.
    pub(crate) personal: bool,
}

/// "text/html", "text/*" or "*", in lower case.
#[derive(Debug, PartialEq, Eq)]
enum TypePattern {
    All,
    /// Ends with the slash.
    Main(String),
    Whole(String),
}

impl Compress {
    /// Compresses bodies of any length, and nothing personal.
    pub(crate) fn new(types: &[String], codings: Vec<Coding>, level: Level) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let types = types.iter().map(|text| TypePattern::parse(text)).collect::<Result<_, _>>()?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, types, min_length: 0, level, codings, personal: false })
    }

    /// One phrase for `weir explain`.
    pub(crate) fn describe(&self) -> String {
        let codings: Vec<_> = self.codings.iter().map(|coding| coding.name()).collect();
        let whose = if self.personal { "personal replies too" } else { "no personal replies" };
        format!("{} from {} bytes on, {whose}", codings.join(", "), self.min_length)
    }

    /// Whether a reply with this head may be sent in a coding. `length` of its body, if it is known.
    pub(crate) fn suits(&self, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
        // As nginx's gzip filter.
        matches!(status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
            && length.is_none_or(|length| length >= self.min_length.max(1))
            && !headers.contains_key(CONTENT_RANGE)
            && self.may_change(headers)
    }

    /// Whether its type is one of ours, and nothing forbids to change the body.
    pub(crate) fn may_change(&self, headers: &HeaderMap) -> bool {
        let changed = [CONTENT_ENCODING, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name));
        let digest = DIGESTS.iter().any(|name| headers.contains_key(name));
        !changed && !digest && self.takes(headers) && !has_directive(headers, "no-transform")
    }

    fn takes(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        let essence = value.split(';').next().unwrap_or_default().trim();
        if NEVER.iter().any(|never| starts_with(essence, never)) {
            return false;
        }
        self.types.iter().any(|pattern| match pattern {
            TypePattern::All => true,
            TypePattern::Main(main) => starts_with(essence, main),
            TypePattern::Whole(whole) => essence.eq_ignore_ascii_case(whole),
        })
    }
}

impl TypePattern {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        match text.split_once('/') {
            None if text == "*" => Ok(Self::All),
            Some((main, "*")) if token(main) => Ok(Self::Main(format!("{main}/"))),
            Some((main, sub)) if token(main) && token(sub) => Ok(Self::Whole(text)),
            _ => Err(format!("{text:?} is not a media type such as \"text/css\", \"text/*\" or \"*\"")),
        }
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(start))
}

/// Whether Cache-Control has this directive, with or without a value.
pub(crate) fn has_directive(headers: &HeaderMap, directive: &str) -> bool {
    let is_it = |part: &str| {
        let name = part.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case(directive)
    };
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(is_it)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn rule(types: &[&str]) -> Compress {
        let types: Vec<_> = types.iter().map(|text| (*text).to_owned()).collect();
        let rule = Compress::new(&types, Coding::ALL.to_vec(), Level::USUAL).unwrap();
        Compress { min_length: 100, ..rule }
    }

    #[test]
    fn what_is_compressed() {
        let html = ("content-type", "text/html; charset=utf-8");
        let usual = &["text/html", "application/json", "font/*"][..];
        type Fields = &'static [(&'static str, &'static str)];
        type Case<'a> = (&'a [&'a str], u16, Fields, Option<u64>, bool);
        let cases: &[Case<'_>] = &[
            (usual, 200, &[("content-type", "text/html; charset=utf-8")], Some(100), true),
            (usual, 200, &[("content-type", "Text/HTML")], None, true),
            (usual, 404, &[("content-type", "text/html")], None, true),
            (usual, 403, &[("content-type", "text/html")], None, true),
            (usual, 500, &[("content-type", "text/html")], None, false),
            (usual, 206, &[("content-type", "text/html")], None, false),
            (usual, 204, &[("content-type", "text/html")], None, false),
            (usual, 200, &[("content-type", "text/html")], Some(99), false),
            (usual, 200, &[("content-type", "text/html")], Some(0), false),
            (usual, 200, &[], None, false),
            (usual, 200, &[("content-type", "image/png")], None, false),
            (usual, 200, &[("content-type", "font/ttf")], None, true),
            (usual, 200, &[("content-type", "text/htmlx")], None, false),
            (&["*"], 200, &[("content-type", "image/png")], None, true),
            (&["*"], 200, &[("content-type", "text/event-stream")], None, false),
            (&["text/*"], 200, &[("content-type", "TEXT/EVENT-STREAM; charset=utf-8")], None, false),
            (&["*"], 200, &[("content-type", "a/b"), ("content-encoding", "gzip")], None, false),
            (&["*"], 200, &[("content-type", "a/b"), ("content-encoding", "identity")], None, false),
            (&["*"], 200, &[("content-type", "a/b"), ("cache-control", "public, No-Transform")], None, false),
            (&["*"], 200, &[("content-type", "a/b"), ("cache-control", "no-transformer")], None, true),
            (&["*"], 200, &[("content-type", "a/b"), ("repr-digest", "sha-256=:x:")], None, false),
            (&["*"], 200, &[("content-type", "a/b"), ("content-range", "bytes 0-1/2")], None, false),
        ];
        for (types, status, fields, length, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let status = StatusCode::from_u16(*status).unwrap();
            assert_eq!(rule(types).suits(status, &headers, *length), *expected, "{status} {fields:?}");
        }
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(html.1))]);
        assert!(rule(usual).may_change(&headers));
    }

    #[test]
    fn types() {
        for wrong in ["", "html", "text/", "/html", "text/html; charset=utf-8", "*/*", "te xt/html", "a/b/c"]
        {
            assert!(TypePattern::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(TypePattern::parse("image/SVG+xml"), Ok(TypePattern::Whole("image/svg+xml".into())));
    }
}

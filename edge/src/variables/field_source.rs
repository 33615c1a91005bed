//! The fields of a request, and the value that variables have of them.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::variables::lookup;

/// The fields of a request, wherever they are.
#[derive(Clone, Copy)]
pub(crate) enum FieldSource<'a> {
    Map(&'a HeaderMap),
    /// Beside them, `Authorization` as it was sent: it was for this server, and is not among them any more.
    Checked(&'a HeaderMap, &'a HeaderValue),
    /// Still as they were sent.
    Lines(http1::head::Fields<'a>),
}

impl<'a> FieldSource<'a> {
    /// The values of a field, in the order sent.
    fn each(self, name: &HeaderName, mut take: impl FnMut(&'a [u8])) {
        match self {
            Self::Checked(_, authorization) if *name == AUTHORIZATION => take(authorization.as_bytes()),
            Self::Map(map) | Self::Checked(map, _) => {
                map.get_all(name).iter().map(HeaderValue::as_bytes).for_each(take)
            }
            Self::Lines(lines) => {
                let lines = lines.iter().filter(|(sent, _)| sent.eq_ignore_ascii_case(name.as_str()));
                lines.for_each(|(_, value)| take(value));
            }
        }
    }

    /// Several lines of one field are joined, as in nginx since 1.23.
    pub(crate) fn joined(self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        let mut joined: Option<Cow<'a, [u8]>> = None;
        let between: &[u8] = if *name == COOKIE { b"; " } else { b", " };
        self.each(name, |value| match &mut joined {
            None => joined = Some(Cow::Borrowed(value)),
            Some(before) => {
                let before = before.to_mut();
                before.extend_from_slice(between);
                before.extend_from_slice(value);
            }
        });
        joined
    }

    pub(super) fn cookie(self, name: &str) -> Option<&'a [u8]> {
        let mut found = None;
        self.each(&COOKIE, |line| found = found.or_else(|| lookup::cookie(line, name)));
        found
    }
}

//! What an application says of its own work for a reply: the field Weir-View. It is for logs, and goes no
//! further.
//!
//! `Weir-View: "news.views.article";queries=12;sql-us=3400`: the name of the view, the number of its queries
//! to databases, and the microseconds that they took.

use std::time::Duration;

use http::HeaderName;

pub(crate) const WEIR_VIEW: HeaderName = HeaderName::from_static("weir-view");
/// Bytes of a name that are kept.
const LONGEST_NAME: usize = 200;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApplicationWork<'a> {
    /// Empty: it did not say.
    pub(crate) view: &'a str,
    pub(crate) queries: Option<u64>,
    pub(crate) sql: Option<Duration>,
}

impl<'a> ApplicationWork<'a> {
    /// What makes no sense is left out.
    pub(crate) fn of(field: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(field) else { return Self::default() };
        let (name, parameters) = match text.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((name, rest)) => (name, rest.strip_prefix(';').unwrap_or_default()),
            None => text.split_once(';').unwrap_or((text, "")),
        };
        let is_name = name.len() <= LONGEST_NAME && !name.contains(char::is_control);
        let mut work = Self { view: if is_name { name } else { "" }, ..Self::default() };
        for parameter in parameters.split(';') {
            let Some((key, value)) = parameter.split_once('=') else { continue };
            let number = value.trim().parse().ok();
            match key.trim() {
                "queries" => work.queries = number,
                "sql-us" => work.sql = number.map(Duration::from_micros),
                _ => {}
            }
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_field_says() {
        let work = |view, queries, sql: Option<u64>| ApplicationWork {
            view,
            queries,
            sql: sql.map(Duration::from_micros),
        };
        for (field, expected) in [
            (
                "\"news.views.article\";queries=12;sql-us=3400",
                work("news.views.article", Some(12), Some(3400)),
            ),
            ("\"a;b\"; queries=1 ;more=2", work("a;b", Some(1), None)),
            ("news.article;queries=0;sql-us=0", work("news.article", Some(0), Some(0))),
            ("\"\"", work("", None, None)),
            ("\"a\"x;queries=1", work("a", None, None)),
            ("\"a\";queries=-1;sql-us=x", work("a", None, None)),
            ("", work("", None, None)),
            ("\"open", work("\"open", None, None)),
        ] {
            assert_eq!(ApplicationWork::of(field.as_bytes()), expected, "{field}");
        }
        assert_eq!(ApplicationWork::of(b"\"\xff\""), work("", None, None));
        assert_eq!(ApplicationWork::of("\"a\u{1b}b\"".as_bytes()).view, "");
        assert_eq!(ApplicationWork::of(format!("\"{}\"", "x".repeat(201)).as_bytes()).view, "");
    }
}

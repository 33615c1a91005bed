//! What the fuzz target of purges calls: what a text names as one page, each prefix of it that names pages
//! names too, wherever it is cut.

use purge::Target;

use super::{key_url, parts, prefix};
use crate::request::path::split;
use http_cache::Policy;

/// Reads the text as a URL, and cuts it everywhere behind its host.
#[doc(hidden)]
pub fn name_pages(text: &str) {
    let Ok((scheme, authority, target)) = parts(text) else { return };
    let (path, query) = split(target);
    // What is resolved may stand elsewhere.
    if path.contains("/.") || path.to_ascii_lowercase().contains("%2e") {
        return;
    }
    // Where a `%` begins no escape, keys hold the query as it was sent.
    if query.is_some_and(has_stray_percent) {
        return;
    }
    let Some(url) = key_url(&Policy::default(), scheme, authority, path, query) else { return };
    let begin = text.len() - target.len() + 1;
    for end in (begin..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        if let Ok(Target::Prefix(prefix)) = prefix(&text[..end]) {
            assert!(url.starts_with(&prefix), "{:?} is not below {:?}", url, prefix);
        }
    }
}

fn has_stray_percent(query: &str) -> bool {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    query.split('%').skip(1).any(|rest| !is_escape(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_cut_anywhere() {
        name_pages(include_str!("../../../../fuzz/seeds/purge_target/escapes"));
        name_pages("https://example.com/caf%c3%a9/%7Euser//a;b?p%61ge=1&utm_source=x&%C3%A9=%7e");
    }
}

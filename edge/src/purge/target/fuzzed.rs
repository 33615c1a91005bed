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
    let Some(url) = key_url(&Policy::default(), scheme, authority, path, query) else { return };
    let begin = text.len() - target.len() + 1;
    for end in (begin..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        if let Ok(Target::Prefix(prefix)) = prefix(&text[..end]) {
            assert!(url.starts_with(&prefix), "{:?} is not below {:?}", url, prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_cut_anywhere() {
        name_pages(include_str!("../../../../fuzz/seeds/purge_target/escapes"));
    }
}

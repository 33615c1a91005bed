//! Properties that hold for any text: nothing panics, and words written with quotes are read back.
#![allow(clippy::unwrap_used)] // a test that panics has failed

use nginx_conf::{Contexts, check, parse};
use proptest::prelude::*;

fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let parsed = parse("a", &bytes, &mut |path| Ok(vec![(path.to_owned(), b"user a;".to_vec())]));
        check(&parsed, Contexts::MAIN, &|_| false);
    }

    #[test]
    fn what_looks_like_a_file_is_read(text in "([a-z${}; \n'\"\\\\#]{0,3}(server|http|include x;|\\{|\\}|;)){0,30}") {
        let parsed = parse("a", text.as_bytes(), &mut |_| Ok(Vec::new()));
        check(&parsed, Contexts::MAIN, &|_| false);
    }

    #[test]
    fn quoted_words_are_read_back(words in proptest::collection::vec("[^\0]{0,20}", 1..5)) {
        // A word that begins a line needs no quotes, but may have them.
        let text = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ") + ";";
        let parsed = parse("a", text.as_bytes(), &mut |_| Ok(Vec::new()));
        prop_assert!(parsed.mistakes.is_empty());
        let directive = parsed.directives.first().unwrap();
        let read: Vec<_> = std::iter::once(directive.name()).chain(directive.texts()).collect();
        prop_assert_eq!(read, words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

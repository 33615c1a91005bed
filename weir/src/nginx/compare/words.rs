//! Words of a directive, written so that nginx and Weir read the same words again.

use nginx_conf::Word;

/// A word as it stands in a file: in quotes where it needs them.
pub(super) fn written(word: &Word) -> String {
    quoted(&word.text, word.quoted)
}

/// A text as one word.
pub(super) fn quoted(text: &str, always: bool) -> String {
    let is_plain =
        |byte: u8| !matches!(byte, b'"' | b'\'' | b'\\' | b';' | b'{' | b'}' | b'#') && byte > b' ';
    if !always && !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use nginx_conf::parse;

    use super::*;

    #[test]
    fn words_are_read_back_as_they_were() {
        for text in ["plain", "", "two words", r"^/x\.(a|b)$", "a\"b", r"a\\b", "é;{}", "a\nb", "#", "it's"]
        {
            let line = format!("name {};", quoted(text, false));
            let parsed = parse("a", line.as_bytes(), &mut |_| Ok(Vec::new()));
            assert!(parsed.mistakes.is_empty(), "{line}");
            assert_eq!(parsed.directives.first().and_then(|one| one.arg(0)), Some(text), "{line}");
        }
    }
}

//! The cells of a row in Markdown, and what stands in them.

/// A row's cells. In code a bar is a character.
pub(crate) fn cells(line: &str) -> Vec<&str> {
    let (mut cells, mut begin, mut code) = (Vec::new(), 1, false);
    for (at, character) in line.char_indices().skip(1) {
        code ^= character == '`';
        if character == '|' && !code {
            cells.push(line.get(begin..at).unwrap_or_default().trim());
            begin = at + 1;
        }
    }
    cells
}

/// What stands in backticks, in order.
pub fn backticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Splits at a separator that stands in no brackets and no quotes.
pub fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut quoted, mut code) = (Vec::new(), 0, 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '`' => code = !code,
            '{' | '[' | '(' if !quoted => depth += 1,
            '}' | ']' | ')' if !quoted => depth -= 1,
            _ if character == separator && depth == 0 && !quoted && !code => {
                parts.push(text.get(begin..at).unwrap_or_default());
                begin = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_in_code_is_a_character() {
        assert_eq!(cells("| `a|b` | c |"), ["`a|b`", "c"]);
    }

    #[test]
    fn separators_in_brackets_and_quotes_are_none() {
        assert_eq!(parts("`[1, 2]`, \"a, b\", c", ',').len(), 3);
    }
}

//! Blocks of Lua (`content_by_lua_block { … }`), which the Lua module of nginx reads by the rules of that
//! language: none of their braces, quotes and semicolons is one of nginx.conf.

/// Whether the block of this directive holds Lua.
pub(crate) fn holds_lua(directive: &str) -> bool {
    directive.ends_with("_by_lua_block")
}

/// The number of bytes up to the brace that ends the block, with it. `None`: it does not end.
pub(crate) fn length(code: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 1_usize);
    while let Some(&byte) = code.get(at) {
        let rest = code.get(at..).unwrap_or_default();
        at += match byte {
            b'"' | b'\'' => quoted(rest, byte)?,
            b'-' if rest.starts_with(b"--") => 2 + comment(rest.get(2..).unwrap_or_default()),
            b'[' => long_bracket(rest).unwrap_or(1),
            _ => 1,
        };
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// A text in these quotes, with them.
fn quoted(code: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        match code.get(at)? {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// What follows `--`: a long bracket, or the rest of the line.
fn comment(code: &[u8]) -> usize {
    let line = || code.iter().position(|byte| *byte == b'\n').unwrap_or(code.len());
    long_bracket(code).unwrap_or_else(line)
}

/// `[[ … ]]`, `[=[ … ]=]` and so on. `None`: it is none.
fn long_bracket(code: &[u8]) -> Option<usize> {
    let level = code.strip_prefix(b"[")?.iter().take_while(|byte| **byte == b'=').count();
    if code.get(level + 1) != Some(&b'[') {
        return None;
    }
    let end: Vec<u8> = [&b"]"[..], &b"=".repeat(level), b"]"].concat();
    let inner = code.get(level + 2..)?;
    let found = inner.windows(end.len()).position(|window| window == end)?;
    Some(level + 2 + found + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_at_their_brace() {
        let cases: [(&[u8], Option<usize>); 9] = [
            (b"}", Some(1)),
            (b" local t = { a = { } } } rest", Some(24)),
            (b"say('}')}", Some(9)),
            (b"say(\"\\\"}\")}", Some(11)),
            (b"-- it's }\n}", Some(11)),
            (b"--[[ }\n } ]] }", Some(14)),
            (b"x = [==[ }]] ]==] }", Some(19)),
            (b"x = t[1] }", Some(10)),
            (b"say('}", None),
        ];
        for (code, expected) in cases {
            assert_eq!(length(code), expected, "{}", String::from_utf8_lossy(code));
        }
    }
}

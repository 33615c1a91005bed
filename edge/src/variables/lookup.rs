//! Finds one parameter in a query and one cookie in Cookie fields, as nginx finds them.

/// The value of the first parameter with this name, as sent. Names are compared without case; a parameter
/// without `=` is none.
pub(crate) fn argument<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (known, value) = pair.split_once('=')?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The value of the first cookie with this name in one line; a value ends at `;` only.
pub(crate) fn cookie<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = line;
    while !rest.is_empty() {
        if let Some(value) = cookie_here(rest, name.as_bytes()) {
            return Some(value);
        }
        let next = rest.iter().position(|byte| matches!(byte, b';' | b',')).map_or(rest.len(), |at| at + 1);
        rest = trim_front(rest.get(next..).unwrap_or_default());
    }
    None
}

/// The value of the cookie at the front of a text, if it has this name.
pub(crate) fn cookie_here<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (front, after) = text.split_at_checked(name.len())?;
    if !front.eq_ignore_ascii_case(name) {
        return None;
    }
    let value = trim_front(trim_front(after).strip_prefix(b"=")?);
    value.split(|byte| *byte == b';').next()
}

fn trim_front(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_argument() {
        let cases = [
            ("a=1&b=2", "b", Some("2")),
            ("A=1", "a", Some("1")),
            ("ab=1&b=2", "b", Some("2")),
            ("a=1&a=2", "a", Some("1")),
            ("a&b=2", "a", None),
            ("a=", "a", Some("")),
            ("a=b=c", "a", Some("b=c")),
            ("a=%20x", "a", Some("%20x")),
            ("", "a", None),
        ];
        for (query, name, value) in cases {
            assert_eq!(argument(query, name), value, "{query} {name}");
        }
    }

    #[test]
    fn finds_a_cookie() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("a=1; b=2", "b", Some("2")),
            ("a=1;b=2", "b", Some("2")),
            ("a = 1 ; b=2", "a", Some("1 ")),
            ("A=1", "a", Some("1")),
            ("ab=1; b=2", "b", Some("2")),
            ("a; a=2", "a", Some("2")),
            ("x=1,a=2", "a", Some("2")),
            ("a=x,y; b=2", "a", Some("x,y")),
            ("", "a", None),
        ];
        for (line, name, value) in cases {
            assert_eq!(cookie(line.as_bytes(), name), value.map(str::as_bytes), "{line} {name}");
        }
    }
}

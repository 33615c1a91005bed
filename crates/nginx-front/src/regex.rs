//! Regular expressions of PCRE in the form that Weir's expressions have.

/// Writes out what stands between `\Q` and `\E`. What Weir's expressions cannot say at all, look-around and
/// back-references, is refused where they are built.
pub(crate) fn translated(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("\\Q") {
        let (literal, behind) = after.split_once("\\E").unwrap_or((after, ""));
        translated.push_str(before);
        translated.push_str(&escaped(literal));
        rest = behind;
    }
    translated + rest
}

/// A text that an expression takes as it is. A space would end an argument.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            ' ' => escaped.push_str("\\x20"),
            char if "\\.+*?()|[]{}^$#&-~".contains(char) => escaped.extend(['\\', char]),
            char => escaped.push(char),
        }
    }
    escaped
}

/// The names of its groups.
pub(crate) fn group_names(pattern: &str) -> Vec<String> {
    let starts = ["(?<", "(?P<", "(?'"];
    let mut names = Vec::new();
    for (at, _) in pattern.match_indices("(?") {
        let rest = pattern.get(at..).unwrap_or_default();
        let name = starts.iter().find_map(|start| rest.strip_prefix(start)).unwrap_or_default();
        let length = name.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if let Some(name) = name.get(..length).filter(|name| !name.is_empty()) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_parts_are_literal() {
        assert_eq!(translated(r"^(a)\Q.b c\E$"), r"^(a)\.b\x20c$");
        assert_eq!(translated(r"\d\Q*"), r"\d\*");
        assert_eq!(translated(r"^/x/(.*)$"), r"^/x/(.*)$");
        assert_eq!(group_names(r"^(?<a>x)(?P<b_1>y)(?:z)(?<=q)(w)$"), ["a", "b_1"]);
    }
}

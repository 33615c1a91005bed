//! Paths against what nginx 1.22 makes of them.

use proptest::prelude::*;

use super::*;

fn normal(raw: &str) -> Result<String, BadPath> {
    normalise(raw.as_bytes()).map(|path| path.as_bytes().escape_ascii().to_string())
}

/// `location / { return 200 $uri; }`
#[test]
fn same_as_nginx() {
    let cases: &[(&str, Result<&str, BadPath>)] = &[
        ("/", Ok("/")),
        ("/a/b.css", Ok("/a/b.css")),
        ("//", Ok("/")),
        ("///a//b///", Ok("/a/b/")),
        ("/a/./b", Ok("/a/b")),
        ("/a/.", Ok("/a/")),
        ("/./", Ok("/")),
        ("/.", Ok("/")),
        ("/a/../b", Ok("/b")),
        ("/a/..", Ok("/")),
        ("/a/b/..", Ok("/a/")),
        ("/a//../b", Ok("/b")),
        ("/a/.../b", Ok("/a/.../b")),
        ("/a/..b/c..", Ok("/a/..b/c..")),
        ("/.hidden", Ok("/.hidden")),
        ("/....//x", Ok("/..../x")),
        ("/a%2fb", Ok("/a/b")),
        ("/a%2F%2fb", Ok("/a/b")),
        ("/%2e/a", Ok("/a")),
        ("/a/%2e%2e/b", Ok("/b")),
        ("/a/.%2e/b", Ok("/b")),
        ("/a%2f..%2fb", Ok("/b")),
        ("/a%20b", Ok("/a b")),
        ("/a+b", Ok("/a+b")),
        ("/a%3fb", Ok("/a?b")),
        ("/a%23b", Ok("/a#b")),
        ("/%2541", Ok("/%41")),
        ("/%252e%252e/x", Ok("/%2e%2e/x")),
        ("/a%5c..%5cb", Ok("/a\\\\..\\\\b")),
        ("/a\\b", Ok("/a\\\\b")),
        ("/%0d%0a", Ok("/\\r\\n")),
        ("/%c0%ae%c0%ae/x", Ok("/\\xc0\\xae\\xc0\\xae/x")),
        ("/\u{e9}", Ok("/\\xc3\\xa9")),
        ("/..", Err(BadPath::AboveRoot)),
        ("/../", Err(BadPath::AboveRoot)),
        ("/../etc/passwd", Err(BadPath::AboveRoot)),
        ("/a/../../b", Err(BadPath::AboveRoot)),
        ("/%2e%2e/x", Err(BadPath::AboveRoot)),
        ("/%2e%2e%2fx", Err(BadPath::AboveRoot)),
        ("/a%00b", Err(BadPath::Nul)),
        ("/%", Err(BadPath::Escape)),
        ("/%4", Err(BadPath::Escape)),
        ("/%zz", Err(BadPath::Escape)),
        ("/%+1", Err(BadPath::Escape)),
        ("/a b", Err(BadPath::Unescaped)),
        ("/a\tb", Err(BadPath::Unescaped)),
        ("/a\u{7f}", Err(BadPath::Unescaped)),
    ];
    for (raw, expected) in cases {
        assert_eq!(normal(raw), expected.map(str::to_owned), "{raw:?}");
    }
}

/// Where the caller has not done its part.
#[test]
fn not_a_path() {
    let cases: &[(&str, BadPath)] = &[
        ("", BadPath::Relative),
        ("*", BadPath::Relative),
        ("a", BadPath::Relative),
        ("http://x/", BadPath::Relative),
        ("/a?b", BadPath::Unescaped),
        ("/a#b", BadPath::Unescaped),
        ("/\0", BadPath::Unescaped),
    ];
    for (raw, mistake) in cases {
        assert_eq!(normal(raw), Err(*mistake), "{raw:?}");
    }
}

#[test]
fn unchanged_paths_are_borrowed() {
    for raw in ["/", "/a/b/c.css", "/.well-known/x", "/a..b/...", "/a/"] {
        assert!(matches!(normalise(raw.as_bytes()), Ok(NormalPath(Cow::Borrowed(_)))), "{raw:?}");
    }
}

proptest! {
    /// Whatever is made of it: one slash first, no empty or dot segments, nothing left to do.
    #[test]
    fn normal_paths_are_normal(raw in "(/|\\.|%2[eEfF]|%5c|%25|%|[a-z%\\\\]|%[0-9a-f]{2}){0,12}") {
        let raw = format!("/{raw}");
        let Ok(path) = normalise(raw.as_bytes()) else { return Ok(()) };
        let path = path.as_bytes();
        prop_assert!(path.starts_with(b"/") && !path.contains(&0));
        let segments: Vec<&[u8]> = path.split(|&byte| byte == b'/').skip(1).collect();
        for (at, segment) in segments.iter().enumerate() {
            prop_assert!(!matches!(*segment, b"." | b".."));
            prop_assert!(!segment.is_empty() || at + 1 == segments.len());
        }
        let escaped: String = path.iter().map(|byte| format!("%{byte:02x}")).collect();
        let escaped = format!("/{escaped}");
        let again = normalise(escaped.as_bytes());
        prop_assert_eq!(again.as_ref().map(NormalPath::as_bytes), Ok(path));
    }

    #[test]
    fn never_panics(path: Vec<u8>) {
        let _ = normalise(&path);
    }
}

#[test]
fn dot_segments() {
    for (path, expected) in [
        ("/a/../b", true),
        ("/.", true),
        ("/a/./b", true),
        ("/..", true),
        ("/a.b/.c/d..", false),
        ("/...", false),
    ] {
        assert_eq!(has_dot_segment(path.as_bytes()), expected, "{path}");
    }
}

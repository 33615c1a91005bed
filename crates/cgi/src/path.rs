//! A request's path as nginx makes `$document_uri` of it: percent-decoded once, `//` merged, dot segments
//! removed.

use std::borrow::Cow;

/// A path that nginx answers with 400: a broken or NUL escape, or more `..` than there are segments above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path has a broken escape or leaves the root")]
pub struct BadPath;

/// The path (without the query) that names the resource. Its bytes need not be UTF-8. As in nginx `%2F` is a
/// slash and `%2E` a dot: decoding comes before segments are looked at, so that no server behind can find a
/// `..` that was overlooked here.
pub fn normalise(path: &[u8]) -> Result<Cow<'_, [u8]>, BadPath> {
    let decoded = decode(path)?;
    let Some((b'/', rest)) = decoded.split_first() else {
        return Err(BadPath);
    };
    let plain = |segment: &[u8]| !matches!(segment, b"" | b"." | b"..");
    if rest.is_empty() || rest.split(|&byte| byte == b'/').all(plain) {
        return Ok(decoded);
    }
    // Ends in a slash before each segment.
    let mut out = vec![b'/'];
    let mut segments = rest.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"" | b"." => {}
            b".." => {
                out.pop();
                let parent = memchr::memrchr(b'/', &out).ok_or(BadPath)?;
                out.truncate(parent + 1);
            }
            name => {
                out.extend_from_slice(name);
                if segments.peek().is_some() {
                    out.push(b'/');
                }
            }
        }
    }
    Ok(out.into())
}

fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, BadPath> {
    if memchr::memchr(b'%', path).is_none() {
        return Ok(path.into());
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|&byte| char::from(byte).to_digit(16)).ok_or(BadPath);
        let escaped = u8::try_from(digit()? * 16 + digit()?).map_err(|_| BadPath)?;
        if escaped == 0 {
            return Err(BadPath);
        }
        out.push(escaped);
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_nginx_does() {
        let cases: &[(&[u8], Option<&[u8]>)] = &[
            (b"/", Some(b"/")),
            (b"/a/b", Some(b"/a/b")),
            (b"/a/b/", Some(b"/a/b/")),
            (b"/a.b/..c/d..", Some(b"/a.b/..c/d..")),
            (b"//", Some(b"/")),
            (b"//a///b//", Some(b"/a/b/")),
            (b"/./a/./b/.", Some(b"/a/b/")),
            (b"/a/../b", Some(b"/b")),
            (b"/a/b/..", Some(b"/a/")),
            (b"/a/b/../", Some(b"/a/")),
            (b"/a//../b", Some(b"/b")),
            (b"/a/..", Some(b"/")),
            (b"/%61%2Fb", Some(b"/a/b")),
            (b"/a%2f%2fb", Some(b"/a/b")),
            (b"/a/%2e%2E/b", Some(b"/b")),
            (b"/a%2f..%2fb", Some(b"/b")),
            (b"/%2525", Some(b"/%25")),
            (b"/%3F%23%20+", Some(b"/?# +")),
            (b"/%FF\xfe", Some(b"/\xff\xfe")),
            (b"/caf%C3%A9", Some(b"/caf\xc3\xa9")),
            (b"/..", None),
            (b"/a/../..", None),
            (b"/%2e%2e/etc", None),
            (b"/%00", None),
            (b"/%", None),
            (b"/%4", None),
            (b"/%4g", None),
            (b"/%+1", None),
            (b"", None),
            (b"a", None),
        ];
        for (path, expected) in cases {
            let got = normalise(path);
            assert_eq!(got.ok().as_deref(), *expected, "{:?}", path.escape_ascii().to_string());
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_root(path in "/(\\.|/|%2e|%2F|a|%25){0,20}") {
            if let Ok(normal) = normalise(path.as_bytes()) {
                prop_assert!(normal.starts_with(b"/"));
                prop_assert!(!normal.windows(2).any(|pair| pair == b"//"));
                let mut segments = normal.split(|&byte| byte == b'/');
                prop_assert!(segments.all(|segment| segment != b".." && segment != b"."));
            }
        }

        #[test]
        fn never_panics(path: Vec<u8>) {
            let _ = normalise(&path);
        }
    }
}

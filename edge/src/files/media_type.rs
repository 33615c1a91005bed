//! The Content-Type of a file, from its name.

use std::path::Path;

use http::HeaderValue;

use crate::settings::files::Charset;

/// Types that `mime_guess` has under older or other names: those of Debian's list, and nginx's for `.ts`.
const NEWER: [(&str, &str); 16] = [
    ("apk", "application/vnd.android.package-archive"),
    ("avif", "image/avif"),
    ("heic", "image/heic"),
    ("jxl", "image/jxl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("map", "application/json"),
    ("mjs", "text/javascript"),
    ("mpd", "application/dash+xml"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("ts", "video/mp2t"),
    ("ttf", "font/ttf"),
    ("vtt", "text/vtt"),
    ("woff", "font/woff"),
];

/// Text that can say in its own first bytes which encoding it has. What the head says would outrank that.
const SAYS_ITS_OWN: [&str; 3] = ["text/html", "text/css", "text/xml"];

/// The media type by the name's extension; unknown: `application/octet-stream`.
pub(super) fn media_type(path: &Path, charset: &Charset) -> HeaderValue {
    let name = name(path);
    let is_text = name.starts_with("text/") || name == "application/javascript";
    let charset = match charset {
        _ if !is_text => None,
        Charset::Off => None,
        Charset::Named(charset) => Some(charset.as_str()),
        Charset::Usual => (!SAYS_ITS_OWN.contains(&name)).then_some("utf-8"),
    };
    let whole = charset.and_then(|charset| HeaderValue::try_from(format!("{name}; charset={charset}")).ok());
    whole.unwrap_or_else(|| HeaderValue::from_static(name))
}

fn name(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let newer = NEWER.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    let name = newer.map(|(_, name)| *name).or_else(|| mime_guess::from_path(path).first_raw());
    name.unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_extension() {
        let cases = [
            ("a.html", "text/html"),
            ("A.HTML", "text/html"),
            ("main.0123456789ab.css", "text/css"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.xml", "text/xml"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.AVIF", "image/avif"),
            ("a.ico", "image/x-icon"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.otf", "font/otf"),
            ("a.ttf", "font/ttf"),
            ("a.wasm", "application/wasm"),
            ("a.pdf", "application/pdf"),
            ("a.mp4", "video/mp4"),
            ("live.m3u8", "application/vnd.apple.mpegurl"),
            ("live-1.ts", "video/mp2t"),
            ("a.js.map", "application/json"),
            ("a.tar.gz", "application/gzip"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.unknown", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(media_type(Path::new(name), &Charset::Usual), expected, "{name}");
        }
    }

    #[test]
    fn a_location_says_the_charset_of_all_text_or_of_none() {
        let latin = Charset::Named("iso-8859-1".into());
        for (name, off, named) in [
            ("a.html", "text/html", "text/html; charset=iso-8859-1"),
            ("a.txt", "text/plain", "text/plain; charset=iso-8859-1"),
            ("a.png", "image/png", "image/png"),
        ] {
            assert_eq!(media_type(Path::new(name), &Charset::Off), off);
            assert_eq!(media_type(Path::new(name), &latin), named);
        }
    }
}

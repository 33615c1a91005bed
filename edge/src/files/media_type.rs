//! The Content-Type of a file, from its name.

use std::path::Path;

use http::HeaderValue;

/// The media type by the name's extension. Text is assumed to be UTF-8. An unknown extension means
/// `application/octet-stream`.
pub(super) fn media_type(path: &Path) -> HeaderValue {
    let name = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    if name.starts_with("text/") || name == "application/javascript" {
        let with_charset = HeaderValue::try_from(format!("{name}; charset=utf-8"));
        return with_charset.unwrap_or_else(|_| HeaderValue::from_static(name));
    }
    HeaderValue::from_static(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_extension() {
        let cases = [
            ("a.html", "text/html; charset=utf-8"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("main.0123456789ab.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "application/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.ico", "image/x-icon"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a.pdf", "application/pdf"),
            ("a.mp4", "video/mp4"),
            ("a.tar.gz", "application/gzip"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.unknown", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(media_type(Path::new(name)), expected, "{name}");
        }
    }
}

//! The Content-Type of a file, from its name.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

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

/// A type of text with its encoding, unless the type names one.
fn in_charset(value: HeaderValue, charset: &Charset) -> HeaderValue {
    let charset = match charset {
        Charset::Off => return value,
        Charset::Usual => "utf-8",
        Charset::Named(charset) => charset,
    };
    let Some(name) = value.to_str().ok().filter(|name| name.starts_with("text/") && !name.contains(';'))
    else {
        return value;
    };
    HeaderValue::try_from(format!("{name}; charset={charset}")).unwrap_or(value)
}

/// Media types by the name's extension, before those that are built in.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaTypes {
    own: Option<Arc<OwnTypes>>,
    /// What the types of texts that rules give say of their encoding.
    charset: Charset,
}

#[derive(Debug)]
struct OwnTypes {
    by_extension: BTreeMap<Box<str>, HeaderValue>,
    /// The type of all other extensions, whatever is built in: `"*"`.
    others: Option<HeaderValue>,
    /// The type of names whose extension says nothing.
    unknown: Option<HeaderValue>,
}

impl MediaTypes {
    /// Extensions without their dot, in lower case. The error is the extension that is wrong, and why.
    pub(crate) fn new<'a>(
        types: impl Iterator<Item = (&'a String, &'a String)>,
        default_type: Option<&str>,
    ) -> Result<Self, (Option<String>, String)> {
        let mut types = types.peekable();
        if types.peek().is_none() && default_type.is_none() {
            return Ok(Self::default());
        }
        let value = |of: Option<&str>, text: &str| {
            let is_type = text.split_once('/').is_some_and(|(kind, sub)| !kind.is_empty() && !sub.is_empty());
            HeaderValue::from_str(text).ok().filter(|_| is_type).ok_or_else(|| {
                (of.map(str::to_owned), format!("`{text}` is no media type such as \"text/plain\""))
            })
        };
        let mut own = OwnTypes { by_extension: BTreeMap::new(), others: None, unknown: None };
        for (extension, text) in types {
            let value = value(Some(extension), text)?;
            match extension.as_str() {
                "*" => own.others = Some(value),
                name => {
                    let name = name.trim_start_matches('.').to_ascii_lowercase();
                    own.by_extension.insert(name.into(), value);
                }
            }
        }
        own.unknown = default_type.map(|text| value(None, text)).transpose()?;
        Ok(Self { own: Some(Arc::new(own)), charset: Charset::default() })
    }

    pub(crate) fn with_charset(self, charset: Charset) -> Self {
        Self { charset, ..self }
    }

    pub(crate) fn of(&self, path: &Path, charset: &Charset) -> HeaderValue {
        let Some(own) = &self.own else { return media_type(path, charset) };
        let extension = path.extension().and_then(|extension| extension.to_str());
        let extension = extension.map(str::to_ascii_lowercase);
        let by_extension = extension.and_then(|extension| own.by_extension.get(extension.as_str()));
        let named = |value: &HeaderValue| match charset {
            Charset::Named(_) => in_charset(value.clone(), charset),
            Charset::Usual | Charset::Off => value.clone(),
        };
        if let Some(value) = by_extension.or(own.others.as_ref()) {
            return named(value);
        }
        match &own.unknown {
            Some(unknown) if mime_guess::from_path(path).is_empty() => named(unknown),
            _ => media_type(path, charset),
        }
    }

    /// The type of a text that a rule gives: by the path's extension, as in nginx.
    pub(crate) fn of_text(&self, path: &Path) -> HeaderValue {
        // A path that ends in a slash has no extension; `Path` does not look at the slash.
        let path = if path.as_os_str().as_bytes().ends_with(b"/") { Path::new("") } else { path };
        let own = self.own.as_ref();
        let unknown = own.is_none_or(|own| own.unknown.is_none() && own.others.is_none());
        if unknown && mime_guess::from_path(path).is_empty() {
            let known = path
                .extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| own.is_some_and(|own| own.by_extension.contains_key(extension)));
            if !known {
                return in_charset(HeaderValue::from_static("text/plain"), &self.charset);
            }
        }
        self.of(path, &self.charset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_rules_have_the_charset_of_their_place() {
        let types = |default_type: Option<&str>, charset| {
            MediaTypes::new([].into_iter(), default_type).unwrap().with_charset(charset)
        };
        let latin = || Charset::Named("iso-8859-1".into());
        let cases = [
            (types(None, Charset::Usual), "/x", "text/plain; charset=utf-8"),
            (types(None, Charset::Off), "/x", "text/plain"),
            (types(None, latin()), "/x", "text/plain; charset=iso-8859-1"),
            (types(Some("text/plain"), latin()), "/x", "text/plain; charset=iso-8859-1"),
            (types(Some("text/x; charset=a"), latin()), "/x", "text/x; charset=a"),
            (types(Some("image/png"), latin()), "/x", "image/png"),
            (types(None, Charset::Off), "/x.txt", "text/plain"),
            (types(None, latin()), "/x.html", "text/html; charset=iso-8859-1"),
        ];
        for (types, path, expected) in cases {
            assert_eq!(types.of_text(Path::new(path)), expected, "{path}");
        }
    }

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
    fn a_path_that_ends_in_a_slash_is_plain_text() {
        let types = MediaTypes::default();
        assert_eq!(types.of_text(Path::new("/a.html")), "text/html");
        assert_eq!(types.of_text(Path::new("/a.html/")), "text/plain; charset=utf-8");
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

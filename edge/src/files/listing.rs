//! The names in a directory, as a page, JSON or XML: nginx's `autoindex`.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::files::settings::is_served_name;
use crate::files::{FileAnswer, FileRequest};
use crate::settings::autoindex::Autoindex;

/// A larger directory is listed up to this many names.
const MOST: usize = 10_000;

const IN_LINK: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug)]
pub(super) struct ListedEntry {
    name: Vec<u8>,
    is_directory: bool,
    length: u64,
    modified: SystemTime,
}

/// Directories first, each by name. Names that are not served are left out, and links that lead out of the
/// boundary.
pub(super) fn entries(directory: &Path, boundary: Option<&Path>) -> io::Result<Vec<ListedEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = entry.path();
        let leaves = |boundary: &Path| !fs::canonicalize(&path).is_ok_and(|real| real.starts_with(boundary));
        if !is_served_name(name.as_bytes()) || boundary.is_some_and(leaves) {
            continue;
        }
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if !metadata.is_dir() && !metadata.is_file() {
            continue;
        }
        entries.push(ListedEntry {
            name: name.as_bytes().to_vec(),
            is_directory: metadata.is_dir(),
            length: metadata.len(),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
        });
        if entries.len() == MOST {
            break;
        }
    }
    entries.sort_by(|a, b| (!a.is_directory, &a.name).cmp(&(!b.is_directory, &b.name)));
    Ok(entries)
}

pub(super) fn answer(format: Autoindex, request: &FileRequest<'_>, entries: &[ListedEntry]) -> FileAnswer {
    let (content_type, body) = match (format, callback(request.query)) {
        (Autoindex::Jsonp, Some(callback)) => {
            let call = [b"/* callback */\r\n", callback.as_bytes(), b"(", &json(entries), b");"].concat();
            ("application/javascript", call.into())
        }
        (Autoindex::Json | Autoindex::Jsonp, _) => ("application/json", json(entries).into()),
        (Autoindex::Xml, _) => ("text/xml; charset=utf-8", xml(entries)),
        (Autoindex::Html | Autoindex::Off, _) => {
            ("text/html; charset=utf-8", html(request.path.as_bytes(), entries))
        }
    };
    FileAnswer::Listing { content_type, body }
}

/// The function that the visitor names. As in nginx, its name has letters, digits, `_` and `.` only.
fn callback(query: Option<&str>) -> Option<&str> {
    let name = query?.split('&').find_map(|pair| pair.strip_prefix("callback="))?;
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    (!name.is_empty() && name.bytes().all(is_of_name)).then_some(name)
}

fn html(path: &[u8], entries: &[ListedEntry]) -> Bytes {
    let title = escaped(path);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Index of {title}</title></head>\n\
         <body><h1>Index of {title}</h1><hr><pre><a href=\"../\">../</a>\n"
    );
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let link = percent_encode(&entry.name, IN_LINK);
        let length = if entry.is_directory { "-".to_owned() } else { entry.length.to_string() };
        let (name, width) = cut(&entry.name, slash);
        let space = " ".repeat(LONGEST_NAME.saturating_sub(width));
        let date = http_date(entry.modified);
        page += &format!("<a href=\"{link}{slash}\">{name}</a>{space} {date} {length:>19}\n");
    }
    page.push_str("</pre><hr></body></html>\n");
    page.into()
}

/// How many letters of a name a page shows.
const LONGEST_NAME: usize = 50;

/// A name as the page shows it, and how many letters these are. As in nginx, a long one ends with "..>".
fn cut(name: &[u8], slash: &str) -> (String, usize) {
    let name = String::from_utf8_lossy(name);
    let letters = name.chars().count() + slash.len();
    if letters <= LONGEST_NAME {
        return (format!("{}{slash}", escaped(name.as_bytes())), letters);
    }
    let beginning: String = name.chars().take(LONGEST_NAME - 3).collect();
    (format!("{}..&gt;", escaped(beginning.as_bytes())), LONGEST_NAME)
}

fn xml(entries: &[ListedEntry]) -> Bytes {
    let mut list = "<?xml version=\"1.0\"?>\r\n<list>\r\n".to_owned();
    for entry in entries {
        let date = xml_date(entry.modified);
        let name = escaped(&entry.name);
        list += &match entry.is_directory {
            true => format!("<directory mtime=\"{date}\">{name}</directory>\r\n"),
            false => format!("<file mtime=\"{date}\" size=\"{}\">{name}</file>\r\n", entry.length),
        };
    }
    list.push_str("</list>\r\n");
    list.into()
}

/// Dates of HTTP begin with 1970 and end with 9999; those of files do not.
fn http_date(time: SystemTime) -> String {
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(time.clamp(UNIX_EPOCH, last))
}

/// `2026-11-29T16:20:43Z`, from `Sun, 29 Nov 2026 16:20:43 GMT`.
fn xml_date(time: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = http_date(time);
    let words: Vec<&str> = date.split(' ').collect();
    let [_, day, month, year, clock, _] = words[..] else { return String::new() };
    let month = MONTHS.iter().position(|known| *known == month).map_or(0, |at| at + 1);
    format!("{year}-{month:02}-{day}T{clock}Z")
}

/// As nginx writes it, byte for byte.
fn json(entries: &[ListedEntry]) -> Vec<u8> {
    let of_entry = |entry: &ListedEntry| {
        let name = serde_json::json!(String::from_utf8_lossy(&entry.name));
        let date = http_date(entry.modified);
        match entry.is_directory {
            true => format!("{{ \"name\":{name}, \"type\":\"directory\", \"mtime\":\"{date}\" }}"),
            false => {
                let length = entry.length;
                format!("{{ \"name\":{name}, \"type\":\"file\", \"mtime\":\"{date}\", \"size\":{length} }}")
            }
        }
    };
    let listed: Vec<String> = entries.iter().map(of_entry).collect();
    format!("[\r\n{}\r\n]", listed.join(",\r\n")).into_bytes()
}

fn escaped(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed_as(format: Autoindex, path: &str, query: Option<&str>, listed: &[ListedEntry]) -> String {
        let path = crate::request::path::resolved(path.as_bytes()).unwrap();
        let (method, headers) = (http::Method::GET, http::HeaderMap::new());
        let request = FileRequest {
            method: &method,
            path: &path,
            query,
            headers: &headers,
            internal: false,
            client: None,
        };
        let FileAnswer::Listing { body, .. } = answer(format, &request, listed) else { panic!() };
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn lists_are_nginx_s() {
        let long = "ф".repeat(60);
        let entry = |name: &str, is_directory| ListedEntry {
            name: name.as_bytes().to_vec(),
            is_directory,
            length: 7,
            modified: UNIX_EPOCH,
        };
        let listed = [entry("d", true), entry(&long, false), entry("a<b", false)];
        let page = listed_as(Autoindex::Html, "/", None, &listed);
        assert!(page.contains(&format!(">{}..&gt;</a> Thu", "ф".repeat(47))), "{page}");
        assert!(page.contains(&format!(">d/</a>{} Thu", " ".repeat(48))), "{page}");
        let list = listed_as(Autoindex::Xml, "/", None, &listed);
        let date = "mtime=\"1970-01-01T00:00:00Z\"";
        assert!(list.contains(&format!("<directory {date}>d</directory>")), "{list}");
        assert!(list.contains(&format!("<file {date} size=\"7\">a&lt;b</file>")), "{list}");
        for (query, begins) in [
            (Some("callback=f.x&a=1"), "/* callback */\r\nf.x([\r\n{ "),
            (Some("callback=alert(1)"), "[\r\n{ \"name\":\"d\", "),
            (Some("callback="), "[\r\n{ "),
            (None, "[\r\n{ "),
        ] {
            let list = listed_as(Autoindex::Jsonp, "/", query, &listed);
            assert!(list.starts_with(begins), "{query:?}: {list}");
        }
    }

    #[test]
    fn files_of_any_date_are_listed() {
        for (seconds, before_1970, year) in [(86_400, true, "1970"), (253_402_300_800, false, "9999")] {
            let since = Duration::from_secs(seconds);
            let modified = if before_1970 { UNIX_EPOCH - since } else { UNIX_EPOCH + since };
            let listed = [ListedEntry { name: b"a".to_vec(), is_directory: false, length: 7, modified }];
            for format in [Autoindex::Html, Autoindex::Json, Autoindex::Xml] {
                let list = listed_as(format, "/", None, &listed);
                assert!(list.contains(year), "{list}");
            }
        }
    }

    #[test]
    fn names_cannot_become_markup() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a<b>&\"c"), "abc").unwrap();
        fs::write(directory.path().join(".hidden"), "").unwrap();
        fs::write(directory.path().join("z.bak"), "").unwrap();
        fs::create_dir(directory.path().join("zz")).unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("out")).unwrap();
        let boundary = fs::canonicalize(directory.path()).unwrap();
        let listed = entries(directory.path(), Some(&boundary)).unwrap();
        let page = listed_as(Autoindex::Html, "/<x>/", None, &listed);
        assert!(page.contains("Index of /&lt;x&gt;/"), "{page}");
        assert!(page.contains("<a href=\"a%3Cb%3E%26%22c\">a&lt;b&gt;&amp;&quot;c</a>"), "{page}");
        assert!(page.find("zz/").unwrap() < page.find("a&lt;b").unwrap(), "directories come first: {page}");
        assert!(!page.contains("hidden") && !page.contains("z.bak") && !page.contains("out"), "{page}");
        let json = listed_as(Autoindex::Json, "/", None, &listed);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json[0]["type"], &json[1]["size"]), (&"directory".into(), &3.into()));
    }
}

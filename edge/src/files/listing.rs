//! The names in a directory, as a page or as JSON: nginx's `autoindex`.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::files::FileAnswer;
use crate::files::settings::is_served_name;
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

pub(super) fn answer(format: Autoindex, path: &[u8], entries: &[ListedEntry]) -> FileAnswer {
    match format {
        Autoindex::Json => FileAnswer::Listing { content_type: "application/json", body: json(entries) },
        _ => FileAnswer::Listing { content_type: "text/html; charset=utf-8", body: html(path, entries) },
    }
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
        let name = escaped(&entry.name);
        let space = " ".repeat(50usize.saturating_sub(entry.name.len() + slash.len()));
        let date = httpdate::fmt_http_date(entry.modified);
        page += &format!("<a href=\"{link}{slash}\">{name}{slash}</a>{space} {date} {length:>19}\n");
    }
    page.push_str("</pre><hr></body></html>\n");
    page.into()
}

fn json(entries: &[ListedEntry]) -> Bytes {
    let listed: Vec<_> = entries
        .iter()
        .map(|entry| {
            let mut value = serde_json::json!({
                "name": String::from_utf8_lossy(&entry.name),
                "type": if entry.is_directory { "directory" } else { "file" },
                "mtime": httpdate::fmt_http_date(entry.modified),
            });
            if let (false, Some(object)) = (entry.is_directory, value.as_object_mut()) {
                object.insert("size".into(), entry.length.into());
            }
            value
        })
        .collect();
    serde_json::to_vec(&listed).unwrap_or_default().into()
}

fn escaped(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let FileAnswer::Listing { body, .. } = answer(Autoindex::Html, b"/<x>/", &listed) else { panic!() };
        let page = String::from_utf8(body.to_vec()).unwrap();
        assert!(page.contains("Index of /&lt;x&gt;/"), "{page}");
        assert!(page.contains("<a href=\"a%3Cb%3E%26%22c\">a&lt;b&gt;&amp;&quot;c</a>"), "{page}");
        assert!(page.find("zz/").unwrap() < page.find("a&lt;b").unwrap(), "directories come first: {page}");
        assert!(!page.contains("hidden") && !page.contains("z.bak") && !page.contains("out"), "{page}");
        let FileAnswer::Listing { body, .. } = answer(Autoindex::Json, b"/", &listed) else { panic!() };
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&json[0]["type"], &json[1]["size"]), (&"directory".into(), &3.into()));
    }
}

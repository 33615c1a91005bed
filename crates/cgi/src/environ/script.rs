//! Which part of the path names the application or the script, and which is its own: SCRIPT_NAME, PATH_INFO
//! and, for CGI, their kin.

use std::borrow::Cow;

use super::{EnvironRefusal, Manner, Request, Variables, Writer};

/// `path` is normal and may hold any byte but NUL.
pub(super) fn variables<V: Variables>(
    request: &Request<'_>,
    path: &[u8],
    out: &mut Writer<'_, V>,
) -> Result<(), EnvironRefusal> {
    let manner = request.manner;
    let (script, info) = match manner {
        Manner::Php => php_script(path),
        _ => mounted(request.mount.as_bytes(), path),
    };
    if !script.is_empty() || matches!(manner, Manner::Cgi | Manner::Php) {
        out.bytes(b"SCRIPT_NAME", &script)?;
    }
    let info = if manner == Manner::Gunicorn { encoded(info) } else { info.into() };
    out.bytes(b"PATH_INFO", &info)?;
    if !matches!(manner, Manner::Cgi | Manner::Php) {
        return Ok(());
    }
    out.text("GATEWAY_INTERFACE", b"CGI/1.1")?;
    out.text("SERVER_SOFTWARE", b"weir")?;
    if manner == Manner::Php {
        out.bytes(b"DOCUMENT_URI", path)?;
        out.bytes(b"SCRIPT_FILENAME", &[request.document_root.as_bytes(), &script].concat())?;
        // php-cgi runs nothing without it.
        out.text("REDIRECT_STATUS", b"200")?;
    }
    Ok(())
}

/// The mount and what lies below it; a path elsewhere is the application's own whole.
fn mounted<'a>(mount: &'a [u8], path: &'a [u8]) -> (Cow<'a, [u8]>, &'a [u8]) {
    match path.strip_prefix(mount) {
        Some(below) if below.is_empty() || below.starts_with(b"/") => (mount.into(), below),
        _ => (Cow::default(), path),
    }
}

/// The path up to the first segment that ends in `.php`, and what follows it. In a directory its `index.php`.
fn php_script(path: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    const SUFFIX: &[u8] = b".php";
    let ends = memchr::memmem::find_iter(path, SUFFIX).map(|at| at + SUFFIX.len());
    let end = ends.into_iter().find(|&end| matches!(path.get(end), None | Some(b'/')));
    match end {
        Some(end) => (path[..end].into(), &path[end..]),
        None if path.ends_with(b"/") => ([path, b"index.php"].concat().into(), b""),
        None => (path.into(), b""),
    }
}

/// Percent-encoded, so that decoding gives these bytes back.
fn encoded(path: &[u8]) -> Cow<'_, [u8]> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#') || byte == b' ';
    if path.iter().all(|&byte| plain(byte)) {
        return path.into();
    }
    let mut out = Vec::with_capacity(path.len() + 16);
    for &byte in path {
        if plain(byte) {
            out.push(byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    out.into()
}

//! How redirects of our own name their target: nginx's `absolute_redirect`, `server_name_in_redirect` and
//! `port_in_redirect`.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue};

use crate::request::Request;

#[derive(Clone, Copy, Debug)]
pub(crate) struct RedirectForm {
    /// They name scheme and host.
    pub(crate) absolute: bool,
    pub(crate) server_name: bool,
    pub(crate) port: bool,
}

impl RedirectForm {
    /// What stands before the path of a redirect; `None`: nothing.
    pub(crate) fn origin(self, request: &Request, site: &str) -> Option<String> {
        if !self.absolute {
            return None;
        }
        let asked = host_of(&request.authority);
        let host = if self.server_name || asked.is_empty() { site } else { asked };
        let (scheme, usual) =
            (request.scheme.as_str(), if request.scheme.as_str() == "https" { 443 } else { 80 });
        let port = (self.port && request.server_port != usual).then(|| format!(":{}", request.server_port));
        Some(format!("{scheme}://{}{}", host.to_ascii_lowercase(), port.unwrap_or_default()))
    }
}

/// Puts the origin before a Location that is only a path.
pub(crate) fn make_absolute(origin: &str, headers: &mut HeaderMap) {
    let Some(path) = headers.get(LOCATION).filter(|path| path.as_bytes().starts_with(b"/")) else { return };
    if let Ok(location) = HeaderValue::from_bytes(&[origin.as_bytes(), path.as_bytes()].concat()) {
        headers.insert(LOCATION, location);
    }
}

/// Without the port, and without the dot at the end of a name.
fn host_of(authority: &str) -> &str {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let host = authority.get(..end).unwrap_or(authority);
    host.strip_suffix('.').unwrap_or(host)
}

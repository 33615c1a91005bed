//! Who may change something by way of the admin listener: whoever shows the token; without one, whoever is on this machine.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::{Answer, answer};

/// A token longer than this is none of ours.
const MAX_TOKEN: usize = 4096;

/// Held against every request that changes something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// Whoever reaches a listener on loopback.
    #[default]
    Local,
    /// Whoever sends `Authorization: Bearer` and what this file holds. Read at each request, so that a new token holds at once.
    Token(PathBuf),
    /// Nobody: the listener is reached from elsewhere, and there is no token.
    Nobody,
}

impl Authority {
    /// Of the listener at `address`, as in the settings.
    pub fn new(address: &str, token: Option<&Path>) -> Self {
        match token {
            Some(file) => Self::Token(file.to_owned()),
            None if is_local(address) => Self::Local,
            None => Self::Nobody,
        }
    }

    /// What a request with these fields is answered, if it may not change anything.
    pub(crate) async fn refusal(&self, fields: &HeaderMap) -> Option<Answer> {
        let file = match self {
            Self::Local => return None,
            Self::Nobody => {
                let text = "this listener is reached from elsewhere: set `admin_token_file` to a file that holds a token\n";
                return Some(answer::text(StatusCode::FORBIDDEN, text));
            }
            Self::Token(file) => file,
        };
        let token = match tokio::fs::read(file).await {
            Ok(token) => token,
            Err(error) => {
                tracing::error!("the admin token cannot be read from {}: {error}", file.display());
                return Some(answer::text(
                    StatusCode::FORBIDDEN,
                    "the token cannot be read; the log says why\n",
                ));
            }
        };
        let shown =
            fields.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(bearer).unwrap_or_default();
        let token = token.trim_ascii();
        if !token.is_empty() && token.len() <= MAX_TOKEN && equal(shown, token) {
            return None;
        }
        Some(answer::text(StatusCode::UNAUTHORIZED, "send Authorization: Bearer and the token\n"))
    }
}

fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

/// Takes as long for a token that is nearly right as for any other of its length.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Whether nobody but this machine reaches the address.
fn is_local(address: &str) -> bool {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn who_may_change_something() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = |name: &str, token: &str| {
            let file = directory.path().join(name);
            std::fs::write(&file, token).unwrap();
            file
        };
        let (right, empty) = (file("right", "s3cret\n"), file("empty", "\n"));
        let missing = directory.path().join("missing");
        for (address, token, shown, status) in [
            ("127.0.0.1:9900", None, None, 200),
            ("localhost:9900", None, None, 200),
            ("[::1]:9900", None, None, 200),
            ("0.0.0.0:9900", None, None, 403),
            ("[::]:9900", None, Some("Bearer "), 403),
            ("192.0.2.1:9900", None, None, 403),
            ("0.0.0.0:9900", Some(&right), Some("Bearer s3cret"), 200),
            ("0.0.0.0:9900", Some(&right), Some("bearer s3cret"), 200),
            ("127.0.0.1:9900", Some(&right), None, 401),
            ("0.0.0.0:9900", Some(&right), Some("Bearer s3cre"), 401),
            ("0.0.0.0:9900", Some(&right), Some("Bearer s3cres"), 401),
            ("0.0.0.0:9900", Some(&right), Some("Basic s3cret"), 401),
            ("0.0.0.0:9900", Some(&right), Some("Bearer"), 401),
            ("0.0.0.0:9900", Some(&empty), Some("Bearer "), 401),
            ("0.0.0.0:9900", Some(&missing), Some("Bearer s3cret"), 403),
        ] {
            let authority = Authority::new(address, token.map(PathBuf::as_path));
            let fields =
                shown.map(|shown| (AUTHORIZATION, HeaderValue::from_static(shown))).into_iter().collect();
            let refusal = authority.refusal(&fields).await;
            let given = refusal.map_or(200, |answer| answer.status().as_u16());
            assert_eq!(given, status, "{address}, {token:?}, {shown:?}");
        }
    }
}

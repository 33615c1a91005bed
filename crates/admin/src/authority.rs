//! Who may change something by way of a listener: whoever shows the token; without one, whoever is on this
//! machine.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use subtle::ConstantTimeEq;

use crate::{Answer, answer};

/// A token longer than this is none of ours.
const MAX_TOKEN: usize = 4096;

/// Why somebody may not change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The operator's fault: no token is set.
    #[error("this listener is reached from elsewhere: set `admin_token_file` to a file that holds a token")]
    NoToken,
    /// The operator's fault.
    #[error("the token cannot be read; the log says why")]
    Unreadable,
    /// Whoever asks is to blame.
    #[error(
        "send Authorization: Bearer and the token: that of `admin_token_file`, or else of the file that was named in \
         the log at the start"
    )]
    WrongToken,
}

/// Held against every request that changes something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    /// Whoever reaches a listener on loopback.
    #[default]
    Local,
    /// Whoever sends `Authorization: Bearer` and what this file holds. Read at each request, so that a new
    /// token holds at once.
    Token(PathBuf),
    /// Nobody: the listener is reached from elsewhere, and there is no token.
    Nobody,
}

impl Authority {
    /// The authority over the listener at `address`, as in the settings.
    pub fn new(address: &str, token: Option<&Path>) -> Self {
        match token {
            Some(file) => Self::Token(file.to_owned()),
            None if is_local(address) => Self::Local,
            None => Self::Nobody,
        }
    }

    /// Whether somebody may change something who sends this as `Authorization`.
    pub async fn check(&self, shown: Option<&[u8]>) -> Result<(), Denial> {
        let file = match self {
            Self::Local => return Ok(()),
            Self::Nobody => return Err(Denial::NoToken),
            Self::Token(file) => file,
        };
        let token = tokio::fs::read(file).await.map_err(|error| {
            tracing::error!("the admin token cannot be read from {}: {error}", file.display());
            Denial::Unreadable
        })?;
        let shown = shown.and_then(bearer).unwrap_or_default();
        let token = token.trim_ascii();
        let right = !token.is_empty() && token.len() <= MAX_TOKEN && bool::from(shown.ct_eq(token));
        if right { Ok(()) } else { Err(Denial::WrongToken) }
    }

    /// What a request with these fields is answered, if it may not change anything.
    pub(crate) async fn refusal(&self, fields: &HeaderMap) -> Option<Answer> {
        let shown = fields.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let denied = self.check(shown).await.err()?;
        let status = match denied {
            Denial::NoToken | Denial::Unreadable => StatusCode::FORBIDDEN,
            Denial::WrongToken => StatusCode::UNAUTHORIZED,
        };
        Some(answer::text(status, format!("{denied}\n")))
    }
}

fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

/// Whether nobody but this machine reaches the address.
pub(crate) fn is_local(address: &str) -> bool {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
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

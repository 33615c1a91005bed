//! Who may ask what of an admin listener: by which host, from which page, with which token.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request, StatusCode};

use crate::{Answer, Authority, Hosts, answer, token};

/// What a request needs besides a host of the listener's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It shows something.
    Read,
    /// It changes something, as a purge does: never from a page of another site, and a token where one is set
    /// or the listener is reached from elsewhere.
    Change,
    /// It could send visitors elsewhere, or speaks to the application as anybody: a token always.
    Trusted,
}

impl Access {
    /// What a request of this method needs, where nobody knows better.
    pub fn by_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Read,
            _ => Self::Change,
        }
    }
}

/// The rules of one listener. The default: a listener on loopback at which nobody has a token.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Hosts,
    changes: Authority,
    trusted: Authority,
}

impl Default for Guard {
    fn default() -> Self {
        Self { hosts: Hosts::default(), changes: Authority::Local, trusted: Authority::Nobody }
    }
}

impl Guard {
    /// The rules of the listener at `address`, as in the settings, where nothing needs a token.
    pub fn of_figures(address: &str, names: &[String]) -> Self {
        Self { hosts: Hosts::new(address, names), ..Self::default() }
    }

    /// The rules of the listener bound at `address`. Without a file of the operator's, a listener on loopback
    /// gets a token of its own (see `token`). Blocks for as long as it takes to write it.
    pub fn new(address: &str, names: &[String], token_file: Option<&Path>) -> Self {
        let changes = Authority::new(address, token_file);
        let trusted = match changes {
            Authority::Local => made(address),
            Authority::Token(_) | Authority::Nobody => changes.clone(),
        };
        Self { hosts: Hosts::new(address, names), changes, trusted }
    }

    pub(crate) fn misdirected<B>(&self, request: &Request<B>) -> Option<Answer> {
        self.hosts.refusal(request)
    }

    /// The answer to a request that needs more than it has.
    pub(crate) async fn refusal(&self, access: Access, request: &Request<Bytes>) -> Option<Answer> {
        let authority = match access {
            Access::Read => return None,
            Access::Change => &self.changes,
            Access::Trusted => &self.trusted,
        };
        if !self.hosts.sent_it(request.headers()) {
            return Some(answer::text(StatusCode::FORBIDDEN, "not from a page of another site\n"));
        }
        authority.refusal(request.headers()).await
    }
}

fn made(address: &str) -> Authority {
    match token::make(address) {
        Ok(file) => {
            tracing::info!("the token for changes of servers and for explain is in {}", file.display());
            Authority::Token(file)
        }
        Err(error) => {
            tracing::warn!(
                "no token can be written, so nobody may change servers or use explain ({error}); set \
                 `admin_token_file`, or WEIR_RUNTIME_DIR to a directory that can be written"
            );
            Authority::Nobody
        }
    }
}

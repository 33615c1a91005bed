//! Who may ask what of an admin listener: by which host, from which page, with which token.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use parking_lot::RwLock;

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

/// The rules of one listener, which can change while it serves. The default: a listener on loopback at which
/// nobody has a token. All clones are the same guard.
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<RwLock<Arc<Rules>>>);

#[derive(Debug)]
struct Rules {
    hosts: Hosts,
    changes: Authority,
    trusted: Authority,
    by: GuardSettings,
}

/// What the rules follow from.
#[derive(Debug, Default, PartialEq, Eq)]
struct GuardSettings {
    address: String,
    names: Vec<String>,
    token_file: Option<PathBuf>,
}

impl Default for Rules {
    fn default() -> Self {
        let (hosts, by) = Default::default();
        Self { hosts, changes: Authority::Local, trusted: Authority::Nobody, by }
    }
}

impl Guard {
    fn of(rules: Rules) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(rules))))
    }

    /// The rules of the listener at `address`, as in the settings, where nothing needs a token.
    pub fn of_figures(address: &str, names: &[String]) -> Self {
        Self::of(Rules { hosts: Hosts::new(address, names), ..Rules::default() })
    }

    /// From now on the rules of these settings hold, as those of [`Guard::new`]. The token that it has made
    /// stays for as long as nothing has changed.
    pub fn follow(&self, address: &str, names: &[String], token_file: Option<&Path>) {
        let by = GuardSettings::of(address, names, token_file);
        if self.rules().by != by {
            let rules = Self::new(address, names, token_file).rules();
            *self.0.write() = rules;
        }
    }

    fn rules(&self) -> Arc<Rules> {
        self.0.read().clone()
    }

    /// The rules of the listener bound at `address`. Without a file of the operator's, it gets a token of its
    /// own (see `token`), with which processes of its user may change something also where it is reached from
    /// elsewhere: its application may purge. Blocks for as long as it takes to write it.
    pub fn new(address: &str, names: &[String], token_file: Option<&Path>) -> Self {
        let (changes, trusted) = match Authority::new(address, token_file) {
            Authority::Local => (Authority::Local, made(address)),
            Authority::Nobody => {
                let made = made(address);
                (made.clone(), made)
            }
            given @ Authority::Token(_) => (given.clone(), given),
        };
        let by = GuardSettings::of(address, names, token_file);
        Self::of(Rules { hosts: Hosts::new(address, names), changes, trusted, by })
    }

    /// The token that every right is shown with, if there is one. Blocks for as long as it takes to read it.
    pub fn token(&self) -> Option<Vec<u8>> {
        let rules = self.rules();
        let Authority::Token(file) = &rules.trusted else { return None };
        let token = std::fs::read(file).ok()?.trim_ascii().to_vec();
        (!token.is_empty()).then_some(token)
    }

    pub(crate) fn misdirected<B>(&self, request: &Request<B>) -> Option<Answer> {
        self.rules().hosts.refusal(request)
    }

    /// The answer to a request that needs more than it has.
    pub(crate) async fn refusal(&self, access: Access, request: &Request<Bytes>) -> Option<Answer> {
        let rules = self.rules();
        let authority = match access {
            Access::Read => return None,
            Access::Change => &rules.changes,
            Access::Trusted => &rules.trusted,
        };
        if !rules.hosts.sent_it(request.headers()) {
            return Some(answer::text(StatusCode::FORBIDDEN, "not from a page of another site\n"));
        }
        authority.refusal(request.headers()).await
    }
}

impl GuardSettings {
    fn of(address: &str, names: &[String], token_file: Option<&Path>) -> Self {
        Self {
            address: address.to_owned(),
            names: names.to_vec(),
            token_file: token_file.map(Path::to_owned),
        }
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

//! The certificates that handshakes show for names whose certificates come by themselves.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use process::repeated::RepeatCounter;

use crate::tls::certificate::Certificate;

/// What is there for one name.
#[derive(Clone)]
enum NamedCertificate {
    Ready(Certificate),
    /// Why there is none.
    Missing(Arc<str>),
}

type ByName = HashMap<Box<str>, NamedCertificate, ahash::RandomState>;

#[derive(Default)]
pub(crate) struct AutoCertificates {
    by_name: ArcSwap<ByName>,
    refused: RepeatCounter,
}

impl AutoCertificates {
    /// The certificate for a name that a client asks for, its own or that of "*" before it. `None`: the
    /// handshake fails, and the log says why.
    pub(crate) fn choose(&self, name: &str) -> Option<Certificate> {
        let by_name = self.by_name.load();
        let wildcard = || by_name.get(&*format!("*.{}", name.split_once('.')?.1));
        match by_name.get(name).or_else(wildcard) {
            Some(NamedCertificate::Ready(certificate)) => Some(certificate.clone()),
            Some(NamedCertificate::Missing(why)) => {
                if let Some(unlogged) = self.refused.happened(name) {
                    let unlogged =
                        if unlogged > 0 { format!(", and {unlogged} before") } else { String::new() };
                    tracing::warn!("TLS handshake for `{name}` refused{unlogged}: no certificate yet: {why}");
                }
                None
            }
            None => {
                tracing::debug!("TLS handshake for `{name}` refused: no site has this name");
                None
            }
        }
    }

    /// Shows it from now on. Returns whether it is another one than before.
    pub(super) fn put(&self, name: &str, certificate: Certificate) -> bool {
        let same = match self.by_name.load().get(name) {
            Some(NamedCertificate::Ready(known)) => known.0.cert == certificate.0.cert,
            _ => false,
        };
        self.set(name, NamedCertificate::Ready(certificate));
        !same
    }

    /// Says why there is none, if there is none.
    pub(super) fn explain(&self, name: &str, why: &str) {
        let ready = matches!(self.by_name.load().get(name), Some(NamedCertificate::Ready(_)));
        if !ready {
            self.set(name, NamedCertificate::Missing(why.into()));
        }
    }

    /// Forgets all other names.
    pub(super) fn retain(&self, names: &BTreeSet<Box<str>>) {
        self.by_name.rcu(|known| {
            let mut next = ByName::clone(known);
            next.retain(|name, _| names.contains(name));
            next
        });
    }

    fn set(&self, name: &str, what: NamedCertificate) {
        self.by_name.rcu(|known| {
            let mut next = ByName::clone(known);
            next.insert(name.into(), what.clone());
            next
        });
    }
}

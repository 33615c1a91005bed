//! The certificates that handshakes show for names whose certificates come by themselves.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwap;
use process::repeated::RepeatCounter;
use tokio::sync::Notify;

use crate::tls::certificate::Certificate;

/// What is there for one name.
#[derive(Clone)]
enum NamedCertificate {
    /// It is there; the flag says whether somebody has asked for it.
    Ready(Certificate, Arc<AtomicBool>),
    Missing {
        why: Arc<str>,
        /// It is being ordered for the first time: whoever may wait does.
        is_ordered: bool,
    },
}

type ByName = HashMap<Box<str>, NamedCertificate, ahash::RandomState>;

#[derive(Default)]
pub(crate) struct AutoCertificates {
    by_name: ArcSwap<ByName>,
    refused: RepeatCounter,
    /// Tells those who wait that something is another.
    changes: Notify,
}

impl AutoCertificates {
    /// The certificate for a name that a client asks for, its own or that of "*" before it. `None`: the
    /// handshake fails, and the log says why.
    pub(crate) fn choose(&self, name: &str) -> Option<Certificate> {
        let by_name = self.by_name.load();
        let wildcard = || by_name.get(&*format!("*.{}", name.split_once('.')?.1));
        match by_name.get(name).or_else(wildcard) {
            Some(NamedCertificate::Ready(certificate, used)) => {
                if !used.load(Relaxed) {
                    used.store(true, Relaxed);
                }
                Some(certificate.clone())
            }
            Some(NamedCertificate::Missing { why, .. }) => {
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
            Some(NamedCertificate::Ready(known, _)) => known.leaf() == certificate.leaf(),
            _ => false,
        };
        self.set(name, NamedCertificate::Ready(certificate, Arc::default()));
        !same
    }

    /// Says why there is none, if there is none. `is_ordered`: one may come at any moment.
    pub(super) fn explain(&self, name: &str, why: &str, is_ordered: bool) {
        if !self.is_ready(name) {
            self.set(name, NamedCertificate::Missing { why: why.into(), is_ordered });
        }
    }

    pub(super) fn is_ready(&self, name: &str) -> bool {
        matches!(self.by_name.load().get(name), Some(NamedCertificate::Ready(..)))
    }

    /// There is one, or none will come soon.
    pub(super) fn is_settled(&self, name: &str) -> bool {
        match self.by_name.load().get(name) {
            Some(NamedCertificate::Ready(..)) => true,
            Some(NamedCertificate::Missing { is_ordered, .. }) => !is_ordered,
            None => false,
        }
    }

    /// Whether a client has asked for it since it was put here, or since this was last asked.
    pub(super) fn was_used(&self, name: &str) -> bool {
        match self.by_name.load().get(name) {
            Some(NamedCertificate::Ready(_, used)) => used.swap(false, Relaxed),
            _ => true,
        }
    }

    /// Waits until `is_settled`. The caller bounds the wait.
    pub(super) async fn wait(&self, is_settled: impl Fn() -> bool) {
        loop {
            let mut change = std::pin::pin!(self.changes.notified());
            // From here on no change is missed.
            change.as_mut().enable();
            if is_settled() {
                return;
            }
            change.await;
        }
    }

    pub(super) fn tell_waiting(&self) {
        self.changes.notify_waiters();
    }

    pub(super) fn forget(&self, name: &str) {
        self.by_name.rcu(|known| {
            let mut next = ByName::clone(known);
            next.remove(name);
            next
        });
        self.tell_waiting();
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
        self.tell_waiting();
    }
}

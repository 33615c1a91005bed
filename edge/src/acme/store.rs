//! What is to last: in the state directory of this edge, and for all edges together in the cache-nodes if
//! they share it. The directory has all that this edge needs to serve on alone.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval_at, timeout};

use crate::acme::renewal::Life;
use crate::acme::secrets::{SharedSecret, SharedState};
use crate::acme::state::{self, Failures, StateDirectory};

/// Longer than any certificate is valid.
const LASTING: Duration = Duration::from_secs(400 * 86_400);
/// An answer to a challenge that nobody took away.
const ANSWER: Duration = Duration::from_secs(1_800);
/// The right to order ends this long after its edge has.
const RIGHT: Duration = Duration::from_secs(90);
const RENEWED: Duration = Duration::from_secs(30);
/// Failures in a row are forgotten after a week without one.
const FAILURES: Duration = Duration::from_secs(7 * 86_400);
/// A visitor who asks for an answer to a challenge waits for the cache-nodes no longer than this, and at most
/// this many do.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
const ASKING: usize = 32;
const ACCOUNT: &str = "account";

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct AcmeStore {
    pub(super) directory: StateDirectory,
    shared: Option<Arc<SharedState>>,
    /// Names whose failures in the directory are those that all edges share.
    mirrored: Arc<Mutex<HashSet<Box<str>>>>,
    asking: Arc<Semaphore>,
}

/// The answer to a challenge, by where the authority looks.
#[derive(Debug)]
pub(super) enum AnswerPlace {
    /// The token.
    Http(String),
    /// The name.
    TlsAlpn(String),
}

/// The right to order for a name, or to make an account.
pub(super) struct OrderRight {
    _file: File,
    shared: Option<(Arc<SharedState>, String, SharedSecret)>,
}

impl AcmeStore {
    pub(super) fn new(directory: StateDirectory, shared: Option<SharedState>) -> Self {
        let (shared, asking) = (shared.map(Arc::new), Arc::new(Semaphore::new(ASKING)));
        Self { directory, shared, mirrored: Arc::default(), asking }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The account of all edges.
    pub(super) async fn account(&self) -> io::Result<Option<Vec<u8>>> {
        let path = self.directory.account();
        let own = state::read(&path).ok();
        let Some(shared) = &self.shared else { return Ok(own) };
        match (shared.read(ACCOUNT).await?, own) {
            (Some(theirs), own) => {
                if own.as_ref() != Some(&theirs.plain) {
                    state::write(&path, &theirs.plain)?;
                }
                Ok(Some(theirs.plain))
            }
            (None, Some(own)) => {
                shared.replace(ACCOUNT, None, &own, LASTING).await?;
                Ok(Some(own))
            }
            (None, None) => Ok(None),
        }
    }

    pub(super) async fn keep_account(&self, text: &[u8]) -> io::Result<()> {
        state::write(&self.directory.account(), text)?;
        if let Some(shared) = &self.shared {
            shared.replace(ACCOUNT, None, text, LASTING).await?;
        }
        Ok(())
    }

    /// The authority does not know it any more: the next attempt makes another one.
    pub(super) async fn forget_account(&self) {
        let path = self.directory.account();
        let forgotten = state::read(&path).ok();
        if let Err(error) = fs::rename(&path, path.with_extension("unknown.json")) {
            tracing::error!("`{}` cannot be renamed: {error}", path.display());
        }
        // Another edge may have made a new one already.
        if let Some(shared) = &self.shared
            && let Ok(Some(theirs)) = shared.read(ACCOUNT).await
            && Some(&theirs.plain) == forgotten.as_ref()
        {
            let _ = shared.remove(ACCOUNT, &theirs).await;
        }
    }

    /// The right to order for this name. `None`: another edge has it.
    pub(super) async fn order_right(&self, name: &str) -> io::Result<Option<OrderRight>> {
        let Some(file) = self.directory.lock(name)? else { return Ok(None) };
        self.right(file, format!("order/{name}")).await
    }

    /// The right to make an account.
    pub(super) async fn account_right(&self) -> io::Result<Option<OrderRight>> {
        let Some(file) = self.directory.lock_account()? else { return Ok(None) };
        self.right(file, "account.lock".to_owned()).await
    }

    async fn right(&self, file: File, what: String) -> io::Result<Option<OrderRight>> {
        let Some(shared) = &self.shared else { return Ok(Some(OrderRight { _file: file, shared: None })) };
        let held = shared.replace(&what, None, b"held", RIGHT).await?;
        Ok(held.map(|held| OrderRight { _file: file, shared: Some((shared.clone(), what, held)) }))
    }

    /// The failures in a row that all edges know of.
    pub(super) async fn failures(&self, name: &str) -> io::Result<Option<Failures>> {
        let own = self.directory.failures(name);
        let Some(shared) = &self.shared else { return Ok(own) };
        let what = failed(name);
        let theirs = shared.read(&what).await?;
        let was_mirrored = !self.mirrored.lock().insert(name.into());
        match (theirs, own) {
            // The owner has removed the file, so that it is tried again at once.
            (Some(theirs), None) if was_mirrored => {
                shared.remove(&what, &theirs).await?;
                Ok(None)
            }
            (Some(theirs), _) => {
                let failures: Option<Failures> = serde_json::from_slice(&theirs.plain).ok();
                self.directory.set_failures(name, failures.as_ref())?;
                Ok(failures)
            }
            // Another edge has got the certificate.
            (None, Some(_)) if was_mirrored => {
                self.directory.set_failures(name, None)?;
                Ok(None)
            }
            (None, Some(own)) => {
                shared.replace(&what, None, &serde_json::to_vec(&own)?, FAILURES).await?;
                Ok(Some(own))
            }
            (None, None) => Ok(None),
        }
    }

    /// Notes it for all edges.
    pub(super) async fn set_failures(&self, name: &str, failures: Option<&Failures>) -> io::Result<()> {
        self.directory.set_failures(name, failures)?;
        let Some(shared) = &self.shared else { return Ok(()) };
        let what = failed(name);
        let before = shared.read(&what).await?;
        self.mirrored.lock().insert(name.into());
        match (failures, &before) {
            (Some(failures), before) => {
                shared.replace(&what, before.as_ref(), &serde_json::to_vec(failures)?, FAILURES).await?;
            }
            (None, Some(before)) => shared.remove(&what, before).await?,
            (None, None) => {}
        }
        Ok(())
    }

    /// Keeps a new certificate, for all edges.
    pub(super) async fn keep_certificate(&self, name: &str, text: &[u8]) -> io::Result<()> {
        state::write(&self.directory.certificate(name), text)?;
        self.share_certificate(name).await
    }

    /// Sees to it that this edge has what the others have, and the others what this one has: the certificate
    /// that begins last.
    pub(super) async fn share_certificate(&self, name: &str) -> io::Result<()> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let (what, path) = (format!("certificate/{name}"), self.directory.certificate(name));
        let own = state::read(&path).ok();
        let theirs = shared.read(&what).await?;
        let begins = |text: Option<&[u8]>| text.and_then(begins);
        let (here, there) =
            (begins(own.as_deref()), begins(theirs.as_ref().map(|theirs| theirs.plain.as_slice())));
        // Where two begin together, all show the shared one.
        if there.is_some() && there >= here {
            if let Some(theirs) = theirs
                && own.as_ref() != Some(&theirs.plain)
            {
                state::write(&path, &theirs.plain)?;
            }
            return Ok(());
        }
        if let Some(own) = own.filter(|_| here.is_some()) {
            shared.replace(&what, theirs.as_ref(), &own, LASTING).await?;
        }
        Ok(())
    }

    /// Puts an answer where every edge finds it.
    pub(super) async fn give_answer(&self, place: &AnswerPlace, content: &[u8]) -> io::Result<()> {
        let path = self.path(place).ok_or_else(|| io::Error::other("the authority sends an odd token"))?;
        state::write(&path, content)
            .map_err(|error| io::Error::other(format!("`{}` cannot be written: {error}", path.display())))?;
        if let Some(shared) = &self.shared {
            let before = shared.read(&place.name()).await?;
            shared.replace(&place.name(), before.as_ref(), content, ANSWER).await?;
        }
        Ok(())
    }

    pub(super) async fn take_answer_away(&self, place: &AnswerPlace) -> io::Result<()> {
        if let Some(path) = self.path(place) {
            state::remove(&path)?;
        }
        if let Some(shared) = &self.shared
            && let Some(before) = shared.read(&place.name()).await?
        {
            shared.remove(&place.name(), &before).await?;
        }
        Ok(())
    }

    /// The answer of whichever edge orders. `None`: there is none, or nobody could tell in time.
    pub(super) async fn answer(&self, place: &AnswerPlace) -> Option<Vec<u8>> {
        if let Ok(found) = tokio::fs::read(self.path(place)?).await {
            return Some(found);
        }
        let shared = self.shared.as_ref()?;
        let _place = self.asking.try_acquire().ok()?;
        let read = timeout(ANSWER_PATIENCE, shared.read(&place.name())).await;
        Some(read.ok()?.ok()??.plain)
    }

    fn path(&self, place: &AnswerPlace) -> Option<std::path::PathBuf> {
        match place {
            AnswerPlace::Http(token) => self.directory.http_answer(token),
            AnswerPlace::TlsAlpn(name) => Some(self.directory.alpn_answer(name)),
        }
    }
}

impl AnswerPlace {
    fn name(&self) -> String {
        match self {
            Self::Http(token) => format!("http-01/{token}"),
            Self::TlsAlpn(name) => format!("tls-alpn-01/{name}"),
        }
    }
}

impl OrderRight {
    /// Does it, and holds the right meanwhile; then gives it back.
    pub(super) async fn hold<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut renewals = interval_at(Instant::now() + RENEWED, RENEWED);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                _ = renewals.tick() => self.renew().await,
            }
        };
        if let Some((shared, what, held)) = &self.shared {
            // Otherwise it ends by itself.
            let _ = shared.remove(what, held).await;
        }
        done
    }

    async fn renew(&mut self) {
        if let Some((shared, what, held)) = &mut self.shared
            && let Ok(Some(renewed)) = shared.replace(what, Some(&*held), b"held", RIGHT).await
        {
            *held = renewed;
        }
    }
}

fn failed(name: &str) -> String {
    format!("failed/{name}")
}

/// From when the certificate of this text is valid.
fn begins(text: &[u8]) -> Option<SystemTime> {
    let leaf = CertificateDer::from_pem_slice(text).ok()?;
    Life::of(&leaf).map(|life| life.begins)
}

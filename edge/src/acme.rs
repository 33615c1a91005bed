//! Certificates that come by themselves (`tls = "auto"`): ACME, RFC 8555.
//!
//! `names` says for which names, `check` what is wrong with the settings. A `keeper` for each name decides
//! when to order, by `renewal`; `order` talks to the authority, over `https`; `challenge` shows whose the
//! name is. All that is to last lies in the `state` directory, which several edges may share. `certificates`
//! is what handshakes see.
//!
//! Keepers run on a thread of their own, so that a slow disk or a busy authority delays no visitor.

mod certificates;
pub(crate) mod challenge;
pub(crate) mod check;
mod https;
mod keeper;
mod names;
mod order;
mod renewal;
mod state;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use process::settings::Mistakes;
use rustls::sign::CertifiedKey;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::settings::Config;
use certificates::AutoCertificates;
use keeper::{Keeper, KeeperContext};
use order::Authority;
use state::StateDirectory;

pub(crate) const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// The certificates of one edge. Without names it does nothing.
pub(crate) struct Acme {
    certificates: Arc<AutoCertificates>,
    metrics: Arc<Metrics>,
    state: ArcSwapOption<StateDirectory>,
    /// Ends the keepers of earlier settings.
    running: Mutex<CancellationToken>,
}

/// What new settings bring, read and ready.
pub(crate) struct AcmePlan {
    keepers: Vec<Keeper>,
    state: Option<StateDirectory>,
    names: BTreeSet<Box<str>>,
}

impl Acme {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            certificates: Arc::default(),
            metrics,
            state: ArcSwapOption::default(),
            running: Mutex::default(),
        }
    }

    /// Reads what is in the state directory, so that no restart leaves a name without its certificate. `Err`:
    /// the key of the setting that is wrong, and how.
    pub(crate) fn prepare(&self, config: &Config) -> Result<AcmePlan, (&'static str, String)> {
        let names = names::wanted(config, &mut Mistakes::default());
        if names.is_empty() {
            return Ok(AcmePlan { keepers: Vec::new(), state: None, names });
        }
        let acme = &config.acme;
        let authority = Authority::new(acme.clone()).map_err(|text| ("edge.acme.ca", text))?;
        let state = StateDirectory::open(&acme.state, &acme.directory);
        let state = state.map_err(|text| ("edge.acme.state", text))?;
        let uri = acme.directory.parse::<http::Uri>().ok();
        let from = uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
        let keeping = Arc::new(KeeperContext {
            state: state.clone(),
            certificates: self.certificates.clone(),
            metrics: self.metrics.clone(),
            authority,
            from,
            challenges: check::usable(config),
            at_once: Semaphore::new(keeper::AT_ONCE),
        });
        let keepers = names.iter().map(|name| Keeper::new(name, keeping.clone())).collect();
        Ok(AcmePlan { keepers, state: Some(state), names })
    }

    /// Orders and renews from now on for these settings, and not for earlier ones.
    pub(crate) fn start(&self, prepared: AcmePlan) -> io::Result<()> {
        let ended = CancellationToken::new();
        let AcmePlan { keepers, state, names } = prepared;
        self.certificates.retain(&names);
        self.state.store(state.map(Arc::new));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, ended.clone()).cancel();
        drop(running);
        if keepers.is_empty() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = async move {
            let mut keeping: JoinSet<()> = keepers.into_iter().map(Keeper::keep).collect();
            tokio::select! {
                () = ended.cancelled() => {}
                () = async { while keeping.join_next().await.is_some() {} } => {}
            }
        };
        std::thread::Builder::new().name("acme".into()).spawn(move || runtime.block_on(work))?;
        Ok(())
    }

    /// Ends ordering: another process does it from now on.
    pub(crate) fn stop(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).cancel();
    }

    /// The certificate for a name that a client asks for.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.certificates.choose(name).map(|certificate| certificate.0)
    }

    /// What answers an authority that asks for this name in a handshake (RFC 8737).
    pub(crate) fn alpn_answer(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let state = self.state.load();
        challenge::alpn_answer(state.as_ref()?, name).map(|certificate| certificate.0)
    }

    /// What answers an authority that asks for this path (RFC 8555 section 8.3). `None`: it is no challenge
    /// of ours.
    pub(crate) async fn http_answer(&self, target: &str) -> Option<Vec<u8>> {
        let token = target.strip_prefix(CHALLENGE_PATH)?;
        let file = self.state.load_full()?.http_answer(token)?;
        tokio::fs::read(file).await.ok()
    }
}

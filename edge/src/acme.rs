//! Certificates that come by themselves (`tls = "auto"`): ACME, RFC 8555.
//!
//! `names` says for which names, `check` what is wrong with the settings; `on_demand` takes further names, if
//! `ask` allows them. A `keeper` for each name decides when to order, by `renewal`; `order` talks to the
//! authority, over `https`; `challenge` shows whose the name is. `store` keeps all that is to last: in the
//! `state` directory, and for several edges together in the cache-nodes (`secrets`, under a `seal`).
//! `certificates` is what handshakes see.
//!
//! Keepers run on a thread of their own, so that a slow disk or a busy authority delays no visitor.

mod ask;
mod certificates;
pub(crate) mod challenge;
pub(crate) mod check;
mod https;
mod keeper;
mod names;
mod on_demand;
mod order;
mod renewal;
mod seal;
pub(crate) mod secrets;
mod state;
mod store;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use process::settings::Mistakes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::settings::{AcmeConfig, Config};
use crate::tls::certificate::Certificate;
use ask::AskClient;
use certificates::AutoCertificates;
use keeper::{Keeper, KeeperContext};
use on_demand::{DemandedName, OnDemand};
use order::Authority;
use seal::Seal;
use secrets::{SecretKeeper, SharedState};
use state::StateDirectory;
use store::{AcmeStore, AnswerPlace};

pub(crate) const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// The certificates of one edge. Without names it does nothing.
pub(crate) struct Acme {
    certificates: Arc<AutoCertificates>,
    metrics: Arc<Metrics>,
    /// Keeps what several edges share.
    secrets: Arc<dyn SecretKeeper>,
    state: ArcSwapOption<AcmeState>,
    /// Answers of other edges that an authority is about to be shown, by name.
    answers: Mutex<HashMap<Box<str>, Certificate>>,
    /// Ends the keepers of earlier settings.
    running: Mutex<CancellationToken>,
}

/// What is in force.
struct AcmeState {
    store: AcmeStore,
    on_demand: Option<Arc<OnDemand>>,
    names: BTreeSet<Box<str>>,
}

/// What new settings bring, read and ready. The default: nothing.
#[derive(Default)]
pub(crate) struct AcmePlan {
    keepers: Vec<Keeper>,
    state: Option<AcmeState>,
    demanded: Option<Demands>,
}

/// Names that come later, and what their keepers need.
struct Demands {
    by: Arc<OnDemand>,
    names: mpsc::Receiver<DemandedName>,
    keeping: Arc<KeeperContext>,
}

/// Answers of other edges that are remembered.
const MOST_ANSWERS: usize = 64;

impl Acme {
    pub(crate) fn new(metrics: Arc<Metrics>, secrets: Arc<dyn SecretKeeper>) -> Self {
        Self {
            certificates: Arc::default(),
            metrics,
            secrets,
            state: ArcSwapOption::default(),
            answers: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// Reads what is in the state directory, so that no restart leaves a name without its certificate. `Err`:
    /// the key of the setting that is wrong, and how.
    pub(crate) fn prepare(&self, config: &Config) -> Result<AcmePlan, (&'static str, String)> {
        let names = names::wanted(config, &mut Mistakes::default());
        let acme = &config.acme;
        if names.is_empty() && (acme.ask.is_none() || !names::any_auto(config)) {
            return Ok(AcmePlan::default());
        }
        let authority = Authority::new(acme.clone()).map_err(|text| ("edge.acme.ca", text))?;
        let store = self.store(config)?;
        let uri = acme.directory.parse::<http::Uri>().ok();
        let from = uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
        let keeping = Arc::new(KeeperContext {
            store: store.clone(),
            certificates: self.certificates.clone(),
            metrics: self.metrics.clone(),
            authority,
            from,
            challenges: check::usable(config),
            at_once: Semaphore::new(keeper::AT_ONCE),
        });
        let keepers = names.iter().map(|name| Keeper::new(name, keeping.clone())).collect();
        let demanded = match &acme.ask {
            Some(url) => Some(self.demands(url, (names.clone(), acme), store.clone(), keeping)?),
            None => None,
        };
        let on_demand = demanded.as_ref().map(|demands| demands.by.clone());
        Ok(AcmePlan { keepers, state: Some(AcmeState { store, on_demand, names }), demanded })
    }

    fn store(&self, config: &Config) -> Result<AcmeStore, (&'static str, String)> {
        let acme = &config.acme;
        let directory = StateDirectory::open(&acme.state, &acme.directory);
        let directory = directory.map_err(|text| ("edge.acme.state", text))?;
        let seal = acme.share_key_file.as_deref().map(Seal::read).transpose();
        let seal = seal.map_err(|text| ("edge.acme.share_key_file", text))?;
        let shared = seal.map(|seal| {
            let (keeper, token_file) = (self.secrets.clone(), config.admin_token_file.clone());
            SharedState::new(keeper, token_file, seal, directory.authority())
        });
        Ok(AcmeStore::new(directory, shared))
    }

    fn demands(
        &self,
        url: &str,
        (listed, acme): (BTreeSet<Box<str>>, &AcmeConfig),
        store: AcmeStore,
        keeping: Arc<KeeperContext>,
    ) -> Result<Demands, (&'static str, String)> {
        let ask = AskClient::new(url).map_err(|text| ("edge.acme.ask", text))?;
        let known = (listed, acme.is_public());
        let (by, names) = OnDemand::new(ask, known, store, self.certificates.clone());
        Ok(Demands { by, names, keeping })
    }

    /// Orders and renews from now on for these settings, and not for earlier ones.
    pub(crate) fn start(&self, prepared: AcmePlan) -> io::Result<()> {
        let ended = CancellationToken::new();
        let AcmePlan { keepers, state, demanded } = prepared;
        let nothing = BTreeSet::new();
        self.certificates.retain(state.as_ref().map_or(&nothing, |state| &state.names));
        let is_needed = state.is_some();
        self.state.store(state.map(Arc::new));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, ended.clone()).cancel();
        drop(running);
        if !is_needed {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = keep(keepers, demanded) => {}
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
    pub(crate) fn certificate(&self, name: &str) -> Option<Certificate> {
        self.certificates.choose(name)
    }

    /// Whether a handshake may have to wait, for a certificate or for what another edge answers.
    pub(crate) fn may_wait(&self) -> bool {
        self.state.load().as_ref().is_some_and(|state| state.on_demand.is_some() || state.store.is_shared())
    }

    /// Returns when there is a certificate for this name, or none will come soon. The caller bounds the wait.
    pub(crate) async fn demand(&self, name: &str) {
        let Some(state) = self.state.load_full() else { return };
        if let Some(on_demand) = &state.on_demand
            && !self.certificates.is_ready(name)
        {
            on_demand.demand(name).await;
        }
    }

    /// Fetches what another edge answers an authority that asks for this name.
    pub(crate) async fn fetch_alpn_answer(&self, name: &str) {
        let Some(state) = self.state.load_full().filter(|state| state.store.is_shared()) else { return };
        let place = AnswerPlace::TlsAlpn(name.to_owned());
        let answer = state.store.answer(&place).await;
        let answer = answer.and_then(|text| challenge::read_answer(name, &text));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST_ANSWERS {
            answers.clear();
        }
        match answer {
            Some(answer) => drop(answers.insert(name.into(), answer)),
            None => drop(answers.remove(name)),
        }
    }

    /// What answers an authority that asks for this name in a handshake (RFC 8737).
    pub(crate) fn alpn_answer(&self, name: &str) -> Option<Certificate> {
        let state = self.state.load();
        let own = challenge::alpn_answer(&state.as_ref()?.store.directory, name);
        let of_others = || self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        own.or_else(of_others)
    }

    /// What answers an authority that asks for this path (RFC 8555 section 8.3). `None`: it is no challenge
    /// of ours.
    pub(crate) async fn http_answer(&self, target: &str) -> Option<Vec<u8>> {
        let token = target.strip_prefix(CHALLENGE_PATH)?;
        self.state.load_full()?.store.answer(&AnswerPlace::Http(token.to_owned())).await
    }
}

/// Runs the keepers, and those of names that come later.
async fn keep(keepers: Vec<Keeper>, mut demanded: Option<Demands>) {
    let mut keeping: JoinSet<()> = keepers.into_iter().map(Keeper::keep).collect();
    loop {
        let later = async {
            match &mut demanded {
                Some(demands) => {
                    demands.names.recv().await.map(|name| (name, demands.by.clone(), demands.keeping.clone()))
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(_) = keeping.join_next() => {}
            Some((name, by, context)) = later => {
                keeping.spawn(Keeper::on_demand(name, by, context).keep());
            }
            else => return,
        }
    }
}

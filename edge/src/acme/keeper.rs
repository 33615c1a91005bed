//! Keeps the certificate of one name: puts in force what this edge or another has got, orders when it is
//! time, and waits after a failure, while the old certificate serves on.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::acme::ask::AskRefusal;
use crate::acme::certificates::AutoCertificates;
use crate::acme::on_demand::{DemandedName, OnDemand};
use crate::acme::order::{Authority, OrderFailure};
use crate::acme::renewal::{self, Blame, Life};
use crate::acme::state::{self, Failures};
use crate::acme::store::AcmeStore;
use crate::metrics::Metrics;
use crate::settings::ChallengeKind;
use crate::tls::certificate::Certificate;

/// How often to look whether another edge, or the owner, has changed something, while a certificate is
/// wanted.
const LOOK: Duration = Duration::from_secs(2);
/// How often otherwise.
const IDLE: Duration = Duration::from_secs(10);
/// How often the cache-nodes are asked meanwhile for what other edges have got, and how often for the name of
/// no site.
const SHARED_IDLE: Duration = Duration::from_secs(30);
const DEMANDED_IDLE: Duration = Duration::from_secs(120);
/// Between two lines that say that the state, or the cache-nodes, cannot be used.
const AWAY_TOLD: Duration = Duration::from_secs(60);
/// An attempt, with all that commands and the authority may take.
const ATTEMPT: Duration = Duration::from_secs(900);
/// How often the authority may be asked for its window, whatever it says (RFC 9773 section 4.3.3).
const RARELY: Duration = Duration::from_secs(24 * 3600);
const OFTEN: Duration = Duration::from_secs(60 * 60);
/// How many names are ordered at the same time.
pub(super) const AT_ONCE: usize = 4;

/// What the keepers of all names share.
pub(super) struct KeeperContext {
    pub(super) store: AcmeStore,
    pub(super) certificates: Arc<AutoCertificates>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) authority: Authority,
    /// The name of the authority for the log.
    pub(super) from: String,
    pub(super) challenges: Vec<ChallengeKind>,
    pub(super) at_once: Semaphore,
}

/// One name and its certificate.
pub(super) struct Keeper {
    name: Box<str>,
    keeping: Arc<KeeperContext>,
    current: Option<CurrentCertificate>,
    /// The last line that said why nothing was done.
    told: String,
    /// When the log has said that what is known of it cannot be used.
    away: Option<Instant>,
    /// When what other edges have got was asked for.
    shared: Option<Instant>,
    demand: Option<UnlistedName>,
}

/// No site lists the name.
struct UnlistedName {
    by: Arc<OnDemand>,
    /// The next order needs no question.
    is_allowed: bool,
}

/// Whether the name goes on having a keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    GoOn,
    End,
}

/// What is in force.
struct CurrentCertificate {
    text: Vec<u8>,
    leaf: CertificateDer<'static>,
    life: Life,
    /// Since when.
    taken: SystemTime,
    renewal: SystemTime,
    /// When to ask the authority for its window again.
    ask: Instant,
}

impl Keeper {
    /// Shows what is there already.
    pub(super) fn new(name: &str, keeping: Arc<KeeperContext>) -> Self {
        let (name, told) = (name.into(), String::new());
        let mut this = Self { name, keeping, current: None, told, away: None, shared: None, demand: None };
        let why = format!("it is ordered from {} now", this.keeping.from);
        this.keeping.certificates.explain(&this.name, &why, true);
        this.look();
        this
    }

    /// Keeps that of a name that no site lists.
    pub(super) fn on_demand(
        DemandedName { name, is_allowed }: DemandedName,
        by: Arc<OnDemand>,
        keeping: Arc<KeeperContext>,
    ) -> Self {
        Self { demand: Some(UnlistedName { by, is_allowed }), ..Self::new(&name, keeping) }
    }

    pub(super) async fn keep(mut self) {
        loop {
            let shared = self.share().await;
            self.look();
            if let Err(error) = shared {
                self.tell_away(&error);
                sleep(if self.left().is_some() { IDLE } else { LOOK }).await;
                continue;
            }
            self.ask_for_window().await;
            let idle = if self.demand.is_some() { DEMANDED_IDLE } else { IDLE };
            if let Some(left) = self.left() {
                sleep(left.min(idle)).await;
                continue;
            }
            match self.attempt().await {
                Ok(Course::GoOn) => {}
                Ok(Course::End) => return self.end(),
                Err(error) => self.tell_away(&error),
            }
            sleep(LOOK).await;
        }
    }

    /// How long until it is to be renewed. `None`: it is time, or there is none.
    fn left(&self) -> Option<Duration> {
        self.current.as_ref()?.renewal.duration_since(SystemTime::now()).ok()
    }

    /// Takes over what other edges have got, now and then.
    async fn share(&mut self) -> io::Result<()> {
        let rests = self.left().is_some() && self.shared.is_some_and(|at| at.elapsed() < SHARED_IDLE);
        if rests || !self.keeping.store.is_shared() {
            return Ok(());
        }
        self.shared = Some(Instant::now());
        self.keeping.store.share_certificate(&self.name).await
    }

    /// What is in force stays on disk: a handshake that comes later begins there.
    fn end(self) {
        self.keeping.certificates.forget(&self.name);
        if let Some(demand) = &self.demand {
            demand.by.ended(&self.name);
        }
    }

    /// Reads the certificate, if it is another one than before.
    fn look(&mut self) {
        let path = self.keeping.store.directory.certificate(&self.name);
        let text = match state::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.tell(&format!("`{}`: {error}", path.display())),
        };
        if self.current.as_ref().is_some_and(|current| current.text == text) {
            return;
        }
        match read(&text) {
            Ok((certificate, leaf, life)) => {
                let until = httpdate::fmt_http_date(life.ends);
                if self.keeping.certificates.put(&self.name, certificate) {
                    tracing::info!("certificate for `{}` in force, valid until {until}", self.name);
                }
                self.keeping.metrics.certificate_expires(&self.name, life.ends);
                let (renewal, ask) = (life.renewal(rand::random()), Instant::now());
                self.current =
                    Some(CurrentCertificate { text, leaf, life, taken: SystemTime::now(), renewal, ask });
            }
            Err(error) => self.tell(&format!("`{}`: {error}", path.display())),
        }
    }

    /// Lets the authority say when to renew.
    async fn ask_for_window(&mut self) {
        let Some(current) = self.current.as_mut().filter(|current| current.ask <= Instant::now()) else {
            return;
        };
        let window = self.keeping.authority.window(&self.keeping.store, &current.leaf).await;
        current.ask = Instant::now() + OFTEN;
        match window {
            Ok(Some((window, again))) => {
                current.ask = Instant::now() + again.clamp(OFTEN, RARELY);
                if !window.contains(&current.renewal) {
                    current.renewal = current.life.within(&window, current.taken, rand::random());
                }
            }
            Ok(None) => current.ask = Instant::now() + RARELY,
            Err(failure) => tracing::debug!(
                "{} says no time to renew `{}`: {}",
                self.keeping.from,
                self.name,
                failure.why
            ),
        }
    }

    /// Orders, unless a failure has to be waited for, or another edge orders.
    async fn attempt(&mut self) -> io::Result<Course> {
        let keeping = self.keeping.clone();
        let failures = keeping.store.failures(&self.name).await?;
        if let Some(failures) = failures.as_ref().filter(|failures| failures.is_waited_for(SystemTime::now()))
        {
            self.report(failures);
            return Ok(Course::GoOn);
        }
        match self.demanded().await {
            Some(Ok(())) | None => {}
            Some(Err(AskRefusal::Denied(_))) => return Ok(Course::End),
            Some(Err(AskRefusal::Unanswered(why))) => {
                self.tell(&why);
                sleep(IDLE).await;
                return Ok(Course::GoOn);
            }
        }
        let Ok(_place) = keeping.at_once.acquire().await else { return Ok(Course::End) };
        match keeping.store.order_right(&self.name).await? {
            Some(right) => right.hold(self.replace(failures)).await.map(|()| Course::GoOn),
            None => Ok(Course::GoOn),
        }
    }

    /// Whether a name that no site lists may have another certificate: only if somebody still asks for it.
    async fn demanded(&mut self) -> Option<Result<(), AskRefusal>> {
        let demand = self.demand.as_mut()?;
        if std::mem::take(&mut demand.is_allowed) {
            return Some(Ok(()));
        }
        if !self.keeping.certificates.was_used(&self.name) {
            return Some(Err(AskRefusal::Denied("nobody asks for it any more".to_owned())));
        }
        Some(demand.by.allows(&self.name).await)
    }

    /// Orders a certificate in place of what is in force, and notes what comes of it.
    async fn replace(&mut self, failures: Option<Failures>) -> io::Result<()> {
        let keeping = self.keeping.clone();
        // Whoever had the right before may have got one.
        let before = self.current.as_ref().map(|current| current.text.clone());
        keeping.store.share_certificate(&self.name).await?;
        self.look();
        if before != self.current.as_ref().map(|current| current.text.clone()) {
            return Ok(());
        }
        let (away, refused) = failures.map_or((0, 0), |failures| (failures.away, failures.refused));
        let kind = self.challenge(refused);
        match self.order(kind).await {
            Ok(text) => {
                keeping.store.keep_certificate(&self.name, text.as_bytes()).await?;
                keeping.store.set_failures(&self.name, None).await?;
                tracing::info!(
                    "{} has signed a certificate for `{}` by {}",
                    keeping.from,
                    self.name,
                    kind.name()
                );
                self.look();
            }
            Err(failure) => {
                let (counts, why) = match failure.blame {
                    Blame::Authority => ((away.saturating_add(1), refused), failure.why),
                    Blame::Refused => {
                        ((0, refused.saturating_add(1)), format!("{} ({})", failure.why, kind.name()))
                    }
                };
                let count = if failure.blame == Blame::Refused { counts.1 } else { counts.0 };
                let wait = renewal::wait(failure.blame, count, failure.wait, rand::random());
                keeping.metrics.certificate_failed(&self.name);
                let failures = Failures::new(counts, wait, why);
                keeping.store.set_failures(&self.name, Some(&failures)).await?;
                self.report(&failures);
            }
        }
        Ok(())
    }

    /// A wildcard is shown by its zone only. The others are tried in turn.
    fn challenge(&self, failures: u32) -> ChallengeKind {
        let all = &self.keeping.challenges;
        let turn = usize::try_from(failures).unwrap_or_default().checked_rem(all.len());
        match turn.and_then(|turn| all.get(turn)) {
            Some(kind) if !self.name.starts_with('*') => *kind,
            _ => ChallengeKind::Dns,
        }
    }

    async fn order(&self, kind: ChallengeKind) -> Result<String, OrderFailure> {
        let replaced = self.current.as_ref().map(|current| &current.leaf);
        let keeping = &self.keeping;
        let failed = |why: String, blame| OrderFailure { why, blame, wait: None };
        let ordered = keeping.authority.order(&keeping.store, &self.name, kind, replaced);
        let text = match timeout(ATTEMPT, ordered).await {
            Ok(ordered) => ordered?,
            Err(_) => return Err(failed(format!("not done within {ATTEMPT:?}"), Blame::Authority)),
        };
        let read = read(text.as_bytes());
        let (_, _, life) = read.map_err(|error| failed(format!("what it sends: {error}"), Blame::Refused))?;
        let now = SystemTime::now();
        if life.ends <= now || life.begins > now + Duration::from_secs(300) {
            let valid = [life.begins, life.ends].map(httpdate::fmt_http_date).join(" to ");
            let why = format!("its certificate is valid from {valid} only: check this machine's clock");
            return Err(failed(why, Blame::Refused));
        }
        Ok(text)
    }

    /// Logs a failure loudly, once.
    fn report(&mut self, failures: &Failures) {
        let again = httpdate::fmt_http_date(failures.until());
        let now = SystemTime::now();
        let what = match self.current.as_ref().map(|current| current.life.ends) {
            None => "there is none: TLS handshakes for it fail".to_owned(),
            Some(ends) if ends <= now => format!("the old one EXPIRED at {}", httpdate::fmt_http_date(ends)),
            Some(ends) => format!("the old one serves on until {}", httpdate::fmt_http_date(ends)),
        };
        let Failures { away, refused, why, .. } = failures;
        let count = away + refused;
        let times = if count > 1 { format!(" ({count} times in a row)") } else { String::new() };
        self.tell(&format!(
            "{} gives none{times}: {why}; {what}; the next attempt is at {again}",
            self.keeping.from
        ));
    }

    /// What is known of it cannot be used, so nothing is ordered.
    fn tell_away(&mut self, error: &io::Error) {
        let text = format!("nothing is ordered: {error}");
        self.keeping.certificates.explain(&self.name, &text, false);
        if self.away.is_none_or(|told| told.elapsed() >= AWAY_TOLD) {
            self.away = Some(Instant::now());
            tracing::error!("certificate for `{}`: {text}", self.name);
        }
    }

    fn tell(&mut self, text: &str) {
        self.keeping.certificates.explain(&self.name, text, false);
        if self.told != text {
            tracing::error!("certificate for `{}`: {text}", self.name);
            text.clone_into(&mut self.told);
        }
    }
}

fn read(text: &[u8]) -> Result<(Certificate, CertificateDer<'static>, Life), String> {
    let certificate = Certificate::from_pem(text)?;
    let leaf = certificate.leaf().ok_or("it contains no certificate")?;
    let life = Life::of(&leaf).ok_or("its certificate cannot be read")?;
    Ok((certificate, leaf, life))
}

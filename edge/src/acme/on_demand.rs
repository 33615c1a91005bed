//! Certificates for names that no site lists: ordered at the first handshake, if the owner's program allows
//! it (`ask`).
//!
//! Whoever connects may name whatever they like. So a question is bounded in number and pace, asked once for
//! each name, and a refusal is remembered; all handshakes of a name wait for the same order, none longer than
//! a handshake may take.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use process::repeated::RepeatCounter;
use tokio::sync::mpsc;

use crate::acme::ask::{AskClient, AskRefusal};
use crate::acme::certificates::AutoCertificates;
use crate::acme::names;
use crate::acme::store::AcmeStore;

/// Names whose certificates are kept. More are refused, loudly.
const MOST_NAMES: usize = 10_000;
/// Refusals that are remembered.
const MOST_REFUSALS: usize = 10_000;
/// How long a refusal is remembered, and the lack of an answer.
const DENIED: Duration = Duration::from_secs(60);
const UNANSWERED: Duration = Duration::from_secs(5);
/// Questions about new names in a second.
const PACE: u32 = 50;
/// Names on their way to the keepers.
const UNDER_WAY: usize = 64;

pub(super) struct OnDemand {
    ask: AskClient,
    /// Those of the sites, whose certificates come anyway.
    listed: BTreeSet<Box<str>>,
    /// The authority is one for everybody, and signs no local names.
    is_public: bool,
    store: AcmeStore,
    certificates: Arc<AutoCertificates>,
    demands: Mutex<DemandTable>,
    keepers: mpsc::Sender<DemandedName>,
    repeated: RepeatCounter,
}

/// A name for which a certificate is to be kept from now on.
pub(super) struct DemandedName {
    pub(super) name: Box<str>,
    /// It has just been allowed.
    pub(super) is_allowed: bool,
}

#[derive(Default)]
struct DemandTable {
    names: HashMap<Box<str>, Demand>,
    kept: usize,
    /// The second in which these names were asked about.
    second: Option<Instant>,
    asked: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// The program is being asked.
    Question,
    /// A keeper has it.
    Kept,
    Refusal {
        until: Instant,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum DemandStep {
    Ask,
    Wait,
    Refuse,
}

impl OnDemand {
    /// What the receiver yields is to be kept.
    pub(super) fn new(
        ask: AskClient,
        (listed, is_public): (BTreeSet<Box<str>>, bool),
        store: AcmeStore,
        certificates: Arc<AutoCertificates>,
    ) -> (Arc<Self>, mpsc::Receiver<DemandedName>) {
        let (keepers, names) = mpsc::channel(UNDER_WAY);
        let (demands, repeated) = Default::default();
        let this = Self { ask, listed, is_public, store, certificates, demands, keepers, repeated };
        (Arc::new(this), names)
    }

    /// Returns when there is a certificate for this name, or none will come soon.
    pub(super) async fn demand(self: &Arc<Self>, name: &str) {
        if self.is_listed(name) || !names::is_signable(name, self.is_public) {
            return;
        }
        let step = self.demands.lock().step(name, Instant::now());
        match step {
            DemandStep::Refuse => return,
            DemandStep::Wait => {}
            DemandStep::Ask => {
                let (this, name) = (self.clone(), name.into());
                // Whoever waits may leave: the others, and the next, get the answer all the same.
                tokio::spawn(async move { this.decide(name).await });
            }
        }
        self.certificates.wait(|| self.is_settled(name)).await;
    }

    fn is_listed(&self, name: &str) -> bool {
        let wildcard = || Some(format!("*.{}", name.split_once('.')?.1));
        self.listed.contains(name) || wildcard().is_some_and(|wildcard| self.listed.contains(&*wildcard))
    }

    fn is_settled(&self, name: &str) -> bool {
        match self.demands.lock().names.get(name) {
            Some(Demand::Question) => false,
            Some(Demand::Kept) => self.certificates.is_settled(name),
            Some(Demand::Refusal { .. }) | None => true,
        }
    }

    async fn decide(&self, name: Box<str>) {
        // What was allowed once is served on, also while nobody answers; it is asked about when it is
        // renewed.
        let is_there = tokio::fs::try_exists(self.store.directory.certificate(&name)).await.unwrap_or(false);
        let answer = if is_there { Ok(()) } else { self.allows(&name).await };
        if answer.is_ok() {
            let is_kept = self.demands.lock().keep(&name);
            let demanded = DemandedName { name: name.clone(), is_allowed: !is_there };
            if is_kept && self.keepers.send(demanded).await.is_ok() {
                return self.certificates.tell_waiting();
            }
            if !is_kept && self.repeated.happened("full").is_some() {
                tracing::error!(
                    "no certificate for `{name}`: {MOST_NAMES} names that no site lists have one"
                );
            }
        }
        let pause = if matches!(answer, Err(AskRefusal::Unanswered(_))) { UNANSWERED } else { DENIED };
        self.demands.lock().refuse(&name, Instant::now() + pause);
        self.certificates.tell_waiting();
    }

    /// Asks the program, and logs a no.
    pub(super) async fn allows(&self, name: &str) -> Result<(), AskRefusal> {
        let answer = self.ask.allows(name).await;
        let Err(refusal) = &answer else { return answer };
        let kind = if matches!(refusal, AskRefusal::Denied(_)) { "denied" } else { "unanswered" };
        if let Some(unlogged) = self.repeated.happened(kind) {
            let others = if unlogged > 0 { format!(" (and {unlogged} before)") } else { String::new() };
            tracing::warn!("no certificate for `{name}`{others}: {}", refusal.text());
        }
        answer
    }

    /// Its keeper has ended: the next handshake begins anew.
    pub(super) fn ended(&self, name: &str) {
        self.demands.lock().forget(name);
    }
}

impl DemandTable {
    fn step(&mut self, name: &str, now: Instant) -> DemandStep {
        match self.names.get(name) {
            Some(Demand::Question | Demand::Kept) => return DemandStep::Wait,
            Some(Demand::Refusal { until }) if *until > now => return DemandStep::Refuse,
            _ => {}
        }
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.asked) = (Some(now), 0);
        }
        if self.asked >= PACE || !self.has_room(now) {
            return DemandStep::Refuse;
        }
        self.asked += 1;
        self.names.insert(name.into(), Demand::Question);
        DemandStep::Ask
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.names.len() - self.kept >= MOST_REFUSALS {
            self.names.retain(|_, demand| !matches!(demand, Demand::Refusal { until } if *until <= now));
        }
        self.names.len() - self.kept < MOST_REFUSALS
    }

    /// False: there are too many.
    fn keep(&mut self, name: &str) -> bool {
        if self.kept >= MOST_NAMES {
            return false;
        }
        if self.names.insert(name.into(), Demand::Kept) != Some(Demand::Kept) {
            self.kept += 1;
        }
        true
    }

    fn refuse(&mut self, name: &str, until: Instant) {
        self.forget(name);
        self.names.insert(name.into(), Demand::Refusal { until });
    }

    fn forget(&mut self, name: &str) {
        if self.names.remove(name) == Some(Demand::Kept) {
            self.kept -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_asked_about_once_and_a_refusal_is_remembered() {
        let (mut table, now) = (DemandTable::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(table.step("a", now), DemandStep::Ask);
        assert_eq!(table.step("a", now), DemandStep::Wait);
        table.refuse("a", after(60));
        assert_eq!(table.step("a", after(59)), DemandStep::Refuse);
        assert_eq!(table.step("a", after(60)), DemandStep::Ask);
        assert!(table.keep("a"));
        assert_eq!(table.step("a", after(600)), DemandStep::Wait);
        table.forget("a");
        assert_eq!((table.kept, table.names.len()), (0, 0));
    }

    #[test]
    fn strangers_neither_fill_the_memory_nor_ask_without_end() {
        let (mut table, mut now) = (DemandTable::default(), Instant::now());
        let mut asked = 0;
        for n in 0..(MOST_REFUSALS * 3) {
            let name = n.to_string();
            if table.step(&name, now) == DemandStep::Ask {
                asked += 1;
                table.refuse(&name, now + DENIED);
            }
            if n % 1_000 == 999 {
                now += Duration::from_secs(1);
            }
        }
        assert_eq!(asked, PACE as usize * 30, "a thousand in each of thirty seconds");
        for n in 0..MOST_REFUSALS {
            table.refuse(&format!("x{n}"), now + DENIED);
        }
        assert_eq!(table.step("more", now), DemandStep::Refuse);
        assert_eq!(table.step("more", now + 2 * DENIED), DemandStep::Ask);
        for n in 0..MOST_NAMES {
            assert!(table.keep(&format!("k{n}")));
        }
        assert!(!table.keep("more"));
    }
}

//! Which server of a pool gets a request: nginx's methods, and what the servers' health has to say. Pure:
//! time and lots are arguments.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::check::CheckState;
use super::member::{Member, Server, ServerId, ServerState};
use super::outlier::{self, Counts};
use super::ring::{self, Ring};
use super::slot_request::SlotRequest;
use crate::config::{Balance, PoolConfig, ServerConfig};

mod methods;

/// The servers of one pool, in the order of the settings.
#[derive(Debug)]
pub(super) struct Servers {
    settings: PoolConfig,
    members: Vec<Member>,
    /// Empty but for `hash`.
    ring: Ring,
}

/// Why no server was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoServer {
    /// Those that could be tried have no room.
    Busy,
    /// None may be tried. The first that may again will be so after this time, where that is known.
    Barred(Option<Duration>),
}

/// How a server's standing has changed, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Failed,
    Opened,
    Ejected(Duration),
    Unhealthy,
    /// It takes part again.
    Back,
}

impl Servers {
    pub(super) fn new(settings: &PoolConfig) -> Self {
        Self { settings: settings.clone(), members: Vec::new(), ring: Ring::default() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    pub(super) fn get(&self, id: ServerId) -> Option<&Member> {
        self.members.iter().find(|member| member.id() == id)
    }

    /// The ids of the servers that come from one listed entry.
    pub(super) fn ids_of(&self, listed: ServerId) -> Vec<ServerId> {
        self.members
            .iter()
            .map(|member| &member.server)
            .filter(|server| server.listed == listed)
            .map(|server| server.id)
            .collect()
    }

    fn get_mut(&mut self, id: ServerId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id() == id)
    }

    /// `joined`: when it came to a pool that was at work already, so that it starts slowly and, with
    /// `check.mandatory`, only once a check has passed.
    pub(super) fn add(&mut self, server: Arc<Server>, settings: ServerConfig, joined: Option<Instant>) {
        let unchecked = self.settings.check.as_ref().is_some_and(|check| check.mandatory);
        let mut member = Member::new(server, settings, CheckState::new(!unchecked));
        member.back = joined;
        self.members.push(member);
        self.build_ring();
    }

    /// What is known of a server that was in another pool.
    pub(super) fn inherit(&mut self, id: ServerId, known: Member) {
        let has_check = self.settings.check.is_some();
        let Some(member) = self.get_mut(id) else { return };
        let limits = |member: &Member| (member.settings.max_fails, member.settings.fail_timeout.0);
        if limits(member) == limits(&known) {
            member.mark = known.mark;
        }
        if has_check {
            member.checked = known.checked;
        }
        member.breaker = known.breaker;
        member.outlier = known.outlier;
        member.latency = known.latency;
        member.back = known.back;
        member.current = known.current;
        member.last_failure = known.last_failure;
        member.failures = known.failures;
    }

    /// Requests under way at it go on.
    pub(super) fn remove(&mut self, id: ServerId) -> Option<Arc<Server>> {
        let index = self.members.iter().position(|member| member.id() == id)?;
        let member = self.members.remove(index);
        self.build_ring();
        Some(member.server)
    }

    /// Gives a server other settings, its address excepted.
    pub(super) fn change(&mut self, id: ServerId, mut settings: ServerConfig, now: Instant) {
        let Some(member) = self.get_mut(id) else { return };
        settings.address = member.settings.address.clone();
        let was_on = member.is_on();
        member.mark = super::max_fails::Mark::new(settings.max_fails, settings.fail_timeout.0);
        member.settings = settings;
        if member.is_on() && !was_on {
            member.back = Some(now);
        }
        self.build_ring();
    }

    /// The records of its name say another weight, or another part to play.
    pub(super) fn reweigh(&mut self, id: ServerId, settings: &ServerConfig, now: Instant) {
        let known = self.get(id).map(|member| (member.settings.weight, member.settings.backup));
        if known.is_some_and(|known| known != (settings.weight, settings.backup)) {
            self.change(id, settings.clone(), now);
        }
    }

    fn build_ring(&mut self) {
        if self.settings.balance == Balance::Hash {
            // Also those that are down, so that nothing else moves.
            let primary = self.members.iter().filter(|member| !member.settings.backup);
            self.ring =
                Ring::new(primary.map(|member| (member.id(), member.server.place(), member.settings.weight)));
        }
    }

    /// Takes a place at a server, to be given back by `release`. `lot` draws a number below its argument.
    pub(super) fn take(
        &mut self,
        wanted: &SlotRequest,
        now: Instant,
        lot: impl FnMut(i64) -> i64,
    ) -> Result<Arc<Server>, NoServer> {
        let chosen = match &self.members[..] {
            // Where there is one server nothing is compared.
            [only] if only.weight() > 0 => self.only(only, wanted, now)?,
            _ => self.one_of_many(wanted, now, lot)?,
        };
        let member = &mut self.members[chosen];
        member.in_flight += 1;
        member.mark.chosen(now);
        member.breaker.chosen(now);
        Ok(Arc::clone(&member.server))
    }

    /// The place of a pool's only server. Health says nothing of it: better to try it than to refuse.
    fn only(&self, member: &Member, wanted: &SlotRequest, now: Instant) -> Result<usize, NoServer> {
        if !is_possible(member, wanted, now) {
            return Err(NoServer::Barred(self.first_to_open(wanted, now)));
        }
        if member.has_room() { Ok(0) } else { Err(NoServer::Busy) }
    }

    fn one_of_many(
        &mut self,
        wanted: &SlotRequest,
        now: Instant,
        lot: impl FnMut(i64) -> i64,
    ) -> Result<usize, NoServer> {
        let possible = self.possible(wanted, now);
        if possible.is_empty() {
            return Err(NoServer::Barred(self.first_to_open(wanted, now)));
        }
        let marking = self.is_marking();
        let healthy = |&index: &usize| {
            matches!(self.members[index].standing(marking, now), ServerState::Up | ServerState::Draining)
        };
        // When none is well, health says nothing: better to try one than to refuse.
        let heed = possible.iter().any(healthy);
        let open = |&index: &usize| self.members[index].has_room() && (!heed || healthy(&index));
        let open: Vec<usize> = possible.into_iter().filter(open).collect();
        let bound = open.iter().copied().find(|&index| Some(self.members[index].id()) == wanted.bound);
        let chosen = match bound {
            Some(bound) => Some(bound),
            None => self.choose(open, wanted, now, lot),
        };
        chosen.ok_or(NoServer::Busy)
    }

    fn choose(
        &mut self,
        open: Vec<usize>,
        wanted: &SlotRequest,
        now: Instant,
        mut lot: impl FnMut(i64) -> i64,
    ) -> Option<usize> {
        let (backup, primary): (Vec<usize>, Vec<usize>) =
            open.into_iter().partition(|&index| self.members[index].settings.backup);
        // The methods that know each server's own clients do not know backups.
        let (open, method) = match primary.is_empty() {
            false => (primary, self.settings.balance),
            true => match self.settings.balance {
                Balance::Hash | Balance::HashModulo | Balance::IpHash => (backup, Balance::RoundRobin),
                method => (backup, method),
            },
        };
        match method {
            Balance::RoundRobin => self.in_turn(&open, now),
            Balance::LeastConn => self.least_busy(&open, now),
            Balance::LeastTime => self.quickest(&open, now),
            Balance::RandomTwo => self.better_of_two(&open, now, &mut lot),
            Balance::IpHash => self.by_address(wanted.client, &open, now),
            Balance::Hash => self.by_key(wanted.key.as_deref().map(ring::place), &open, now),
            Balance::HashModulo => self.by_remainder(wanted.key.as_deref(), &open, now),
        }
    }

    /// Servers that this request may go to, busy and failing ones included.
    fn possible(&self, wanted: &SlotRequest, now: Instant) -> Vec<usize> {
        let is_possible = |&index: &usize| is_possible(&self.members[index], wanted, now);
        (0..self.members.len()).filter(is_possible).collect()
    }

    fn first_to_open(&self, wanted: &SlotRequest, now: Instant) -> Option<Duration> {
        let open =
            self.members.iter().filter(|member| member.is_on() && !wanted.tried.contains(&member.id()));
        open.map(|member| member.breaker.closed_for(now)).min()
    }

    /// As in nginx, `max_fails` never marks a server that has no other to go to instead.
    fn is_marking(&self) -> bool {
        self.members.iter().filter(|member| member.is_on()).count() > 1
    }

    pub(super) fn standing(&self, member: &Member, now: Instant) -> ServerState {
        member.standing(self.is_marking(), now)
    }

    pub(super) fn release(&mut self, id: ServerId) {
        if let Some(member) = self.get_mut(id) {
            member.in_flight = member.in_flight.saturating_sub(1);
        }
    }

    /// The server replied, with this status and after this time.
    pub(super) fn replied(&mut self, id: ServerId, status: u16, took: Duration, now: Instant) -> Vec<Event> {
        let Some(member) = self.get_mut(id) else { return Vec::new() };
        member.latency.observe(took, now);
        let was_marked = member.mark.succeeded();
        let was_open = member.breaker.succeeded();
        let mut events = Vec::new();
        if was_marked || was_open {
            member.back = Some(now);
            events.push(Event::Back);
        }
        events.extend(self.judge(id, status >= 500, now));
        events
    }

    /// The server did not answer, or answered nonsense. `marks`: that is its own fault, as nginx counts it.
    pub(super) fn failed(
        &mut self,
        id: ServerId,
        kind: &'static str,
        marks: bool,
        now: Instant,
    ) -> Vec<Event> {
        let (breaker, marking) = (self.settings.breaker.clone(), self.is_marking());
        let Some(member) = self.get_mut(id) else { return Vec::new() };
        member.failures += 1;
        member.last_failure = Some((now, kind));
        let mut events = Vec::new();
        if marks {
            if member.mark.failed(now) && marking {
                events.push(Event::Failed);
            }
            if member.breaker.failed(&breaker, now) {
                events.push(Event::Opened);
            }
        }
        events.extend(self.judge(id, true, now));
        events
    }

    /// An active check has passed, or failed for this reason.
    pub(super) fn checked(
        &mut self,
        id: ServerId,
        result: Result<(), String>,
        now: Instant,
    ) -> Option<Event> {
        let check = self.settings.check.clone()?;
        let member = self.get_mut(id)?;
        if !member.checked.note(result, &check) {
            return None;
        }
        if !member.checked.is_up() {
            return Some(Event::Unhealthy);
        }
        member.back = Some(now);
        Some(Event::Back)
    }

    /// Counts a reply or the lack of one, and ejects the server if it stands out.
    fn judge(&mut self, id: ServerId, bad: bool, now: Instant) -> Option<Event> {
        let settings = self.settings.eject.clone()?;
        let on = self.members.iter().filter(|member| member.is_on());
        let (mut servers, mut ejected, mut others) = (0, 0, Counts::default());
        for member in on {
            servers += 1;
            ejected += usize::from(member.outlier.is_ejected(now));
            if member.id() != id {
                let counts = member.outlier.counts();
                others = Counts {
                    all: others.all.saturating_add(counts.all),
                    bad: others.bad.saturating_add(counts.bad),
                };
            }
        }
        let member = self.get_mut(id)?;
        member.outlier.note(bad, &settings, now);
        let out = bad
            && !member.outlier.is_ejected(now)
            && outlier::stands_out(member.outlier.counts(), others, &settings)
            && outlier::may_eject(ejected, servers, &settings);
        out.then(|| Event::Ejected(member.outlier.eject(&settings, now)))
    }
}

fn is_possible(member: &Member, wanted: &SlotRequest, now: Instant) -> bool {
    !member.settings.down
        && !wanted.tried.contains(&member.id())
        && member.breaker.allows(now)
        && (!member.settings.drain || wanted.bound == Some(member.id()))
}

#[cfg(test)]
mod tests;

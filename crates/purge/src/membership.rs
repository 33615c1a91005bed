//! The edges and nodes that keep pages and follow the log here, and how far each has come.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::Seq;

/// How long one that broke off is remembered: it may only be cut off, and go on from what it makes itself.
pub const REMEMBERED: Duration = Duration::from_secs(600);

/// The followers of a log at one place.
#[derive(Clone, Debug)]
pub struct Membership<Id> {
    followers: HashMap<Id, Follower>,
    /// Until then there may be others, that followed here before this membership began.
    strangers_until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Follower {
    name: String,
    /// All purges up to this are obeyed.
    acknowledged: Seq,
    /// When it last asked whether it is in touch.
    heard: Instant,
    /// How long after it asked it uses its pages.
    grace: Duration,
    broke_off: Option<Instant>,
}

impl<Id: Hash + Eq + Copy> Membership<Id> {
    /// Nobody remembers who followed here before. Until then they either come back or use no page any more,
    /// and no purge is over.
    pub fn expect_strangers(&mut self, until: Instant) {
        self.strangers_until = Some(until);
    }

    pub fn expects_strangers(&self, now: Instant) -> bool {
        self.strangers_until.is_some_and(|until| now < until)
    }

    /// One follows the log from now on, and has acknowledged nothing yet. One of the same name that broke off
    /// is back.
    pub fn join(&mut self, id: Id, name: String, grace: Duration, now: Instant) {
        self.followers.retain(|_, other| other.broke_off.is_none() || other.name != name);
        self.followers
            .insert(id, Follower { name, acknowledged: Seq::START, heard: now, grace, broke_off: None });
    }

    /// It is there, and obeys all purges up to `acknowledged`. Returns whether that is more than before.
    pub fn heard(&mut self, id: Id, acknowledged: Seq, now: Instant) -> bool {
        let Some(follower) = self.followers.get_mut(&id) else { return false };
        let more = acknowledged > follower.acknowledged;
        follower.acknowledged = follower.acknowledged.max(acknowledged);
        follower.heard = now;
        more
    }

    /// It said that it uses no page any more.
    pub fn leave(&mut self, id: Id) {
        self.followers.remove(&id);
    }

    /// Its connection ended without a word: it may be dead, or only cut off.
    pub fn break_off(&mut self, id: Id, now: Instant) {
        if let Some(follower) = self.followers.get_mut(&id) {
            follower.broke_off.get_or_insert(now);
        }
    }

    /// Another log begins: nobody has acknowledged anything in it.
    pub fn begin_anew(&mut self) {
        self.followers.values_mut().for_each(|follower| follower.acknowledged = Seq::START);
    }

    /// Up to which purge no follower uses a page from before. `head` is the last one; `made_by(t)` the last
    /// that was made at `t` or earlier. Forgets those who broke off long ago.
    pub fn settled(&mut self, head: Seq, made_by: impl Fn(Instant) -> Seq, now: Instant) -> Seq {
        if self.expects_strangers(now) {
            return Seq::START;
        }
        self.followers.retain(|_, follower| {
            follower.broke_off.is_none_or(|at| now.saturating_duration_since(at) < REMEMBERED)
        });
        let settled = self.followers.values().map(|follower| {
            if now < follower.heard + follower.grace {
                return follower.acknowledged;
            }
            // One that is silent may be cut off, and use what it makes itself for as long as its grace: also
            // what it made just before the purge.
            let over = now.checked_sub(follower.grace).map_or(Seq::START, &made_by);
            follower.acknowledged.max(over)
        });
        settled.min().map_or(head, |settled| settled.min(head))
    }

    /// The connected followers, by name, with what each has acknowledged.
    pub fn followers(&self) -> impl Iterator<Item = (&str, Seq)> {
        let here = self.followers.values().filter(|follower| follower.broke_off.is_none());
        here.map(|follower| (follower.name.as_str(), follower.acknowledged))
    }

    /// The followers that broke off and are remembered.
    pub fn broken_off(&self) -> impl Iterator<Item = &str> {
        let gone = self.followers.values().filter(|follower| follower.broke_off.is_some());
        gone.map(|follower| follower.name.as_str())
    }
}

impl<Id> Default for Membership<Id> {
    fn default() -> Self {
        Self { followers: HashMap::new(), strangers_until: None }
    }
}

#[cfg(test)]
mod tests;

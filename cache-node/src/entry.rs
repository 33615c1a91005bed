//! A stored reply: its head and body, how old it is, and what it may still be used for.

pub(crate) mod record;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use prost::Message;
use purge::Position;
use tokio::time::Instant;
use weir_proto::cache::{EntryHead, Use};
use weir_proto::origin::Field;

use crate::slot::Slot;

/// What an entry costs beside its bytes: the structures around them, measured roughly.
const OVERHEAD: usize = 512;

/// Never changes once it is made: a newer reply is a new entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    slot: Slot,
    /// `age_ms` is the age at `since`.
    head: EntryHead,
    body: Bytes,
    since: Instant,
    until: Instant,
    weight: usize,
    grant: Grant,
    /// Hashes of `head.tags`, as purges compare them.
    tags: Box<[u64]>,
}

/// The right by which an entry was made: it tells which purges reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Those that stand later in this log.
    Logged(Position),
    /// The node was out of touch with the log it shares: the entry is used until then, and no longer, and
    /// ends with any purge that is obeyed after `since`.
    Until { since: std::time::Instant, until: std::time::Instant },
}

/// From when on, for how long at most, and by which right an entry is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) since: Instant,
    pub(crate) max_lifetime: Duration,
    pub(crate) grant: Grant,
}

/// Whether an edge would have stored this head: a store outside may hold what somebody else has written.
fn is_sound(head: &EntryHead) -> bool {
    let is_stored = |field: &Field| {
        HeaderName::from_bytes(&field.name).is_ok_and(|name| http_cache::fields::is_stored(&name))
            && HeaderValue::from_bytes(&field.value).is_ok()
    };
    let has_holes =
        head.fields.iter().any(|field| field.name.eq_ignore_ascii_case(http_cache::holes::FIELD.as_bytes()));
    http_cache::status_of_entry(head.status, has_holes).is_some() && head.fields.iter().all(is_stored)
}

impl Entry {
    /// `head.age_ms` is the age at `terms.since`.
    pub(crate) fn new(slot: Slot, head: EntryHead, body: Bytes, terms: Terms) -> Self {
        let Terms { since, max_lifetime, grant } = terms;
        let left = life(&head).saturating_sub(Duration::from_millis(head.age_ms));
        let weight = OVERHEAD + slot.key().len() + slot.variant().len() + head.encoded_len() + body.len();
        let tags = head.tags.iter().map(|tag| purge::tag_hash(tag)).collect();
        Self { slot, head, body, since, until: since + left.min(max_lifetime), weight, grant, tags }
    }

    pub(crate) fn grant(&self) -> Grant {
        self.grant
    }

    pub(crate) fn tags(&self) -> &[u64] {
        &self.tags
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// When its head arrived.
    pub(crate) fn arrived(&self) -> Instant {
        self.since
    }

    /// Bytes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// The head with the age as it is now.
    pub(crate) fn head_at(&self, now: Instant) -> EntryHead {
        EntryHead { age_ms: millis(self.age(now)), ..self.head.clone() }
    }

    /// What the entry may be used for, by its age. `None`: nothing any more.
    pub(crate) fn use_at(&self, now: Instant) -> Option<Use> {
        self.use_with_ttl(Duration::from_millis(self.head.ttl_ms), now)
    }

    /// What the entry may be used for if its lifetime ended at `since`, should it not have ended before.
    pub(crate) fn use_if_stale_since(&self, since: Instant, now: Instant) -> Option<Use> {
        self.use_with_ttl(Duration::from_millis(self.head.ttl_ms).min(self.age(since)), now)
    }

    fn use_with_ttl(&self, ttl: Duration, now: Instant) -> Option<Use> {
        if now >= self.until {
            return None;
        }
        let age = self.age(now);
        let past_ttl = age.checked_sub(ttl);
        let within = |window_ms| past_ttl.is_none_or(|past| past < Duration::from_millis(window_ms));
        // RFC 9111 section 4.2: "a fresh response is one whose age has not yet exceeded its freshness
        // lifetime"
        if within(0) {
            return Some(Use::Fresh);
        }
        if within(self.head.stale_while_revalidate_ms) {
            return Some(Use::Stale);
        }
        within(self.head.stale_if_error_ms).then_some(Use::OnError)
    }

    /// How long the entry may be used for anything, from now.
    pub(crate) fn keep_for(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// How long the entry is kept once it is no longer fresh.
    pub(crate) fn keep_stale_for(&self, now: Instant) -> Duration {
        let fresh_for = Duration::from_millis(self.head.ttl_ms).saturating_sub(self.age(now));
        self.keep_for(now).saturating_sub(fresh_for)
    }

    fn age(&self, now: Instant) -> Duration {
        Duration::from_millis(self.head.age_ms).saturating_add(now.saturating_duration_since(self.since))
    }
}

/// How long the entry is good for anything, counted from age 0.
fn life(head: &EntryHead) -> Duration {
    let stale = head.stale_while_revalidate_ms.max(head.stale_if_error_ms);
    Duration::from_millis(head.ttl_ms.saturating_add(stale))
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::slot::Rule;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Age, lifetime, and how long it may be served stale while it is refreshed, and on errors.
    fn head([age_ms, ttl_ms, stale_while_revalidate_ms, stale_if_error_ms]: [u64; 4]) -> EntryHead {
        EntryHead {
            status: 200,
            age_ms,
            ttl_ms,
            stale_while_revalidate_ms,
            stale_if_error_ms,
            ..EntryHead::default()
        }
    }

    fn entry(times: [u64; 4], max_lifetime: Duration, now: Instant) -> Entry {
        let slot = Slot::new(Bytes::from_static(b"k"), Rule::default(), &HeaderMap::new());
        let grant = Grant::Until { since: now.into(), until: now.into() };
        Entry::new(slot, head(times), Bytes::new(), Terms { since: now, max_lifetime, grant })
    }

    /// age, ttl, while_revalidate, if_error; looked at after so many ms: what for.
    type Case = (u64, u64, u64, u64, u64, Option<Use>);

    #[test]
    fn what_an_entry_may_be_used_for_by_its_age() {
        let now = Instant::now();
        #[rustfmt::skip]
        let cases: &[Case] = &[
            (0,   1000, 0,    0,    0,    Some(Use::Fresh)),
            (0,   1000, 0,    0,    999,  Some(Use::Fresh)),
            (0,   1000, 0,    0,    1000, None),
            (400, 1000, 0,    0,    600,  None),
            (0,   1000, 500,  0,    1000, Some(Use::Stale)),
            (0,   1000, 500,  0,    1500, None),
            (0,   1000, 500,  2000, 1500, Some(Use::OnError)),
            (0,   1000, 500,  2000, 3000, None),
            (0,   1000, 2000, 500,  2500, Some(Use::Stale)),
            (0,   0,    0,    0,    0,    None),
            (0,   0,    100,  0,    0,    Some(Use::Stale)),
            (2000, 1000, 500, 0,    0,    None),
            (u64::MAX, u64::MAX, u64::MAX, u64::MAX, 0, None),
            (0, u64::MAX, u64::MAX, u64::MAX, 86_399_999, Some(Use::Fresh)),
            // Nothing is kept beyond a day here.
            (0, u64::MAX, u64::MAX, u64::MAX, 86_400_000, None),
        ];
        for case in cases {
            let (age, ttl, swr, sie, after, expected) = *case;
            let entry = entry([age, ttl, swr, sie], DAY, now);
            assert_eq!(entry.use_at(now + Duration::from_millis(after)), expected, "{case:?}");
        }
    }

    #[test]
    fn a_lifetime_that_was_cut_short_leaves_the_stale_windows_as_long() {
        let now = Instant::now();
        let entry = entry([0, 1000, 500, 2000], DAY, now);
        let at = |ms| now + Duration::from_millis(ms);
        for (since, after, expected) in [
            (300, 300, Some(Use::Stale)),
            (300, 799, Some(Use::Stale)),
            (300, 800, Some(Use::OnError)),
            (300, 2300, None),
            // Its own end came first.
            (5000, 900, Some(Use::Fresh)),
            (5000, 1400, Some(Use::Stale)),
        ] {
            assert_eq!(entry.use_if_stale_since(at(since), at(after)), expected, "{since}, {after}");
        }
    }

    #[test]
    fn lengths_of_time_are_relative_to_now() {
        let now = Instant::now();
        let entry = entry([100, 1000, 500, 2000], DAY, now);
        let later = now + Duration::from_millis(400);
        assert_eq!(entry.head_at(later).age_ms, 500);
        assert_eq!(entry.keep_for(later), Duration::from_millis(2500));
        assert_eq!(entry.keep_stale_for(later), Duration::from_millis(2000));
        assert_eq!(entry.keep_for(now + DAY), Duration::ZERO);
    }
}

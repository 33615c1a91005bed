//! What the purges until now have reached. A purge costs the same to take in whatever it matches; a page is
//! looked up by its URL and tags, not by going through purges.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{LogEntry, Seq, Target};

const URL_SEED: u64 = 1;
const TAG_SEED: u64 = 2;

/// The purges that still matter to whatever keeps pages. Bounded: of purges beyond `capacity` it is only
/// remembered that everything from before them is gone.
#[derive(Clone, Debug)]
pub struct PurgeIndex {
    all: Mark,
    /// Marks by the hash of a URL or tag. Two that share a hash are purged together, which costs a request,
    /// no more.
    named: HashMap<u64, Mark>,
    prefixes: BTreeMap<Box<[u8]>, Mark>,
    /// What was named when, oldest first; a name that was purged again stands there again.
    order: VecDeque<(Seq, SubjectName)>,
    /// What was granted before this is gone.
    floor: Seq,
    head: Seq,
    capacity: usize,
}

/// The last purges of one name.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    gone: Seq,
    stale: Option<(Seq, Instant)>,
}

#[derive(Clone, Debug)]
enum SubjectName {
    Hash(u64),
    Prefix(Box<[u8]>),
}

/// What purges can know of a page.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Scheme, host, path and query.
    pub url: &'a [u8],
    /// As [`tag_hash`] makes them.
    pub tags: &'a [u64],
}

/// What the purges have done to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Untouched,
    /// It counts as past its lifetime, since then.
    Stale(Instant),
    Gone,
}

pub fn tag_hash(tag: &[u8]) -> u64 {
    xxh3_64_with_seed(tag, TAG_SEED)
}

fn url_hash(url: &[u8]) -> u64 {
    xxh3_64_with_seed(url, URL_SEED)
}

impl PurgeIndex {
    /// An index of a log in which everything before `floor` is unknown.
    pub fn new(floor: Seq, capacity: usize) -> Self {
        Self {
            all: Mark::default(),
            named: HashMap::new(),
            prefixes: BTreeMap::new(),
            order: VecDeque::new(),
            floor,
            head: floor,
            capacity,
        }
    }

    /// The last purge that counts here. Everything up to it is obeyed from now on.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Takes in the next purge of the log. One that was taken in before changes nothing.
    pub fn apply(&mut self, logged: &LogEntry) {
        if logged.seq <= self.head {
            return;
        }
        self.head = logged.seq;
        let (seq, at) = (logged.seq, logged.at);
        let soft = logged.purge.is_soft();
        for target in logged.purge.targets() {
            match target {
                Target::All => self.all.set(seq, soft, at),
                Target::Url(url) => self.name(SubjectName::Hash(url_hash(url)), seq, soft, at),
                Target::Tag(tag) => self.name(SubjectName::Hash(tag_hash(tag)), seq, soft, at),
                Target::Prefix(prefix) => {
                    self.name(SubjectName::Prefix(prefix.as_ref().into()), seq, soft, at)
                }
            }
        }
        self.forget_beyond_capacity();
    }

    /// Purges up to `seq` are not known and may have reached anything.
    pub fn forget_before(&mut self, seq: Seq) {
        self.floor = self.floor.max(seq);
        self.head = self.head.max(seq);
    }

    /// What later purges have done to a page that was granted at `since`.
    pub fn reach(&self, subject: Subject<'_>, since: Seq) -> Reach {
        if since < self.floor {
            return Reach::Gone;
        }
        if since >= self.head {
            return Reach::Untouched;
        }
        let mut reach = self.all.reach(since);
        let mut add = |mark: Option<&Mark>| {
            if let Some(mark) = mark {
                reach = reach.and(mark.reach(since));
            }
        };
        add(self.named.get(&url_hash(subject.url)));
        for tag in subject.tags {
            add(self.named.get(tag));
        }
        self.prefixes_of(subject.url, |mark| add(Some(mark)));
        reach
    }

    /// Each mark whose prefix `url` begins with, longest first.
    fn prefixes_of(&self, url: &[u8], mut each: impl FnMut(&Mark)) {
        let up_to = |probe| (Bound::Unbounded, Bound::Included(probe));
        let mut probe = url;
        while let Some((prefix, mark)) = self.prefixes.range::<[u8], _>(up_to(probe)).next_back() {
            let common = prefix.iter().zip(url).take_while(|(a, b)| a == b).count();
            // No other prefix of the URL stands between this one and the probe.
            probe = if common == prefix.len() {
                each(mark);
                let Some(shorter) = common.checked_sub(1) else { return };
                &url[..shorter]
            } else {
                &url[..common]
            };
        }
    }

    fn name(&mut self, named: SubjectName, seq: Seq, soft: bool, at: Instant) {
        match &named {
            SubjectName::Hash(hash) => self.named.entry(*hash).or_default().set(seq, soft, at),
            SubjectName::Prefix(prefix) => {
                self.prefixes.entry(prefix.clone()).or_default().set(seq, soft, at);
            }
        }
        self.order.push_back((seq, named));
    }

    fn forget_beyond_capacity(&mut self) {
        while self.order.len() > self.capacity {
            let Some((seq, named)) = self.order.pop_front() else { return };
            let last = match &named {
                SubjectName::Hash(hash) => self.named.get(hash),
                SubjectName::Prefix(prefix) => self.prefixes.get(prefix),
            };
            // Named again since: that one still counts, and stands further back.
            if last.is_none_or(|mark| mark.last() > seq) {
                continue;
            }
            match named {
                SubjectName::Hash(hash) => drop(self.named.remove(&hash)),
                SubjectName::Prefix(prefix) => drop(self.prefixes.remove(&prefix)),
            }
            self.floor = self.floor.max(seq);
        }
    }
}

impl Mark {
    fn set(&mut self, seq: Seq, soft: bool, at: Instant) {
        if soft {
            self.stale = Some((seq, at));
        } else {
            self.gone = seq;
        }
    }

    fn last(&self) -> Seq {
        self.stale.map_or(self.gone, |(seq, _)| seq.max(self.gone))
    }

    fn reach(&self, since: Seq) -> Reach {
        match self.stale {
            _ if self.gone > since => Reach::Gone,
            Some((seq, at)) if seq > since => Reach::Stale(at),
            _ => Reach::Untouched,
        }
    }
}

impl Reach {
    /// Joins two verdicts: of two soft purges the one that came first counts.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Gone, _) | (_, Self::Gone) => Self::Gone,
            (Self::Stale(a), Self::Stale(b)) => Self::Stale(a.min(b)),
            (Self::Stale(at), Self::Untouched) | (Self::Untouched, Self::Stale(at)) => Self::Stale(at),
            (Self::Untouched, Self::Untouched) => Self::Untouched,
        }
    }
}

#[cfg(test)]
mod tests;

//! Keys, what they hold, and until when.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;

use super::streams::Stream;

/// What a key holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Bytes),
    Hash(BTreeMap<Bytes, Bytes>),
    /// Members by their scores.
    Sorted(BTreeMap<Bytes, f64>),
    Stream(Stream),
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    /// The time of day in ms.
    ends: Option<u64>,
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    entries: BTreeMap<Bytes, Entry>,
}

/// The key holds something else.
#[derive(Debug)]
pub(super) struct WrongKind;

/// The time of day in microseconds.
pub(super) fn time() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// The time of day in milliseconds.
pub(super) fn now() -> u64 {
    u64::try_from(time() / 1000).unwrap_or(u64::MAX)
}

impl Database {
    pub(super) fn get(&mut self, key: &Bytes) -> Option<&mut Value> {
        if self.entries.get(key).and_then(|entry| entry.ends).is_some_and(|ends| ends <= now()) {
            self.entries.remove(key);
        }
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    pub(super) fn put(&mut self, key: &Bytes, value: Value, ends: Option<u64>) {
        self.entries.insert(key.clone(), Entry { value, ends });
    }

    pub(super) fn remove(&mut self, key: &Bytes) -> bool {
        self.get(key).is_some() && self.entries.remove(key).is_some()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn keys(&mut self) -> Vec<Bytes> {
        let all: Vec<Bytes> = self.entries.keys().cloned().collect();
        all.into_iter().filter(|key| self.get(key).is_some()).collect()
    }

    /// The leases among them: `TOKEN@TIME`; `pass` and `fail` are marks in place of one.
    pub(super) fn leases(&mut self) -> usize {
        let is_lease = |text: &[u8]| {
            let text = std::str::from_utf8(text).unwrap_or_default();
            let lease = text.split_once('@').filter(|(_, since)| since.parse::<u64>().is_ok());
            lease.is_some_and(|(owner, _)| !matches!(owner, "pass" | "fail"))
        };
        let keys = self.keys();
        keys.iter().filter(|key| matches!(self.get(key), Some(Value::Text(text)) if is_lease(text))).count()
    }

    /// How many ms are left: -2 of no key, -1 for ever.
    pub(super) fn left(&mut self, key: &Bytes) -> i64 {
        if self.get(key).is_none() {
            return -2;
        }
        let ends = self.entries.get(key).and_then(|entry| entry.ends);
        ends.map_or(-1, |ends| i64::try_from(ends.saturating_sub(now())).unwrap_or(i64::MAX))
    }

    /// Ends it after `ms`, or at once.
    pub(super) fn expire(&mut self, key: &Bytes, ms: i64) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let Ok(ms) = u64::try_from(ms) else { return self.remove(key) };
        if let Some(entry) = self.entries.get_mut(key) {
            entry.ends = Some(now().saturating_add(ms));
        }
        ms > 0 || self.remove(key)
    }

    pub(super) fn text(&mut self, key: &Bytes) -> Result<Option<Bytes>, WrongKind> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(WrongKind),
        }
    }

    /// The hash at a key, made if there is none.
    pub(super) fn hash(&mut self, key: &Bytes) -> Result<&mut BTreeMap<Bytes, Bytes>, WrongKind> {
        match self.made(key, || Value::Hash(BTreeMap::new())) {
            Value::Hash(hash) => Ok(hash),
            _ => Err(WrongKind),
        }
    }

    pub(super) fn sorted(&mut self, key: &Bytes) -> Result<&mut BTreeMap<Bytes, f64>, WrongKind> {
        match self.made(key, || Value::Sorted(BTreeMap::new())) {
            Value::Sorted(sorted) => Ok(sorted),
            _ => Err(WrongKind),
        }
    }

    pub(super) fn stream(&mut self, key: &Bytes) -> Result<&mut Stream, WrongKind> {
        match self.made(key, || Value::Stream(Stream::default())) {
            Value::Stream(stream) => Ok(stream),
            _ => Err(WrongKind),
        }
    }

    /// Nothing is left in it: it is no key. (A stream stays.)
    pub(super) fn tidy(&mut self, key: &Bytes) {
        let is_empty = match self.get(key) {
            Some(Value::Hash(hash)) => hash.is_empty(),
            Some(Value::Sorted(sorted)) => sorted.is_empty(),
            _ => false,
        };
        if is_empty {
            self.entries.remove(key);
        }
    }

    fn made(&mut self, key: &Bytes, value: impl FnOnce() -> Value) -> &mut Value {
        let _ = self.get(key);
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry { value: value(), ends: None });
        &mut entry.value
    }
}

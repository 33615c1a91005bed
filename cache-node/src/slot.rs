//! Which stored page a request asks for: its key and, by the key's Vary rule, its variant.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_cache::vary;

/// No reply in its right mind is selected by more fields.
const MAX_NAMES: usize = 16;

/// The request fields that select among the variants of a key, sorted, each once. Empty: one page for all, or
/// none stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule(Arc<[HeaderName]>);

/// A place for one stored page. Equal if key and variant are, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    key: Bytes,
    rule: Rule,
    /// The names and normalised values of the selecting fields, in one string. Empty under the empty rule.
    variant: Bytes,
}

/// `Vary: *`, a name that is none, or too many names: what is stored under it would match no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Vary names no field that can be compared")]
pub(crate) struct InvalidRule;

impl Rule {
    pub(crate) fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self, InvalidRule> {
        let mut fields = Vec::new();
        for name in names {
            match name.as_ref() {
                "*" => return Err(InvalidRule),
                name => fields.push(HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidRule)?),
            }
        }
        fields.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        fields.dedup();
        if fields.len() > MAX_NAMES {
            return Err(InvalidRule);
        }
        Ok(Self(fields.into()))
    }

    /// A rule that no known field covers.
    pub(crate) fn unknown() -> Self {
        Self(Arc::new([HeaderName::from_static("*")]))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|name| name.as_str().to_owned()).collect()
    }
}

/// The most Vary rules of one key that are remembered.
pub(crate) const MAX_RULES: usize = 8;

/// The Vary rules of a key's replies, without the empty one. Each stored reply is selected by its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules(Arc<[Rule]>);

/// Where the pages stand that a request may be given, under the key's rules.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    rules: Rules,
    /// The slot of the lease: requests that differ in any selecting field have leases of their own.
    lease: Arc<Slot>,
    /// A slot for each rule; the last is that of pages without Vary.
    pages: Vec<Slot>,
}

impl Rules {
    pub(crate) fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().filter(|rule| !rule.0.is_empty()).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// These and one more, the newest; the oldest makes room.
    pub(crate) fn with(&self, rule: &Rule) -> Self {
        if rule.0.is_empty() || self.0.contains(rule) {
            return self.clone();
        }
        let over = (self.0.len() + 1).saturating_sub(MAX_RULES);
        Self(self.0.iter().skip(over).chain([rule]).cloned().collect())
    }

    /// Whether these fields are all known to select among the key's variants.
    pub(crate) fn cover(&self, rule: &Rule) -> bool {
        rule.0.iter().all(|name| self.0.iter().any(|known| known.0.contains(name)))
    }

    /// All selecting fields.
    fn union(&self) -> Rule {
        let mut names: Vec<_> = self.0.iter().flat_map(|rule| rule.0.iter().cloned()).collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Rule(names.into())
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Selection {
    pub(crate) fn new(key: &Bytes, rules: Rules, fields: &HeaderMap) -> Self {
        let slot = |rule: Rule| Slot::new(key.clone(), rule, fields);
        let lease = Arc::new(slot(rules.union()));
        let pages = rules.iter().cloned().chain([Rule::default()]).map(slot).collect();
        Self { rules, lease, pages }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn lease(&self) -> &Arc<Slot> {
        &self.lease
    }

    pub(crate) fn pages(&self) -> &[Slot] {
        &self.pages
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Slot {
    /// The slot of a record whose seal was right.
    pub(crate) fn of_record(key: Bytes, rule: Rule, variant: Bytes) -> Self {
        Self { key, rule, variant }
    }

    /// The slot of a request with these fields, should `rule` be the key's.
    pub(crate) fn new(key: Bytes, rule: Rule, fields: &HeaderMap) -> Self {
        let variant = vary::selected(&rule.0, fields);
        Self { key, rule, variant: variant.into() }
    }

    pub(crate) fn key(&self) -> &Bytes {
        &self.key
    }

    /// Scheme, host, path and query: what a purge can name of a page.
    pub(crate) fn url(&self) -> &[u8] {
        http_cache::key::url(&self.key)
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(crate) fn variant(&self) -> &Bytes {
        &self.variant
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.variant == other.variant
    }
}

impl Eq for Slot {}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.variant.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(key: &'static str, names: &[&str], fields: &[(&'static str, &'static str)]) -> Slot {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().unwrap());
        }
        Slot::new(Bytes::from_static(key.as_bytes()), Rule::new(names).unwrap(), &map)
    }

    #[test]
    fn rules_are_the_same_in_any_order_and_case() {
        let rule = Rule::new(["Accept-Language", "accept-encoding", "ACCEPT-LANGUAGE"]).unwrap();
        assert_eq!(rule.names(), ["accept-encoding", "accept-language"]);
        for bad in ["*", "", "a b", "é"] {
            assert_eq!(Rule::new([bad]), Err(InvalidRule), "{bad:?}");
        }
        assert_eq!(Rule::new((0..=MAX_NAMES).map(|n| format!("x-{n}"))), Err(InvalidRule));
    }

    #[test]
    fn slots_differ_by_key_rule_and_selecting_values_only() {
        let en = [("accept-language", "en"), ("x-other", "1")];
        let de = [("accept-language", "de"), ("x-other", "1")];
        assert_eq!(slot("k", &[], &en), slot("k", &[], &de));
        assert_ne!(slot("k", &[], &en), slot("l", &[], &en));
        assert_ne!(slot("k", &["accept-language"], &en), slot("k", &["accept-language"], &de));
        assert_eq!(
            slot("k", &["accept-language"], &en),
            slot("k", &["accept-language"], &[("accept-language", "en")])
        );
        assert_ne!(slot("k", &["accept-language"], &en), slot("k", &[], &en));
        assert_ne!(slot("k", &["a"], &[]), slot("k", &["b"], &[]));
    }
}

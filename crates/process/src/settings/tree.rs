//! The settings as a flat list of keys and values, so that two readings can be compared.

use std::collections::BTreeMap;

use config::{Value, ValueKind};

use super::{Settings, path};
use crate::reload::{SettingChange, is_within};

/// What tells the tables of a list apart, instead of their number.
const NAMES: [&str; 7] = ["name", "server_name", "match", "address", "to", "set", "add"];
/// Parts of names whose values are secrets, unless the value is a file's name.
const SECRETS: [&str; 5] = ["password", "passwd", "secret", "token", "hmac"];
/// Ends of keys whose values are secrets or hold some.
const SECRET_ENDS: [&str; 2] = ["sticky.key", "secure_link.md5"];
const MASK: &str = "(secret)";

/// Each key that is set, with its value as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsTree(BTreeMap<String, String>);

impl Settings {
    /// What file and environment set.
    pub fn tree(&self) -> SettingsTree {
        let mut tree = SettingsTree::default();
        for (name, value) in &self.root {
            tree.add(name, value);
        }
        tree
    }
}

impl SettingsTree {
    /// The part of one section.
    pub fn of_section(mut self, name: &str) -> Self {
        self.0.retain(|key, _| is_within(key, name));
        self
    }

    /// This reading, but with the values of another for these keys and all below them.
    pub(crate) fn with_fixed(mut self, other: &Self, fixed: &[&str]) -> Self {
        let is_fixed = |key: &String| fixed.iter().any(|above| is_within(key, above));
        self.0.retain(|key, _| !is_fixed(key));
        let kept = other.0.iter().filter(|(key, _)| is_fixed(key));
        self.0.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
        self
    }

    /// What another reading says otherwise. Secrets are masked.
    pub fn changes(&self, new: &Self) -> Vec<SettingChange> {
        let mut keys: Vec<&String> = self.0.keys().chain(new.0.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let differs = keys.into_iter().filter(|key| self.0.get(*key) != new.0.get(*key));
        differs
            .map(|key| SettingChange {
                key: key.clone(),
                old: self.0.get(key).map(|value| shown(key, value)),
                new: new.0.get(key).map(|value| shown(key, value)),
            })
            .collect()
    }

    fn add(&mut self, path: &str, value: &Value) {
        match &value.kind {
            ValueKind::Table(table) if !table.is_empty() => {
                for (key, value) in table {
                    self.add(&path::key(path, key), value);
                }
            }
            ValueKind::Array(list) if !list.is_empty() && list.iter().all(is_table) => {
                for value in list {
                    let name = name(value).unwrap_or_default();
                    // Two may have the same name: the second is told apart by its number.
                    let mut at = format!("{path}[{name}]");
                    let mut number = 1;
                    while self.has_within(&at) {
                        number += 1;
                        at = format!("{path}[{name}#{number}]");
                    }
                    self.add(&at, value);
                }
            }
            _ => {
                self.0.insert(path.to_owned(), text(value));
            }
        }
    }

    fn has_within(&self, at: &str) -> bool {
        self.0.range(at.to_owned()..).next().is_some_and(|(key, _)| is_within(key, at))
    }
}

fn is_table(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Table(table) if !table.is_empty())
}

fn name(value: &Value) -> Option<String> {
    let ValueKind::Table(table) = &value.kind else { return None };
    let named = NAMES.iter().find_map(|name| table.get(*name))?;
    Some(match &named.kind {
        ValueKind::Array(list) => list.iter().map(bare).collect::<Vec<_>>().join(" "),
        _ => bare(named),
    })
}

fn bare(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => text.clone(),
        _ => text(value),
    }
}

/// As it would be written in TOML.
fn text(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(", ")),
        ValueKind::Table(table) => {
            let mut parts: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", text(value))).collect();
            parts.sort_unstable();
            format!("{{ {} }}", parts.join(", "))
        }
        _ => value.to_string(),
    }
}

fn shown(key: &str, value: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let last = last.to_ascii_lowercase();
    let names_one = SECRETS.iter().any(|part| last.contains(part)) && !last.ends_with("_file");
    let is_sent = key.contains("request_fields[") && last == "value";
    if names_one || is_sent || SECRET_ENDS.iter().any(|end| key.ends_with(end)) {
        return MASK.to_owned();
    }
    without_passwords(value)
}

/// `redis://user:password@host` without what stands before the host.
fn without_passwords(value: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(['/', '"', ' ', ',', '?']).unwrap_or(after.len());
        let (authority, behind) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str(MASK);
                shown.push('@');
                shown.push_str(host);
            }
            None => shown.push_str(authority),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> SettingsTree {
        Settings::load_text("weir.toml", text, std::iter::empty()).unwrap().tree()
    }

    fn told(old: &str, new: &str) -> Vec<String> {
        let changes = tree(old).changes(&tree(new));
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_differs_is_told_by_its_name() {
        let old = "[edge]\nlisten = [\"a:1\"]\n[[edge.site]]\nserver_name = [\"x\"]\n[[edge.site.location]]\n\
                   match = \"/\"\npool = \"p\"\n";
        let new = "[edge]\nlisten = [\"a:1\", { address = \"b:2\", http2 = true }]\n[[edge.site]]\n\
                   server_name = [\"new\"]\n[[edge.site]]\nserver_name = [\"x\"]\n[[edge.site.location]]\n\
                   match = \"/\"\npool = \"q\"\n";
        let expected = [
            "edge.listen: [\"a:1\"] → [\"a:1\", { address = \"b:2\", http2 = true }]",
            "edge.site[new].server_name: not set → [\"new\"]",
            "edge.site[x].location[/].pool: \"p\" → \"q\"",
        ];
        assert_eq!(told(old, new), expected);
        assert_eq!(told(old, old), Vec::<String>::new());
    }

    #[test]
    fn tables_with_the_same_name_are_told_apart() {
        let two = "[[edge.site]]\nserver_name = [\"x\"]\nroot = \"a\"\n[[edge.site]]\nserver_name = [\"x\"]\nroot = \"b\"\n";
        let changed = two.replace("\"b\"", "\"c\"");
        assert_eq!(told(two, &changed), ["edge.site[x#2].root: \"b\" → \"c\""]);
    }

    #[test]
    fn secrets_are_not_told() {
        let cases = [
            ("cache_node.redis.url = \"redis://u:p@h/1\"", "cache_node.redis.url = \"redis://u:q@h/1\""),
            ("cache_node.redis.sentinel_password = \"p\"", "cache_node.redis.sentinel_password = \"q\""),
            ("pool.sticky.key = \"p\"", "pool.sticky.key = \"q\""),
            (
                "cache_node.redis.url = [\"redis://h\", \"redis://:p@g\"]",
                "cache_node.redis.url = [\"redis://h\", \"redis://:q@g\"]",
            ),
        ];
        for (old, new) in cases {
            let told = told(old, new).join("\n");
            assert!(told.contains(MASK) && !told.contains(":p") && !told.contains("\"q\""), "{told}");
        }
    }
}

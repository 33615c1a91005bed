//! What a reload has changed, and what it could not.

use std::fmt;

use serde::Serialize;

/// The value of one key before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    pub key: String,
    /// `None`: the default.
    pub old: Option<String>,
    pub new: Option<String>,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{}: {} → {}", self.key, text(&self.old), text(&self.new))
    }
}

/// Whether the key is this one, or below it.
pub(crate) fn is_within(key: &str, above: &str) -> bool {
    key.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The answer to a reload. Either everything that can change in a running process has changed, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadReport {
    pub reloaded: bool,
    /// In force now.
    pub changed: Vec<SettingChange>,
    /// What takes effect at the next start or upgrade.
    pub at_next_start: Vec<SettingChange>,
    /// Why nothing has changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<String>,
}

impl ReloadReport {
    /// Nothing has changed, for this reason: one line for each mistake.
    pub fn refused(why: &str) -> Self {
        let mistakes = why.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        Self { mistakes, ..Self::default() }
    }

    /// Everything has changed that can. `fixed` names the keys that cannot, with all below them.
    pub fn taken_over(changes: Vec<SettingChange>, fixed: &[&str]) -> Self {
        let is_fixed = |change: &SettingChange| fixed.iter().any(|above| is_within(&change.key, above));
        let (at_next_start, changed) = changes.into_iter().partition(is_fixed);
        Self { reloaded: true, changed, at_next_start, mistakes: Vec::new() }
    }

    /// Writes it to the log.
    pub fn log(&self) {
        if !self.reloaded {
            return tracing::error!("settings not reloaded:\n{}", self.mistakes.join("\n"));
        }
        tracing::info!(changed = self.changed.len(), "settings reloaded");
        for change in &self.changed {
            tracing::info!("changed: {change}");
        }
        for change in &self.at_next_start {
            tracing::warn!("takes effect at the next start or upgrade: {change}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_change_is_told_apart() {
        let change = |key: &str| SettingChange { key: key.to_owned(), old: None, new: Some("1".to_owned()) };
        let changes = ["edge.name", "edge.names", "edge.peers.cache_node", "edge.site[x].root"].map(change);
        let report = ReloadReport::taken_over(changes.into(), &["edge.name", "edge.peers"]);
        let keys =
            |changes: &[SettingChange]| changes.iter().map(|change| change.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&report.changed), ["edge.names", "edge.site[x].root"]);
        assert_eq!(keys(&report.at_next_start), ["edge.name", "edge.peers.cache_node"]);
        assert!(report.reloaded);
        let refused = ReloadReport::refused("a\n\nb\n");
        assert_eq!((refused.reloaded, refused.mistakes), (false, vec!["a".to_owned(), "b".to_owned()]));
    }
}

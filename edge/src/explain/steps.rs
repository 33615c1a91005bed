//! What `explain` found, step by step, each with the rule behind it.

use http_cache::Reason;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct ExplainedStep {
    step: &'static str,
    found: String,
    /// The RFC section, or the setting, behind it.
    rule: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Steps(Vec<ExplainedStep>);

impl Steps {
    pub(super) fn push(&mut self, step: &'static str, found: impl Into<String>, rule: impl Into<String>) {
        self.0.push(ExplainedStep { step, found: found.into(), rule: rule.into() });
    }

    pub(super) fn reason(&mut self, step: &'static str, reason: Reason) {
        self.push(step, format!("{} ({})", reason.sentence(), reason.as_str()), reason.rule());
    }
}

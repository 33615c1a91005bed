//! Something that the doctor has found.

use std::fmt;

use process::settings::{Origin, Settings};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Something does not work.
    Error,
    /// Something works worse than it could, or will not work for long.
    Warning,
    /// What could not be examined.
    Note,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) severity: Severity,
    pub(super) what: String,
    /// The path of the setting behind it; empty: there is none.
    pub(super) setting: String,
    /// The file and line, or the variable, of the setting.
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) remedy: String,
}

impl Diagnosis {
    pub(super) fn error(
        setting: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (setting, what, remedy) = (setting.into(), what.into(), remedy.into());
        Self { severity: Severity::Error, what, setting, place: String::new(), remedy }
    }

    pub(super) fn warning(
        setting: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(setting, what, remedy) }
    }

    pub(super) fn note(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error("", what, remedy) }
    }

    pub(super) fn locate(&mut self, settings: &Settings) {
        if self.setting.is_empty() {
            return;
        }
        self.place = match settings.origin(&self.setting) {
            Origin::File { name, line: Some(line) } => format!("{name}:{line}"),
            Origin::File { name, line: None } => name,
            Origin::Variable(name) => format!("${name}"),
        };
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "WRONG",
            Severity::Warning => "DOUBTFUL",
            Severity::Note => "NOTE",
        };
        write!(f, "{word}  {}", self.what)?;
        if !self.setting.is_empty() {
            write!(f, "\n  where: {} ({})", self.setting, self.place)?;
        }
        write!(f, "\n  do:    {}", self.remedy)
    }
}

//! Access logs of one's own: formats, and which requests are written where.

use process::settings::text_or_table;
use serde::{Deserialize, Deserializer};
use tracing::Level;

use crate::variables::Template;

/// One entry of `logs`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A file, "stdout", "stderr", or "syslog:server=127.0.0.1:514,tag=weir".
    pub to: String,
    /// "combined", "json", or a name in `log_formats`.
    #[serde(default = "combined")]
    pub format: String,
    /// A request is logged unless this is empty or "0".
    pub r#if: Option<Template>,
    /// The part of the requests that is logged: 0 to 1.
    #[serde(default = "all")]
    pub sample: f64,
}

fn combined() -> String {
    "combined".into()
}

fn all() -> f64 {
    1.0
}

/// One entry of a place's `error_log`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorLogConfig {
    /// A file, "stdout", "stderr", or "syslog:server=127.0.0.1:514,tag=weir".
    pub to: String,
    /// From this level on lines are written.
    #[serde(default = "warn")]
    pub level: ErrorLogLevel,
}

fn warn() -> ErrorLogLevel {
    ErrorLogLevel::Warn
}

/// What is written to stderr about the edge's own work, from this level on; nginx's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorLogLevel {
    Debug,
    #[default]
    Info,
    Notice,
    Warn,
    Error,
    Crit,
    Alert,
    Emerg,
}

impl ErrorLogLevel {
    /// Weir has four of them.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info | Self::Notice => "info",
            Self::Warn => "warn",
            Self::Error | Self::Crit | Self::Alert | Self::Emerg => "error",
        }
    }

    pub(crate) fn level(self) -> Level {
        match self.word() {
            "debug" => Level::DEBUG,
            "info" => Level::INFO,
            "warn" => Level::WARN,
            _ => Level::ERROR,
        }
    }
}

/// One of `log_formats`: a text with variables, or { text = "…", escape = "json" }.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFormatConfig {
    pub text: Template,
    pub escape: Escape,
}

/// What becomes of characters that could end a field or a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// `\xHH`; a variable without a value is "-".
    #[default]
    Default,
    /// As inside a JSON string; a variable without a value is empty.
    Json,
    /// Only what would end the line is escaped.
    None,
}

impl<'de> Deserialize<'de> for LogFormatConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FormatTable {
            text: Template,
            #[serde(default)]
            escape: Escape,
        }
        let expecting = "a text with variables, or a table with `text`";
        let from_text = |text: Template| Self { text, escape: Escape::Default };
        text_or_table(deserializer, expecting, from_text, |FormatTable { text, escape }| Self {
            text,
            escape,
        })
    }
}

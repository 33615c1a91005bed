//! Variables for the application that the settings name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http1::octets::is_text;
use process::settings::{Mistakes, text_or_table};
use serde::{Deserialize, Deserializer};

/// `variables = { UWSGI_SCHEME = "https", SITE = "shop", COUNTRY = { told = 0 } }`; nginx: `uwsgi_param`,
/// `fastcgi_param`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, VariableValue>")]
pub struct Variables(pub Vec<(String, VariableValue)>);

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableValue {
    Text(String),
    /// The value with this number that the location tells with each request: `pool_request.values`. A request
    /// that has none has no such variable.
    Told(usize),
}

impl<'de> Deserialize<'de> for VariableValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            told: usize,
        }
        let expecting = "a text, or { told = 0 }: the value with this number that locations tell";
        text_or_table(deserializer, expecting, Self::Text, |Table { told }| Self::Told(told))
    }
}

impl From<BTreeMap<String, VariableValue>> for Variables {
    fn from(map: BTreeMap<String, VariableValue>) -> Self {
        Self(map.into_iter().collect())
    }
}

/// More values than this are told by no location.
const MOST_TOLD: usize = 100;

impl Variables {
    /// The variables of one request, with what its location tells.
    pub(crate) fn with<'a>(&'a self, told: &'a [bytes::Bytes]) -> Vec<(&'a str, Cow<'a, str>)> {
        let value = |value: &'a VariableValue| match value {
            VariableValue::Text(text) => Some(Cow::Borrowed(text.as_str())),
            VariableValue::Told(number) => told
                .get(*number)
                .filter(|value| !value.is_empty() && is_text(value))
                .map(|value| String::from_utf8_lossy(value)),
        };
        self.0.iter().filter_map(|(name, of)| Some((name.as_str(), value(of)?))).collect()
    }

    pub(super) fn check(&self, path: &str, mistakes: &mut Mistakes) {
        let is_name = |name: &str| {
            let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters)
        };
        // What the length of the body and the frame of the request hang on is not to be said twice.
        const OURS: &[&str] =
            &["CONTENT_LENGTH", "REQUEST_METHOD", "HTTP_CONNECTION", "HTTP_TRANSFER_ENCODING"];
        for (name, value) in &self.0 {
            if !is_name(name) {
                mistakes.push(format!("{path}.{name}"), "not the name of a variable, such as \"SITE_ID\"");
            } else if OURS.contains(&name.as_str()) {
                mistakes.push(format!("{path}.{name}"), "follows from the request and cannot be set");
            }
            match value {
                // Several lines are usual for PHP_VALUE.
                VariableValue::Text(text) if !text.split('\n').all(|part| is_text(part.as_bytes())) => {
                    mistakes.push(format!("{path}.{name}"), "there is a control character in the value");
                }
                VariableValue::Told(number) if *number >= MOST_TOLD => {
                    mistakes.push(format!("{path}.{name}.told"), "must be below 100");
                }
                VariableValue::Text(_) | VariableValue::Told(_) => {}
            }
        }
    }
}

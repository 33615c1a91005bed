//! What edge, site and location say about fields: those of replies, those of requests to the application,
//! CORS and security.

use process::units::Time;
use serde::{Deserialize, Deserializer};

use crate::settings::expires::Expires;
use crate::variables::Template;

/// One entry of `reply_fields`: one of `add`, `set`, `default` and `remove` names the field.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplyFieldConfig {
    /// Adds a line, as nginx's `add_header`.
    pub add: Option<String>,
    /// Replaces what the reply has.
    pub set: Option<String>,
    /// Adds a line if the reply has none.
    pub default: Option<String>,
    /// Removes all lines.
    pub remove: Option<String>,
    pub value: Option<Template>,
    /// On every status; left out: on those that nginx's `add_header` has for it.
    pub always: bool,
    /// On these statuses only: "404", "5xx".
    pub status: Vec<String>,
}

/// One entry of `request_fields`: `set` or `remove` names the field.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestFieldConfig {
    pub set: Option<String>,
    pub remove: Option<String>,
    pub value: Option<Template>,
}

/// What a list means beside that of the level above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InheritFields {
    /// Follows it.
    #[default]
    Merge,
    /// Replaces it, as in nginx.
    Replace,
}

/// `cors`: which other sites' pages may read replies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsConfig {
    /// "https://app.example.com", "https://*.example.com", or "*" for all.
    pub origins: Vec<String>,
    #[serde(default = "simple_methods")]
    pub methods: Vec<String>,
    /// Request fields that they may send; "*" for all.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Reply fields that they may read.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether cookies go along.
    #[serde(default)]
    pub credentials: bool,
    /// How long browsers remember the answer.
    #[serde(default = "ten_minutes")]
    pub max_age: Time,
}

fn simple_methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(str::to_owned).to_vec()
}

fn ten_minutes() -> Time {
    Time::from_secs(600)
}

/// `security`: fields that protect a site's visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    Off,
    /// Fields that no ordinary site minds.
    Basic,
    /// Also HTTPS only, and no frames.
    Strict,
}

/// `expires`: a time, or a text with variables that gives one.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpiresSetting {
    Fixed(Expires),
    Computed(Template),
}

impl ExpiresSetting {
    /// The time, if it is always the same.
    pub(crate) fn fixed(&self) -> Option<Expires> {
        if let Self::Fixed(expires) = self { Some(*expires) } else { None }
    }
}

impl<'de> Deserialize<'de> for ExpiresSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let template = Template::deserialize(deserializer)?;
        match template.constant() {
            Some(text) => Expires::parse(text).map(Self::Fixed).map_err(serde::de::Error::custom),
            None => Ok(Self::Computed(template)),
        }
    }
}

//! `rule`: what becomes of requests that meet conditions. nginx's `if`, without its traps.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::variables::Template;

/// `{ when = { method = "POST" }, return = 405 }`
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleConfig {
    /// All of them must hold.
    pub when: BTreeMap<String, WhenConfig>,
    /// Variables, and their values.
    pub set: BTreeMap<String, Template>,
    /// A location "@name" that answers once the rules of this place are through; "" is this place again.
    pub location: Option<String>,
    /// "REGEX REPLACEMENT FLAG", in order.
    pub rewrite: Vec<String>,
    /// nginx's `return`.
    #[serde(rename = "return")]
    pub answer: Option<Template>,
    /// No further rule is looked at here.
    #[serde(rename = "break")]
    pub ends: bool,
}

/// What a condition asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum WhenConfig {
    /// As nginx reads a variable alone: neither empty nor "0".
    Is(bool),
    /// One of these.
    Texts(Vec<String>),
    /// What fields, cookies or parameters of these names must be.
    Named(BTreeMap<String, Vec<String>>),
}

impl<'de> Deserialize<'de> for WhenConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhenVisitor)
    }
}

struct WhenVisitor;

impl<'de> Visitor<'de> for WhenVisitor {
    type Value = WhenConfig;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(
            "a text such as \"GET\" or \"~ ^/regex\", a list of texts, true, false, or a table of names",
        )
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<WhenConfig, E> {
        Ok(WhenConfig::Is(is))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<WhenConfig, E> {
        Ok(WhenConfig::Texts(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<WhenConfig, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(WhenConfig::Texts)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<WhenConfig, A::Error> {
        let named: BTreeMap<String, process::settings::OneOrMany> =
            BTreeMap::deserialize(MapAccessDeserializer::new(table))?;
        Ok(WhenConfig::Named(named.into_iter().map(|(name, texts)| (name, texts.0)).collect()))
    }
}

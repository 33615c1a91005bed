//! `pool_request`: what the application is asked in place of what the client asks.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::variables::Template;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolRequestConfig {
    pub(crate) method: Option<Template>,
    pub(crate) body: Option<Template>,
    /// The Host that the application is told.
    pub(crate) host: Option<Template>,
    /// The scheme that it is told: "http" or "https".
    pub(crate) scheme: Option<Template>,
    /// False: none of the client's fields is passed on.
    pub(crate) fields: bool,
    /// What the application is told of client and URL, by HTTP, in place of what Weir tells itself:
    /// `X-Forwarded-For` and the like. An empty value: nothing.
    pub(crate) told: BTreeMap<String, Template>,
    /// The values of variables that the pool's settings leave to locations: `{ told = 0 }` is the first.
    pub(crate) values: Vec<Template>,
    /// What `hash` looks at in pools with `hash_key = "told"`.
    pub(crate) hash: Option<Template>,
}

impl PoolRequestConfig {
    /// The application is asked what the client asks.
    pub(crate) fn is_usual(&self) -> bool {
        let texts = [&self.method, &self.body, &self.host, &self.scheme];
        self.fields
            && texts.iter().all(|text| text.is_none())
            && self.told.is_empty()
            && self.values.is_empty()
            && self.hash.is_none()
    }

    /// A reply may be another than what the client asks for.
    pub(crate) fn asks_otherwise(&self) -> bool {
        let has_text = self.body.as_ref().is_some_and(|body| body.constant() != Some(""));
        !self.fields || self.method.is_some() || has_text
    }
}

impl Default for PoolRequestConfig {
    fn default() -> Self {
        Self {
            method: None,
            body: None,
            host: None,
            scheme: None,
            fields: true,
            told: BTreeMap::new(),
            values: Vec::new(),
            hash: None,
        }
    }
}

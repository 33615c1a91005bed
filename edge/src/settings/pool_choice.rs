//! `pool_choice`: which pool, or which server, answers, where that depends on the request. nginx's
//! `proxy_pass` with variables.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::variables::Template;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolChoiceConfig {
    /// What is chosen by, such as "$backend".
    pub(crate) by: Template,
    /// Path and query to ask for in place of the request's.
    pub(crate) target: Option<Template>,
    /// Pools by this value.
    #[serde(default)]
    pub(crate) pools: BTreeMap<String, String>,
    /// The pool, with `any_server`, that asks the server that another value names: host, or host and port.
    pub(crate) any: Option<String>,
    /// Whether that may be a name, and not only an address.
    #[serde(default)]
    pub(crate) names: bool,
    /// How that server is asked.
    #[serde(default)]
    pub(crate) scheme: ServerScheme,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerScheme {
    #[default]
    Http,
    Https,
    Uwsgi,
    Fastcgi,
}

//! `balance` and `hash_key`: how a server is chosen.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Balance {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests for its weight.
    LeastConn,
    /// The one that replies soonest, as busy as it is, for its weight.
    LeastTime,
    /// The better of two drawn by lot.
    RandomTwo,
    /// One client network always goes to one server.
    IpHash,
    /// One `hash_key` always goes to one server; a server that goes moves its own share only.
    Hash,
    /// `hash` as nginx does it without `consistent`: a server that goes moves nearly all keys.
    HashModulo,
}

const METHODS: [(&str, Balance); 7] = [
    ("round_robin", Balance::RoundRobin),
    ("least_conn", Balance::LeastConn),
    ("least_time", Balance::LeastTime),
    ("random_two", Balance::RandomTwo),
    ("ip_hash", Balance::IpHash),
    ("hash", Balance::Hash),
    ("hash_modulo", Balance::HashModulo),
];

impl Balance {
    /// As in the settings.
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

impl TryFrom<String> for Balance {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = METHODS.iter().find(|(name, _)| *name == text);
        found.map(|(_, method)| *method).ok_or_else(|| {
            let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
            format!("unknown method `{text}`; write one of {}", known.join(", "))
        })
    }
}

/// What `hash` looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HashKey {
    /// Path and query as the client sent them.
    #[default]
    Uri,
    /// The client's address.
    Client,
    /// A request field.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// What locations tell: `pool_request.hash`.
    Told,
}

impl TryFrom<String> for HashKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "uri" => Ok(Self::Uri),
            None if text == "client" => Ok(Self::Client),
            None if text == "told" => Ok(Self::Told),
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_ascii_lowercase())),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            _ => Err("write \"uri\", \"client\", \"header:NAME\", \"cookie:NAME\" or \"told\"".to_owned()),
        }
    }
}

//! `auth_request`: a page of the site that decides who may have what a location answers with.

use std::fmt;

use serde::de::{Error, MapAccess, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use crate::variables::Template;

/// `auth_request = "/auth"`, a table, or `false` where an outer one does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthRequestConfig(Option<AuthRequestTable>);

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthRequestTable {
    /// The path of the page that decides.
    pub(crate) uri: String,
    /// Variables that get values from its reply.
    #[serde(default)]
    pub(crate) set: Vec<(String, Template)>,
    /// Fields of its reply that the application gets; what clients send under these names is removed.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    /// Cookies that its reply sets go to the client.
    #[serde(default = "yes")]
    pub(crate) cookies: bool,
}

fn yes() -> bool {
    true
}

impl AuthRequestConfig {
    pub(crate) fn table(&self) -> Option<&AuthRequestTable> {
        self.0.as_ref()
    }
}

impl<'de> Deserialize<'de> for AuthRequestConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AuthRequestConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path such as \"/auth\", a table with `uri`, or false")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                match on {
                    true => Err(E::custom("`true` does not say which page decides; write \"/auth\"")),
                    false => Ok(AuthRequestConfig(None)),
                }
            }

            fn visit_str<E: Error>(self, uri: &str) -> Result<Self::Value, E> {
                let uri = uri.to_owned();
                let table = AuthRequestTable { uri, set: Vec::new(), fields: Vec::new(), cookies: true };
                Ok(AuthRequestConfig(Some(table)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let table = AuthRequestTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(AuthRequestConfig(Some(table)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

//! `autoindex`: whether and how directories without an index file are listed.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Autoindex {
    #[default]
    Off,
    /// A page with links.
    Html,
    /// A list of objects, as nginx's `autoindex_format json`.
    Json,
    /// That list, as an argument of the function that the parameter `callback` names.
    Jsonp,
    /// A list of elements, as nginx's `autoindex_format xml`.
    Xml,
}

impl<'de> Deserialize<'de> for Autoindex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AutoindexVisitor;
        impl Visitor<'_> for AutoindexVisitor {
            type Value = Autoindex;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("true, false, \"html\", \"json\", \"jsonp\" or \"xml\"")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Autoindex, E> {
                Ok(if on { Autoindex::Html } else { Autoindex::Off })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Autoindex, E> {
                match text {
                    "html" => Ok(Autoindex::Html),
                    "json" => Ok(Autoindex::Json),
                    "jsonp" => Ok(Autoindex::Jsonp),
                    "xml" => Ok(Autoindex::Xml),
                    other => Err(E::unknown_variant(other, &["html", "json", "jsonp", "xml"])),
                }
            }
        }
        deserializer.deserialize_any(AutoindexVisitor)
    }
}

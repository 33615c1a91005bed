//! Where a site answers: the listeners that its `listen` and `default_server` name.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::settings::Listen;

/// One or more listeners of `edge.listen`: an address as it stands there, or a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerName(String);

impl ListenerName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The indexes of the listeners that it names.
    pub(crate) fn among<'a>(&'a self, listeners: &'a [Listen]) -> impl Iterator<Item = usize> + 'a {
        let port: Option<u16> = self.0.strip_prefix(':').unwrap_or(&self.0).parse().ok();
        listeners.iter().enumerate().filter_map(move |(index, listen)| {
            let named = listen.address == self.0 || port.is_some() && port == port_of(&listen.address);
            named.then_some(index)
        })
    }
}

pub(crate) fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

impl<'de> Deserialize<'de> for ListenerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = ListenerName;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an address of `edge.listen`, or its port, such as 443")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ListenerName, E> {
                Ok(ListenerName(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, port: i64) -> Result<ListenerName, E> {
                Ok(ListenerName(port.to_string()))
            }

            fn visit_u64<E: Error>(self, port: u64) -> Result<ListenerName, E> {
                Ok(ListenerName(port.to_string()))
            }
        }
        deserializer.deserialize_any(NameVisitor)
    }
}

/// Where a site answers hosts that no site names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultServer {
    /// On all listeners of the site, or on none.
    Everywhere(bool),
    At(Vec<ListenerName>),
}

impl Default for DefaultServer {
    fn default() -> Self {
        Self::Everywhere(false)
    }
}

impl<'de> Deserialize<'de> for DefaultServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DefaultVisitor;
        impl<'de> Visitor<'de> for DefaultVisitor {
            type Value = DefaultServer;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("true, false, or a list of listeners, such as [443]")
            }

            fn visit_bool<E: Error>(self, everywhere: bool) -> Result<DefaultServer, E> {
                Ok(DefaultServer::Everywhere(everywhere))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<DefaultServer, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(DefaultServer::At(names))
            }
        }
        deserializer.deserialize_any(DefaultVisitor)
    }
}

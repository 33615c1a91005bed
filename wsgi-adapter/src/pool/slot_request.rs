//! What choosing a server looks at in a request.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use process::client_key::ClientKey;
use weir_proto::joiners;
use weir_proto::origin::{Priority, RequestHead};
use weir_proto::plain::PlainRequest;

use super::clients::Holder;
use super::member::ServerId;
use crate::config::HashKey;

#[derive(Clone, Debug, Default)]
pub(crate) struct SlotRequest {
    /// The client that `ip_hash` looks at.
    pub(super) client: Option<IpAddr>,
    /// Whose part of the pool it takes. A page for many is counted for who has caused it.
    pub(super) holder: Option<Holder>,
    /// Others who wait for the same page: it may take their part as well.
    pub(super) joined: Vec<Option<Holder>>,
    /// What `hash` looks at.
    pub(super) key: Option<Box<[u8]>>,
    /// The server that its visitor has had before, for `sticky`.
    pub(super) bound: Option<ServerId>,
    pub(super) priority: Priority,
    /// Servers that have failed this request already.
    pub(super) tried: Vec<ServerId>,
}

impl SlotRequest {
    /// `key`: `None` where no server is chosen by one.
    pub(super) fn new(head: &RequestHead, key: Option<&HashKey>, bound: Option<ServerId>) -> Self {
        Self {
            client: client(head),
            holder: holder(head),
            joined: Vec::new(),
            key: key.and_then(|key| key_of(head, key)).map(Box::from),
            bound,
            priority: head.priority(),
            tried: Vec::new(),
        }
    }

    /// What choosing looks at where it is by no key.
    pub(super) fn of_plain(request: &PlainRequest<'_>) -> Self {
        let port = shared_port(request.protocol, request.client_port);
        let holder = request.client.map(|client| Holder { client: client.into(), port });
        Self { client: request.client, holder, priority: request.priority, ..Self::default() }
    }

    /// Another client waits for it.
    pub(super) fn join(&mut self, client: Option<Holder>) {
        let is_same = |known: Option<Holder>| known.map(|it| it.client) == client.map(|it| it.client);
        if self.joined.len() < joiners::MOST && !self.holders().any(is_same) {
            self.joined.push(client);
        }
    }

    /// All whose part it may take.
    pub(super) fn holders(&self) -> impl Iterator<Item = Option<Holder>> {
        std::iter::once(self.holder).chain(self.joined.iter().copied())
    }

    pub(super) fn is_joined(&self) -> bool {
        !self.joined.is_empty()
    }

    /// It takes this one's part.
    pub(super) fn is_of(&mut self, giver: Option<Holder>) {
        if let Some(joined) = self.joined.iter_mut().find(|joined| **joined == giver) {
            std::mem::swap(&mut self.holder, joined);
        }
    }
}

/// A client that waits for a page which another has caused.
pub(crate) fn joined(client: &str) -> Option<Holder> {
    Some(Holder { client: client.parse::<IpAddr>().ok()?.into(), port: None })
}

/// The client as its part of the pool is counted.
pub(super) fn holder(head: &RequestHead) -> Option<Holder> {
    if head.caused_by.is_empty() {
        let client = ClientKey::from(client(head).filter(|_| !head.shared)?);
        let port = u16::try_from(head.client_port).unwrap_or(0);
        return Some(Holder { client, port: shared_port(&head.protocol, port) });
    }
    if let Ok(connection) = head.caused_by.parse::<SocketAddr>() {
        return Some(Holder { client: connection.ip().into(), port: NonZeroU16::new(connection.port()) });
    }
    let client = head.caused_by.parse::<IpAddr>().ok()?;
    Some(Holder { client: client.into(), port: None })
}

/// The port of a connection that carries many requests at once.
fn shared_port(protocol: &str, port: u16) -> Option<NonZeroU16> {
    NonZeroU16::new(port).filter(|_| protocol.starts_with("HTTP/2"))
}

/// The client's address.
fn client(head: &RequestHead) -> Option<IpAddr> {
    head.client_address.parse().ok()
}

fn key_of<'a>(head: &'a RequestHead, key: &HashKey) -> Option<&'a [u8]> {
    let found = match key {
        HashKey::Uri => &head.target[..],
        HashKey::Client => head.client_address.as_bytes(),
        HashKey::Header(name) => {
            let field = head.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))?;
            &field.value[..]
        }
        HashKey::Cookie(name) => cookie(head, name)?,
        HashKey::Told => &head.hash_key[..],
    };
    Some(found).filter(|key| !key.is_empty())
}

/// The value of the first cookie of this name.
pub(super) fn cookie<'a>(head: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    let fields = head.fields.iter().filter(|field| field.name == "cookie");
    let mut pairs = fields.flat_map(|field| field.value.split(|&byte| byte == b';'));
    pairs.find_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use weir_proto::origin::Field;

    use super::*;

    #[test]
    fn keys_are_found_where_the_settings_say() {
        let field =
            |name: &'static str, value: &'static str| Field { name: name.into(), value: value.into() };
        let head = RequestHead {
            target: "/a?b".into(),
            client_address: "192.0.2.1".to_owned(),
            fields: vec![
                field("x-user", "u"),
                field("cookie", "ab=1; a=2;b= 3"),
                field("cookie", "c=4; a=5"),
                field("x-empty", ""),
            ],
            ..RequestHead::default()
        };
        let cookie = |name: &str| HashKey::Cookie(name.to_owned());
        for (key, found) in [
            (HashKey::Uri, Some("/a?b")),
            (HashKey::Client, Some("192.0.2.1")),
            (HashKey::Header("X-User".to_owned()), Some("u")),
            (HashKey::Header("x-none".to_owned()), None),
            (HashKey::Header("x-empty".to_owned()), None),
            (cookie("a"), Some("2")),
            (cookie("ab"), Some("1")),
            (cookie("c"), Some("4")),
            (cookie("d"), None),
            (HashKey::Told, None),
        ] {
            assert_eq!(key_of(&head, &key), found.map(str::as_bytes), "{key:?}");
        }
    }
}

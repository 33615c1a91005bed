//! A request that says no more than its head and its place do, before anything of it is copied: whoever
//! carries it out in this process needs no [`RequestHead`].

use std::net::IpAddr;

use bytes::Bytes;

use crate::origin::{Field, Priority, RequestHead};

/// A GET or HEAD without a body. What is not said here is empty in the head that it stands for.
#[derive(Clone, Copy, Debug)]
pub struct PlainRequest<'a> {
    pub pool: &'a str,
    /// "GET" or "HEAD".
    pub method: &'static str,
    pub target: &'a [u8],
    pub scheme: &'a str,
    pub protocol: &'a str,
    pub authority: &'a str,
    /// End-to-end fields, each name once. Names in any case.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// The client's address, unless it has none.
    pub client: Option<IpAddr>,
    /// As text, or what stands for it.
    pub client_address: &'a str,
    pub client_port: u16,
    pub server_name: &'a str,
    pub server_port: u16,
    pub document_root: &'a str,
    /// Milliseconds; 0: none.
    pub deadline_ms: u64,
    pub read_timeout_ms: u64,
    pub traceparent: &'a str,
    pub priority: Priority,
    pub stream_body: bool,
    pub stream_reply: bool,
    pub variables: &'a str,
}

impl PlainRequest<'_> {
    /// The head that it stands for.
    pub fn to_head(&self) -> RequestHead {
        RequestHead {
            pool: self.pool.to_owned(),
            method: self.method.to_owned(),
            target: Bytes::copy_from_slice(self.target),
            scheme: self.scheme.to_owned(),
            protocol: self.protocol.to_owned(),
            authority: self.authority.to_owned(),
            fields: self.lines(),
            client_address: self.client_address.to_owned(),
            client_port: self.client_port.into(),
            server_name: self.server_name.to_owned(),
            server_port: self.server_port.into(),
            document_root: self.document_root.to_owned(),
            content_length: Some(0),
            deadline_ms: self.deadline_ms,
            traceparent: self.traceparent.to_owned(),
            priority: self.priority.into(),
            stream_body: self.stream_body,
            stream_reply: self.stream_reply,
            variables: self.variables.to_owned(),
            read_timeout_ms: self.read_timeout_ms,
            ..RequestHead::default()
        }
    }

    /// All are copied into one piece of memory.
    fn lines(&self) -> Vec<Field> {
        let length = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut memory = Vec::with_capacity(length);
        for (name, value) in self.fields {
            memory.extend(name.iter().map(u8::to_ascii_lowercase));
            memory.extend_from_slice(value);
        }
        let (memory, mut at) = (Bytes::from(memory), 0);
        let mut take = |length: usize| {
            at += length;
            memory.slice(at - length..at)
        };
        self.fields
            .iter()
            .map(|(name, value)| Field { name: take(name.len()), value: take(value.len()) })
            .collect()
    }
}

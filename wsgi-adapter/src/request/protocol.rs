//! How each kind of server is spoken to: what it is sent of a request, and how what it sends is read. One
//! file per protocol; all else ([`crate::exchange`]) is the same for all of them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use cgi::environ::Manner;
use http1::reply::ResponseForm;
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;

use crate::address::{Address, Protocol};
use crate::config::{Flavour, PoolConfig};
use crate::error::{Error, ServerError};
use crate::request::BodyLength;

mod fastcgi;
mod http;
mod uwsgi;

/// A protocol, and the flavour of it that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    protocol: Protocol,
    flavour: Flavour,
}

/// Turns what a server has sent into the bytes of its reply.
pub(crate) enum ReplyDecoder {
    /// They are that already.
    Plain,
    FastCgi(fastcgi::Records),
}

impl Dialect {
    pub(crate) fn of(address: &Address, pool: &PoolConfig) -> Self {
        Self { protocol: address.protocol(), flavour: pool.flavour }
    }

    /// That of all servers of a pool, if it is one.
    pub(crate) fn of_all(pool: &PoolConfig) -> Option<Self> {
        let (first, others) = pool.servers.split_first()?;
        let protocol = first.address.protocol();
        let is_one = others.iter().all(|other| other.address.protocol() == protocol);
        is_one.then_some(Self { protocol, flavour: pool.flavour })
    }

    /// All that is sent before the body. A request that the server would not take is refused here.
    pub(crate) fn opening(
        self,
        head: &RequestHead,
        body: BodyLength,
        pool: &PoolConfig,
    ) -> Result<Bytes, Error> {
        match self.protocol {
            Protocol::Uwsgi => uwsgi::opening(head, body, self.manner(), pool),
            Protocol::Http => http::opening(head, body, pool),
            Protocol::FastCgi => fastcgi::opening(head, body, self.manner(), pool),
        }
    }

    /// All that is sent of a plain request. `None`: it is made of its head, or there is something to say
    /// against it.
    pub(crate) fn plain_opening(self, request: &PlainRequest<'_>, pool: &PoolConfig) -> Option<Bytes> {
        match self.protocol {
            Protocol::Uwsgi => uwsgi::plain_opening(request, self.manner(), pool),
            Protocol::Http | Protocol::FastCgi => None,
        }
    }

    /// A piece of the body, not empty, as it is sent.
    pub(crate) fn piece(self, piece: Bytes, body: BodyLength, out: &mut VecDeque<Bytes>) {
        match self.protocol {
            Protocol::FastCgi => fastcgi::piece(piece, out),
            Protocol::Http if body == BodyLength::Unknown => http::chunk(piece, out),
            Protocol::Http | Protocol::Uwsgi => out.push_back(piece),
        }
    }

    /// What follows the last piece. Empty: nothing.
    pub(crate) fn end(self, body: BodyLength) -> Bytes {
        match self.protocol {
            Protocol::FastCgi => fastcgi::end(),
            Protocol::Http if body == BodyLength::Unknown => http::LAST_CHUNK,
            Protocol::Http | Protocol::Uwsgi => Bytes::new(),
        }
    }

    /// Can it be told of a body whose length is not known?
    pub(crate) fn takes_unknown_length(self) -> bool {
        self.protocol == Protocol::Http
    }

    pub(crate) fn is_http(self) -> bool {
        self.protocol == Protocol::Http
    }

    /// May another request follow on the same connection? uwsgi knows no keep-alive that servers agree on,
    /// and a FastCGI one is asked to close.
    pub(crate) fn keeps_connections(self) -> bool {
        self.protocol == Protocol::Http
    }

    pub(crate) fn unpacking(self) -> ReplyDecoder {
        match self.protocol {
            Protocol::FastCgi => ReplyDecoder::FastCgi(fastcgi::Records::default()),
            Protocol::Http | Protocol::Uwsgi => ReplyDecoder::Plain,
        }
    }

    /// Tells which forms a reply may have. Only HTTP servers frame bodies themselves, and gunicorn before 27,
    /// which sends chunks by uwsgi too.
    pub(crate) fn form(self, upgrade: &str) -> ResponseForm<'_> {
        let http = self.protocol == Protocol::Http;
        let chunks = http || (self.protocol == Protocol::Uwsgi && self.flavour == Flavour::Gunicorn);
        ResponseForm { status_line: http, chunks, upgrade }
    }

    fn manner(self) -> Manner {
        match (self.protocol, self.flavour) {
            (Protocol::FastCgi, Flavour::Php) => Manner::Php,
            (Protocol::FastCgi, _) => Manner::Cgi,
            (_, Flavour::Gunicorn) => Manner::Gunicorn,
            _ => Manner::Uwsgi,
        }
    }
}

impl ReplyDecoder {
    /// Where bytes from the server go.
    pub(crate) fn target<'a>(&'a mut self, received: &'a mut BytesMut) -> &'a mut BytesMut {
        match self {
            Self::Plain => received,
            Self::FastCgi(records) => records.raw(),
        }
    }

    /// After bytes have gone there, none if the server has closed (`closed`): has the reply ended? What of it
    /// has come is in `received`.
    pub(crate) fn unpack(&mut self, received: &mut BytesMut, closed: bool) -> Result<bool, ServerError> {
        match self {
            Self::Plain => Ok(closed),
            Self::FastCgi(records) => records.unpack(received, closed),
        }
    }
}

//! The field lines of a head: looked at in place, and made into a map when the request goes further.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::field::FieldSpan;
use super::known::{KnownField, KnownFields};

/// About this connection or this message's framing, both of which end here. `Host` goes on as `Head::host`.
///
/// RFC 9110 §7.6.1: intermediaries remove `Connection`, what it nominates, and the rest of these "regardless
/// of whether they are nominated".
const NOT_HANDED_ON: KnownFields = KnownFields::of(&[
    KnownField::Connection,
    KnownField::ContentLength,
    KnownField::Expect,
    KnownField::Host,
    KnownField::Http2Settings,
    KnownField::KeepAlive,
    KnownField::ProxyConnection,
    KnownField::Te,
    KnownField::Trailer,
    KnownField::TransferEncoding,
    KnownField::Upgrade,
]);

/// Field lines in the order sent. Without those whose name holds `_` and those that `Connection` nominates.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    pub(super) head: &'a [u8],
    pub(super) spans: &'a [FieldSpan],
}

impl<'a> Fields<'a> {
    /// Names as sent, values without the whitespace around them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let head = self.head;
        // A name is of token characters, so it is always text.
        self.spans
            .iter()
            .map(move |span| (str::from_utf8(span.name(head)).unwrap_or_default(), span.value(head)))
    }

    /// The values of a known field, in the order sent.
    pub fn values(&self, known: KnownField) -> impl Iterator<Item = &'a [u8]> {
        let head = self.head;
        self.spans.iter().filter(move |span| span.known == known).map(move |span| span.value(head))
    }

    /// What is handed on: all but `Host`, `Content-Length`, `Expect` and the fields that are the connection's
    /// own.
    pub fn to_headers(&self) -> HeaderMap {
        let head = Bytes::copy_from_slice(self.head);
        let mut headers = HeaderMap::with_capacity(self.spans.len());
        for span in self.spans.iter().filter(|span| !NOT_HANDED_ON.has(span.known)) {
            let name = match span.known.name() {
                Some(name) => Ok(name),
                None => HeaderName::from_bytes(span.name(&head)),
            };
            let value = HeaderValue::from_maybe_shared(head.slice_ref(span.value(&head)));
            // What `read` took, `http` takes: names are tokens of bounded length, values hold no control
            // characters, and `MAX_FIELDS` is far from where the map is full.
            if let (Ok(name), Ok(value)) = (name, value) {
                let _ = headers.try_append(name, value);
            }
        }
        headers
    }
}

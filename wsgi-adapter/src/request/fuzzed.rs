//! What the fuzz target of requests calls: what each kind of application server is sent of a request that the
//! head reader takes is that request when it is read again, and nothing in it is taken for what we say.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use http1::head::{Framing, Head, Limits, read};
use weir_proto::origin::{Field, RequestHead};

use super::BodyLength;
use super::protocol::Dialect;
use crate::config::PoolConfig;

/// What is said by us alone, whatever the client sends.
const SAID_ONCE: [&str; 7] = [
    "forwarded",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];
const WITHOUT_FIELDS: [&str; 4] = ["HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TE"];

/// Reads a head as the edge does, and then what is sent of it.
#[doc(hidden)]
pub fn pass_on(bytes: &[u8], underscores: bool) {
    let limits = Limits { underscores, ..Limits::default() };
    let mut spans = Vec::new();
    let Ok(Some((head, _))) = read(bytes, &limits, &mut spans) else { return };
    let body = match head.framing {
        Framing::None => BodyLength::Nothing,
        Framing::Length(length) => BodyLength::Length(length),
        Framing::Chunked => BodyLength::Unknown,
    };
    let request = request(&head);
    http(&request, body, head.framing);
    let uwsgi = opening("uwsgi://127.0.0.1:1", &request, body).map(|bytes| packet(&bytes));
    let fastcgi = opening("fastcgi://127.0.0.1:1", &request, body).map(|bytes| params(&bytes));
    assert_eq!(uwsgi.is_some(), fastcgi.is_some(), "one kind of server takes it");
    if let (Some(uwsgi), Some(fastcgi)) = (uwsgi, fastcgi) {
        variables(&request, body, &uwsgi);
        assert!(uwsgi.iter().all(|(name, value)| fastcgi.get(name) == Some(value)), "{uwsgi:?} {fastcgi:?}");
    }
}

fn request(head: &Head<'_>) -> RequestHead {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| Field {
        name: Bytes::copy_from_slice(name.as_str().as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    RequestHead {
        method: head.method.to_owned(),
        target: head.target.encoded().into_owned().into(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        authority: head.host.map(|host| host.as_str().to_owned()).unwrap_or_default(),
        client_address: "192.0.2.1".to_owned(),
        server_port: 80,
        server_name: "site".to_owned(),
        fields: head.to_headers().iter().map(field).collect(),
        ..RequestHead::default()
    }
}

fn opening(server: &str, request: &RequestHead, body: BodyLength) -> Option<Bytes> {
    let address = server.parse().ok()?;
    let pool = PoolConfig::default();
    Dialect::of(&address, &pool).opening(request, body, &pool).ok()
}

fn http(request: &RequestHead, body: BodyLength, framing: Framing) {
    let Some(opening) = opening("http://127.0.0.1:1", request, body) else { panic!("not sent: {request:?}") };
    let limits =
        Limits { head: 1 << 20, target: 1 << 20, fields: 1000, underscores: true, ..Limits::default() };
    let mut spans = Vec::new();
    let Ok(Some((again, taken))) = read(&opening, &limits, &mut spans) else {
        panic!("not read again: {}", opening.escape_ascii())
    };
    assert_eq!(taken, opening.len(), "two requests");
    assert_eq!((again.method, again.target.as_str().as_bytes()), (&*request.method, &request.target[..]));
    assert_eq!(again.framing, framing);
    for name in SAID_ONCE {
        let is_it = |field: &&str| field.replace('_', "-").eq_ignore_ascii_case(name);
        assert_eq!(again.fields.iter().map(|(name, _)| name).filter(is_it).count(), 1, "{name}");
    }
}

type Environ = BTreeMap<Bytes, Bytes>;

fn variables(request: &RequestHead, body: BodyLength, environ: &Environ) {
    let of = |name: &str| environ.get(name.as_bytes()).map(|value| &value[..]);
    assert_eq!(of("REQUEST_METHOD"), Some(request.method.as_bytes()));
    assert_eq!(of("REQUEST_URI"), Some(&request.target[..]));
    assert_eq!(of("HTTP_HOST").unwrap_or_default(), request.authority.as_bytes());
    assert_eq!(of("REMOTE_ADDR"), Some(&b"192.0.2.1"[..]));
    let length = match body {
        BodyLength::Length(length) => length.to_string(),
        _ => String::new(),
    };
    assert_eq!(of("CONTENT_LENGTH"), Some(length.as_bytes()));
    assert!(WITHOUT_FIELDS.iter().all(|name| of(name).is_none()), "{environ:?}");
    let path = of("PATH_INFO").unwrap_or_default();
    assert!(request.target == "*" || (path.starts_with(b"/") && !http1::path::has_dot_segment(path)));
}

fn collected(variables: impl IntoIterator<Item = (Bytes, Bytes)>) -> Environ {
    let mut environ = Environ::new();
    for (name, value) in variables {
        assert!(!name.is_empty());
        if let Some(other) = environ.insert(name, value.clone()) {
            panic!("one variable is {other:?} and {value:?}");
        }
    }
    environ
}

fn packet(bytes: &[u8]) -> Environ {
    let mut bytes = BytesMut::from(bytes);
    let Ok(Some(packet)) = uwsgi::packet::decode(&mut bytes) else { panic!("no packet") };
    assert!((packet.modifier1, packet.modifier2) == (0, 0) && bytes.is_empty());
    collected(packet.variables)
}

/// The variables in the one record of an opening that holds them.
fn params(bytes: &[u8]) -> Environ {
    let record = bytes.get(2 * fastcgi::record::HEADER..).unwrap_or_default();
    let length = usize::from(u16::from_be_bytes([record[4], record[5]]));
    let mut rest = &record[fastcgi::record::HEADER..][..length];
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let (name, value) = (params_length(&mut rest), params_length(&mut rest));
        let (pair, after) = rest.split_at(name + value);
        variables.push((Bytes::copy_from_slice(&pair[..name]), Bytes::copy_from_slice(&pair[name..])));
        rest = after;
    }
    collected(variables)
}

fn params_length(rest: &mut &[u8]) -> usize {
    let long = rest[0] & 0x80 != 0;
    let (length, after) = rest.split_at(if long { 4 } else { 1 });
    *rest = after;
    length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_clients() {
        for seed in ["browser", "forged", "upload"] {
            let path = format!("{}/../fuzz/seeds/passed_on/{seed}", env!("CARGO_MANIFEST_DIR"));
            let head = std::fs::read(path).unwrap();
            for underscores in [false, true] {
                pass_on(&head, underscores);
            }
        }
    }
}

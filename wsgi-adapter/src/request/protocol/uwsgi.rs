//! uwsgi: one packet of variables, then the body as it is.

use bytes::Bytes;
use cgi::environ::Manner;
use uwsgi::packet::{self, PacketLimits};
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;

use crate::config::PoolConfig;
use crate::error::Error;
use crate::request::{self, BodyLength, RequestLists};

pub(super) fn opening(
    head: &RequestHead,
    body: BodyLength,
    manner: Manner,
    pool: &PoolConfig,
) -> Result<Bytes, Error> {
    let lists = RequestLists::of(head, pool);
    Ok(packet::encode(&request::described(head, &lists, body, manner, pool)?, limits(pool))?)
}

pub(super) fn plain_opening(request: &PlainRequest<'_>, manner: Manner, pool: &PoolConfig) -> Option<Bytes> {
    let extra = pool.variables_of(request.variables)?.with(&[]);
    packet::encode(&request::described_plain(request, &extra, manner, pool), limits(pool)).ok()
}

fn limits(pool: &PoolConfig) -> PacketLimits {
    PacketLimits { block: pool.buffer_size.bytes(), variables: pool.max_vars }
}

#[cfg(test)]
mod tests {
    use weir_proto::origin::Priority;

    use super::*;
    use crate::config::{VariableValue, Variables};

    const PLAIN: PlainRequest<'_> = PlainRequest {
        pool: "app",
        method: "GET",
        target: b"/a%20b/c?q=1",
        scheme: "http",
        protocol: "HTTP/1.1",
        authority: "example.com:8080",
        fields: &[],
        client: None,
        client_address: "192.0.2.1",
        client_port: 50123,
        server_name: "example.com",
        server_port: 8080,
        document_root: "/var/www",
        deadline_ms: 1000,
        read_timeout_ms: 0,
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        priority: Priority::Normal,
        stream_body: false,
        stream_reply: false,
        variables: "",
    };

    #[test]
    fn a_plain_request_has_the_opening_of_its_head() {
        let with = |pairs: &[(&str, &str)]| {
            let text = |value: &str| VariableValue::Text(value.to_owned());
            Variables(pairs.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect())
        };
        let plain = PoolConfig::default();
        let own = PoolConfig {
            variables: with(&[("SITE", "shop"), ("SERVER_NAME", "other")]),
            mount: "/a b".into(),
            ..PoolConfig::default()
        };
        let narrow = PoolConfig { max_vars: 20, ..PoolConfig::default() };
        let fields: [&[(&[u8], &[u8])]; 4] = [
            &[],
            &[(b"User-Agent", b"a"), (b"ACCEPT", b"*/*"), (b"Content-Type", b"text/x"), (b"DNT", b"")],
            &[
                (b"Proxy", b"http://evil"),
                (b"Cookie", b"a=1; b=2"),
                (b"X-Own", b"caf\xe9"),
                (b"TraceParent", b"x"),
            ],
            &[
                (b"X-A", b"1"),
                (b"X-B", b"1"),
                (b"X-C", b"1"),
                (b"X-D", b"1"),
                (b"X-E", b"1"),
                (b"X-F", b"a\nb"),
            ],
        ];
        let requests = [
            PLAIN,
            PlainRequest { method: "HEAD", scheme: "https", authority: "", traceparent: "", ..PLAIN },
            PlainRequest {
                target: b"/",
                protocol: "HTTP/1.0",
                document_root: "",
                client_address: "unix:",
                ..PLAIN
            },
            PlainRequest { target: b"/a/../..", ..PLAIN },
            PlainRequest { target: b"/%00", ..PLAIN },
            PlainRequest { variables: "none", ..PLAIN },
        ];
        let mut made = 0;
        for pool in [&plain, &own, &narrow] {
            for request in requests {
                for fields in fields {
                    for manner in [Manner::Uwsgi, Manner::Gunicorn] {
                        let request = PlainRequest { fields, ..request };
                        let of_head = opening(&request.to_head(), BodyLength::Nothing, manner, pool).ok();
                        let of_head = of_head.filter(|_| pool.variables_of(request.variables).is_some());
                        assert_eq!(plain_opening(&request, manner, pool), of_head, "{request:?}");
                        made += usize::from(of_head.is_some());
                    }
                }
            }
        }
        assert!(made > 30, "{made}");
    }
}

//! Asks one server the drawn requests, over HTTP/1 or HTTP/2, on connections that are kept.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;

use http::{Request, Uri};
use side_by_side::Reply;
use weir_tests::{Client, Http2, Response};

use crate::draw::DrawnRequest;
use crate::identities::Identities;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// One listener of one program.
pub(crate) struct Asker<'a> {
    address: SocketAddr,
    protocol: Protocol,
    /// Its listener for HTTP/1, for what is in progress meanwhile.
    plain: SocketAddr,
    /// What clients show, if it is a listener with TLS.
    identities: Option<&'a Identities>,
    http1: Option<Client>,
    http2: Option<Http2>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(address: SocketAddr, protocol: Protocol, plain: SocketAddr) -> Self {
        Self { address, protocol, plain, identities: None, http1: None, http2: None }
    }

    pub(crate) fn over_tls(self, identities: Option<&'a Identities>) -> Self {
        Self { identities, ..self }
    }

    /// The answer; `None`: the connection ended, or the stream was reset.
    pub(crate) fn ask(&mut self, drawn: &DrawnRequest) -> Option<Reply> {
        let _held = self.hold(drawn);
        let response = match self.protocol {
            protocol if self.identities.is_some() => self.shown(drawn, protocol),
            Protocol::Http1 => self.over_http1(drawn),
            Protocol::Http2 => self.over_http2(drawn),
        };
        response.map(reply)
    }

    /// Begins requests that go on until they are dropped.
    fn hold(&self, drawn: &DrawnRequest) -> Vec<Client> {
        let fields: String =
            drawn.probe.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let begun = drawn.held.iter().map(|target| {
            let mut client = Client::connect(self.plain);
            let host = &drawn.probe.host;
            client.send(format!(
                "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n{fields}\r\nbegun"
            ));
            // Which of them is refused depends on their order.
            thread::sleep(drawn.patience);
            client
        });
        begun.collect()
    }

    /// Asks over a connection of its own, on which the client shows a certificate.
    fn shown(&self, drawn: &DrawnRequest, protocol: Protocol) -> Option<Response> {
        let config = self.identities?.client(&drawn.certificate, protocol);
        let name = drawn.probe.host.split(':').next()?;
        match protocol {
            Protocol::Http1 => {
                let mut client = Client::over_tls(self.address, name, &config).ok()?;
                client.try_send(bytes(drawn)).ok()?;
                client.try_response(&drawn.probe.method)
            }
            Protocol::Http2 => {
                Http2::over_tls(self.address, name, config).ask(to_http2(drawn)?, &drawn.body).ok()
            }
        }
    }

    fn over_http1(&mut self, drawn: &DrawnRequest) -> Option<Response> {
        let (probe, bytes) = (&drawn.probe, bytes(drawn));
        if let Some(preamble) = &drawn.preamble {
            let mut client = Client::connect(self.address);
            client.try_send([preamble.as_bytes(), &bytes].concat()).ok()?;
            return client.try_response(&probe.method);
        }
        // A connection that was used may have been closed meanwhile: then a new one.
        if let Some(mut client) = self.http1.take()
            && client.try_send(&bytes).is_ok()
            && let Some(response) = client.try_response(&probe.method)
        {
            self.keep(client, &response);
            return Some(response);
        }
        let mut client = Client::connect(self.address);
        client.try_send(&bytes).ok()?;
        let response = client.try_response(&probe.method)?;
        self.keep(client, &response);
        Some(response)
    }

    fn keep(&mut self, client: Client, response: &Response) {
        let is_last = response.fields.all("connection").iter().any(|value| value.contains("close"));
        self.http1 = (!is_last && response.whole).then_some(client);
    }

    fn over_http2(&mut self, drawn: &DrawnRequest) -> Option<Response> {
        let request = to_http2(drawn)?;
        for _ in 0..2 {
            let mut client = self.http2.take().unwrap_or_else(|| Http2::connect(self.address));
            if let Ok(response) = client.ask(request.clone(), &drawn.body) {
                self.http2 = Some(client);
                return Some(response);
            }
        }
        None
    }
}

/// The request over HTTP/1.
fn bytes(drawn: &DrawnRequest) -> Vec<u8> {
    let probe = &drawn.probe;
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", probe.method, probe.target, probe.host);
    for (name, value) in &probe.fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", &drawn.body].concat()
}

/// The request over HTTP/2, if the client can say it.
pub(crate) fn to_http2(drawn: &DrawnRequest) -> Option<Request<()>> {
    let probe = &drawn.probe;
    // The scheme of the connection: certificates are shown over TLS alone.
    let scheme = if drawn.probe.secure { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(probe.host.as_str());
    let uri = uri.path_and_query(probe.target.as_str()).build().ok()?;
    if drawn.preamble.is_some() || uri.path_and_query()?.as_str() != probe.target {
        return None;
    }
    let mut request = Request::builder().method(probe.method.as_str()).uri(uri);
    for (name, value) in &probe.fields {
        request = request.header(name.to_ascii_lowercase(), value);
    }
    request.body(()).ok()
}

/// The reply with its body as it was before it was compressed.
fn reply(response: Response) -> Reply {
    let Response { status, fields, body, .. } = response;
    let coding = fields.all("content-encoding").join(",");
    Reply { status, body: decoded(&coding, &body).unwrap_or(body), fields: fields.0 }
}

fn decoded(coding: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut out).ok()?,
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut out).ok()?,
        "zstd" => zstd::stream::read::Decoder::new(body).ok()?.read_to_end(&mut out).ok()?,
        _ => return None,
    };
    Some(out)
}

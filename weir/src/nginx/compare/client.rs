//! A client that asks one request over a new connection, and reads the answer until it ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http1::chunked::{ChunkStep, Decoder};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use side_by_side::{Probe, Reply};

/// How long an answer may take: an application may be slow.
const PATIENCE: Duration = Duration::from_secs(65);
const CONNECT: Duration = Duration::from_secs(5);
/// More of a body is not read, and not compared.
const MOST_BODY: usize = 16 << 20;
const READ: usize = 64 << 10;

/// Asks. `None`: the connection ended without an answer. The error says that nothing listens there.
pub(super) fn ask(address: SocketAddr, announced: bool, probe: &Probe) -> Result<Option<Reply>, String> {
    let stream = TcpStream::connect_timeout(&address, CONNECT);
    let mut stream = stream.map_err(|error| format!("nothing answers at {address}: {error}"))?;
    let bounds = stream.set_write_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true));
    bounds.map_err(|error| error.to_string())?;
    let head = probe.head().into_bytes();
    if announced {
        let line = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 80\r\n";
        if stream.write_all(line.as_bytes()).is_err() {
            return Ok(None);
        }
    }
    if !probe.secure {
        return Ok(exchange(
            &mut stream.try_clone().map_err(|error| error.to_string())?,
            &stream,
            &head,
            probe,
        ));
    }
    let name = probe.host.split(':').next().unwrap_or_default().to_owned();
    let Ok(name) = ServerName::try_from(name).or_else(|_| ServerName::try_from("unnamed.invalid")) else {
        return Ok(None);
    };
    let Ok(connection) = ClientConnection::new(tls()?, name) else { return Ok(None) };
    let wire = stream.try_clone().map_err(|error| error.to_string())?;
    Ok(exchange(&mut StreamOwned::new(connection, stream), &wire, &head, probe))
}

fn exchange(stream: &mut (impl Read + Write), wire: &TcpStream, head: &[u8], probe: &Probe) -> Option<Reply> {
    wire.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(head).and_then(|()| stream.flush()).ok()?;
    let (mut received, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    let mut buffer = vec![0; READ];
    loop {
        // An end without TLS's own mark, or a reset after the answer, is an end.
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => received.extend_from_slice(buffer.get(..length).unwrap_or_default()),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || received.len() > MOST_BODY || is_whole(&received, probe) {
            break;
        }
        wire.set_read_timeout(Some(left)).ok()?;
    }
    parsed(&received, probe)
}

/// Whether no more comes, although the connection may stay open.
fn is_whole(received: &[u8], probe: &Probe) -> bool {
    let Some(reply) = parsed(received, probe) else { return false };
    let is_bodiless = probe.method == "HEAD" || matches!(reply.status, 101 | 204 | 304);
    let length = reply.field("content-length").and_then(|text| text.parse::<usize>().ok());
    is_bodiless || length.is_some_and(|length| reply.body.len() >= length)
}

/// The last head that came and the body behind it: heads of 1xx before it are left out.
fn parsed(received: &[u8], probe: &Probe) -> Option<Reply> {
    let mut rest = received;
    loop {
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, body) = (rest.get(..end)?, rest.get(end + 4..)?);
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) && status != 101 {
            rest = body;
            continue;
        }
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let fields: Vec<_> = lines.filter_map(field).collect();
        let is_chunked = fields.iter().any(|(name, value)| {
            name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked") && probe.method != "HEAD"
        });
        let body = if is_chunked { unchunked(body) } else { body.to_vec() };
        return Some(Reply { status, fields, body });
    }
}

/// What a chunked body holds, as far as it came.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let (mut decoder, mut body) = (Decoder::default(), Vec::new());
    while let Ok(ChunkStep::Data(range)) = decoder.next(bytes) {
        let end = range.end;
        body.extend_from_slice(bytes.get(range).unwrap_or_default());
        bytes = bytes.get(end..).unwrap_or_default();
    }
    body
}

/// TLS that takes any certificate: both programs show the one that the file names.
fn tls() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let verifier = Arc::new(AnyPeer(provider));
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

#[derive(Debug)]
struct AnyPeer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyPeer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(method: &str) -> Probe {
        Probe {
            listen: "80".to_owned(),
            secure: false,
            method: method.to_owned(),
            host: "a".to_owned(),
            target: "/".to_owned(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn answers_are_read_in_all_framings() {
        type Case = (&'static str, &'static [u8], Option<(u16, &'static str)>);
        let cases: [Case; 6] = [
            ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", Some((200, "ab"))),
            ("GET", b"HTTP/1.1 404 Not Found\r\n\r\nto the end", Some((404, "to the end"))),
            (
                "GET",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                Some((200, "a")),
            ),
            ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 None\r\n\r\n", Some((204, ""))),
            ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Some((200, ""))),
            ("GET", b"HTTP/1.1 200 OK\r\nConte", None),
        ];
        for (method, bytes, expected) in cases {
            let reply = parsed(bytes, &probe(method));
            let found = reply.map(|reply| (reply.status, String::from_utf8_lossy(&reply.body).into_owned()));
            assert_eq!(found, expected.map(|(status, body)| (status, body.to_owned())));
        }
    }
}

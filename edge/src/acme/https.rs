//! How the authority is asked: one connection with TLS for each request, by the same cryptography as
//! everywhere else, with a deadline and a bound for what it answers.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, RETRY_AFTER};
use http::{Request, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A request, from the look-up of the name to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A chain of certificates has some kilobytes.
const LARGEST_ANSWER: usize = 1 << 20;

type AskError = Box<dyn std::error::Error + Send + Sync>;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct HttpsClient {
    tls: TlsConnector,
    /// What the last refusal said in Retry-After.
    told_to_wait: Arc<Mutex<Option<Duration>>>,
}

impl HttpsClient {
    /// `ca`: who must have signed the authority's certificate; `None`: those whom the system trusts.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        Ok(Self { tls: connector(ca)?, told_to_wait: Arc::default() })
    }

    /// How long the authority said to wait, once.
    pub(super) fn take_wait(&self) -> Option<Duration> {
        self.told_to_wait.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AskError> {
        let (request, host, port) = addressed(request)?;
        let stream = TcpStream::connect((host.as_str(), port)).await;
        let stream = stream.map_err(|error| format!("{host}:{port} cannot be reached: {error}"))?;
        let name = ServerName::try_from(host.clone())?;
        let stream = self.tls.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("TLS with {host}:{port}: {error}"))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        let answer = match answer {
            Ok(answer) => read(answer).await,
            Err(error) => Err(error.into()),
        };
        connection.abort();
        let (parts, body) = answer?;
        if parts.status.is_client_error() || parts.status.is_server_error() {
            let wait = parts.headers.get(RETRY_AFTER).and_then(seconds);
            *self.told_to_wait.lock().unwrap_or_else(PoisonError::into_inner) = wait;
            if !body.trim_ascii_start().starts_with(b"{") {
                return Err(format!("{host}:{port} answers {}", parts.status).into());
            }
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for HttpsClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            match timeout(PATIENCE, this.ask(request)).await {
                Ok(answer) => answer.map_err(Error::Other),
                Err(_) => Err(Error::Other("the authority does not answer in time".into())),
            }
        })
    }
}

/// The request as it is sent over a connection of its own, and where to.
fn addressed(
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<(Request<BodyWrapper<Bytes>>, String, u16), AskError> {
    let uri = request.uri();
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("`{uri}` does not begin with https://").into());
    };
    let (host, port) = (authority.host().to_owned(), authority.port_u16().unwrap_or(443));
    let named = HeaderValue::from_str(authority.as_str())?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).parse::<Uri>()?;
    request.headers_mut().insert(HOST, named);
    *request.uri_mut() = target;
    Ok((request, host.trim_matches(['[', ']']).to_owned(), port))
}

async fn read(
    answer: http::Response<hyper::body::Incoming>,
) -> Result<(http::response::Parts, Bytes), AskError> {
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
    Ok((parts, body))
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

/// TLS with servers that these have signed; `None`: those whom the system trusts.
pub(super) fn connector(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let roots = match ca {
        Some(file) => roots_in(file)?,
        None => roots_of_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| error.to_string())?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of a file.
pub(super) fn roots_in(file: &Path) -> Result<RootCertStore, String> {
    let at = |error: String| format!("`{}`: {error}", file.display());
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut roots = RootCertStore::empty();
    for certificate in read.map_err(|error| at(error.to_string()))? {
        roots.add(certificate).map_err(|error| at(error.to_string()))?;
    }
    if roots.is_empty() { Err(at("the file contains no certificate".into())) } else { Ok(roots) }
}

fn roots_of_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this system has no root certificates: install ca-certificates, or set `edge.acme.ca`".into()
        );
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_addressed() {
        for (url, expected) in [
            ("https://ca.example/dir?a=b", Some(("ca.example", "ca.example", 443, "/dir?a=b"))),
            ("https://[::1]:14000/dir", Some(("[::1]:14000", "::1", 14000, "/dir"))),
            ("http://ca.example/dir", None),
        ] {
            let request = Request::get(url).body(BodyWrapper::from(Vec::new())).unwrap();
            let addressed = addressed(request).ok();
            let found = addressed.as_ref().map(|(request, host, port)| {
                (request.headers()[HOST].to_str().unwrap(), host.as_str(), *port, request.uri().to_string())
            });
            let found =
                found.as_ref().map(|(named, host, port, target)| (*named, *host, *port, target.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let of = |text: &str| seconds(&HeaderValue::from_str(text).unwrap());
        assert_eq!(of(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(of("soon"), None);
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(of(&later).is_some_and(|wait| wait > Duration::from_secs(90)), "{later}");
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), None);
    }
}

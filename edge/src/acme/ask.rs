//! Asks the owner's program whether a name that no site lists may have a certificate (`ask`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::acme::https;

/// From the connection to the head of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions at once. While there are as many, further names are refused without one.
const AT_ONCE: usize = 16;

type AskFault = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct AskClient {
    url: Uri,
    /// The setting, for the log.
    text: String,
    tls: Option<TlsConnector>,
    places: Arc<Semaphore>,
}

/// Why a name gets no certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AskRefusal {
    /// The program says no.
    Denied(String),
    /// It does not answer, or too many names are asked about.
    Unanswered(String),
}

impl AskRefusal {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Denied(text) | Self::Unanswered(text) => text,
        }
    }
}

impl AskClient {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let url = url(text)?;
        let tls = match url.scheme_str() {
            Some("https") => Some(https::connector(None)?),
            _ => None,
        };
        Ok(Self { url, text: text.to_owned(), tls, places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// `GET …?domain=NAME`: 200 to 299 is a yes.
    pub(super) async fn allows(&self, name: &str) -> Result<(), AskRefusal> {
        let unanswered = |why: String| AskRefusal::Unanswered(format!("`{}` {why}", self.text));
        let Ok(_place) = self.places.try_acquire() else {
            return Err(unanswered(format!("is asked about {AT_ONCE} names already")));
        };
        match timeout(PATIENCE, self.ask(name)).await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) if status.is_server_error() => Err(unanswered(format!("answers {status}"))),
            Ok(Ok(status)) => Err(AskRefusal::Denied(format!("`{}` answers {status}", self.text))),
            Ok(Err(error)) => Err(unanswered(format!("cannot be asked: {error}"))),
            Err(_) => Err(unanswered(format!("does not answer within {PATIENCE:?}"))),
        }
    }

    async fn ask(&self, name: &str) -> Result<StatusCode, AskFault> {
        let authority = self.url.authority().ok_or("no host")?;
        let host = authority.host().trim_matches(['[', ']']);
        let usual = if self.tls.is_some() { 443 } else { 80 };
        let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(usual))).await?;
        let request = Request::get(target(&self.url, name)).header(HOST, authority.as_str());
        let request = request.body(Empty::<Bytes>::new())?;
        match &self.tls {
            None => status_of(stream, request).await,
            Some(tls) => {
                let server = ServerName::try_from(host.to_owned())?;
                status_of(tls.connect(server, stream).await?, request).await
            }
        }
    }
}

/// The URL of the setting.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok();
    let known = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    url.filter(known).ok_or_else(|| format!("`{text}` is no URL that begins with http:// or https://"))
}

/// Names have no letter that would have to be escaped.
fn target(url: &Uri, name: &str) -> String {
    let path = url.path();
    match url.query() {
        Some(query) => format!("{path}?{query}&domain={name}"),
        None => format!("{path}?domain={name}"),
    }
}

async fn status_of<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<StatusCode, AskFault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender.
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    connection.abort();
    Ok(answer?.status())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn urls() {
        for (text, name) in [
            ("http://127.0.0.1:8000/ask", Some("/ask?domain=a.test")),
            ("https://ask.example/?key=x", Some("/?key=x&domain=a.test")),
            ("http://127.0.0.1:8000", Some("/?domain=a.test")),
            ("127.0.0.1:8000/ask", None),
            ("ftp://ask.example/", None),
            ("", None),
        ] {
            assert_eq!(url(text).ok().map(|url| target(&url, "a.test")).as_deref(), name, "{text}");
        }
    }

    #[tokio::test]
    async fn only_a_yes_is_a_yes() {
        for (answer, allowed) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Ok(())),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
            ("HTTP/1.1 302 Found\r\nlocation: /yes\r\n\r\n", Err(true)),
            ("HTTP/1.1 404 Not Found\r\n\r\n", Err(true)),
            ("HTTP/1.1 500 Internal Server Error\r\n\r\n", Err(false)),
            ("nonsense", Err(false)),
            ("", Err(false)),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let answering = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 1024];
                let length = stream.read(&mut asked).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8_lossy(&asked[..length]).into_owned()
            });
            let client = AskClient::new(&format!("http://{address}/ask")).unwrap();
            let said = client.allows("a.test").await;
            let said = said.map_err(|refusal| matches!(refusal, AskRefusal::Denied(_)));
            assert_eq!(said, allowed, "{answer}");
            assert!(answering.join().unwrap().starts_with("GET /ask?domain=a.test HTTP/1.1\r\n"));
        }
    }
}

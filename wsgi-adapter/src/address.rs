//! Where an application server is and which protocol it speaks, as written in the settings.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// `uwsgi://host:port`, `uwsgi+unix:///path`, `uwsgi+srv://_service._tcp.name`, likewise with `http` and
/// `fastcgi`, and `https://host:port`; or short for uwsgi `host:port`, `unix:/path`. Displayed as written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    text: String,
    protocol: Protocol,
    endpoint: Endpoint,
    /// The host as it is written, if it is spoken to by TLS.
    tls_host: Option<String>,
}

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Uwsgi,
    Http,
    FastCgi,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The host is a name, which may have several addresses, or an address (without brackets).
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    /// The name of SRV records, which name hosts and ports.
    Srv(String),
}

/// What is wrong with an address, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error(
        "unknown scheme \"{0}\"; write \"uwsgi://host:port\" or \"uwsgi+unix:///path/to.sock\", with uwsgi, http or fastcgi"
    )]
    Scheme(String),
    #[error(
        "not a host and a port; write \"uwsgi://127.0.0.1:29000\", or \"uwsgi+unix:///path/to.sock\" for a unix socket"
    )]
    HostAndPort,
    #[error("not the name of SRV records; write \"uwsgi+srv://_web._tcp.app.example\", without a port")]
    Service,
    #[error("the socket's path is not absolute; write \"uwsgi+unix:///path/to.sock\"")]
    RelativePath,
    #[error("the socket's path has more than {MAX_UNIX_PATH} bytes, which the system does not allow")]
    LongPath,
}

/// `sun_path` without its NUL.
const MAX_UNIX_PATH: usize = 107;

impl Address {
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A server that its name stands for.
    pub(crate) fn at(&self, address: SocketAddr) -> Result<Self, BadAddress> {
        let scheme = self.text.split_once("://").map_or("", |(scheme, _)| scheme.trim_end_matches("+srv"));
        let separator = if scheme.is_empty() { "" } else { "://" };
        let at: Self = format!("{scheme}{separator}{address}").parse()?;
        // The certificate has the name, not the address.
        Ok(Self { tls_host: self.tls_host.clone(), ..at })
    }

    /// The host that the server's certificate is for; `None`: there is no TLS.
    pub(crate) fn tls_host(&self) -> Option<&str> {
        self.tls_host.as_deref()
    }

    /// As in the settings.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (protocol, endpoint) = match text.split_once("://") {
            Some(("uwsgi", rest)) => (Protocol::Uwsgi, tcp(rest)?),
            Some(("uwsgi+unix", path)) => (Protocol::Uwsgi, unix(path)?),
            Some(("uwsgi+srv", name)) => (Protocol::Uwsgi, service(name)?),
            // A URL as browsers write it ends in a slash.
            Some(("http", rest)) => (Protocol::Http, tcp(rest.strip_suffix('/').unwrap_or(rest))?),
            Some(("http+unix", path)) => (Protocol::Http, unix(path)?),
            Some(("http+srv", name)) => (Protocol::Http, service(name.strip_suffix('/').unwrap_or(name))?),
            Some(("fastcgi", rest)) => (Protocol::FastCgi, tcp(rest)?),
            Some(("fastcgi+unix", path)) => (Protocol::FastCgi, unix(path)?),
            Some(("fastcgi+srv", name)) => (Protocol::FastCgi, service(name)?),
            Some(("https", rest)) => (Protocol::Http, tcp(rest.strip_suffix('/').unwrap_or(rest))?),
            Some((scheme, _)) => return Err(BadAddress::Scheme(scheme.to_owned())),
            None => match text.strip_prefix("unix:") {
                Some(path) => (Protocol::Uwsgi, unix(path)?),
                None => (Protocol::Uwsgi, tcp(text)?),
            },
        };
        let tls_host = match &endpoint {
            Endpoint::Tcp { host, .. } if text.starts_with("https://") => Some(host.clone()),
            _ => None,
        };
        Ok(Self { text: text.to_owned(), protocol, endpoint, tls_host })
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn tcp(text: &str) -> Result<Endpoint, BadAddress> {
    let (host, port) = text.rsplit_once(':').ok_or(BadAddress::HostAndPort)?;
    let port = port.parse().ok().filter(|&port| port != 0).ok_or(BadAddress::HostAndPort)?;
    let (host, bracketed) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => (host, true),
        None => (host, false),
    };
    let is_host =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (bracketed && c == ':');
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(BadAddress::HostAndPort);
    }
    Ok(Endpoint::Tcp { host: host.to_owned(), port })
}

fn service(name: &str) -> Result<Endpoint, BadAddress> {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let labels = name.strip_suffix('.').unwrap_or(name);
    if !labels.contains('.') || !labels.split('.').all(is_label) {
        return Err(BadAddress::Service);
    }
    Ok(Endpoint::Srv(name.to_owned()))
}

fn unix(path: &str) -> Result<Endpoint, BadAddress> {
    if !path.starts_with('/') {
        return Err(BadAddress::RelativePath);
    }
    if path.len() > MAX_UNIX_PATH {
        return Err(BadAddress::LongPath);
    }
    Ok(Endpoint::Unix(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        use Protocol::{FastCgi, Http, Uwsgi};
        let tcp = |host: &str, port| Endpoint::Tcp { host: host.to_owned(), port };
        let unix = |path: &str| Endpoint::Unix(path.into());
        let cases = [
            ("uwsgi://127.0.0.1:29000", Uwsgi, tcp("127.0.0.1", 29000)),
            ("uwsgi://app_1.internal:3031", Uwsgi, tcp("app_1.internal", 3031)),
            ("uwsgi://[::1]:29000", Uwsgi, tcp("::1", 29000)),
            ("127.0.0.1:29000", Uwsgi, tcp("127.0.0.1", 29000)),
            ("localhost:29000", Uwsgi, tcp("localhost", 29000)),
            ("uwsgi+unix:///run/app.sock", Uwsgi, unix("/run/app.sock")),
            ("unix:/run/app.sock", Uwsgi, unix("/run/app.sock")),
            ("http://127.0.0.1:8000", Http, tcp("127.0.0.1", 8000)),
            ("http://127.0.0.1:8000/", Http, tcp("127.0.0.1", 8000)),
            ("http+unix:///run/app.sock", Http, unix("/run/app.sock")),
            ("uwsgi+srv://_web._tcp.app.example", Uwsgi, Endpoint::Srv("_web._tcp.app.example".into())),
            ("http+srv://_web._tcp.app.example./", Http, Endpoint::Srv("_web._tcp.app.example.".into())),
            ("fastcgi+srv://php.service.consul", FastCgi, Endpoint::Srv("php.service.consul".into())),
            ("fastcgi://[::1]:9000", FastCgi, tcp("::1", 9000)),
            ("fastcgi+unix:///run/php/php-fpm.sock", FastCgi, unix("/run/php/php-fpm.sock")),
        ];
        for (text, protocol, endpoint) in cases {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.protocol(), address.endpoint()), (protocol, &endpoint));
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let long = format!("unix:/{}", "x".repeat(MAX_UNIX_PATH));
        let cases = [
            ("https://127.0.0.1", BadAddress::HostAndPort),
            ("http://127.0.0.1:8000/app", BadAddress::HostAndPort),
            ("http://127.0.0.1", BadAddress::HostAndPort),
            ("ftp://127.0.0.1:21", BadAddress::Scheme("ftp".into())),
            ("uwsgi://127.0.0.1", BadAddress::HostAndPort),
            ("uwsgi://127.0.0.1:0", BadAddress::HostAndPort),
            ("uwsgi://127.0.0.1:99999", BadAddress::HostAndPort),
            ("uwsgi://:29000", BadAddress::HostAndPort),
            ("uwsgi://::1:29000", BadAddress::HostAndPort),
            ("uwsgi://127.0.0.1:29000/app", BadAddress::HostAndPort),
            ("uwsgi://user@host:29000", BadAddress::HostAndPort),
            ("", BadAddress::HostAndPort),
            ("uwsgi+srv://_web._tcp.app.example:80", BadAddress::Service),
            ("uwsgi+srv://app", BadAddress::Service),
            ("http+srv://_web..example", BadAddress::Service),
            ("uwsgi+unix://run/app.sock", BadAddress::RelativePath),
            ("unix:app.sock", BadAddress::RelativePath),
            (&long, BadAddress::LongPath),
        ];
        for (text, bad) in cases {
            assert_eq!(text.parse::<Address>(), Err(bad), "{text}");
        }
    }
}

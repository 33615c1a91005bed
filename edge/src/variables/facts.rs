//! What is known of a request while it is answered, and the value of each variable under it.

mod connection;
pub(super) mod upstream;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, SET_COOKIE};

use crate::connection::proxied::ProxyAddresses;
use crate::connection::tls_session::TlsSession;
use crate::connection::unix_client::{UNIX, UNIX_NAME, named};
use crate::variables::basic_credentials;
use crate::variables::body_copy::BodyCopy;
use crate::variables::document_root::DocumentRoot;
use crate::variables::earlier_reply::EarlierReply;
use crate::variables::expression::EndlessSearch;
use crate::variables::facts::connection::of_connection;
use crate::variables::facts::upstream::{UpstreamFacts, of_upstream};
use crate::variables::field_source::FieldSource;
use crate::variables::lookup;
use crate::variables::names::{KnownVariable, Variable};
use crate::variables::stamp;
use crate::variables::values::Values;

/// What is known of a request. Cheap to make: it refers to what others hold.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) request: RequestFacts<'a>,
    pub(crate) route: RouteFacts<'a>,
    pub(crate) values: &'a Values,
    /// `None` before there is a reply.
    pub(crate) reply: Option<ReplyFacts<'a>>,
}

/// The request as it came.
#[derive(Clone, Copy)]
pub(crate) struct RequestFacts<'a> {
    pub(crate) method: &'a str,
    /// Path and query as sent, whatever internal redirects have made of them.
    pub(crate) target: &'a str,
    /// "HTTP/1.1"
    pub(crate) protocol: &'static str,
    /// Host as sent, with its port.
    pub(crate) authority: &'a str,
    pub(crate) fields: FieldSource<'a>,
    pub(crate) client: IpAddr,
    /// 0: unknown.
    pub(crate) client_port: u16,
    pub(crate) scheme: &'static str,
    pub(crate) server_port: u16,
    /// Content-Length; `None` if there is no body, or its length is not known beforehand.
    pub(crate) length: Option<u64>,
    /// Names this request in logs and to the application.
    pub(crate) id: u128,
    /// The protocol that the client wants to switch to; empty for none.
    pub(crate) upgrade: &'static str,
    /// The number of its connection, and its own number there.
    pub(crate) connection: u32,
    pub(crate) connection_requests: u32,
    /// When it was accepted.
    pub(crate) connected: Instant,
    /// What limits have done with it.
    pub(crate) limited: LimitStatus,
    /// Bytes of head and body that were read until now.
    pub(crate) received: u64,
    /// `None`: it did not come over TLS.
    pub(crate) tls: Option<&'a TlsSession>,
    /// The address that the client connected to; `None`: nobody has looked.
    pub(crate) server: Option<IpAddr>,
    /// Its body; `None`: there is none, or it is not kept.
    pub(crate) body: Option<&'a BodyCopy>,
    /// The application's reply that has sent it where it is.
    pub(crate) upstream: Option<&'a EarlierReply>,
    /// What a proxy has said of the connection.
    pub(crate) proxied: Option<&'a ProxyAddresses>,
    /// The first line of a request that could not be read, which has no method and no target.
    pub(crate) unread_line: &'a [u8],
    /// Fields in which somebody who is not trusted speaks of the client; they are not among `fields`.
    pub(crate) claims: Option<&'a HeaderMap>,
    /// Who has sent it: the client, or a proxy; `None`: nobody has looked.
    pub(crate) peer: Option<SocketAddr>,
    /// Is set if a regular expression that a variable needs cannot be searched to its end; `None`: nothing
    /// depends on it any more.
    pub(crate) endless: Option<&'a AtomicBool>,
}

/// What `limit_req` and `limit_conn` have done with a request, in nginx's words; empty: it was not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LimitStatus {
    pub(crate) requests: &'static str,
    pub(crate) connections: &'static str,
}

/// The variables that the settings define. Their values depend on other facts.
pub(crate) trait OwnVariables: std::fmt::Debug + Sync {
    fn value<'a>(&'a self, name: &str, facts: &Facts<'a>) -> Option<Cow<'a, [u8]>>;
}

/// Where the request stands now.
#[derive(Clone, Copy, Default)]
pub(crate) struct RouteFacts<'a> {
    /// The normal path; internal redirects change it.
    pub(crate) uri: &'a [u8],
    /// The query without its question mark.
    pub(crate) args: Option<&'a str>,
    pub(crate) server_name: &'a str,
    /// `None`: it is not known here.
    pub(crate) document_root: Option<&'a DocumentRoot>,
    /// What the settings define for all sites.
    pub(crate) definitions: Option<&'a dyn OwnVariables>,
}

/// The reply, and what has become of it.
#[derive(Clone, Copy)]
pub(crate) struct ReplyFacts<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    /// The cache's part in nginx's words; `None`: the location has no cache.
    pub(crate) cache: Option<&'static str>,
    /// The pool that answers here; `None`: there is none.
    pub(crate) pool: Option<&'a str>,
    /// The application's part; `None`: it was not asked.
    pub(crate) upstream: Option<UpstreamFacts<'a>>,
    pub(crate) took: Duration,
    /// What was sent: bytes of the head, bytes of the body. Zero before it is sent.
    pub(crate) head_bytes: u64,
    pub(crate) body_bytes: u64,
    /// The length of the body before it was compressed; `None`: it was not.
    pub(crate) uncoded: Option<u64>,
    /// Everything was sent.
    pub(crate) complete: bool,
}

impl<'a> Facts<'a> {
    pub(crate) fn with_reply<'b>(self, reply: ReplyFacts<'b>) -> Facts<'b>
    where
        'a: 'b,
    {
        Facts { reply: Some(reply), ..self }
    }

    /// Whether a search has found something. One that has no end is noted for the request.
    pub(crate) fn found(&self, searched: Result<bool, EndlessSearch>) -> bool {
        self.searched(searched).unwrap_or(false)
    }

    /// What a search has found. One that has no end is noted for the request.
    fn searched<T>(&self, searched: Result<T, EndlessSearch>) -> Option<T> {
        if let (Err(EndlessSearch), Some(endless)) = (&searched, self.request.endless) {
            endless.store(true, Relaxed);
        }
        searched.ok()
    }

    /// The value of a variable; `None`: the request has none.
    pub(crate) fn value(&self, variable: &'a Variable) -> Option<Cow<'a, [u8]>> {
        match variable {
            Variable::Known(known) => self.known(*known),
            Variable::Argument(name) => lookup::argument(self.route.args?, name).map(text),
            Variable::Cookie(name) => self.request.fields.cookie(name).map(Cow::Borrowed),
            Variable::RequestField(name) => self.request_field(name),
            Variable::ReplyField(name) => self.reply_field(name),
            Variable::UpstreamField(name) => {
                let here = self.reply.and_then(|reply| FieldSource::Map(reply.headers).joined(name));
                here.or_else(|| FieldSource::Map(&self.request.upstream?.fields).joined(name))
            }
            Variable::UpstreamCookie(name) => set_cookie(self.reply?.headers, name).map(Cow::Borrowed),
            Variable::Capture(number) => self.values.capture(*number).map(Cow::Borrowed),
            Variable::Own(name) => match self.values.named(name) {
                Some(value) => Some(Cow::Borrowed(value)),
                None => self.route.definitions?.value(name, self),
            },
        }
    }

    /// As in nginx, the type of what is made here is without the charset that is added to it: a `map` of
    /// types names types.
    fn reply_field(&self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        let reply = self.reply?;
        let value = FieldSource::Map(reply.headers).joined(name)?;
        let is_of_application = reply.upstream.is_some() || reply.cache.is_some();
        Some(match value {
            Cow::Borrowed(value) if *name == CONTENT_TYPE && !is_of_application => {
                let charset = value.windows(10).position(|part| part == b"; charset=");
                Cow::Borrowed(charset.map_or(value, |at| &value[..at]))
            }
            value => value,
        })
    }

    fn known(&self, variable: KnownVariable) -> Option<Cow<'a, [u8]>> {
        let (request, route) = (&self.request, &self.route);
        Some(match variable {
            KnownVariable::Host => lower(self.host()),
            KnownVariable::HttpHost => return filled(request.authority),
            KnownVariable::Scheme => text(request.scheme),
            KnownVariable::Https => return (request.scheme == "https").then(|| text("on")),
            KnownVariable::RequestUri => return filled(request.target),
            KnownVariable::Uri => Cow::Borrowed(route.uri),
            KnownVariable::Args => return route.args.map(text),
            KnownVariable::IsArgs => {
                text(if route.args.is_some_and(|args| !args.is_empty()) { "?" } else { "" })
            }
            KnownVariable::ServerName => text(route.server_name),
            KnownVariable::Hostname => text(&HOSTNAME),
            KnownVariable::Pid => number(std::process::id()),
            KnownVariable::WeirVersion => text(env!("CARGO_PKG_VERSION")),
            KnownVariable::RequestMethod => return filled(request.method),
            // Nothing is known of a head that could not be read.
            KnownVariable::Request if request.method.is_empty() => {
                return (!request.unread_line.is_empty()).then_some(Cow::Borrowed(request.unread_line));
            }
            KnownVariable::Request => {
                Cow::Owned([request.method, request.target, request.protocol].join(" ").into_bytes())
            }
            KnownVariable::ServerProtocol => text(request.protocol),
            KnownVariable::ServerPort => number(request.server_port),
            KnownVariable::ServerAddr => return request.server.map(|address| number(address.to_canonical())),
            KnownVariable::RequestBody => return request.body?.text().map(Cow::Owned),
            KnownVariable::RemoteAddr => Cow::Owned(named(request.client).into_bytes()),
            KnownVariable::BinaryRemoteAddr => Cow::Owned(match request.client {
                UNIX => UNIX_NAME.into(),
                IpAddr::V4(address) => address.octets().to_vec(),
                // Limits count by it, and one client has all addresses of its network.
                IpAddr::V6(address) => address.octets()[..8].to_vec(),
            }),
            KnownVariable::RemotePort => {
                return (request.client_port != 0).then(|| number(request.client_port));
            }
            KnownVariable::RemoteUser => return self.user().map(Cow::Owned),
            KnownVariable::RequestId => Cow::Owned(format!("{:032x}", request.id).into_bytes()),
            KnownVariable::ContentType => return request.fields.joined(&CONTENT_TYPE),
            KnownVariable::ContentLength => return request.length.map(number),
            KnownVariable::ProxyAddXForwardedFor => self.forwarded_for(),
            KnownVariable::TimeLocal => Cow::Owned(stamp::local(SystemTime::now()).into_bytes()),
            KnownVariable::TimeIso8601 => Cow::Owned(stamp::iso(SystemTime::now()).into_bytes()),
            KnownVariable::Msec => {
                Cow::Owned(stamp::seconds(stamp::since_epoch(SystemTime::now())).into_bytes())
            }
            KnownVariable::Connection => number(request.connection),
            KnownVariable::ConnectionRequests => number(request.connection_requests),
            KnownVariable::RequestLength => number(request.received),
            KnownVariable::RequestBodyFile => return request.body?.file().map(Cow::Owned),
            KnownVariable::Pipe => text("."),
            _ => return self.of_files(variable),
        })
    }

    /// Where its files are.
    fn of_files(&self, variable: KnownVariable) -> Option<Cow<'a, [u8]>> {
        let (root, uri) = (self.route.document_root, self.route.uri);
        match variable {
            KnownVariable::DocumentRoot => root?.path(self).map(Cow::Owned),
            KnownVariable::RequestFilename => match root {
                Some(root) => root.file_name(self).map(Cow::Owned),
                None => Some(Cow::Borrowed(uri)),
            },
            KnownVariable::FastcgiScriptName => match root {
                Some(root) => self.searched(root.script_name(uri)),
                None => Some(Cow::Borrowed(uri)),
            },
            KnownVariable::FastcgiPathInfo => self.searched(root?.path_info(uri))?.map(Cow::Borrowed),
            _ => of_connection(&self.request, variable).or_else(|| self.of_reply(variable)),
        }
    }

    fn of_reply(&self, variable: KnownVariable) -> Option<Cow<'a, [u8]>> {
        let Some(reply) = &self.reply else { return self.of_earlier_reply(variable) };
        Some(match variable {
            KnownVariable::Status => number(reply.status),
            KnownVariable::BodyBytesSent => number(reply.body_bytes),
            KnownVariable::BytesSent => number(reply.head_bytes + reply.body_bytes),
            KnownVariable::RequestTime => Cow::Owned(stamp::seconds(reply.took).into_bytes()),
            KnownVariable::RequestCompletion => text(if reply.complete { "OK" } else { "" }),
            KnownVariable::UpstreamCacheStatus => return reply.cache.map(text),
            KnownVariable::UpstreamResponseLength => {
                let earlier = "0, ".repeat(reply.upstream?.earlier.len());
                number(format!("{earlier}{}", reply.uncoded.unwrap_or(reply.body_bytes)))
            }
            KnownVariable::ProxyHost => return reply.pool.map(text),
            KnownVariable::GzipRatio => return ratio(reply.uncoded?, reply.body_bytes),
            _ => match &reply.upstream {
                Some(upstream) => return of_upstream(upstream, variable),
                None => return self.of_earlier_reply(variable),
            },
        })
    }

    /// As in nginx, the page of an error knows what the application has done before it.
    fn of_earlier_reply(&self, variable: KnownVariable) -> Option<Cow<'a, [u8]>> {
        let earlier = self.request.upstream?;
        match variable {
            KnownVariable::Status => earlier.status.map(number),
            _ => of_upstream(&earlier.upstream.as_ref()?.facts(), variable),
        }
    }

    /// X-Forwarded-For as far as it is believed.
    pub(crate) fn forwarded_for_field(&self) -> Option<Cow<'a, [u8]>> {
        self.request.fields.joined(&X_FORWARDED_FOR)
    }

    pub(crate) fn request_field(&self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        if *name == HOST {
            return filled(self.request.authority);
        }
        if *name == http::header::UPGRADE {
            return filled(self.request.upgrade);
        }
        if *name == http::header::CONTENT_LENGTH {
            return self.request.length.map(number);
        }
        let sent = self.request.fields.joined(name);
        sent.or_else(|| FieldSource::Map(self.request.claims?).joined(name))
    }

    /// The host without port; the site's first name if the request names none.
    fn host(&self) -> &'a str {
        if self.request.authority.is_empty() {
            return self.route.server_name;
        }
        let (host, _) = host_and_port(self.request.authority);
        host.strip_suffix('.').unwrap_or(host)
    }

    /// The name in `Authorization: Basic …`, checked or not.
    fn user(&self) -> Option<Vec<u8>> {
        basic_credentials::user(&self.request.fields.joined(&AUTHORIZATION)?)
    }

    fn forwarded_for(&self) -> Cow<'a, [u8]> {
        let client = named(self.request.client);
        match self.request.fields.joined(&X_FORWARDED_FOR) {
            Some(before) if !before.is_empty() => {
                Cow::Owned([&before, &b", "[..], client.as_bytes()].concat())
            }
            _ => Cow::Owned(client.into_bytes()),
        }
    }
}

/// What stands before the colon of a port, and what behind it; empty: there is none.
fn host_and_port(authority: &str) -> (&str, &str) {
    let colon = match authority.rfind(']') {
        Some(end) => authority.get(end..).and_then(|rest| rest.find(':')).map(|colon| end + colon),
        None => authority.rfind(':'),
    };
    let split = colon.and_then(|colon| Some((authority.get(..colon)?, authority.get(colon + 1..)?)));
    split.unwrap_or((authority, ""))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

static HOSTNAME: LazyLock<String> = LazyLock::new(|| process::host_name().to_ascii_lowercase());

/// The value of a cookie that the reply sets.
fn set_cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get_all(SET_COOKIE).iter().find_map(|line| lookup::cookie_here(line.as_bytes(), name.as_bytes()))
}

/// How many times shorter the body has become: "2.50".
fn ratio<'a>(before: u64, after: u64) -> Option<Cow<'a, [u8]>> {
    (after > 0).then(|| Cow::Owned(format!("{:.2}", before as f64 / after as f64).into_bytes()))
}

fn text(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn filled(value: &str) -> Option<Cow<'_, [u8]>> {
    (!value.is_empty()).then(|| text(value))
}

fn lower(value: &str) -> Cow<'_, [u8]> {
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(value.to_ascii_lowercase().into_bytes())
    } else {
        text(value)
    }
}

fn number<'a>(number: impl ToString) -> Cow<'a, [u8]> {
    Cow::Owned(number.to_string().into_bytes())
}

#[cfg(test)]
pub(crate) mod tests;

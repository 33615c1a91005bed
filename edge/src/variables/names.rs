//! The names of all variables, and what the value of each depends on.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

/// A variable as a template holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Known(KnownVariable),
    /// `$arg_NAME`: a parameter of the query. Names are in lower case, and compared without case.
    Argument(Box<str>),
    /// `$cookie_NAME`
    Cookie(Box<str>),
    /// `$http_NAME`
    RequestField(HeaderName),
    /// `$sent_http_NAME`
    ReplyField(HeaderName),
    /// `$upstream_http_NAME`
    UpstreamField(HeaderName),
    /// `$upstream_cookie_NAME`
    UpstreamCookie(Box<str>),
    /// `$1` to `$9`
    Capture(u8),
    /// One that the settings define: by `map`, `geo`, `split`, `set` or a named capture.
    Own(Arc<str>),
}

/// What a value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs(u8);

impl Needs {
    /// The settings alone.
    pub(crate) const NOTHING: Self = Self(0);
    /// Scheme, host and path, which are always part of the cache key.
    pub(crate) const URL: Self = Self(1);
    /// Who asks, how and when: address, cookies, fields, method, time.
    pub(crate) const VISITOR: Self = Self(2);
    /// The reply, or how it was sent.
    pub(crate) const REPLY: Self = Self(4);
    /// The query, of which settings may take parts out of the key.
    pub(crate) const QUERY: Self = Self(8);
    /// Something that is not at hand where memory answers: fields of the reply, captures, `set`, the root.
    pub(crate) const WHOLE: Self = Self(16);
    /// The application's reply that has sent the request here; most requests have none.
    pub(crate) const EARLIER: Self = Self(32);
    const WHOLE_EARLIER: Self = Self::EARLIER.and(Self::WHOLE);
    const WHOLE_VISITOR: Self = Self::VISITOR.and(Self::WHOLE);
    const WHOLE_URL: Self = Self::URL.and(Self::WHOLE);
    const WHOLE_REPLY: Self = Self::REPLY.and(Self::WHOLE);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

macro_rules! known_variables {
    ($($name:literal => $variable:ident $needs:ident),* $(,)?) => {
        /// A variable that every request has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum KnownVariable {
            $($variable),*
        }

        /// Some have two names.
        const ALIASES: &[(&str, KnownVariable)] = &[
            ("query_string", KnownVariable::Args),
            ("document_uri", KnownVariable::Uri),
            ("realpath_root", KnownVariable::DocumentRoot),
            ("nginx_version", KnownVariable::WeirVersion),
        ];

        const KNOWN: &[(&str, KnownVariable, Needs)] = &[
            $(($name, KnownVariable::$variable, Needs::$needs)),*
        ];
    };
}

known_variables! {
    "host" => Host URL,
    "http_host" => HttpHost VISITOR,
    "scheme" => Scheme URL,
    "https" => Https URL,
    "request_uri" => RequestUri QUERY,
    "uri" => Uri URL,
    "args" => Args QUERY,
    "is_args" => IsArgs QUERY,
    "request_filename" => RequestFilename WHOLE_URL,
    "document_root" => DocumentRoot WHOLE,
    "fastcgi_script_name" => FastcgiScriptName WHOLE_URL,
    "fastcgi_path_info" => FastcgiPathInfo WHOLE_URL,
    "server_name" => ServerName NOTHING,
    "hostname" => Hostname NOTHING,
    "pid" => Pid NOTHING,
    "weir_version" => WeirVersion NOTHING,
    "request_method" => RequestMethod VISITOR,
    "request" => Request VISITOR,
    "server_protocol" => ServerProtocol VISITOR,
    "server_port" => ServerPort VISITOR,
    "request_port" => RequestPort VISITOR,
    "is_request_port" => IsRequestPort VISITOR,
    "server_addr" => ServerAddr WHOLE_VISITOR,
    "proxy_protocol_addr" => ProxyProtocolAddr WHOLE_VISITOR,
    "proxy_protocol_port" => ProxyProtocolPort WHOLE_VISITOR,
    "proxy_protocol_server_addr" => ProxyProtocolServerAddr WHOLE_VISITOR,
    "proxy_protocol_server_port" => ProxyProtocolServerPort WHOLE_VISITOR,
    "request_body" => RequestBody WHOLE_VISITOR,
    "realip_remote_addr" => RealipRemoteAddr WHOLE_VISITOR,
    "realip_remote_port" => RealipRemotePort WHOLE_VISITOR,
    "request_body_file" => RequestBodyFile WHOLE_VISITOR,
    "remote_addr" => RemoteAddr VISITOR,
    "binary_remote_addr" => BinaryRemoteAddr VISITOR,
    "remote_port" => RemotePort VISITOR,
    "remote_user" => RemoteUser VISITOR,
    "request_id" => RequestId VISITOR,
    "content_type" => ContentType VISITOR,
    "content_length" => ContentLength VISITOR,
    "proxy_add_x_forwarded_for" => ProxyAddXForwardedFor VISITOR,
    "time_local" => TimeLocal VISITOR,
    "time_iso8601" => TimeIso8601 VISITOR,
    "msec" => Msec VISITOR,
    "pipe" => Pipe VISITOR,
    "http2" => Http2 VISITOR,
    "http3" => Http3 NOTHING,
    "connection" => Connection VISITOR,
    "connection_requests" => ConnectionRequests VISITOR,
    "connection_time" => ConnectionTime VISITOR,
    "limit_req_status" => LimitReqStatus WHOLE_VISITOR,
    "limit_conn_status" => LimitConnStatus WHOLE_VISITOR,
    "request_length" => RequestLength VISITOR,
    "ssl_protocol" => SslProtocol VISITOR,
    "ssl_cipher" => SslCipher VISITOR,
    "ssl_curve" => SslCurve VISITOR,
    "ssl_server_name" => SslServerName VISITOR,
    "ssl_early_data" => SslEarlyData NOTHING,
    "ssl_session_reused" => SslSessionReused VISITOR,
    "ssl_client_verify" => SslClientVerify VISITOR,
    "ssl_client_s_dn" => SslClientSubject VISITOR,
    "ssl_client_i_dn" => SslClientIssuer VISITOR,
    "ssl_client_cert" => SslClientCert VISITOR,
    "ssl_client_raw_cert" => SslClientRawCert VISITOR,
    "ssl_client_escaped_cert" => SslClientEscapedCert VISITOR,
    "ssl_client_fingerprint" => SslClientFingerprint VISITOR,
    "ssl_client_serial" => SslClientSerial VISITOR,
    "ssl_client_v_start" => SslClientStart VISITOR,
    "ssl_client_v_end" => SslClientEnd VISITOR,
    "ssl_client_v_remain" => SslClientRemain VISITOR,
    "ssl_alpn_protocol" => SslAlpnProtocol VISITOR,
    "status" => Status REPLY,
    "bytes_sent" => BytesSent REPLY,
    "body_bytes_sent" => BodyBytesSent REPLY,
    "request_time" => RequestTime REPLY,
    "request_completion" => RequestCompletion REPLY,
    "proxy_host" => ProxyHost REPLY,
    "upstream_addr" => UpstreamAddr REPLY,
    "upstream_status" => UpstreamStatus REPLY,
    "upstream_response_time" => UpstreamResponseTime REPLY,
    "upstream_header_time" => UpstreamHeaderTime REPLY,
    "upstream_response_length" => UpstreamResponseLength REPLY,
    "gzip_ratio" => GzipRatio WHOLE_REPLY,
    "upstream_connect_time" => UpstreamConnectTime REPLY,
    "upstream_cache_status" => UpstreamCacheStatus REPLY,
    "upstream_view" => UpstreamView REPLY,
    "upstream_queries" => UpstreamQueries REPLY,
    "upstream_query_time" => UpstreamQueryTime REPLY,
}

impl Variable {
    /// The variable of a name. Names have no case, as in nginx. One that is not built in is taken for one
    /// that the settings define; [`VariableNames::mistake`] tells whether they do.
    pub(crate) fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        if let [digit @ b'1'..=b'9'] = name.as_bytes() {
            return Self::Capture(digit - b'0');
        }
        if let Some(known) = known(&name) {
            return Self::Known(known);
        }
        let field = |name: &str| HeaderName::from_bytes(name.replace('_', "-").as_bytes()).ok();
        let text = |name: &str| (!name.is_empty()).then(|| name.into());
        let made = if let Some(name) = name.strip_prefix("arg_") {
            text(name).map(Self::Argument)
        } else if let Some(name) = name.strip_prefix("cookie_") {
            text(name).map(Self::Cookie)
        } else if let Some(name) = name.strip_prefix("http_") {
            field(name).map(Self::RequestField)
        } else if let Some(name) = name.strip_prefix("sent_http_") {
            field(name).map(Self::ReplyField)
        } else if let Some(name) = name.strip_prefix("upstream_http_") {
            field(name).map(Self::UpstreamField)
        } else if let Some(name) = name.strip_prefix("upstream_cookie_") {
            text(name).map(Self::UpstreamCookie)
        } else {
            None
        };
        made.unwrap_or_else(|| Self::Own(name.into()))
    }

    /// Its value follows from the path and the place's `root` or `alias`.
    pub(crate) fn is_of_files(&self) -> bool {
        use KnownVariable::{DocumentRoot, FastcgiPathInfo, FastcgiScriptName, RequestFilename};
        matches!(self, Self::Known(DocumentRoot | RequestFilename | FastcgiScriptName | FastcgiPathInfo))
    }
}

fn known(name: &str) -> Option<KnownVariable> {
    let known = KNOWN.iter().find(|(known, ..)| *known == name).map(|(_, known, _)| *known);
    known.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, known)| *known))
}

/// The variables that the settings define, each with what it depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct VariableNames(HashMap<Arc<str>, Needs>);

impl VariableNames {
    /// Adds a variable; it may be defined in several places. A built-in one cannot be defined again.
    pub(crate) fn define(&mut self, name: &str, needs: Needs) -> Result<Arc<str>, String> {
        let bare = name.strip_prefix('$').unwrap_or(name);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if bare.is_empty() || !bare.bytes().all(is_name) {
            return Err(format!("`{name}` is not the name of a variable; use letters, digits and `_`"));
        }
        let Variable::Own(name) = Variable::named(bare) else {
            return Err(format!("`${bare}` is a variable of Weir's own; choose another name"));
        };
        let known = self.0.entry(name.clone()).or_insert(Needs::NOTHING);
        *known = known.and(needs);
        Ok(name)
    }

    /// Adds to what a variable depends on.
    pub(crate) fn depends(&mut self, name: &str, needs: Needs) {
        if let Some(known) = self.0.get_mut(name) {
            *known = known.and(needs);
        }
    }

    /// What is wrong with the variable, if it is none.
    pub(crate) fn mistake(&self, variable: &Variable) -> Option<String> {
        let Variable::Own(name) = variable else { return None };
        if self.0.contains_key(name) {
            return None;
        }
        let known = KNOWN.iter().map(|(known, ..)| *known).chain(self.0.keys().map(|name| &**name));
        let close = |known: &&str| known.contains(&**name) || name.contains(known);
        Some(
            match known
                .clone()
                .find(|known| differs_little(known, name))
                .or_else(|| known.clone().find(close))
            {
                Some(close) => format!("there is no variable `${name}`; did you mean `${close}`?"),
                None => {
                    format!("there is no variable `${name}`; define it with `map`, `geo`, `split` or `set`")
                }
            },
        )
    }

    pub(crate) fn needs(&self, variable: &Variable) -> Needs {
        match variable {
            Variable::Known(wanted) => {
                let entry = KNOWN.iter().find(|(_, known, _)| known == wanted);
                entry.map_or(Needs::NOTHING, |(.., needs)| *needs)
            }
            Variable::Argument(_) => Needs::QUERY,
            // What an expression was matched with may be a cookie.
            Variable::Cookie(_) | Variable::RequestField(_) => Needs::VISITOR,
            Variable::Capture(_) => Needs::VISITOR.and(Needs::WHOLE),
            Variable::ReplyField(_) | Variable::UpstreamCookie(_) => Needs::WHOLE_REPLY,
            Variable::UpstreamField(_) => Needs::WHOLE_EARLIER,
            Variable::Own(name) => self.0.get(name).copied().unwrap_or(Needs::NOTHING),
        }
    }
}

/// One letter changed, left out, added, or two exchanged.
fn differs_little(known: &str, name: &str) -> bool {
    let (known, name) = (known.as_bytes(), name.as_bytes());
    let front = known.iter().zip(name).take_while(|(one, other)| one == other).count();
    let (known, name) = (&known[front..], &name[front..]);
    let back = known.iter().rev().zip(name.iter().rev()).take_while(|(one, other)| one == other).count();
    known.len() - back <= 2 && name.len() - back <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_its_variable() {
        let cases = [
            ("host", Variable::Known(KnownVariable::Host)),
            ("HOST", Variable::Known(KnownVariable::Host)),
            ("query_string", Variable::Known(KnownVariable::Args)),
            ("nginx_version", Variable::Known(KnownVariable::WeirVersion)),
            ("http_host", Variable::Known(KnownVariable::HttpHost)),
            ("http_x_real_ip", Variable::RequestField(HeaderName::from_static("x-real-ip"))),
            ("sent_http_content_type", Variable::ReplyField(http::header::CONTENT_TYPE)),
            ("upstream_http_etag", Variable::UpstreamField(http::header::ETAG)),
            ("arg_Page", Variable::Argument("page".into())),
            ("cookie_sessionid", Variable::Cookie("sessionid".into())),
            ("9", Variable::Capture(9)),
            ("0", Variable::Own("0".into())),
            ("arg_", Variable::Own("arg_".into())),
            ("maintenance", Variable::Own("maintenance".into())),
        ];
        for (name, variable) in cases {
            assert_eq!(Variable::named(name), variable, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_a_mistake_that_names_the_nearest() {
        let mut names = VariableNames::default();
        names.define("$maintenance", Needs::VISITOR).unwrap();
        let cases = [
            ("maintenance", None),
            ("request_uri", None),
            ("request_url", Some("there is no variable `$request_url`; did you mean `$request_uri`?")),
            ("remote_adr", Some("there is no variable `$remote_adr`; did you mean `$remote_addr`?")),
            ("maintenanec", Some("there is no variable `$maintenanec`; did you mean `$maintenance`?")),
            ("zzz", Some("there is no variable `$zzz`; define it with `map`, `geo`, `split` or `set`")),
        ];
        for (name, mistake) in cases {
            assert_eq!(names.mistake(&Variable::named(name)).as_deref(), mistake, "{name}");
        }
        assert!(names.define("host", Needs::URL).is_err());
        assert!(names.define("arg_x", Needs::URL).is_err());
        assert!(names.define("a-b", Needs::URL).is_err());
        assert_eq!(names.needs(&Variable::named("maintenance")), Needs::VISITOR);
    }
}

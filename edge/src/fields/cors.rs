//! CORS: which other sites' pages may read replies, and the answer to their preflights.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use process::settings::Mistakes;

use crate::settings::reply_fields::CorsConfig;

#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<OriginPattern>,
    methods: HeaderValue,
    /// `None`: whatever the preflight asks for.
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

#[derive(Debug)]
enum OriginPattern {
    Any,
    Exact(Box<str>),
    /// "https://" and ".example.com".
    Below(Box<str>, Box<str>),
}

impl Cors {
    pub(super) fn build(path: &str, config: &CorsConfig, mistakes: &mut Mistakes) -> Option<Self> {
        let mut wrong = Vec::new();
        let origins: Vec<_> = config
            .origins
            .iter()
            .enumerate()
            .filter_map(|(at, text)| match OriginPattern::parse(text) {
                Some(pattern) => Some(pattern),
                None => {
                    let text = format!(
                        "`{text}` is none of \"https://app.example.com\", \"https://*.example.com\" and \"*\""
                    );
                    wrong.push((format!("{path}.origins[{at}]"), text));
                    None
                }
            })
            .collect();
        if config.origins.is_empty() {
            wrong.push((format!("{path}.origins"), "must name at least one origin, or \"*\"".into()));
        }
        if config.credentials && origins.iter().any(|origin| matches!(origin, OriginPattern::Any)) {
            let text = "with \"*\" every site could read what the visitor's cookies give; name the origins";
            wrong.push((format!("{path}.credentials"), text.into()));
        }
        let list = |key: &str, names: &[String], wrong: &mut Vec<(String, String)>| {
            // Both are tokens.
            for (at, name) in names.iter().enumerate() {
                if HeaderName::from_bytes(name.as_bytes()).is_err() {
                    wrong.push((format!("{path}.{key}[{at}]"), format!("`{name}` is not one name")));
                }
            }
            HeaderValue::try_from(names.join(", ")).ok()
        };
        let all_headers = config.headers.iter().any(|name| name == "*");
        let methods = list("methods", &config.methods, &mut wrong);
        let headers = list("headers", &config.headers, &mut wrong);
        let expose = list("expose", &config.expose, &mut wrong);
        let whole = wrong.is_empty();
        for (path, text) in wrong {
            mistakes.push(path, text);
        }
        whole.then_some(())?;
        Some(Self {
            origins,
            methods: methods?,
            headers: headers.filter(|_| !all_headers),
            expose: expose.filter(|value| !value.is_empty()),
            credentials: config.credentials,
            max_age: HeaderValue::from(config.max_age.0.as_secs()),
        })
    }

    /// Every origin gets the same reply.
    pub(super) fn is_for_all(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, OriginPattern::Any))
    }

    /// Adds what a browser asks for before it shows the reply to a page of another site. The application's
    /// own such fields are replaced: two would be none.
    pub(super) fn apply(&self, headers: &mut HeaderMap, origin: Option<&[u8]>) {
        if self.is_for_all() {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            add_vary(headers, &ORIGIN);
            headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
            headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
            let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return };
            let Ok(origin) = HeaderValue::from_bytes(origin) else { return };
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.credentials {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// The fields of the answer to a preflight; `None`: it is none.
    pub(crate) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        if method != Method::OPTIONS || !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = request.get(ORIGIN)?;
        let mut headers = HeaderMap::new();
        // Whoever may not read gets an answer without the fields that would let it.
        if self.is_for_all() || self.allows(origin.as_bytes()) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
            if let Some(allowed) = self.headers.as_ref().or(asked).filter(|value| !value.is_empty()) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        Some(headers)
    }

    fn allows(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        self.origins.iter().any(|pattern| match pattern {
            OriginPattern::Any => true,
            OriginPattern::Exact(text) => **text == *origin,
            OriginPattern::Below(scheme, domain) => origin
                .strip_prefix(&**scheme)
                .and_then(|host| host.strip_suffix(&**domain))
                .is_some_and(|label| {
                    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
                    !label.is_empty() && label.bytes().all(is_host)
                }),
        })
    }
}

impl OriginPattern {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme))?;
        let host = text.strip_prefix(scheme)?;
        let (wild, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host),
        };
        let is_authority = |byte: u8| {
            byte.is_ascii_digit()
                || byte.is_ascii_lowercase()
                || matches!(byte, b'-' | b'.' | b':' | b'[' | b']')
        };
        if host.is_empty() || !host.bytes().all(is_authority) {
            return None;
        }
        let below = || Self::Below(scheme.into(), format!(".{host}").into());
        Some(if wild { below() } else { Self::Exact(text.into()) })
    }
}

/// The reply depends on this field of the request.
fn add_vary(headers: &mut HeaderMap, name: &HeaderName) {
    let named = |value: &HeaderValue| {
        let names = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.into_iter().any(|known| known == b"*" || known.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    if !headers.get_all(VARY).iter().any(named) {
        headers.append(VARY, HeaderValue::from(name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(json: &str) -> Result<Cors, String> {
        let mut mistakes = Mistakes::default();
        let built = Cors::build("cors", &serde_json::from_str(json).unwrap(), &mut mistakes);
        built.ok_or_else(|| mistakes.to_string())
    }

    #[test]
    fn only_named_origins_may_read() {
        let cors = cors(r#"{"origins": ["https://a.example", "https://*.b.example"], "credentials": true}"#)
            .unwrap();
        let cases = [
            (Some("https://a.example"), true),
            (Some("http://a.example"), false),
            (Some("https://a.example.evil"), false),
            (Some("https://x.b.example"), true),
            (Some("https://y.x.b.example"), true),
            (Some("https://b.example"), false),
            (Some("https://evil/.b.example"), false),
            (Some("https://xb.example"), false),
            (Some("null"), false),
            (None, false),
        ];
        for (origin, may) in cases {
            let mut headers = HeaderMap::new();
            headers
                .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://of.the.application"));
            cors.apply(&mut headers, origin.map(str::as_bytes));
            let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
            assert_eq!(allowed, origin.filter(|_| may), "{origin:?}");
            assert_eq!(headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), may, "{origin:?}");
            assert_eq!(headers[VARY], "origin");
        }
    }

    #[test]
    fn a_preflight_is_answered() {
        let cors = cors(r#"{"origins": ["https://a.example"], "methods": ["PUT"], "headers": ["X-Token"]}"#)
            .unwrap();
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_static("https://a.example"));
        assert!(cors.preflight(&Method::OPTIONS, &request).is_none());
        request.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        assert!(cors.preflight(&Method::GET, &request).is_none());
        let answer = cors.preflight(&Method::OPTIONS, &request).unwrap();
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "PUT");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "X-Token");
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "600");
        request.insert(ORIGIN, HeaderValue::from_static("https://b.example"));
        assert!(cors.preflight(&Method::OPTIONS, &request).unwrap().is_empty());
    }

    #[test]
    fn all_may_read_without_cookies_only() {
        let open = cors(r#"{"origins": ["*"], "headers": ["*"]}"#).unwrap();
        let mut headers = HeaderMap::new();
        open.apply(&mut headers, None);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!headers.contains_key(VARY));
        assert!(
            cors(r#"{"origins": ["*"], "credentials": true}"#).unwrap_err().contains("every site could read")
        );
        assert!(cors(r#"{"origins": []}"#).is_err());
        for (key, name) in [("methods", "GET, PUT"), ("headers", "X Y"), ("expose", "")] {
            let wrong = cors(&format!("{{\"origins\": [\"*\"], \"{key}\": [\"{name}\"]}}")).unwrap_err();
            assert!(wrong.contains(&format!("cors.{key}[0]: `{name}` is not one name")), "{wrong}");
        }
        for origin in ["a.example", "https://", "https://A.example", "https://a.example/", "ftp://a"] {
            assert!(cors(&format!("{{\"origins\": [\"{origin}\"]}}")).is_err(), "{origin}");
        }
    }
}

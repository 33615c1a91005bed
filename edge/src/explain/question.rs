//! What `explain` is asked: a URL and request fields, as query parameters or as JSON.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use http1::head::Scheme;

/// The most fields that a question may hold.
const MAX_FIELDS: usize = 100;

#[derive(Clone, Debug)]
pub(crate) struct ExplainQuestion {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) authority: String,
    pub(super) port: u16,
    /// Path and query, as a client would send them.
    pub(super) target: String,
    pub(super) fields: HeaderMap,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionBody {
    url: String,
    /// GET if left out.
    #[serde(default)]
    method: Option<String>,
    /// "Name: value".
    #[serde(default)]
    fields: Vec<String>,
}

impl ExplainQuestion {
    /// Reads `GET ?url=…&method=GET&field=Name:%20value`, or a POST with `{"url": "…", "method": "GET",
    /// "fields": ["Name: value"]}`. The error is for the person who asks.
    pub(crate) fn of(request: &Request<Bytes>) -> Result<Self, String> {
        if *request.method() == Method::POST {
            let body: QuestionBody = serde_json::from_slice(request.body()).map_err(|error| {
                format!("the body is not {{\"url\": \"…\", \"fields\": [\"Name: value\"]}}: {error}")
            })?;
            return Self::new(&body.url, body.method.as_deref(), &body.fields);
        }
        let (mut url, mut method, mut fields) = (None, None, Vec::new());
        for parameter in request.uri().query().unwrap_or_default().split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "url" => url = Some(value),
                "method" => method = Some(value),
                "field" => fields.push(value),
                "" => {}
                other => {
                    return Err(format!(
                        "parameter `{other}` is unknown; there are `url`, `method` and `field`"
                    ));
                }
            }
        }
        Self::new(&url.ok_or("parameter `url` is missing")?, method.as_deref(), &fields)
    }

    fn new(url: &str, method: Option<&str>, fields: &[String]) -> Result<Self, String> {
        let method = method.unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("`{method}` is not a method such as \"GET\""))?;
        let wrong = || format!("`{url}` is not a URL such as \"http://example.com/page\"");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(format!("`{url}` contains a user name; send Authorization as a field instead"));
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        if fields.len() > MAX_FIELDS {
            return Err(format!("at most {MAX_FIELDS} fields are allowed"));
        }
        let mut headers = HeaderMap::new();
        for field in fields {
            let (name, value) =
                read(field).ok_or_else(|| format!("`{field}` is not a field such as \"Cookie: a=1\""))?;
            headers.append(name, value);
        }
        Ok(Self {
            method,
            scheme,
            authority: authority.to_string(),
            port: authority.port_u16().unwrap_or(port),
            target: target.to_owned(),
            fields: headers,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.authority, self.target)
    }
}

fn read(field: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = field.split_once(':')?;
    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, query: &str, body: &str) -> Result<ExplainQuestion, String> {
        let request = Request::builder().method(method).uri(format!("/api/v1/explain{query}"));
        ExplainQuestion::of(&request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
    }

    #[test]
    fn both_forms_say_the_same() {
        let body = r#"{"url": "https://h:8443/a?b=1&c", "fields": ["Cookie: a=1", "cookie:b=2"]}"#;
        let query = "?url=https%3A%2F%2Fh:8443%2Fa%3Fb%3D1%26c&field=Cookie:%20a%3D1&field=cookie:b%3D2";
        for question in [ask(Method::POST, "", body), ask(Method::GET, query, "")] {
            let question = question.unwrap();
            assert_eq!((question.url().as_str(), question.port), ("https://h:8443/a?b=1&c", 8443));
            let cookies: Vec<_> = question.fields.get_all("cookie").iter().collect();
            assert_eq!(cookies, ["a=1", "b=2"]);
        }
        let plain = ask(Method::GET, "?url=http://h", "").unwrap();
        assert_eq!((plain.url().as_str(), plain.method), ("http://h/", Method::GET));
        let body = r#"{"url": "http://h/", "method": "HEAD"}"#;
        for (method, query, body) in
            [(Method::GET, "?url=http://h/&method=HEAD", ""), (Method::POST, "", body)]
        {
            assert_eq!(ask(method, query, body).unwrap().method, Method::HEAD);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (query, said) in [
            ("", "`url` is missing"),
            ("?url=", "not a URL"),
            ("?url=/a", "not a URL"),
            ("?url=ftp://h/", "not a URL"),
            ("?url=http://u:p@h/", "contains a user name"),
            ("?url=http://h/&field=x", "is not a field"),
            ("?url=http://h/&field=a%20b:c", "is not a field"),
            ("?url=http://h/&field=a:%00", "is not a field"),
            ("?url=http://h/&fields=x", "`fields` is unknown"),
            ("?url=http://h/&method=G%20T", "`G T` is not a method"),
        ] {
            let error = ask(Method::GET, query, "").unwrap_err();
            assert!(error.contains(said), "{query}: {error}");
        }
        for body in ["", "{}", r#"{"url": 1}"#, r#"{"url": "http://h/", "field": []}"#] {
            assert!(ask(Method::POST, "", body).unwrap_err().contains("the body is not"), "{body}");
        }
    }
}

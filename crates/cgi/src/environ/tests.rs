//! Requests in, variables out.

use std::borrow::Cow;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Variables as they come, in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct VariableList(Vec<(String, Vec<u8>)>);

impl Variables for VariableList {
    fn variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), OversizedRequest> {
        self.0.push((String::from_utf8(name.to_vec()).unwrap(), value.to_vec()));
        Ok(())
    }
}

fn collect(request: &Request<'_>) -> Result<VariableList, EnvironRefusal> {
    let mut collected = VariableList::default();
    variables(request, &mut collected).map(|()| collected)
}

fn get<'a>(target: &'a str, fields: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        method: "GET",
        target: target.as_bytes(),
        https: false,
        protocol: "HTTP/1.1",
        authority: "example.com:8080",
        fields,
        distinct_fields: false,
        content_length: None,
        client_address: "192.0.2.1",
        client_port: 50123,
        server_name: "example.com",
        server_port: 8080,
        request_uri: b"",
        document_root: "/var/www",
        traceparent: "",
        upgrade: "",
        manner: Manner::Uwsgi,
        mount: "",
        extra: &[],
    }
}

/// The variables, each name once.
fn environ(request: &Request<'_>) -> BTreeMap<String, Vec<u8>> {
    let variables = collect(request).unwrap().0;
    let count = variables.len();
    let map: BTreeMap<_, _> = variables.into_iter().collect();
    assert_eq!(map.len(), count, "a name twice");
    map
}

fn value(request: &Request<'_>, name: &str) -> Option<String> {
    environ(request).remove(name).map(|value| value.escape_ascii().to_string())
}

#[test]
fn gives_what_uwsgi_params_gives() {
    let fields: &[(&[u8], &[u8])] =
        &[(b"content-type", b"text/plain"), (b"content-length", b"99"), (b"accept", b"*/*")];
    let request = Request {
        https: true,
        method: "POST",
        content_length: Some(5),
        ..get("/a%20b//c/../d?x=1&y=%20", fields)
    };
    let got = environ(&request);
    let expected = [
        ("CONTENT_LENGTH", "5"),
        ("CONTENT_TYPE", "text/plain"),
        ("DOCUMENT_ROOT", "/var/www"),
        ("HTTPS", "on"),
        ("HTTP_ACCEPT", "*/*"),
        ("HTTP_CONNECTION", "close"),
        ("HTTP_HOST", "example.com:8080"),
        ("PATH_INFO", "/a b/d"),
        ("QUERY_STRING", "x=1&y=%20"),
        ("REMOTE_ADDR", "192.0.2.1"),
        ("REMOTE_PORT", "50123"),
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_SCHEME", "https"),
        ("REQUEST_URI", "/a%20b//c/../d?x=1&y=%20"),
        ("SERVER_NAME", "example.com"),
        ("SERVER_PORT", "8080"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(got, BTreeMap::from(expected));
}

#[test]
fn what_is_absent_is_empty_or_left_out_as_in_nginx() {
    let request = Request { authority: "", ..get("/", &[]) };
    for (name, expected) in [
        ("QUERY_STRING", Some("")),
        ("CONTENT_TYPE", Some("")),
        ("CONTENT_LENGTH", Some("")),
        ("HTTPS", None),
        ("HTTP_HOST", None),
        ("SCRIPT_NAME", None),
    ] {
        assert_eq!(value(&request, name).as_deref(), expected, "{name}");
    }
    assert_eq!(value(&get("/?", &[]), "QUERY_STRING").as_deref(), Some(""));
    assert_eq!(value(&get("/?a?b", &[]), "QUERY_STRING").as_deref(), Some("a?b"));
    let options = Request { method: "OPTIONS", ..get("*", &[]) };
    assert_eq!(value(&options, "PATH_INFO").as_deref(), Some(""));
    assert_eq!(value(&options, "REQUEST_URI").as_deref(), Some("*"));
}

#[test]
fn fields_become_variables_or_nothing() {
    // Field lines, and the HTTP_* variables that come of them (but for Host and Connection, which are always
    // there).
    type Lines = &'static [(&'static [u8], &'static [u8])];
    let cases: &[(Lines, &[(&str, &str)])] = &[
        (&[(b"accept-language", b"de")], &[("HTTP_ACCEPT_LANGUAGE", "de")]),
        (&[(b"x-empty", b"")], &[("HTTP_X_EMPTY", "")]),
        (&[(b"x-latin", b"caf\xe9\t!")], &[("HTTP_X_LATIN", "caf\\xe9\\t!")]),
        (&[(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")], &[("HTTP_X_A", "1, 3"), ("HTTP_X_B", "2")]),
        (&[(b"x-a", b""), (b"x-a", b""), (b"X-A", b"3")], &[("HTTP_X_A", ", , 3")]),
        (&[(b"cookie", b"a=1"), (b"cookie", b"b=2")], &[("HTTP_COOKIE", "a=1; b=2")]),
        // Names that would meet another's variable, or step out of HTTP_*.
        (&[(b"x_real_ip", b"1"), (b"x.real.ip", b"1"), (b"x+y", b"1"), (b"", b"1")], &[]),
        (&[(b"content_length", b"1"), (b"transfer_encoding", b"chunked")], &[]),
        (&[(b"uwsgi-file", b"/tmp/x.py")], &[("HTTP_UWSGI_FILE", "/tmp/x.py")]),
        (&[(b"remote-user", b"root")], &[("HTTP_REMOTE_USER", "root")]),
        (&[(b"uwsgi_file", b"x"), (b"wsgi.input", b"x")], &[]),
        (&[(b"proxy", b"http://evil"), (b"Proxy", b"http://evil")], &[]),
        (&[(b"host", b"evil"), (b"content-type", b"x"), (b"content-length", b"7")], &[]),
        (&[(b"connection", b"keep-alive"), (b"keep-alive", b"1"), (b"te", b"trailers")], &[]),
        (&[(b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c"), (b"expect", b"100-continue")], &[]),
        // The scheme is what the edge says.
        (
            &[(b"x-forwarded-proto", b"https"), (b"x-forwarded-ssl", b"on")],
            &[("HTTP_X_FORWARDED_PROTO", "http")],
        ),
        (
            &[(b"x-forwarded-proto", b"http"), (b"x-forwarded-proto", b"https")],
            &[("HTTP_X_FORWARDED_PROTO", "http")],
        ),
        (&[(b"x-forwarded-for", b"192.0.2.7")], &[("HTTP_X_FORWARDED_FOR", "192.0.2.7")]),
        (&[(b"traceparent", b"theirs")], &[("HTTP_TRACEPARENT", "theirs")]),
    ];
    for (fields, expected) in cases {
        let mut got = environ(&get("/", fields));
        got.retain(|name, _| name.starts_with("HTTP_") && name != "HTTP_HOST" && name != "HTTP_CONNECTION");
        let got: Vec<_> =
            got.into_iter().map(|(name, value)| (name, value.escape_ascii().to_string())).collect();
        let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(got, expected, "{fields:?}");
    }
}

#[test]
fn our_trace_takes_the_place_of_the_clients() {
    let request = Request { traceparent: "ours", ..get("/", &[(b"traceparent", b"theirs")]) };
    assert_eq!(value(&request, "HTTP_TRACEPARENT").as_deref(), Some("ours"));
}

#[test]
fn a_switch_of_protocols_is_told() {
    let request =
        Request { upgrade: "websocket", ..get("/", &[(b"upgrade", b"h2c"), (b"connection", b"x")]) };
    assert_eq!(value(&request, "HTTP_UPGRADE").as_deref(), Some("websocket"));
    assert_eq!(value(&request, "HTTP_CONNECTION").as_deref(), Some("Upgrade"));
}

#[test]
fn a_mount_is_the_scripts_name() {
    for (mount, path, script, info) in [
        ("", "/shop/cart", None, "/shop/cart"),
        ("/shop", "/shop/cart", Some("/shop"), "/cart"),
        ("/shop", "/shop/", Some("/shop"), "/"),
        ("/shop", "/shop", Some("/shop"), ""),
        ("/shop", "/%73hop//x", Some("/shop"), "/x"),
        ("/shop", "/shopping", None, "/shopping"),
        ("/shop", "/", None, "/"),
    ] {
        let request = Request { mount, ..get(path, &[]) };
        assert_eq!(value(&request, "SCRIPT_NAME").as_deref(), script, "{path}");
        assert_eq!(value(&request, "PATH_INFO").as_deref(), Some(info), "{path}");
    }
}

#[test]
fn variables_of_the_settings_win() {
    let lines = "memory_limit=1G \n max_execution_time=9";
    let extra =
        [("SERVER_NAME", "ours"), ("HTTP_X_A", "ours"), ("UWSGI_CHDIR", "/srv"), ("PHP_VALUE", lines)];
    let extra = extra.map(|(name, value)| (name, Cow::Borrowed(value)));
    let request = Request { extra: &extra, ..get("/", &[(b"x-a", b"theirs"), (b"x-b", b"theirs")]) };
    for (name, expected) in [
        ("SERVER_NAME", "ours"),
        ("HTTP_X_A", "ours"),
        ("UWSGI_CHDIR", "/srv"),
        ("PHP_VALUE", "memory_limit=1G \\n max_execution_time=9"),
        ("HTTP_X_B", "theirs"),
    ] {
        assert_eq!(value(&request, name).as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn gunicorn_finds_the_path_behind_its_own_decoding() {
    let request = Request {
        manner: Manner::Gunicorn,
        ..get("/a%2541%20%C3%A9%3Fb/x", &[(b"x-forwarded-for", b"6.6.6.6")])
    };
    assert_eq!(value(&request, "PATH_INFO").as_deref(), Some("/a%2541 %C3%A9%3Fb/x"));
    assert_eq!(value(&request, "HTTP_X_FORWARDED_FOR").as_deref(), Some("192.0.2.1"));
}

#[test]
fn cgi_has_variables_of_its_own() {
    let request = Request { manner: Manner::Cgi, ..get("/a", &[]) };
    for (name, expected) in [
        ("GATEWAY_INTERFACE", Some("CGI/1.1")),
        ("SCRIPT_NAME", Some("")),
        ("PATH_INFO", Some("/a")),
        ("SCRIPT_FILENAME", None),
        ("REDIRECT_STATUS", None),
    ] {
        assert_eq!(value(&request, name).as_deref(), expected, "{name}");
    }
    for (path, file, info) in [
        ("/", "/var/www/index.php", ""),
        ("/a/", "/var/www/a/index.php", ""),
        ("/a.php", "/var/www/a.php", ""),
        ("/a.php/b/c", "/var/www/a.php", "/b/c"),
        ("/a.phps/b.php/c.php", "/var/www/a.phps/b.php", "/c.php"),
        ("/a.txt", "/var/www/a.txt", ""),
        ("/x/../../a.php", "", ""),
    ] {
        let request = Request { manner: Manner::Php, ..get(path, &[]) };
        if file.is_empty() {
            assert_eq!(collect(&request), Err(EnvironRefusal::Path(BadPath::AboveRoot)));
            continue;
        }
        assert_eq!(value(&request, "SCRIPT_FILENAME").as_deref(), Some(file), "{path}");
        assert_eq!(value(&request, "SCRIPT_NAME").as_deref(), file.strip_prefix("/var/www"), "{path}");
        assert_eq!(value(&request, "PATH_INFO").as_deref(), Some(info), "{path}");
        assert_eq!(value(&request, "REDIRECT_STATUS").as_deref(), Some("200"));
    }
}

#[test]
fn refuses_what_no_edge_lets_through() {
    let plain = get("/", &[]);
    let cases: &[Request<'_>] = &[
        Request { method: "", ..plain },
        Request { method: "GET /x HTTP/1.1\r\n", ..plain },
        Request { target: b"", ..plain },
        Request { target: b"http://example.com/", ..plain },
        Request { target: b"/..", ..plain },
        Request { target: b"/%00", ..plain },
        Request { target: b"/a\r\nb", ..plain },
        Request { target: b"/?a\0", ..plain },
        Request { protocol: "HTTP/1.1\r\n", ..plain },
        Request { authority: "a\0b", ..plain },
        Request { server_name: "a\nb", ..plain },
        Request { fields: &[(b"x", b"a\r\nSet-Cookie: b")], ..plain },
        Request { fields: &[(b"x", b"a"), (b"x", b"\0")], ..plain },
        Request { fields: &[(b"content-type", b"\x7f")], ..plain },
    ];
    for request in cases {
        let refused = collect(request).unwrap_err();
        assert!(!matches!(refused, EnvironRefusal::TooLarge(_)), "{request:?}: {refused}");
    }
}

proptest! {
    #[test]
    fn no_client_byte_makes_a_name_outside_http(
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        names in prop::collection::vec("[a-zA-Z_.-]{0,12}", 0..8),
    ) {
        let ours = environ(&get("/", &[]));
        let mut lines: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &b"v"[..])).collect();
        lines.extend(fields.iter().map(|(name, value)| (&name[..], &value[..])));
        let request = get("/", &lines);
        if collect(&request).is_ok() {
            for (name, value) in environ(&request) {
                let theirs = name.strip_prefix("HTTP_").is_some_and(|rest| !rest.is_empty());
                prop_assert!(theirs || ours.contains_key(&name), "{}", name);
                prop_assert!(is_text(&value));
            }
        }
    }
}

//! Request heads as HTTP servers get them.

use weir_proto::origin::Field;

use super::*;

fn get(target: &'static str, fields: &[(&str, &str)]) -> RequestHead {
    let field = |(name, value): &(&str, &str)| Field {
        name: name.as_bytes().to_vec().into(),
        value: value.as_bytes().to_vec().into(),
    };
    RequestHead {
        method: "GET".to_owned(),
        target: target.into(),
        scheme: "https".to_owned(),
        authority: "example.com:8443".to_owned(),
        client_address: "192.0.2.1".to_owned(),
        server_port: 8443,
        server_name: "example.com".to_owned(),
        fields: fields.iter().map(field).collect(),
        ..RequestHead::default()
    }
}

fn written(head: &RequestHead, body: BodyLength) -> String {
    let opening = opening(head, body, &PoolConfig::default()).unwrap();
    let text = String::from_utf8_lossy(&opening);
    let mark = text.lines().find(|line| line.starts_with("cdn-loop: weir;id=")).expect("the adapter's mark");
    text.replacen(&format!("{mark}\r\n"), "", 1)
}

const OURS: &str = "host: example.com:8443\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n\
                    x-forwarded-host: example.com:8443\r\nx-forwarded-port: 8443\r\nx-real-ip: 192.0.2.1\r\n\
                    forwarded: for=192.0.2.1;host=\"example.com:8443\";proto=https\r\n";

#[test]
fn the_head_is_the_clients_but_for_what_is_ours_to_say() {
    let fields = [
        ("accept", "*/*"),
        ("cookie", "a=1"),
        ("x-forwarded-for", "6.6.6.6"),
        ("Forwarded", "for=6.6.6.6"),
        ("x-forwarded-prefix", "/shop"),
        ("content-type", "text/x"),
        ("x_real_ip", "6.6.6.6"),
        ("X_Forwarded-For", "6.6.6.6"),
        ("X_Forwarded_Prefix", "/evil"),
        ("content_length", "9"),
        ("x_plan", "1"),
        ("cookie", "b=2"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("transfer-encoding", "gzip"),
        ("content-length", "7"),
        ("proxy", "http://evil"),
        ("host", "evil"),
    ];
    let kept = "accept: */*\r\ncookie: a=1; b=2\r\nx-forwarded-prefix: /shop\r\ncontent-type: text/x\r\n\
                x_plan: 1\r\n\r\n";
    let head = get("/a%20b?c", &fields);
    let line = "GET /a%20b?c HTTP/1.1\r\n";
    assert_eq!(written(&head, BodyLength::Nothing), format!("{line}{OURS}{kept}"));
    assert_eq!(written(&head, BodyLength::Length(5)), format!("{line}{OURS}content-length: 5\r\n{kept}"));
    assert_eq!(
        written(&head, BodyLength::Unknown),
        format!("{line}{OURS}transfer-encoding: chunked\r\n{kept}")
    );
}

#[test]
fn the_port_is_that_of_the_url() {
    let none: &[&str] = &[];
    for (scheme, authority, told, port) in [
        ("https", "example.com", none, "443"),
        ("http", "example.com", none, "80"),
        ("https", "example.com:8443", none, "8443"),
        ("http", "[::1]", none, "80"),
        ("http", "[::1]:81", none, "81"),
        ("http", "", none, "80"),
        ("https", "example.com", &["8443"], "8443"),
        ("https", "example.com:8443", &["443"], "443"),
        ("http", "example.com", &["1", "9000"], "9000"),
        ("http", "example.com", &["0"], "80"),
        ("http", "example.com", &["70000"], "80"),
        ("https", "example.com", &["x"], "443"),
    ] {
        let fields: Vec<_> = told.iter().map(|told| ("X-Forwarded-Port", *told)).collect();
        let head = RequestHead {
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            server_port: 8080,
            ..get("/", &fields)
        };
        let text = written(&head, BodyLength::Nothing);
        let said: Vec<_> = text.lines().filter(|line| line.starts_with("x-forwarded-port: ")).collect();
        assert_eq!(said, [format!("x-forwarded-port: {port}")], "{scheme} {authority} {told:?}");
    }
}

#[test]
fn a_switch_and_a_trace_are_told() {
    let head = RequestHead {
        upgrade: "websocket".to_owned(),
        traceparent: "ours".to_owned(),
        ..get("/", &[("sec-websocket-key", "k"), ("traceparent", "theirs")])
    };
    let rest =
        "connection: upgrade\r\nupgrade: websocket\r\ntraceparent: ours\r\nsec-websocket-key: k\r\n\r\n";
    assert_eq!(written(&head, BodyLength::Nothing), format!("GET / HTTP/1.1\r\n{OURS}{rest}"));
}

#[test]
fn an_ipv6_client_and_a_missing_host() {
    let head =
        RequestHead { client_address: "2001:db8::1".to_owned(), authority: String::new(), ..get("/", &[]) };
    let text = written(&head, BodyLength::Nothing);
    assert!(text.contains("host: example.com\r\n"), "{text}");
    assert!(text.contains("for=\"[2001:db8::1]\""), "{text}");
}

#[test]
fn refuses_what_no_edge_lets_through() {
    let plain = get("/", &[]);
    let cases = [
        RequestHead { method: "GET / HTTP/1.1\r\n".to_owned(), ..plain.clone() },
        RequestHead { method: String::new(), ..plain.clone() },
        RequestHead { target: "/ HTTP/1.1\r\n".into(), ..plain.clone() },
        RequestHead { target: "http://evil/".into(), ..plain.clone() },
        RequestHead { target: "".into(), ..plain.clone() },
        RequestHead { scheme: "ftp".to_owned(), ..plain.clone() },
        RequestHead { authority: "a b".to_owned(), ..plain.clone() },
        RequestHead { upgrade: "websocket\r\nx: y".to_owned(), ..plain.clone() },
        get("/", &[("a", "b\r\nc: d")]),
        get("/", &[("cookie", "b\0")]),
    ];
    for head in cases {
        let refused = opening(&head, BodyLength::Nothing, &PoolConfig::default());
        assert!(matches!(refused, Err(Error::Contract(_))), "{head:?}");
    }
}

#[test]
fn a_body_of_unknown_length_goes_in_chunks() {
    let mut out = VecDeque::new();
    chunk(vec![b'x'; 26].into(), &mut out);
    let wire: Vec<u8> = out.iter().flatten().copied().chain(LAST_CHUNK).collect();
    assert_eq!(wire, [b"1a\r\n", &[b'x'; 26][..], b"\r\n0\r\n\r\n"].concat());
}

#[test]
fn via_is_a_setting() {
    let head = RequestHead { protocol: "HTTP/2.0".to_owned(), ..get("/", &[("via", "1.1 cdn")]) };
    let pool = PoolConfig { via: true, ..PoolConfig::default() };
    let opening = opening(&head, BodyLength::Nothing, &pool).unwrap();
    let text = String::from_utf8_lossy(&opening);
    let vias: Vec<_> = text.lines().filter(|line| line.starts_with("via: ")).collect();
    assert_eq!(vias, ["via: 1.1 cdn", "via: 2.0 weir"], "{text}");
    assert!(!written(&get("/", &[]), BodyLength::Nothing).contains("weir"));
}

#[test]
fn a_request_goes_through_an_adapter_a_few_times_only() {
    let mark = |fields: &[(&str, &str)]| {
        let sent = opening(&get("/", fields), BodyLength::Nothing, &PoolConfig::default())?;
        let text = String::from_utf8_lossy(&sent).into_owned();
        let line = text.lines().rfind(|line| line.starts_with("cdn-loop: ")).unwrap();
        Ok::<_, Error>(line["cdn-loop: ".len()..].to_owned())
    };
    let own = mark(&[]).unwrap();
    let (some, all) = ([&own[..]; MAX_PASSES - 1].join(", "), [&own[..]; MAX_PASSES - 1].join(" ,x,"));
    assert_eq!(mark(&[("CDN-Loop", &some)]).unwrap(), own);
    for fields in
        [&[("CDN-Loop", &all[..]), ("cdn-loop", &own)][..], &[("cdn-loop", &format!("{own}, {all}"))]]
    {
        assert!(matches!(mark(fields), Err(Error::Loop(MAX_PASSES))), "{fields:?}");
    }
    let others = ["weir;id=0123456789abcdef"; 20].join(",");
    assert_eq!(mark(&[("cdn-loop", &others), ("cdn-loop", &some)]).unwrap(), own, "those of another adapter");
}

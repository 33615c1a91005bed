//! Malformed and ambiguous requests: refused, the connection closed, nothing reaches the application.
//! hazards.md, tables A and C.

use weir_tests::{Client, Location, Settings, Stack, both_topologies, site};

fn settings() -> Settings {
    site([Location::passed("/").with("max_body", "64KiB"), Location::cached("/cached/", "60s")])
}

/// Sends the bytes, `%PATH` standing for the oracle's path, then a clean request, which whoever loses count
/// would answer. Says what is wrong with the answers.
fn refused(stack: &Stack, id: &str, request: &[u8], statuses: &[u16]) -> Option<String> {
    let path = format!("/count/{id}");
    let raw = replace(request, b"%PATH", path.as_bytes());
    let mut client = stack.connect();
    client.try_send(&raw).ok()?;
    let _ = client.try_send(format!("GET /count/{id}-behind HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    client.finish_sending();
    verdict(stack, id, &mut client, statuses)
}

fn verdict(stack: &Stack, id: &str, client: &mut Client, statuses: &[u16]) -> Option<String> {
    let first = client.try_response("GET");
    let status = first.as_ref().map_or(0, |response| response.status);
    if !statuses.contains(&status) {
        return Some(format!("{id}: status {status} (0: closed), not one of {statuses:?}"));
    }
    if let Some(second) = client.try_response("GET") {
        return Some(format!("{id}: after {status} the connection went on: {}", second.status));
    }
    (stack.oracle.calls(id) + stack.oracle.calls(&format!("{id}-behind")) > 0)
        .then(|| format!("{id}: reached the application"))
}

fn all_refused(stack: &Stack, cases: &[(&str, &[u8], &[u16])]) {
    let wrong: Vec<_> =
        cases.iter().filter_map(|(id, request, statuses)| refused(stack, id, request, statuses)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(stack.oracle.names(), [""; 0], "reached the application");
    stack.get("/count/clean").expect(200);
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

const BAD: &[u16] = &[400];

both_topologies!(two_ways_to_read_a_length_are_refused, settings());
fn two_ways_to_read_a_length_are_refused(stack: &Stack) {
    const CODING: &[u16] = &[400, 501];
    all_refused(stack, &[
        ("A01", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
        ("A02", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", BAD),
        ("A03", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", BAD),
        ("A03same", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", BAD),
        ("A05", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n\r\nhello", BAD),
        ("A05b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 6\r\n\r\nhello", BAD),
        ("A06", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello", BAD),
        ("A07", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", BAD),
        ("A07b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: -0\r\n\r\n", BAD),
        ("A08", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x5\r\n\r\nhello", BAD),
        ("A09", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1_0\r\n\r\nhellohello", BAD),
        ("A09b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0_1\r\n\r\nh", BAD),
        ("A10", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0 1\r\n\r\nh", BAD),
        ("A10b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3 1\r\n\r\nhello", BAD),
        ("A11", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length:\r\n\r\n", BAD),
        ("A11b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n", &[400, 413]),
        ("A14", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5Z\r\n\r\nhello", BAD),
        ("A15", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5\r\n\r\nhello", BAD),
        ("A18", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", CODING),
        ("A18b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: blegh\r\n\r\n0\r\n\r\n", CODING),
        ("A19", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", CODING),
        ("A20", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", CODING),
        ("A21", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CODING),
        ("A22", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", CODING),
        ("A22b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", CODING),
        ("A22c", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", CODING),
        ("A23", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CODING),
        ("A23b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", CODING),
        ("A25", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", CODING),
        ("A26", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", CODING),
        ("A26b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0cchunked\r\n\r\n0\r\n\r\n", CODING),
        ("A26c", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n", CODING),
        ("A27", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \xa0chunked\xa0\r\n\r\n0\r\n\r\n", CODING),
        ("A27b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \xffchunked\r\n\r\n0\r\n\r\n", CODING),
        ("A29", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", CODING),
        ("A30", b"POST %PATH HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CODING),
        ("A59", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length\x85: 10\r\n\r\n", BAD),
        ("A65", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", BAD),
        ("A65b", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nConnection: Host\r\n\r\n", BAD),
        ("A65c", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
    ]);
}

both_topologies!(malformed_chunks_are_refused, settings());
fn malformed_chunks_are_refused(stack: &Stack) {
    let chunks: &[(&str, &[u8])] = &[
        ("A33", b"+5\r\nhello\r\n0\r\n\r\n"),
        ("A33b", b"-5\r\nhello\r\n0\r\n\r\n"),
        ("A33c", b"0x5\r\nhello\r\n0\r\n\r\n"),
        ("A33d", b"5_0\r\nhello\r\n0\r\n\r\n"),
        ("A34", b"\r\nhello\r\n0\r\n\r\n"),
        ("A35", b" 5\r\nhello\r\n0\r\n\r\n"),
        ("A37", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("A37b", b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("A38", b"1abcxyz\r\nhello\r\n0\r\n\r\n"),
        ("A39", b"5\nhello\r\n0\r\n\r\n"),
        ("A41", b"5\r\nhelloXX0\r\n\r\n"),
        ("A41b", b"5\r\nhello0\r\n\r\n"),
        ("A42", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("A42b", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("A42c", b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
        ("A43", b"5;a=\"\r\n0\r\n\r\n"),
        ("A49", b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
        ("A50b", b"0\r\nContent-Length : 5\r\n\r\n"),
    ];
    let head = b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let requests: Vec<(&str, Vec<u8>)> =
        chunks.iter().map(|(id, body)| (*id, [&head[..], body].concat())).collect();
    let cases: Vec<(&str, &[u8], &[u16])> =
        requests.iter().map(|(id, request)| (*id, request.as_slice(), &[400_u16, 413][..])).collect();
    all_refused(stack, &cases);
}

both_topologies!(a_chunked_body_that_ends_too_soon_is_no_body, settings());
fn a_chunked_body_that_ends_too_soon_is_no_body(stack: &Stack) {
    for body in ["5\r\nhello\r\n", "5\r\nhel", "5\r\nhello\r\n0\r\n", "5"] {
        let mut client = stack.connect();
        client.send(format!(
            "POST /count/A46 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ));
        client.finish_sending();
        let response = client.try_response("POST");
        assert!(response.is_none_or(|response| response.status == 400), "{body:?}");
    }
    stack.get("/count/clean").expect(200);
    assert_eq!(stack.oracle.calls("A46"), 0);
}

both_topologies!(malformed_lines_are_refused, settings());
fn malformed_lines_are_refused(stack: &Stack) {
    all_refused(stack, &[
        ("A50", b"GET %PATH HTTP/1.1\nHost: localhost\n\n", BAD),
        ("A50b", b"GET %PATH HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", BAD),
        ("A50c", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\n\n", BAD),
        ("A51", b"GET %PATH HTTP/1.1\rHost: localhost\r\r", BAD),
        ("A51b", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", BAD),
        ("A53", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: a\x07b\r\n\r\n", BAD),
        ("A53b", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: a\x7fb\r\n\r\n", BAD),
        ("A53c", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", BAD),
        ("A54", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", BAD),
        ("A54b", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\tb\r\n\r\n", BAD),
        ("A55", b"GET %PATH HTTP/1.1\r\n Host: localhost\r\n\r\n", BAD),
        ("A55b", b"GET %PATH HTTP/1.1\r\n \r\nHost: localhost\r\n\r\n", BAD),
        ("A57", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n", BAD),
        ("A58", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX(): x\r\n\r\n", BAD),
        ("A58b", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nX\xe4: x\r\n\r\n", BAD),
        ("A58c", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", BAD),
        ("A61", b"GET %PATH\r\n\r\n", BAD),
        ("A61c", b"GET %PATH HTTP/2.0\r\nHost: localhost\r\n\r\n", &[400, 505]),
        ("A61d", b"GET %PATH http/1.1\r\nHost: localhost\r\n\r\n", &[400, 505]),
        ("A62", b"GET  %PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
        ("A62b", b"GET\t%PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
        ("A62c", b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
        ("A62d", b"GET %PATH HTTP/1.1 \r\nHost: localhost\r\n\r\n", &[400, 505]),
        ("A62e", b" GET %PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
        ("A63", b"G(T %PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
        ("A70", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: y 100-continue\r\n\r\nhello", &[400, 417]),
        ("A70b", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\nhello", &[400, 417]),
        ("A78", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 405, 505]),
        ("A78b", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
    ]);
}

both_topologies!(targets_and_hosts_that_mean_two_things_are_refused, settings());
fn targets_and_hosts_that_mean_two_things_are_refused(stack: &Stack) {
    all_refused(
        stack,
        &[
            ("C01", b"GET %PATH HTTP/1.1\r\n\r\n", BAD),
            ("C02", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", BAD),
            ("C02b", b"GET %PATH HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n", BAD),
            ("C03", b"GET %PATH HTTP/1.1\r\nHost:\r\n\r\n", BAD),
            ("C03b", b"GET %PATH HTTP/1.1\r\nHost: a,b\r\n\r\n", BAD),
            ("C03c", b"GET %PATH HTTP/1.1\r\nHost: a b\r\n\r\n", BAD),
            ("C03d", b"GET %PATH HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD),
            ("C03e", b"GET %PATH HTTP/1.1\r\nHost: u\x40a\r\n\r\n", BAD),
            ("C03f", b"GET %PATH HTTP/1.1\r\nHost: a:x\r\n\r\n", BAD),
            ("C03g", b"GET %PATH HTTP/1.1\r\nHost: a:99999\r\n\r\n", BAD),
            ("C03h", b"GET %PATH HTTP/1.1\r\nHost: a\x00.b\r\n\r\n", BAD),
            ("C06", b"GET http://user\x40localhost%PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C06b", b"GET https://localhost%PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C06c", b"GET ftp://localhost%PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C07", b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C07b", b"GET a:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C07c", b"GET foo HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C07d", b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", &[400, 405]),
            ("C07e", b"TRACE %PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", &[400, 405]),
            ("C09", b"GET %PATH#fragment HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C10", b"GET %PATH x HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C10b", b"GET %PATH\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C10d", b"GET %PATH\xe4 HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C11", b"GET %PATH%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C11b", b"GET %PATH%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C11c", b"GET %PATH%4 HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
            ("C11d", b"GET /../..%PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", BAD),
        ],
    );
}

both_topologies!(sizes_are_bounded, settings());
fn sizes_are_bounded(stack: &Stack) {
    let large = format!("GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET %PATH HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(101));
    let long = format!("GET %PATH?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(9_000));
    let method = format!("{} %PATH HTTP/1.1\r\nHost: localhost\r\n\r\n", "M".repeat(1_024));
    let endless = format!("GET %PATH HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(100_000));
    all_refused(
        stack,
        &[
            ("head", large.as_bytes(), &[431]),
            ("fields", many.as_bytes(), &[431]),
            ("target", long.as_bytes(), &[414]),
            ("method", method.as_bytes(), &[400, 501]),
            ("endless", endless.as_bytes(), &[431]),
            ("declared", b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n", &[413]),
            (
                "huge",
                b"POST %PATH HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n",
                &[400, 413],
            ),
        ],
    );
}

both_topologies!(garbage_behind_a_good_request_is_refused, settings());
fn garbage_behind_a_good_request_is_refused(stack: &Stack) {
    for path in ["/count/good", "/cached/count/kept"] {
        let mut client = stack.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n\x01garbage\r\n\r\n"));
        client.response("GET").expect(200);
        client.response("GET").expect(400);
        client.expect_closed();
    }
}

both_topologies!(the_verdict_does_not_depend_on_packets, settings());
fn the_verdict_does_not_depend_on_packets(stack: &Stack) {
    let cases: &[(&str, u16)] = &[
        (
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            200,
        ),
        ("GET /count/cut HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        ("GET /count/no HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n", 400),
        (
            "POST /count/no HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n",
            400,
        ),
    ];
    for (request, status) in cases {
        for at in 1..request.len() {
            let mut client = stack.connect();
            client.send(&request[..at]);
            // Long enough for the first part to be read by itself, most of the time.
            std::thread::sleep(std::time::Duration::from_micros(300));
            let _ = client.try_send(&request[at..]);
            let seen = client.try_response("GET").map_or(0, |response| response.status);
            assert_eq!(seen, *status, "cut at {at}: {request:?}");
        }
    }
    assert_eq!(stack.oracle.calls("no"), 0);
}

both_topologies!(what_is_odd_but_right_is_served, settings());
fn what_is_odd_but_right_is_served(stack: &Stack) {
    let cases: &[&[u8]] = &[
        // An absolute target: its authority counts.
        b"GET http://localhost/count/odd HTTP/1.1\r\nHost: other.example\r\n\r\n",
        b"GET /count/odd HTTP/1.1\r\nhost:localhost\r\n\r\n",
        b"GET /count/odd HTTP/1.1\r\nHOST:  localhost:80  \r\n\r\n",
        b"GET /count/odd HTTP/1.1\r\nHost: localhost\r\nX:\r\nY: \xe4\xff\r\n\r\n",
        b"GET /count/odd?a=[1]&b={2}|3 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\nGET /count/odd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PROPFIND /count/odd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /count/odd HTTP/1.2\r\nHost: localhost\r\n\r\n",
        b"GET /count/odd HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    ];
    let mut wrong = Vec::new();
    for request in cases {
        let mut client = stack.connect();
        client.send(request);
        let status = client.try_response("GET").map_or(0, |response| response.status);
        if !matches!(status, 200 | 204) {
            wrong.push(format!("{status}: {:?}", String::from_utf8_lossy(request)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

both_topologies!(max_forwards_of_options_is_obeyed, settings());
fn max_forwards_of_options_is_obeyed(stack: &Stack) {
    let last = stack.ask("OPTIONS", "/count/options", &[("Max-Forwards", "0")], b"").expect(204);
    assert!(last.field("allow").is_some_and(|methods| methods.contains("OPTIONS")), "{:?}", last.fields);
    assert_eq!(stack.oracle.calls("options"), 0);
    for (sent, seen) in [("1", Some("0")), ("17", Some("16")), ("x", Some("x"))] {
        stack.ask("OPTIONS", "/count/options", &[("Max-Forwards", sent)], b"").expect(200);
        let call = stack.oracle.calls("options") as usize - 1;
        let field = stack.oracle.field("options", call, "HTTP_MAX_FORWARDS");
        assert_eq!(field.as_deref(), seen, "{sent}");
    }
    // Other methods have no such field (RFC 9110 section 7.6.2: "MAY ignore").
    stack.get_with("/count/options", &[("Max-Forwards", "0")]).expect(200);
}

both_topologies!(an_upgrade_that_is_required_says_to_what, settings());
fn an_upgrade_that_is_required_says_to_what(stack: &Stack) {
    let page = stack.get("/count/old?status=426&h=Upgrade:+websocket");
    assert_eq!((page.status, page.field("upgrade")), (426, Some("websocket")));
    assert_eq!(page.field("connection"), Some("upgrade"));
}

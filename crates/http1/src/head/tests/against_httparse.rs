//! Heads made at random, right ones and slightly wrong ones: what is taken, `httparse` takes too and reads
//! the same in it.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_right_head_is_taken_and_read_back(
        method in "[A-Z]{1,12}",
        path in "/[!$&-.0-;=@-Z_a-z|~/]{0,30}",
        query in prop::option::of("[!$-.0-;=?-~%]{0,30}"),
        host in "[a-z0-9_-]{1,10}(\\.[a-z0-9-]{1,10}){0,3}(:[1-9][0-9]{0,3})?",
        fields in prop::collection::vec(("[Xx]-[a-zA-Z0-9!#$%&'*+.^`|~-]{1,20}", "[!-~\u{a1}-\u{ff}]([ \t!-~]{0,40}[!-~])?"), 0..20),
    ) {
        prop_assume!(!matches!(method.as_str(), "CONNECT" | "TRACE"));
        let target = match &query {
            Some(query) => format!("{path}?{query}"),
            None => path.clone(),
        };
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in &fields {
            bytes.push_str(&format!("{name}:{value} \r\n"));
        }
        bytes.push_str("\r\n");
        let mut spans = Vec::new();
        let (head, consumed) = read(bytes.as_bytes(), &Limits::default(), &mut spans).unwrap().unwrap();
        prop_assert_eq!(consumed, bytes.len());
        prop_assert_eq!((head.method, head.target.as_str()), (method.as_str(), target.as_str()));
        prop_assert_eq!((head.target.path(), head.target.query()), (path.as_str(), query.as_deref()));
        prop_assert_eq!(head.host.map(|host| host.as_str()), Some(host.as_str()));
        let read_back: Vec<_> = head.fields.iter().skip(1).map(|(name, value)| (name, value.to_vec())).collect();
        let sent: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes().to_vec())).collect();
        prop_assert_eq!(read_back, sent);
        prop_assert_eq!(head.to_headers().len(), fields.len());
    }

    #[test]
    fn httparse_reads_the_same_in_what_is_taken(bytes in nearly_a_head()) {
        assert_httparse_agrees(&bytes);
    }

    #[test]
    fn cuts_change_nothing(bytes in nearly_a_head(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10)) {
        let limits = Limits { head: 200, target: 30, fields: 8, ..Limits::default() };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(verdict_in_pieces(&bytes, cuts.into_iter(), &limits), verdict(&bytes, &limits));
    }
}

/// Lines that mean something to us, with a few bytes of them replaced, removed or put in.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "Host: a",
        "Host: b:8",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Connection: close, x-y",
        "X-Y: z",
        "X_Y: z",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Cookie: a=1; b=2",
        ": x",
        " fold",
        "X : y",
        "X:",
        "Accept: */*",
        "",
    ]);
    let start = prop::sample::select(vec![
        "GET / HTTP/1.1",
        "POST /a?b=c|d HTTP/1.1",
        "GET http://h:1/x HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET / HTTP/1.0",
        "\r\nGET / HTTP/1.1",
    ]);
    let edit = (
        any::<prop::sample::Index>(),
        0..3usize,
        prop::sample::select(b"\r\n \t:\0\x7f\xe9a_,#%?/".to_vec()),
    );
    (start, prop::collection::vec(line, 0..10), prop::collection::vec(edit, 0..3)).prop_map(
        |(start, lines, edits)| {
            let mut bytes = [start, "\r\nHost: h\r\n", &lines.join("\r\n"), "\r\n\r\n"].concat().into_bytes();
            for (place, kind, byte) in edits {
                let at = place.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        },
    )
}

/// Asserts what the fuzz target asserts.
fn assert_httparse_agrees(bytes: &[u8]) {
    let mut spans = Vec::new();
    let Ok(Some((head, consumed))) = read(bytes, &Limits::default(), &mut spans) else { return };
    // It does not know later minor versions.
    let line = bytes.split(|byte| *byte == b'\n').find(|line| line.len() > 1).unwrap_or_default();
    if !line.trim_ascii_end().ends_with(b"HTTP/1.0") && !line.trim_ascii_end().ends_with(b"HTTP/1.1") {
        return;
    }
    let mut room = [httparse::EMPTY_HEADER; 128];
    let mut theirs = httparse::Request::new(&mut room);
    assert_eq!(theirs.parse(bytes), Ok(httparse::Status::Complete(consumed)), "{}", bytes.escape_ascii());
    assert_eq!(theirs.method, Some(head.method));
    assert_eq!(theirs.version, Some(u8::from(head.version == Version::Http11)));
    let target = head.target.as_str();
    match (head.target.scheme(), head.host) {
        (Some(_), Some(host)) => {
            let (_, theirs) = theirs.path.and_then(|path| path.split_once("://")).unwrap();
            let theirs = theirs.strip_prefix(host.as_str()).unwrap_or("not the same host");
            // An empty port is none.
            let theirs = theirs.strip_prefix(':').unwrap_or(theirs);
            assert!(theirs == target || theirs.is_empty() && matches!(target, "/" | "*"), "{theirs}");
        }
        _ => assert_eq!(theirs.path, Some(target)),
    }
    let nominated: Vec<String> = theirs
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"))
        .flat_map(|field| field.value.split(|&byte| byte == b','))
        .map(|option| String::from_utf8_lossy(option).trim().to_ascii_lowercase())
        .collect();
    let left_out = |name: &str| {
        name.contains('_')
            || nominated.contains(&name.to_ascii_lowercase())
                && KnownField::of(name.as_bytes()) == KnownField::Other
    };
    let theirs: Vec<_> =
        theirs.headers.iter().filter(|field| !left_out(field.name)).map(|f| (f.name, f.value)).collect();
    assert_eq!(head.fields.iter().collect::<Vec<_>>(), theirs);
}

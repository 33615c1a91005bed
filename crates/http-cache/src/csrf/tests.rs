//! Pages with and without a token, cut anywhere, plain and compressed.

use super::*;

const TOKENS: &[&str] = &[
    r#"<input type="hidden" name="csrfmiddlewaretoken" value="x">"#,
    r#"<INPUT NAME='csrfmiddlewaretoken' value=x>"#,
    r#"<input name=csrfmiddlewaretoken value=x/>"#,
    r#"<input name=csrf_token>"#,
    r#"<input name = "csrf_token" />"#,
    r#"<meta name="csrf-token" content="x">"#,
    r#"<form><input value="a>b" name="authenticity_token"></form>"#,
    r#"<input data-x='"' name="_csrf">"#,
    r#"<input hidden name="__RequestVerificationToken" value="x">"#,
    r#"<input/name="_token"/>"#,
    "<input\n\tname\n=\n\"_xsrf\"\n>",
    r#"<body hx-headers='{"X-CSRFToken": "x"}'>"#,
    r#"<body data-csrf-token="x">"#,
    r#"a < b <<input name="csrf_token">"#,
    r#"<script>var form = '<input name="csrf_token">';</script>"#,
];

const HARMLESS: &[&str] = &[
    "",
    "<p>Put name=\"csrfmiddlewaretoken\" into your form.</p>",
    r#"<code>&lt;input type="hidden" name="csrfmiddlewaretoken"&gt;</code>"#,
    r#"<p title='name="csrf_token"'>x</p>"#,
    r#"<a href="/docs/csrf_token">csrf_token</a>"#,
    r#"<input name="search" value="csrf_token">"#,
    r#"<input name="csrf_token_help">"#,
    r#"<input id="csrf_token">"#,
    r#"<meta content="csrf-token" property="name">"#,
    "</input name=\"csrf_token\">",
    "< input name=\"csrf_token\">",
    "1 <2 name=\"csrf_token\"",
    "<input name=>csrf_token",
    "<input name csrf_token>",
    "<body data-csrf>",
    r#"<body hx-headers='{"X-Other": "x"}'>"#,
];

fn scan(page: &[u8], cut: usize) -> bool {
    let mut scanner = Scanner::new();
    let (head, tail) = page.split_at(cut);
    scanner.feed(head);
    scanner.feed(tail)
}

#[test]
fn finds_tokens_wherever_the_page_is_cut() {
    for page in TOKENS {
        for cut in 0..=page.len() {
            assert!(scan(page.as_bytes(), cut), "{page} cut at {cut}");
        }
        let mut scanner = Scanner::new();
        assert!(page.bytes().any(|byte| scanner.feed(&[byte])), "{page} byte by byte");
    }
}

#[test]
fn is_not_alarmed_by_words() {
    for page in HARMLESS {
        for cut in 0..=page.len() {
            assert!(!scan(page.as_bytes(), cut), "{page} cut at {cut}");
        }
    }
}

const MARK: &str = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123";

fn beside_a_hole() -> Scanner {
    let declared = format!("csrf;mark=\"{MARK}\";cookie=\"t\"").parse().unwrap();
    let holes = Holes::of(&HeaderMap::from_iter([(crate::holes::WEIR_HOLES, declared)])).unwrap();
    Scanner::beside(holes.as_ref())
}

fn scan_beside_a_hole(page: &[u8], cut: usize) -> bool {
    let mut scanner = beside_a_hole();
    let (head, tail) = page.split_at(cut);
    scanner.feed(head);
    scanner.feed(tail)
}

#[test]
fn tokens_in_holes_are_passed_over() {
    for page in [
        r#"<input type="hidden" name="csrfmiddlewaretoken" value="{}">"#,
        r#"<input value="{}" type="hidden" name="csrfmiddlewaretoken">"#,
        r#"<INPUT NAME='csrfmiddlewaretoken' VALUE={}>"#,
        "<input name = csrf_token\nvalue = '{}' />",
        r#"<meta name="csrf-token" content="{}">"#,
        r#"<body hx-headers='{"X-CSRFToken": "{}"}'>"#,
        r#"<body data-csrf-token="{}">"#,
        r#"<input name="csrf_token" value="{}"><p>{}</p><input name="csrf_token" value="{}">"#,
    ] {
        let page = page.replace("{}", MARK);
        for cut in 0..=page.len() {
            assert!(!scan_beside_a_hole(page.as_bytes(), cut), "{page} cut at {cut}");
        }
    }
}

#[test]
fn other_tokens_beside_holes_are_found() {
    let with_hole = r#"<input name="csrf_token" value="{}">"#;
    for page in [
        r#"<input name="csrf_token" value="x{}">"#,
        r#"<input name="csrf_token" value="{}x">"#,
        r#"<input name="csrf_token" value="x" value="{}">"#,
        r#"<input name="csrf_token" title="{}">"#,
        r#"<input name="csrf_token"><input value="{}">"#,
        r#"<input value="{}"><input name="csrf_token">"#,
        r#"<body hx-headers='{"X-CSRFToken": "x"}' title="{}">"#,
        r#"<body data-csrf-token="x" value="{}">"#,
    ] {
        for page in [page.to_owned(), format!("{with_hole}{page}"), format!("{page}{with_hole}")] {
            let page = page.replace("{}", MARK);
            for cut in 0..=page.len() {
                assert!(scan_beside_a_hole(page.as_bytes(), cut), "{page} cut at {cut}");
            }
        }
    }
    for page in TOKENS {
        assert!(scan_beside_a_hole(page.as_bytes(), 0), "{page}");
    }
}

#[test]
fn a_nonce_beside_the_page_s_own_policy_is_found() {
    const POLICY: &str = r#"<META content="script-src 'nonce-abc'" http-equiv=' Content-Security-Policy '>"#;
    for (page, expected) in [
        (r#"<script nonce="abc">"#, Some(Reason::Nonce)),
        (r"<link rel=preload NONCE=abc>", Some(Reason::Nonce)),
        (r#"<script nonce="{}x">"#, Some(Reason::Nonce)),
        (r#"<script nonce="{}"></script><style nonce="abc">"#, Some(Reason::Nonce)),
        (r#"<script nonce="{}">"#, None),
        (r#"<script nonce="">"#, None),
        (r"<script nonce>", None),
        (r#"<p>nonce="abc"</p>"#, None),
    ] {
        let page = page.replace("{}", MARK);
        for (page, expected) in [
            (format!("{POLICY}{page}"), expected),
            (page.clone(), None),
            (format!("<meta http-equiv=refresh content=9>{page}"), None),
        ] {
            for cut in 0..=page.len() {
                let mut scanner = beside_a_hole();
                let (head, tail) = page.split_at(cut);
                scanner.feed(head.as_bytes());
                scanner.feed(tail.as_bytes());
                assert_eq!(scanner.reason(), expected, "{page} cut at {cut}");
            }
        }
    }
}

#[test]
fn what_comes_before_hides_nothing() {
    for before in HARMLESS {
        // A tag or a quote left open swallows what follows in a browser too.
        if before.ends_with('>') || !before.contains('<') {
            let page = format!("{before}{}", TOKENS[0]);
            assert!(scan(page.as_bytes(), 0), "{page}");
        }
    }
}

fn gzip(page: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn reads_gzip_wherever_it_is_cut() {
    for (page, found) in
        TOKENS.iter().map(|page| (page, true)).chain(HARMLESS.iter().map(|page| (page, false)))
    {
        let packed = gzip(page.as_bytes());
        for cut in 0..=packed.len() {
            assert_eq!(scan(&packed, cut), found, "{page} cut at {cut}");
        }
        let mut scanner = Scanner::new();
        let last = packed.iter().map(|byte| scanner.feed(&[*byte])).last();
        assert_eq!(last, Some(found), "{page} byte by byte");
    }
    // One after the other is one file too.
    let two = [gzip(b"<input name="), gzip(b"csrf_token>")].concat();
    assert!(scan(&two, 0));
}

#[test]
fn what_cannot_be_read_is_not_stored() {
    let mut broken = gzip(HARMLESS[1].as_bytes());
    // A block of the type that RFC 1951 reserves.
    broken[10] |= 0b110;
    let bomb = gzip(&vec![b' '; MAX_UNPACKED + 1]);
    for page in [broken, [gzip(b"x"), b"junk that is no gzip".to_vec()].concat(), bomb] {
        let mut scanner = Scanner::new();
        assert!(scanner.feed(&page));
        assert_eq!(scanner.reason(), Some(Reason::EncodedBody));
    }
}

#[test]
fn a_page_may_begin_like_gzip() {
    for page in [&b"\x1f"[..], b"\x1f<input name=csrf_token>"] {
        for cut in 0..=page.len() {
            assert_eq!(scan(page, cut), page.len() > 1, "{page:?} cut at {cut}");
        }
    }
}

#[test]
fn stays_found() {
    let mut scanner = Scanner::new();
    assert!(scanner.feed(TOKENS[0].as_bytes()));
    assert!(scanner.feed(b"<p>"));
    assert!(scanner.feed(b""));
    assert_eq!(scanner.reason(), Some(Reason::CsrfToken));
}

#[test]
fn applies_to_pages() {
    let cases: [(&[&str], bool); 11] = [
        (&["text/html"], true),
        (&["Text/HTML; charset=utf-8"], true),
        (&["application/xhtml+xml"], true),
        (&[""], true),
        (&[], true),
        (&["text/plain; charset=utf-8", "text/html"], true),
        (&["text/plain, text/html"], true),
        (&["application/json"], false),
        (&["text/plain"], false),
        (&["image/png"], false),
        (&["text/plain", "image/png"], false),
    ];
    for (content_types, expected) in cases {
        let mut headers = HeaderMap::new();
        for content_type in content_types {
            headers.append(CONTENT_TYPE, content_type.parse().unwrap());
        }
        assert_eq!(applies(&headers), expected, "{content_types:?}");
    }
}

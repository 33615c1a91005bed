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

#[test]
fn holds_no_more_than_its_bounds() {
    let mut scanner = Scanner::new();
    let long = "x".repeat(100_000);
    assert!(!scanner.feed(format!("<img {long}=\"{long}\" name=\"{long}").as_bytes()));
    assert!(scanner.name.capacity() <= 4 * MAX_NAME && scanner.value.capacity() <= 4 * MAX_VALUE);
    assert!(scanner.feed(b"\" name=\"csrf_token\">"));
}

#[test]
fn stays_found() {
    let mut scanner = Scanner::new();
    assert!(scanner.feed(TOKENS[0].as_bytes()));
    assert!(scanner.feed(b"<p>"));
    assert!(scanner.feed(b""));
}

#[test]
fn applies_to_pages() {
    let cases = [
        (Some("text/html"), true),
        (Some("Text/HTML; charset=utf-8"), true),
        (Some("application/xhtml+xml"), true),
        (Some(""), true),
        (None, true),
        (Some("application/json"), false),
        (Some("text/plain"), false),
        (Some("image/png"), false),
    ];
    for (content_type, expected) in cases {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        assert_eq!(applies(&headers), expected, "{content_type:?}");
    }
}

//! Rules for reply fields as they are built, applied and written.

use super::*;

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct PlaceFields {
    reply_fields: Vec<ReplyFieldConfig>,
    inherit_fields: InheritFields,
    security: Option<Security>,
    cors: Option<CorsConfig>,
}

/// Builds from JSON levels, the outermost first.
fn build(levels: &[&str]) -> (Option<Arc<ReplyFields>>, String) {
    let levels: Vec<PlaceFields> = levels.iter().map(|level| serde_json::from_str(level).unwrap()).collect();
    let levels: Vec<_> = levels
        .iter()
        .enumerate()
        .map(|(at, one)| ReplyLevel {
            path: format!("level{at}"),
            fields: &one.reply_fields,
            inherit: one.inherit_fields,
            cors: one.cors.as_ref(),
            security: one.security,
        })
        .collect();
    let mut mistakes = Mistakes::default();
    let definitions = Arc::default();
    let defined = VariableScope { names: &VariableNames::default(), definitions: &definitions };
    let built = ReplyFields::build(&levels, None, defined, &mut mistakes);
    (built, mistakes.to_string())
}

fn applied(levels: &[&str], status: u16, https: bool, before: &[(&'static str, &str)]) -> Vec<String> {
    let (fields, mistakes) = build(levels);
    assert_eq!(mistakes, "");
    let mut headers = HeaderMap::new();
    for (name, value) in before {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    if let Some(fields) = fields {
        fields.apply(StatusCode::from_u16(status).unwrap(), &mut headers, None, https);
    }
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

#[test]
fn fields_are_added_set_and_removed() {
    let level = r#"{"reply_fields": [
        {"add": "X-A", "value": "1"}, {"add": "X-A", "value": "2"}, {"set": "X-B", "value": "new"},
        {"default": "X-C", "value": "c"}, {"default": "X-D", "value": "d"}, {"remove": "X-Powered-By"},
        {"add": "Content-Type", "value": "text/plain"}, {"add": "Empty", "value": ""}]}"#;
    let before = [("x-b", "old"), ("x-c", "own"), ("x-powered-by", "x"), ("content-type", "text/html")];
    assert_eq!(
        applied(&[level], 200, false, &before),
        ["content-type: text/plain", "x-a: 1", "x-a: 2", "x-b: new", "x-c: own", "x-d: d"]
    );
}

#[test]
fn an_empty_value_takes_away_only_what_it_does_in_nginx() {
    let before = [("content-type", "text/html"), ("server", "x"), ("etag", "\"a\""), ("x-b", "old")];
    for (rule, left) in [
        (r#"{"add": "Content-Type", "value": ""}"#, &["content-type", "etag", "server", "x-b"][..]),
        (r#"{"add": "Server", "value": ""}"#, &["content-type", "etag", "server", "x-b"]),
        (r#"{"add": "ETag", "value": ""}"#, &["content-type", "server", "x-b"]),
        (r#"{"set": "X-B", "value": ""}"#, &["content-type", "etag", "server"]),
    ] {
        let lines = applied(&[&format!("{{\"reply_fields\": [{rule}]}}")], 200, false, &before);
        let names: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(names, left, "{rule}");
    }
}

#[test]
fn the_status_decides() {
    let level = r#"{"reply_fields": [{"add": "usual", "value": "1"}, {"add": "always", "value": "1", "always": true},
        {"add": "listed", "value": "1", "status": ["404", "5xx"]}, {"remove": "gone"}]}"#;
    let cases: &[(u16, &[&str])] = &[
        (200, &["always: 1", "usual: 1"]),
        (304, &["always: 1", "usual: 1"]),
        (404, &["always: 1", "listed: 1"]),
        (410, &["always: 1"]),
        (502, &["always: 1", "listed: 1"]),
    ];
    for (status, lines) in cases {
        assert_eq!(applied(&[level], *status, false, &[("gone", "x")]), *lines, "{status}");
    }
}

#[test]
fn levels_merge_unless_one_replaces() {
    let outer = r#"{"reply_fields": [{"add": "x-outer", "value": "1"}]}"#;
    let inner = r#"{"reply_fields": [{"add": "x-inner", "value": "1"}]}"#;
    let replacing = r#"{"inherit_fields": "replace", "reply_fields": [{"add": "x-inner", "value": "1"}]}"#;
    let silent = r#"{"inherit_fields": "replace"}"#;
    assert_eq!(applied(&[outer, inner], 200, false, &[]), ["x-inner: 1", "x-outer: 1"]);
    assert_eq!(applied(&[outer, replacing], 200, false, &[]), ["x-inner: 1"]);
    assert_eq!(applied(&[outer, silent], 200, false, &[]), ["x-outer: 1"]);
}

#[test]
fn security_is_a_set_of_fields_that_gives_way() {
    let strict = r#"{"security": "strict"}"#;
    let over_tls = applied(&[strict], 404, true, &[("x-frame-options", "SAMEORIGIN")]);
    assert!(over_tls.contains(&"strict-transport-security: max-age=31536000".to_owned()));
    assert!(over_tls.contains(&"x-frame-options: SAMEORIGIN".to_owned()));
    assert!(over_tls.contains(&"x-content-type-options: nosniff".to_owned()));
    assert!(!applied(&[strict], 200, false, &[]).iter().any(|line| line.starts_with("strict-transport")));
    assert_eq!(applied(&[strict, r#"{"security": "off"}"#], 200, true, &[]), [""; 0]);
    let own = r#"{"security": "strict", "reply_fields": [{"set": "X-Frame-Options", "value": "ALLOWALL"}]}"#;
    assert!(applied(&[own], 200, false, &[]).contains(&"x-frame-options: ALLOWALL".to_owned()));
}

#[test]
fn what_is_wrong_has_its_place() {
    let cases = [
        (r#"{"add": "a b", "value": "1"}"#, "level0.reply_fields[0].add: `a b` is not the name"),
        (r#"{"add": "Connection", "value": "1"}"#, "level0.reply_fields[0].add: `Connection` is Weir's own"),
        (r#"{"add": "a"}"#, "level0.reply_fields[0]: a `value` is needed"),
        (r#"{"remove": "a", "value": "1"}"#, "level0.reply_fields[0].value: `remove` takes no value"),
        (r#"{"value": "1"}"#, "level0.reply_fields[0]: write one of"),
        (r#"{"add": "a", "set": "b", "value": "1"}"#, "level0.reply_fields[0]: write one of"),
        (r#"{"add": "a", "value": "1", "status": ["9xx"]}"#, "level0.reply_fields[0].status[0]: `9xx`"),
        (r#"{"add": "a", "value": "$nothing"}"#, "level0.reply_fields[0].value: there is no variable"),
        (r#"{"add": "a", "value": "x\r\ny"}"#, "level0.reply_fields[0].value: contains a character"),
        (r#"{"add": "a", "value": "1", "always": true, "status": ["404"]}"#, "remove one of the two"),
    ];
    for (field, mistake) in cases {
        let (_, mistakes) = build(&[&format!("{{\"reply_fields\": [{field}]}}")]);
        assert!(mistakes.contains(mistake), "{field}: {mistakes}");
    }
}

#[test]
fn what_only_adds_is_written_as_it_is_applied() {
    let level =
        r#"{"security": "strict", "reply_fields": [{"add": "x-a", "value": "1"}, {"remove": "x-gone"}]}"#;
    let fields = build(&[level]).0.unwrap();
    let mut out = Vec::new();
    fields.write_added(StatusCode::OK, true, &mut out);
    let mut written: Vec<_> = std::str::from_utf8(&out).unwrap().lines().map(str::to_owned).collect();
    written.sort();
    assert_eq!(written, applied(&[level], 200, true, &[]));
    assert!(fields.only_adds(&HeaderMap::new()));
    for name in ["x-gone", "x-frame-options"] {
        let own = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
        assert!(!fields.only_adds(&own), "{name}");
    }
    let computed = build(&[r#"{"reply_fields": [{"add": "x-a", "value": "$host"}]}"#]).0.unwrap();
    assert!(computed.needs_request() && !computed.only_adds(&HeaderMap::new()));
}

#[test]
fn a_value_of_the_site_is_known_with_the_request_only() {
    let fields = build(&[r#"{"reply_fields": [{"add": "x-a", "value": "$server_name"}]}"#]).0.unwrap();
    assert!(fields.needs_request());
    let empty = build(&[r#"{"reply_fields": [{"add": "x-a", "value": ""}]}"#]).0.unwrap();
    let mut out = Vec::new();
    empty.write_added(StatusCode::OK, true, &mut out);
    assert_eq!(out, b"");
}

#[test]
fn names_keep_the_spelling_of_the_settings() {
    let level = r#"{"reply_fields": [{"add": "X-URI", "value": "1"}, {"add": "X-Plain", "value": "1"}]}"#;
    let fields = build(&[level]).0.unwrap();
    let mut head = *b"HTTP/1.1 200 OK\r\nX-Uri: x-uri\r\nX-Plain: 1\r\nDate: x\r\n\r\n";
    fields.spell(&mut head);
    assert_eq!(&head, b"HTTP/1.1 200 OK\r\nX-URI: x-uri\r\nX-Plain: 1\r\nDate: x\r\n\r\n");
}

//! Tables of what the lexer, the parser and the check say.

use super::*;

fn read(text: &str) -> SyntaxTree {
    parse("nginx.conf", text.as_bytes(), &mut |path| match path {
        "a.conf" => Ok(vec![("a.conf".into(), b"gzip on;\ngzip_types text/css;".to_vec())]),
        "open.conf" => Ok(vec![("open.conf".into(), b"server {".to_vec())]),
        "close.conf" => Ok(vec![("close.conf".into(), b"}".to_vec())]),
        "self.conf" => Ok(vec![("self.conf".into(), b"include self.conf;".to_vec())]),
        "types" => Ok(vec![("types".into(), b"text/css css;".to_vec())]),
        "none/*" => Ok(Vec::new()),
        _ => Err(format!("open() \"{path}\" failed (2: No such file or directory)")),
    })
}

/// All mistakes of a text, as nginx would write them.
fn mistakes(text: &str) -> Vec<String> {
    let foreign = |name: &str| name.starts_with("weir_");
    check(&read(text), Contexts::MAIN, &foreign).iter().map(Mistake::to_string).collect()
}

/// The words of all directives, blocks in braces.
fn shown(directives: &[Directive]) -> String {
    let one = |directive: &Directive| {
        let words = std::iter::once(directive.name()).chain(directive.texts());
        let words = words.map(|word| format!("[{word}]")).collect::<String>();
        match &directive.block {
            Some(block) => format!("{words}{{{}}}", shown(block)),
            None => words + ";",
        }
    };
    directives.iter().map(one).collect()
}

#[test]
fn words_are_nginx_s() {
    let cases = [
        ("a b  c;", "[a][b][c];"),
        ("a 'b c' \"d;e\";", "[a][b c][d;e];"),
        (r#"a "x\"y" 'it\'s' b\\c;"#, r#"[a][x"y][it's][b\c];"#),
        (r#"a "\t\r\n\d\.";"#, "[a][\t\r\n\\d\\.];"),
        ("a '' b;", "[a][][b];"),
        ("a # no; b\n c;", "[a][c];"),
        ("a b#c;", "[a][b#c];"),
        ("a ${x}y $z{ b; }", "[a][${x}y][$z]{[b];}"),
        ("a ${x}{ b; }", "[a][${x}]{[b];}"),
        (r"a \{ \;x b\ c;", r"[a][\{][\;x][b\ c];"),
        ("if ($a = \"b\") { c; }", "[if][($a][=][b][)]{[c];}"),
        ("if ($a = 'b'){c;}", "[if][($a][=][b][)]{[c];}"),
        ("a x}y;", "[a][x}y];"),
        ("a x\"y\";", "[a][x\"y\"];"),
        ("a{b{c;}}d;", "[a]{[b]{[c];}}[d];"),
        ("a\r\n b\r\n;", "[a][b];"),
        ("location ~ \\.php$ { }", "[location][~][\\.php$]{}"),
        ("\"a\" b;", "[a][b];"),
        ("a_by_lua_block { say('}') } b;", "[a_by_lua_block]{}[b];"),
        (
            "set_by_lua_block $x {\n return { 1 }\n} b { c_by_lua_block { -- }\n} }",
            "[set_by_lua_block][$x]{}[b]{[c_by_lua_block]{}}",
        ),
        ("", ""),
        ("# only a comment", ""),
    ];
    for (text, expected) in cases {
        let parsed = read(text);
        assert_eq!(shown(&parsed.directives), expected, "{text}");
        assert!(parsed.mistakes.is_empty(), "{text}: {:?}", parsed.mistakes);
    }
}

#[test]
fn lines_and_columns_are_those_of_the_text() {
    let parsed = read("user www;\nhttp {\n  server {\n\t  listen 80\n   default_server;\n  }\n}\n");
    let server = &parsed.directives[1].children()[0];
    let listen = &server.children()[0];
    let place = |word: &Word| (word.place.line, word.place.column);
    assert_eq!((server.place().line, server.place().column), (3, 3));
    assert_eq!(place(&listen.name), (4, 4));
    assert_eq!(place(&listen.args[0]), (4, 11));
    assert_eq!(place(&listen.args[1]), (5, 4));
    assert_eq!(listen.end_line, 5);
}

#[test]
fn mistakes_are_said_in_nginx_s_words() {
    let cases: &[(&str, &[&str])] = &[
        ("user a", &["unexpected end of file, expecting \";\" or \"}\" in nginx.conf:1"]),
        ("user 'a;\n", &["unexpected end of file, expecting \";\" or \"}\" in nginx.conf:2"]),
        ("http {\n", &["unexpected end of file, expecting \"}\" in nginx.conf:2"]),
        ("}\n", &["unexpected \"}\" in nginx.conf:1"]),
        ("user a }\n", &["unexpected \"}\" in nginx.conf:1"]),
        (";", &["unexpected \";\" in nginx.conf:1"]),
        ("\n{ }", &["unexpected \"{\" in nginx.conf:2"]),
        ("user \"a\"b;", &["unexpected \"b\" in nginx.conf:1"]),
        ("usr a;", &["unknown directive \"usr\" in nginx.conf:1"]),
        ("listen 80;", &["\"listen\" directive is not allowed here in nginx.conf:1"]),
        ("user;", &["invalid number of arguments in \"user\" directive in nginx.conf:1"]),
        (
            "daemon yes;",
            &["invalid value \"yes\" in \"daemon\" directive, it must be \"on\" or \"off\" in nginx.conf:1"],
        ),
        ("daemon OFF;", &[]),
        ("user a {}", &["directive \"user\" is not terminated by \";\" in nginx.conf:1"]),
        ("http;", &["directive \"http\" has no opening \"{\" in nginx.conf:1"]),
        ("pid a;\npid b;", &["\"pid\" directive is duplicate in nginx.conf:2"]),
        ("worker_rlimit_nofile x;", &["\"worker_rlimit_nofile\" directive invalid number in nginx.conf:1"]),
        ("http { send_timeout 1x; }", &["\"send_timeout\" directive invalid value in nginx.conf:1"]),
        ("http { proxy_buffers 0 4k; }", &["\"proxy_buffers\" directive invalid value in nginx.conf:1"]),
        ("http { types { a b; c { } } }", &["unexpected \"{\" in nginx.conf:1"]),
        ("http { map $a $b { x y; } }", &[]),
        ("http { server { location / { if ($a) { root /x; } } } }", &[]),
        (
            "http { server { if ($a) { root /x; } } }",
            &["\"root\" directive is not allowed here in nginx.conf:1"],
        ),
        ("http { upstream a { server b; keepalive 2; } }", &[]),
        ("stream { server { listen 1; proxy_pass a:1; } }", &[]),
        ("http { weir_microcache 1s; }", &[]),
        ("include b.conf;", &["open() \"b.conf\" failed (2: No such file or directory) in nginx.conf:1"]),
        ("http { include open.conf; }", &["unexpected end of file, expecting \"}\" in open.conf:1"]),
        ("http { include close.conf; }", &["unexpected \"}\" in close.conf:1"]),
        ("include none/*;", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text), *expected, "{text}");
    }
}

#[test]
fn all_mistakes_are_said_at_once_and_with_what_to_do() {
    let text = "http {\n server {\n  lisen 80;\n  server_name a\n  root /x;\n  location / { listen 1; }\n";
    let found = check(&read(text), Contexts::MAIN, &|_| false);
    let said: Vec<_> = found.iter().map(|one| (one.line, one.column, one.hint.as_deref())).collect();
    assert_eq!(
        said,
        [
            (3, 3, Some("did you mean `listen`?")),
            (6, 16, Some("it may stand in: server, server in mail, server in stream")),
            (7, 0, Some("the block of `server` in line 2 is not closed")),
        ]
    );
    let found = check(&read("http {\n root /x\n index a b;\n}"), Contexts::MAIN, &|_| false);
    assert_eq!(found[0].to_string(), "invalid number of arguments in \"root\" directive in nginx.conf:3");
    assert_eq!(found[0].hint.as_deref(), Some("a \";\" is missing at the end of line 2"));
}

#[test]
fn includes_stand_in_place_with_lines_of_their_own() {
    let parsed = read("http {\n include a.conf;\n types { include types; }\n}");
    let http = &parsed.directives[0];
    let names: Vec<_> = http.children().iter().map(Directive::name).collect();
    assert_eq!(names, ["include", "gzip", "gzip_types", "types"]);
    let gzip_types = &http.children()[2];
    assert_eq!(parsed.file(gzip_types.place().file), Some("a.conf"));
    assert_eq!(gzip_types.place().line, 2);
    assert_eq!(http.children()[3].children()[1].name(), "text/css");
}

#[test]
fn nothing_is_without_bound() {
    assert!(mistakes("include self.conf;")[0].starts_with("too many files are included"));
    let deep = "a {".repeat(MOST_DEPTH + 1);
    assert_eq!(read(&deep).mistakes[0].text, "too many nested blocks");
    for (word, expected) in [
        ("x".repeat(4096), "too long parameter \"xxxxxxxxxx...\" started in nginx.conf:1"),
        (
            format!("'{}", "x".repeat(4096)),
            "too long parameter, probably missing terminating \"'\" character in nginx.conf:1",
        ),
        (
            format!("\"{}", "x\n".repeat(2048)),
            "too long parameter, probably missing terminating \"\"\" character in nginx.conf:1",
        ),
    ] {
        assert_eq!(mistakes(&format!("user {word};\n")), [expected]);
    }
    assert_eq!(mistakes(&format!("user {};\n", "x".repeat(4095))), [""; 0]);
}

#[test]
fn the_text_of_g_has_no_blocks() {
    let said = |text: &str| {
        let parsed = parse_with(text.as_bytes(), "nginx.conf", b"", &mut |_| Ok(Vec::new()));
        check(&parsed, Contexts::MAIN, &|_| false).iter().map(Mistake::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said("daemon off; pid /x;"), [""; 0]);
    assert_eq!(said("daemon off"), ["unexpected end of parameter, expecting \";\" in command line"]);
    assert_eq!(said("events {}"), ["block directives are not supported in -g option in command line"]);
}

#[test]
fn every_cut_of_a_file_is_read_without_a_panic() {
    let text = "http { map $a ${b} { \"x\\\"\" 'y'; # c\n } server { if ($c = \"d\") { return 301 é; } } }";
    for end in 0..=text.len() {
        let mut refuse = |_: &str| Err("no".to_owned());
        let parsed = parse("a", text.as_bytes().get(..end).unwrap_or_default(), &mut refuse);
        let whole = end == text.len() || end == 0;
        assert_eq!(parsed.mistakes.is_empty(), whole, "{end}");
        check(&parsed, Contexts::MAIN, &|_| false);
    }
}

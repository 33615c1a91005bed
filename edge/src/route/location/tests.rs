//! Choices against what nginx 1.22 chose for the same locations and paths.

use super::*;
use crate::request::path::normalise;

fn locations(matches: &[&str]) -> Result<Locations, Vec<(usize, String)>> {
    let nodes: Vec<_> = matches
        .iter()
        .enumerate()
        .map(|(index, pattern)| LocationNode { pattern, index, within: Vec::new() })
        .collect();
    Locations::new(&nodes)
}

/// The index of the location that nginx chose, where some stand within others.
#[test]
fn a_search_without_an_end_leads_nowhere() {
    let locations = locations(&["/", "~ ^/(?:(?=a)(a+))+$", "^~ /b"]).unwrap();
    let long = format!("/{}!", "a".repeat(60));
    assert_eq!(locations.choose(&normalise(b"/aa").unwrap()), Ok(Some(1)));
    assert_eq!(locations.choose(&normalise(long.as_bytes()).unwrap()), Err(EndlessSearch));
    assert_eq!(locations.choose(&normalise(b"/b").unwrap()), Ok(Some(2)));
}

#[test]
fn locations_within_locations() {
    fn node(
        pattern: &'static str,
        index: usize,
        within: Vec<LocationNode<'static>>,
    ) -> LocationNode<'static> {
        LocationNode { pattern, index, within }
    }
    let locations = Locations::new(&[
        node("/a/", 0, vec![node("/a/b/", 1, vec![]), node("~ \\.png$", 2, vec![])]),
        node("~ \\.(png|gif)$", 3, vec![node("~ big", 4, vec![])]),
        node("^~ /c/", 5, vec![node("/c/d", 6, vec![]), node("= /c/e.gif", 7, vec![])]),
        node("@named", 8, vec![]),
    ])
    .unwrap();
    let cases = [
        ("/a/x", Some(0)),
        ("/a/b/x", Some(1)),
        ("/a/x.png", Some(2)),
        ("/a/b/x.png", Some(2)),
        ("/a/b/x.gif", Some(3)),
        ("/a/big.gif", Some(4)),
        ("/x/big.png", Some(4)),
        ("/c/x.png", Some(5)),
        ("/c/d.png", Some(6)),
        ("/c/e.gif", Some(7)),
        ("/named", None),
    ];
    for (path, expected) in cases {
        assert_eq!(locations.choose(&normalise(path.as_bytes()).unwrap()), Ok(expected), "{path}");
    }
    for (outer, inner, said) in [
        ("/a/", "/b", "is outside the location \"/a/\""),
        ("= /a", "/a", "a location with `=` has none within it"),
        ("/a/", "@b", "a named location stands in its site"),
        ("@a", "/b", "a named location has none within it"),
    ] {
        let wrong = Locations::new(&[node(outer, 0, vec![node(inner, 1, vec![])])]).unwrap_err();
        assert!(wrong.iter().any(|(index, text)| *index == 1 && text.contains(said)), "{wrong:?}");
    }
}

/// The `match` of the location that answers, for each path.
type Choices<'a> = &'a [(&'a str, Option<&'a str>)];

const CHOICES: &[(&[&str], Choices)] = &[
    (
        &["= /", "/", "/documents/", "^~ /images/", "~* \\.(gif|jpg|jpeg)$"],
        &[
            ("/", Some("= /")),
            ("/index.html", Some("/")),
            ("/documents/document.html", Some("/documents/")),
            ("/images/1.gif", Some("^~ /images/")),
            ("/documents/1.jpg", Some("~* \\.(gif|jpg|jpeg)$")),
            ("/documents/1.JPG", Some("~* \\.(gif|jpg|jpeg)$")),
            ("/documents", Some("/")),
            ("/images", Some("/")),
            ("//", Some("= /")),
            ("/a/..", Some("= /")),
            ("/images/../x.gif", Some("~* \\.(gif|jpg|jpeg)$")),
            ("/%69mages/1.gif", Some("^~ /images/")),
        ],
    ),
    (
        &["/a", "/a/b", "^~ /a/b/c", "~ c", "= /a/b/c/d", "/a/b/c/d/e"],
        &[
            ("/", None),
            ("/a", Some("/a")),
            ("/ab", Some("/a")),
            ("/a/b", Some("/a/b")),
            ("/a/b/", Some("/a/b")),
            ("/a/bc", Some("~ c")),
            ("/a/b/c", Some("^~ /a/b/c")),
            ("/a/b/cd", Some("^~ /a/b/c")),
            ("/a/b/c/d", Some("= /a/b/c/d")),
            ("/a/b/c/d/", Some("^~ /a/b/c")),
            ("/a/b/c/d/e", Some("~ c")),
            ("/b", None),
            ("/xc", Some("~ c")),
        ],
    ),
    (
        &["~ ^/x", "~ \\.py$", "/x", "= /x"],
        &[
            ("/x", Some("= /x")),
            ("/x/", Some("~ ^/x")),
            ("/x/a.py", Some("~ ^/x")),
            ("/a.py", Some("~ \\.py$")),
            ("/a.PY", None),
            ("/xa", Some("~ ^/x")),
        ],
    ),
    (
        &["~* \\.py$", "~ ^/x", "^~ /x/y"],
        &[
            ("/x/a.PY", Some("~* \\.py$")),
            ("/x/a", Some("~ ^/x")),
            ("/x/y/a.py", Some("^~ /x/y")),
            ("/x/y", Some("^~ /x/y")),
        ],
    ),
    (
        &["= /only", "/only/more"],
        &[
            ("/only", Some("= /only")),
            ("/only/", None),
            ("/only/more", Some("/only/more")),
            ("/only/moreover", Some("/only/more")),
            ("/on", None),
        ],
    ),
    (&["^~ /", "~ .", "= /z"], &[("/", Some("^~ /")), ("/z", Some("= /z")), ("/zz", Some("^~ /"))]),
    (
        &["^~ /s/", "/s/deep/", "~ deep"],
        &[("/s/deep/x", Some("~ deep")), ("/s/x", Some("^~ /s/")), ("/s/adeep", Some("^~ /s/"))],
    ),
    (
        &["/a b", "/é", "~ ^/café$", "/%41", "~ ^/n.l$"],
        &[
            ("/a%20bc", Some("/a b")),
            ("/%c3%a9x", Some("/é")),
            ("/éx", Some("/é")),
            ("/caf%C3%A9", Some("~ ^/café$")),
            ("/A", None),
            ("/%2541", Some("/%41")),
            ("/%ff", None),
            ("/n%0al", None),
            ("/n%ffl", Some("~ ^/n.l$")),
        ],
    ),
    (
        &["=/tight", "~^/re", "~*^/RI", "^~/pre"],
        &[
            ("/tight", Some("=/tight")),
            ("/re1", Some("~^/re")),
            ("/ri", Some("~*^/RI")),
            ("/pre", Some("^~/pre")),
            ("/pr", None),
        ],
    ),
    (
        &["/u", "/user/", "/user", "/us"],
        &[
            ("/u", Some("/u")),
            ("/us", Some("/us")),
            ("/use", Some("/us")),
            ("/user", Some("/user")),
            ("/user/", Some("/user/")),
            ("/users", Some("/user")),
            ("/user/a", Some("/user/")),
            ("/ux", Some("/u")),
        ],
    ),
    (&[], &[("/", None)]),
];

#[test]
fn same_as_nginx() {
    for (matches, choices) in CHOICES {
        let locations = locations(matches).unwrap();
        for (raw, expected) in *choices {
            let path = normalise(raw.as_bytes()).unwrap();
            let chosen = locations.choose(&path).unwrap().map(|location| matches[location]);
            assert_eq!(chosen, *expected, "{raw} in {matches:?}");
        }
    }
}

/// nginx's `\.html$` matches here; ours does not, and should not.
#[test]
fn dollar_is_the_very_end() {
    let locations = locations(&["~ \\.html$"]).unwrap();
    assert_eq!(locations.choose(&normalise(b"/x.html%0a").unwrap()), Ok(None));
}

#[test]
fn lacking_slash_as_in_nginx() {
    let matches = [
        "/",
        "/app/",
        "= /ex/",
        "/files/",
        "/both",
        "/both/",
        "= /eq",
        "/eq/",
        "~ ^/app$",
        "/app/in/",
        "^~ /caret/",
    ];
    let with_pool = ["/app/", "= /ex/", "/both/", "/eq/", "~ ^/app$", "/app/in/", "^~ /caret/"];
    let locations = locations(&matches).unwrap();
    let cases = [
        ("/app", true),
        ("/%61pp", true),
        ("//app", true),
        ("/app/", false),
        ("/app/.", false),
        ("/ex", true),
        ("/files", false),
        ("/both", false),
        ("/eq", false),
        ("/eq/", false),
        ("/app/in", true),
        ("/caret", true),
        ("/ap", false),
        ("/APP", false),
        ("/", false),
    ];
    for (raw, expected) in cases {
        let path = normalise(raw.as_bytes()).unwrap();
        let lacks = locations.lacks_slash(&path, |location| with_pool.contains(&matches[location]));
        assert_eq!(lacks.is_some(), expected, "{raw}");
    }
}

#[test]
fn every_mistake_with_its_place() {
    let cases: &[(&str, &str)] = &[
        ("", "is none of"),
        ("x", "is none of"),
        ("= x", "is none of"),
        ("^~ x", "is none of"),
        ("=", "is none of"),
        ("~", "empty"),
        ("~*", "empty"),
        ("~ (", "invalid regular expression"),
        ("~ (?=x", "invalid regular expression"),
        ("~ a{1000}{1000}{1000}", "invalid regular expression"),
        ("/a", "earlier"),
        ("^~ /a", "earlier"),
        ("= /b", "earlier"),
    ];
    let all: Vec<&str> =
        ["/a", "= /a", "= /b"].into_iter().chain(cases.iter().map(|(text, _)| *text)).collect();
    let mistakes = locations(&all).unwrap_err();
    assert_eq!(mistakes.len(), cases.len(), "{mistakes:?}");
    for ((at, mistake), (place, (text, part))) in mistakes.iter().zip(cases.iter().enumerate()) {
        assert_eq!(*at, place + 3, "{mistake}");
        assert!(mistake.contains(part), "{text:?}: {mistake}");
    }
}

/// Against a plain reading of nginx's rules, over many small random sets of locations.
mod model {
    use super::*;
    use proptest::prelude::*;

    fn plain(matches: &[String], path: &[u8]) -> Option<usize> {
        let find = |sign: &str, test: &dyn Fn(&[u8]) -> bool| {
            let texts =
                matches.iter().enumerate().filter_map(|(at, text)| Some((at, text.strip_prefix(sign)?)));
            texts.filter(|(_, text)| test(text.as_bytes())).max_by_key(|(_, text)| text.len())
        };
        if let Some((exact, _)) = find("= ", &|text| text == path) {
            return Some(exact);
        }
        let ordinary = find("", &|text| path.starts_with(text));
        let last = find("^~ ", &|text| path.starts_with(text));
        match (ordinary, last) {
            (Some((at, text)), Some((_, other))) if text.len() > other.len() => Some(at),
            (_, Some((at, _))) => Some(at),
            (ordinary, None) => ordinary.map(|(at, _)| at),
        }
    }

    proptest! {
        #[test]
        fn agrees(
            texts in prop::collection::btree_map("/[ab/]{0,5}", prop::sample::select(vec!["", "= ", "^~ "]), 0..12),
            path in "/[ab]{0,3}(/[ab]{1,2}){0,2}/?",
        ) {
            let matches: Vec<String> = texts.iter().map(|(text, sign)| format!("{sign}{text}")).collect();
            let texts: Vec<&str> = matches.iter().map(String::as_str).collect();
            let locations = locations(&texts).unwrap();
            let path = normalise(path.as_bytes()).unwrap();
            prop_assert_eq!(locations.choose(&path), Ok(plain(&matches, path.as_bytes())));
        }
    }
}

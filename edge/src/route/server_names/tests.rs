//! Choices against what nginx 1.22 chose for the same names and hosts.

use super::*;

fn names(sites: &[&[&str]]) -> Result<ServerNames, Vec<(usize, usize, String)>> {
    let owned: Vec<Vec<String>> =
        sites.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect();
    let here: Vec<_> = (0..owned.len()).collect();
    ServerNames::among(&owned, &here, 0, false)
}

#[test]
fn same_as_nginx() {
    let names = names(&[
        &["default.example"],
        &["example.com"],
        &["*.example.com"],
        &["*.a.example.com"],
        &[".dot.test"],
        &["www.*"],
        &["www.example.*"],
        &["~^api\\d+\\.test$"],
        &["~^(?<x>.+)\\.RE\\.test$"],
        &["mail.b.example.com"],
        &["~test$"],
        &["[::1]"],
        &["MiXed.Example.NET"],
        &["*.com"],
        &["q.*"],
        &["*.q.q.q"],
    ])
    .unwrap();
    let cases = [
        ("default.example", 0),
        ("example.com", 1),
        ("EXAMPLE.com", 1),
        ("example.com:8080", 1),
        ("example.com.", 1),
        ("example.com.:80", 1),
        ("a.example.com", 2),
        ("x.a.example.com", 3),
        ("y.x.a.example.com", 3),
        ("b.example.com", 2),
        ("mail.b.example.com", 9),
        ("dot.test", 4),
        ("x.dot.test", 4),
        ("y.x.dot.test", 4),
        ("adot.test", 10),
        ("www.other", 5),
        ("www.example.org", 6),
        ("www.example.com", 2),
        ("www.example.a.b", 6),
        ("www", 0),
        ("www.", 0),
        ("api12.test", 7),
        ("api.test", 10),
        ("foo.re.test", 8),
        ("FOO.RE.TEST", 8),
        ("x.test", 10),
        ("[::1]", 11),
        ("[::1]:80", 11),
        ("[::2]", 0),
        ("mixed.example.net", 12),
        ("nothing", 0),
        ("127.0.0.1", 0),
        ("aexample.com", 13),
        (".example.com", 2),
        ("com", 0),
        ("x.com", 13),
        (".com", 13),
        ("q.q.q.q", 15),
        ("q.q", 14),
        ("z.q.q.q", 15),
        ("unknown.org", 0),
    ];
    for (host, site) in cases {
        assert_eq!(names.choose(host), Some(site), "{host}");
    }
}

/// Hosts that are refused before, or should be: any site will do, so long as it is the first.
#[test]
fn odd_hosts_go_to_the_first_site() {
    let names = names(&[&["first.test"], &["second.test", "*.second.test", "x.*"]]).unwrap();
    let long = "a.".repeat(4000) + "test";
    for host in ["", ".", ":", ":80", "[", "[::1", "]", "..", "é.test", "second.test..", "\0", &long] {
        assert_eq!(names.choose(host), Some(0), "{host:?}");
    }
}

#[test]
fn an_empty_name_takes_requests_without_host() {
    let names = names(&[&["first.test"], &[""]]).unwrap();
    assert_eq!(names.choose(""), Some(1));
    assert_eq!(names.choose("other.test"), Some(0));
}

#[test]
fn lower_case_hosts_are_borrowed() {
    for host in ["example.com", "example.com:8080", "example.com.", "[::1]:80"] {
        assert!(matches!(name_of(host), Cow::Borrowed(_)), "{host}");
    }
    assert_eq!(name_of("EXAMPLE.com.:80"), "example.com");
    assert_eq!(name_of("[2001:DB8::1]:443"), "[2001:db8::1]");
}

#[test]
fn every_mistake_with_its_place() {
    let cases: &[(&str, &str)] = &[
        ("https://example.com", "scheme"),
        ("example.com:8080", "port"),
        ("example.com/x", "not a host name"),
        ("example .com", "not a host name"),
        ("a.com,b.com", "not a host name"),
        ("müller.de", "Punycode"),
        ("a..b", "empty label"),
        (".", "empty label"),
        ("*", "star"),
        ("*.", "star"),
        (".*", "star"),
        ("*x.com", "star"),
        ("www*.com", "star"),
        ("www.*.com", "star"),
        ("*.x.*", "star"),
        ("~", "empty"),
        ("~(", "invalid regular expression"),
        ("taken.test", "earlier site"),
        ("TAKEN.test.", "earlier site"),
        (".taken.test", "earlier site"),
        ("*.wild.test", "earlier site"),
        ("tail.*", "earlier site"),
    ];
    let second: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    let mistakes = names(&[&["taken.test", "*.wild.test", "tail.*"], &second]).unwrap_err();
    assert_eq!(mistakes.len(), cases.len(), "{mistakes:?}");
    for ((site, at, mistake), (place, (name, part))) in mistakes.iter().zip(cases.iter().enumerate()) {
        assert_eq!((*site, *at), (1, place), "{mistake}");
        assert!(mistake.contains(part), "{name:?}: {mistake}");
    }
}

#[test]
fn a_search_without_an_end_leads_to_no_site() {
    let names = names(&[&["a.test"], &["~^(?:(?=a)(a+))+$"], &["~."]]).unwrap();
    assert_eq!(names.choose("aaa"), Some(1));
    assert_eq!(names.choose(&format!("{}!", "a".repeat(60))), None);
}

#[test]
fn the_first_of_two_names_counts_where_that_is_said() {
    let lists = [vec!["a.test".to_owned()], vec!["a.test".to_owned(), "b.test".to_owned()]];
    assert!(ServerNames::among(&lists, &[0, 1], 0, false).is_err());
    let names = ServerNames::among(&lists, &[0, 1], 0, true).unwrap();
    assert_eq!((names.choose("a.test"), names.choose("b.test")), (Some(0), Some(1)));
}

#[test]
fn a_name_twice_in_one_site_is_no_mistake() {
    assert!(names(&[&["a.test", "A.test", ".a.test", "*.a.test"]]).is_ok());
}

//! One page however its URL is spelt, also for purges and redirects.

use super::*;

both_topologies!(a_page_has_one_key_however_it_is_spelt, SETTINGS);
fn a_page_has_one_key_however_it_is_spelt(stack: &Stack) {
    for (n, (one, other)) in [
        ("/count/caf%c3%a9", "/count/caf%C3%A9"),
        ("/count/%7euser", "/count/~user"),
        ("/count/que?x=%41%2d", "/count/que?x=A-"),
    ]
    .iter()
    .enumerate()
    {
        let first = stack.get(one).expect(200).text();
        assert_eq!(stack.get(other).expect(200).expect_cache(&["hit"]).text(), first, "{n}");
    }
    // Nor is a parameter dropped for its spelling.
    assert_eq!(stack.get("/allowed/count/p?p%61ge=2").expect(200).text(), "1\n");
    assert_eq!(stack.get("/allowed/count/p?page=2&x=1").expect(200).expect_cache(&["hit"]).text(), "1\n");
    assert!(stack.oracle.call("p", 0)["uri"].as_str().unwrap().ends_with("?page=2"));
}

both_topologies!(a_purge_reaches_the_page_however_it_is_spelt, SETTINGS);
fn a_purge_reaches_the_page_however_it_is_spelt(stack: &Stack) {
    let purge = |body: &str| stack.ask_admin("POST", "/api/v1/purge", body);
    let targets = ["/count/caf%c3%a9?%7e=1", "/count/caf%C3%A9?~=1"];
    let purges = [
        r#"{"urls": ["http://localhost/count/caf%C3%A9?~=1"]}"#,
        r#"{"urls": ["http://localhost/count/caf%c3%a9?%7E=1"]}"#,
        r#"{"urls": ["http://localhost/count/café?~=1"]}"#,
        r#"{"prefixes": ["http://localhost/count/caf%c3%a9"]}"#,
        r#"{"prefixes": ["http://localhost/count/café"]}"#,
    ];
    let gone = |what: &str| {
        for target in targets {
            let again = stack.get(target).expect(200);
            assert!(target != targets[0] || !again.cache_status().contains("; hit"), "{what}: still there");
        }
    };
    stack.get(targets[0]).expect(200);
    for body in purges {
        assert!(purge(body).expect(200).text().contains("\"complete\":true"), "{body}");
        gone(body);
    }
    stack.ask("PURGE", "/count/caf%c3%a9?~=1", &[], b"").expect(200);
    gone("PURGE");
    stack.ask("POST", "/count/caf%c3%a9?%7e=1", &[("Content-Length", "0")], b"").expect(200);
    gone("POST");
}

both_topologies!(a_purge_by_tag_reaches_any_alphabet, SETTINGS);
fn a_purge_by_tag_reaches_any_alphabet(stack: &Stack) {
    let purge = |body: &str| stack.ask_admin("POST", "/api/v1/purge", body);
    // As Django sends them: Latin-1 where that can hold it, else encoded words.
    let tags = [("café", "caf%C3%A9"), ("новости", "%3D%3Futf-8%3Fb%3F0L3QvtCy0L7RgdGC0Lg%3D%3F%3D")];
    for (n, (tag, sent)) in tags.iter().enumerate() {
        let target = format!("/count/tag{n}?h=Surrogate-Key:{sent}");
        stack.get(&target).expect(200);
        stack.get(&target).expect(200).expect_cache(&["hit"]);
        purge(&format!("{{\"tags\": [\"{tag}\"]}}")).expect(200);
        assert_eq!(stack.get(&target).expect(200).text(), "2\n", "{tag}");
    }
    // What can match nothing is refused.
    for body in [
        r#"{"tags": [""]}"#,
        r#"{"tags": [" a"]}"#,
        r#"{"tags": ["a\nb"]}"#,
        r#"{"urls": ["http://localhost/a b"]}"#,
        r#"{"prefixes": ["http://localhost/a/../b"]}"#,
    ] {
        assert_eq!(purge(body).status, 400, "{body}");
    }
    assert_eq!(purge(&format!("{{\"tags\": [\"{}\"]}}", "x".repeat(257))).status, 400);
}

both_topologies!(a_shared_redirect_leads_on_with_what_the_key_ignores, SETTINGS);
fn a_shared_redirect_leads_on_with_what_the_key_ignores(stack: &Stack) {
    for (n, location) in ["/new", "http://www.localhost/new", "https://elsewhere.example/"].iter().enumerate()
    {
        let target = format!("/count/moved{n}?status=302&h=Location:{location}");
        for source in ["mail", "site"] {
            let leads = stack.get(&format!("{target}&utm_source={source}")).expect(302);
            let expected = match n {
                2 => (*location).to_owned(),
                _ => format!("{location}?utm_source={source}"),
            };
            assert_eq!(leads.field("location"), Some(expected.as_str()));
        }
        assert_eq!(stack.get(&target).expect(302).field("location"), Some(*location));
        assert_eq!(stack.oracle.calls(&format!("moved{n}")), 1, "one redirect for all");
    }
}

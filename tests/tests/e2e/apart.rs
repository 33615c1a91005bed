//! Shared is only what is known to be the same for all: visitors who differ in a field, an address or a
//! spelling, and browsers, programs and networks that share one page all the same.

#[path = "apart/common_fields.rs"]
mod common_fields;
#[path = "apart/placed.rs"]
mod placed;
#[path = "apart/spelt.rs"]
mod spelt;

use http::Request;
use weir_tests::{Http2, Stack, both_topologies};

use common_fields::COMMON;

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
trusted_proxies = ["127.0.0.1/32"]
purge_allow = ["127.0.0.1/32"]

[[edge.site]]
server_name = ["localhost", "www.localhost"]

[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
ignore_query = ["utm_*"]

[[edge.site.location]]
match = "/own/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
fields = { split = ["X-Country"], ignore = ["X-Noise*"], vary = ["X-Tenant"], personal = ["DNT"] }
languages = ["de", "en"]
client_address = "split"

[[edge.site.location]]
match = "/all/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
fields = { vary = ["*"], ignore = ["X-Login-Hint"] }

[[edge.site.location]]
match = "/allowed/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
allow_query = ["page", "body"]
"#;

/// What tells visitors apart, or may.
const TELLING: &[&str] = &[
    "X-API-Key",
    "X-Auth-Token",
    "X-Access-Token",
    "Private-Token",
    "DPoP",
    "X-CSRFToken",
    "X-Session-Id",
    "Remote-User",
    "X-Remote-User",
    "X-Auth-Request-User",
    "X-Forwarded-User",
    "Cf-Access-Authenticated-User-Email",
    "X-Nobody-Knows",
];

both_topologies!(a_field_that_tells_who_asks_goes_straight_through, SETTINGS);
fn a_field_that_tells_who_asks_goes_straight_through(stack: &Stack) {
    for (n, name) in TELLING.iter().enumerate() {
        let target = format!("/count/telling{n}?body=field:{name}");
        // Before and after an anonymous page is kept.
        for _ in 0..2 {
            for value in ["alice", "bob"] {
                let page = stack.get_with(&target, &[(name, value)]).expect(200);
                assert!(page.text().ends_with(&format!("{name}={value}\n")), "{name}: {}", page.text());
                let detail = format!("detail=\"personal-field: {}\"", name.to_lowercase());
                page.expect_cache(&["fwd=bypass", &detail]);
                // HTTP/2 makes no difference.
                let url = format!("http://localhost{target}");
                let request = Request::get(url).header(*name, value).body(()).unwrap();
                let page = Http2::connect(stack.http()).ask(request, b"").unwrap().text();
                assert!(page.ends_with(&format!("{name}={value}\n")), "{name} over HTTP/2: {page}");
            }
            let page = stack.get(&target).expect(200).text();
            assert!(page.ends_with(&format!("{name}=None\n")), "{name}: anonymous got {page}");
        }
        stack.get(&target).expect(200).expect_cache(&["hit"]);
    }
}

/// Credentials that no list knows, or that only a wildcard of a list would match.
const CREDENTIALS: &[&str] = &[
    "X-User-Token",
    "X-Access-Key",
    "X-JWT",
    "X-Authenticated-Userid",
    "X-Consumer-Username",
    "Ocp-Apim-Subscription-Key",
    "Oidc-Claim-Sub",
    "X-Client-Dn",
    "Ticket",
    "X-Amzn-Lattice-Identity",
    "X-Vercel-Oidc-Token",
    "Fastly-Key",
    "X-Akamai-User",
];

both_topologies!(no_wildcard_takes_a_credential_into_a_page, SETTINGS);
fn no_wildcard_takes_a_credential_into_a_page(stack: &Stack) {
    for (n, name) in CREDENTIALS.iter().enumerate() {
        for location in ["all", "default"] {
            let target = format!("/{location}/count/credential{n}?body=field:{name}");
            for value in ["alice", "bob"] {
                let page = stack.get_with(&target, &[(name, value)]).expect(200);
                assert!(page.text().ends_with(&format!("{name}={value}\n")), "{name}: {}", page.text());
                assert!(page.cache_status().contains("personal-field"), "{name}: {}", page.cache_status());
            }
            let page = stack.get(&target).expect(200).text();
            assert!(page.ends_with(&format!("{name}=None\n")), "{name}: anonymous got {page}");
        }
    }
    // One that is no credential by its name, and one that the settings name.
    for name in ["X-Country", "X-Login-Hint"] {
        let target = format!("/all/count/other?body=field:{name}");
        stack.get_with(&target, &[(name, "a")]).expect(200).expect_cache(&["stored"]);
    }
}

both_topologies!(a_shared_page_is_made_in_a_trace_of_its_own, SETTINGS);
fn a_shared_page_is_made_in_a_trace_of_its_own(stack: &Stack) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let target = "/count/traced?body=field:traceparent";
    let page =
        stack.get_with(target, &[("traceparent", &parent)]).expect(200).expect_cache(&["stored"]).text();
    assert!(page.contains("traceparent=00-") && !page.contains(TRACE), "{page}");
    assert_eq!(stack.get(target).expect_cache(&["hit"]).text(), page);
    // A visitor's own request is in the visitor's trace.
    let own = stack.get_with(target, &[("traceparent", &parent), ("X-API-Key", "a")]).expect(200).text();
    assert!(own.contains(&format!("traceparent=00-{TRACE}-")), "{own}");
}

both_topologies!(a_proxys_word_for_its_visitor_is_theirs, SETTINGS);
fn a_proxys_word_for_its_visitor_is_theirs(stack: &Stack) {
    let target = "/count/signed-in?body=field:X-Forwarded-User";
    let ask = |user: &str| from_proxy(stack, target, "X-Forwarded-User", user);
    assert!(stack.get(target).expect(200).text().ends_with("=None\n"));
    for user in ["alice", "bob", "alice"] {
        assert!(ask(user).ends_with(&format!("={user}\n")));
    }
}

both_topologies!(scripts_that_ask_for_another_form_get_their_own, SETTINGS);
fn scripts_that_ask_for_another_form_get_their_own(stack: &Stack) {
    for (n, name) in
        ["HX-Request", "X-Requested-With", "X-PJAX", "Turbo-Frame", "X-Inertia", "Origin"].iter().enumerate()
    {
        let target = format!("/count/form{n}?body=field:{name}");
        let expected = [("", "1"), ("one", "2"), ("two", "3"), ("", "1"), ("one", "2"), ("two", "3")];
        for (value, number) in expected {
            let fields: &[_] = if value.is_empty() { &[] } else { &[(*name, value)] };
            let page = stack.get_with(&target, fields).expect(200).text();
            let value = if value.is_empty() { "None" } else { value };
            assert_eq!(page, format!("{number} {name}={value}\n"));
        }
    }
}

both_topologies!(browsers_programs_and_networks_share_one_page, SETTINGS);
fn browsers_programs_and_networks_share_one_page(stack: &Stack) {
    // Each may have been the first, and all others then get the page that was made for it.
    for (n, (first, fields)) in COMMON.iter().enumerate() {
        let target = format!("/count/common{n}");
        assert_eq!(
            stack.get_with(&target, fields).expect(200).expect_cache(&["stored"]).text(),
            "1\n",
            "{first}"
        );
        for (name, fields) in COMMON {
            let page = stack.get_with(&target, fields).expect(200).expect_cache(&["hit"]);
            assert_eq!(page.text(), "1\n", "{name} after {first}");
        }
        let mut request = Request::get(format!("http://localhost{target}"));
        for (name, value) in fields.iter().filter(|(name, _)| !matches!(*name, "Connection" | "TE")) {
            request = request.header(*name, *value);
        }
        let page = Http2::connect(stack.http()).ask(request.body(()).unwrap(), b"").unwrap();
        assert_eq!(page.expect_cache(&["hit"]).text(), "1\n", "{first} over HTTP/2");
        for hidden in
            ["REFERER", "SEC_FETCH_SITE", "CF_IPCOUNTRY", "X_FORWARDED_FOR", "X_REQUEST_ID", "BAGGAGE", "VIA"]
        {
            let seen = stack.oracle.field(&format!("common{n}"), 0, &format!("HTTP_{hidden}"));
            assert_eq!(seen, None, "{first}: {hidden}");
        }
    }
    let seen = |name: &str| stack.oracle.field("common0", 0, &format!("HTTP_{name}"));
    assert_eq!(seen("ACCEPT_LANGUAGE").as_deref(), Some("de-CH,de;q=0.9,en;q=0.8"));
    assert!(seen("USER_AGENT").is_some() && seen("SEC_CH_UA_MOBILE").is_some());
    assert_eq!(seen("ACCEPT_ENCODING").as_deref(), Some("gzip"));
}

both_topologies!(a_shared_page_is_made_for_nobodys_address, SETTINGS);
fn a_shared_page_is_made_for_nobodys_address(stack: &Stack) {
    let of = |variable: &str| {
        stack.get(&format!("/count/nobody{variable}?body=variable:{variable}")).expect(200).text()
    };
    assert_eq!(of("REMOTE_ADDR"), "1 REMOTE_ADDR=192.88.99.1\n");
    assert_eq!(of("REMOTE_PORT"), "1 REMOTE_PORT=0\n");
    assert_eq!(of("SERVER_PROTOCOL"), "1 SERVER_PROTOCOL=HTTP/1.1\n");
    // Whose page is not shared is told who asks.
    let target = "/count/somebody?body=variable:REMOTE_ADDR";
    let page = stack.get_with(target, &[("Cookie", "sessionid=a")]).expect(200).text();
    assert_eq!(page, "1 REMOTE_ADDR=127.0.0.1\n");
    // Where the address splits the page, each address has its own.
    let target = "/own/count/split?body=variable:REMOTE_ADDR";
    for (client, page) in [("10.0.0.1", "1"), ("10.0.0.2", "2"), ("10.0.0.1", "1")] {
        let found = from_proxy(stack, target, "X-Forwarded-For", client);
        assert_eq!(found, format!("{page} REMOTE_ADDR={client}\n"));
    }
}

both_topologies!(settings_say_what_a_field_is, SETTINGS);
fn settings_say_what_a_field_is(stack: &Stack) {
    let ask = |name: &str, field: &str, value: &str| {
        stack.get_with(&format!("/own/count/{name}?body=field:{field}"), &[(field, value)]).expect(200)
    };
    for (value, number) in [("ch", 1), ("de", 2), ("ch", 1)] {
        assert_eq!(ask("split", "X-Country", value).text(), format!("{number} X-Country={value}\n"));
    }
    for value in ["a", "b"] {
        assert_eq!(ask("ignore", "X-Noise-1", value).text(), "1 X-Noise-1=None\n");
    }
    assert_eq!(ask("vary", "X-Tenant", "a").text(), "1 X-Tenant=a\n");
    ask("vary", "X-Tenant", "b").expect_cache(&["hit"]);
    ask("personal", "DNT", "1").expect_cache(&["detail=\"personal-field: dnt\""]);
    // No more variants than the site has languages.
    let language = |accepts: &str| {
        let target = "/own/count/language?body=field:Accept-Language&h=Vary:Accept-Language";
        stack.get_with(target, &[("Accept-Language", accepts)]).expect(200).text()
    };
    for (accepts, page) in [
        ("de-CH,de;q=0.9,en;q=0.8", "1 Accept-Language=de\n"),
        ("de-AT", "1 Accept-Language=de\n"),
        ("en-GB,en;q=0.7", "2 Accept-Language=en\n"),
        ("it,en;q=0.1", "2 Accept-Language=en\n"),
        ("it", "3 Accept-Language=None\n"),
        ("ru,zh;q=0.5", "3 Accept-Language=None\n"),
    ] {
        assert_eq!(language(accepts), page, "{accepts}");
    }
}

both_topologies!(what_is_not_shared_sees_everything, SETTINGS);
fn what_is_not_shared_sees_everything(stack: &Stack) {
    for (n, name) in ["Referer", "CF-IPCountry", "X-Request-ID"].iter().enumerate() {
        let target = format!("/count/all{n}?body=field:{name}&h=Cache-Control:private");
        for value in ["one", "two"] {
            let page = stack.get_with(&target, &[(name, value)]).expect(200).text();
            assert!(page.ends_with(&format!("{name}={value}\n")), "{page}");
        }
    }
    // A link that works once is asked for once, unless something of the visitor's was left out.
    let fields = [("Sec-Fetch-Site", "none"), ("Priority", "u=0"), ("Upgrade-Insecure-Requests", "1")];
    let login =
        stack.get_with("/count/once?token=a&status=302&h=Location:/me&h=Set-Cookie:sessionid%3Da", &fields);
    assert_eq!(login.expect(302).field("set-cookie"), Some("sessionid=a"));
    assert_eq!(stack.oracle.calls("once"), 1);
}

both_topologies!(fields_that_are_not_stored_reach_the_first_visitor, SETTINGS);
fn fields_that_are_not_stored_reach_the_first_visitor(stack: &Stack) {
    let target = "/count/withheld?h=Cache-Control:private=%22Set-Cookie%22,max-age%3D60&h=Set-Cookie:a%3Db";
    let first = stack.get(target).expect(200).expect_cache(&["stored"]);
    assert_eq!(first.field("set-cookie"), Some("a=b"));
    assert_eq!(stack.get(target).expect(200).expect_cache(&["hit"]).field("set-cookie"), None);
    let target = "/count/no-cache?h=Cache-Control:no-cache=%22X-Token%22,max-age%3D60&h=X-Token:t";
    assert_eq!(stack.get(target).expect(200).field("x-token"), Some("t"));
    assert_eq!(stack.get(target).expect(200).expect_cache(&["hit"]).field("x-token"), None);
}

both_topologies!(the_page_found_says_whether_it_may_be_shared, SETTINGS);
fn the_page_found_says_whether_it_may_be_shared(stack: &Stack) {
    let target = "/count/judged?body=who";
    let ask = |accept: &str, cookie: &str| {
        let fields = [("Accept", accept), ("Cookie", cookie)];
        stack.get_with(target, &fields[..if cookie.is_empty() { 1 } else { 2 }]).expect(200)
    };
    // The page for people is anonymous, and the data for programs are said to be for all.
    stack.oracle.set("judged", "h=Vary:Accept");
    ask("text/html", "");
    stack.oracle.set("judged", "h=Vary:Accept&h=Cache-Control:public,max-age%3D60");
    ask("application/json", "");
    ask("application/json", "sessionid=alice").expect_cache(&["hit"]);
    stack.oracle.set("judged", "h=Vary:Accept");
    let page = ask("text/html", "sessionid=alice").text();
    assert!(page.contains("sessionid=alice"), "a signed-in visitor got {page}");
}

/// The page that a trusted proxy is given for a request with this field.
fn from_proxy(stack: &Stack, target: &str, name: &str, value: &str) -> String {
    stack.get_with(target, &[(name, value)]).expect(200).text()
}

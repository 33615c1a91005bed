//! Private unless sure: a page for one visitor is never kept, and never given to another.

use weir_tests::{App, Location, Settings, Setup, Stack, both_topologies, site};

fn settings() -> Settings {
    site([Location::cached("/", "60s").cache("ignore_query", vec!["utm_*"])])
}

both_topologies!(replies_that_are_not_for_all_are_not_kept, settings());
fn replies_that_are_not_for_all_are_not_kept(stack: &Stack) {
    // What the reply says; what Cache-Status gives as the reason.
    let cases = [
        ("h=Set-Cookie:a%3Db", "set-cookie"),
        ("h=Set-Cookie:a%3Db&h=Cache-Control:public,max-age%3D60", "set-cookie"),
        ("h=Cache-Control:private", "private"),
        ("h=Cache-Control:private,max-age%3D60", "private"),
        ("h=Cache-Control:no-store", "no-store"),
        ("h=Cache-Control:no-cache", "no-cache"),
        ("h=cache-control:max-age%3D60&h=Cache-Control:NO-STORE", "no-store"),
        // What is said to all surrogates, which Weir takes out of the reply.
        ("h=Surrogate-Control:no-store", "no-store"),
        ("h=Surrogate-Control:max-age%3D60,no-store&h=Cache-Control:public,max-age%3D60", "no-store"),
        // Connection cannot take out what says whose the reply is.
        ("h=Connection:Cache-Control,Set-Cookie&h=Cache-Control:private", "private"),
        ("h=Connection:Cache-Control,Set-Cookie&h=Set-Cookie:a%3Db", "set-cookie"),
        ("h=Connection:Vary&h=Vary:*", "vary-star"),
        ("h=Vary:*", "vary-star"),
        ("h=Vary:Accept,%20*", "vary-star"),
        ("h=X-Accel-Expires:0", "x-accel-expires"),
        ("type=text/html&h=Content-Security-Policy:script-src%20'nonce-abc'", "nonce"),
        ("body=html-with-csrf", "csrf-token"),
        ("body=html-with-csrf&nolength=1&chunks=40", "csrf-token"),
        ("status=206&h=Content-Range:bytes%200-1/9", "partial"),
    ];
    let mut wrong = Vec::new();
    for (n, (query, reason)) in cases.iter().enumerate() {
        let target = format!("/count/not{n}?{query}");
        let first = stack.get(&target);
        let second = stack.get(&target);
        if first.body == second.body || stack.oracle.calls(&format!("not{n}")) != 2 {
            wrong.push(format!("{query}: kept"));
        }
        // A token is found in the body, when the head has been sent.
        if *reason != "csrf-token" && !first.cache_status().contains(&format!("detail={reason}")) {
            wrong.push(format!("{query}: {} does not say {reason}", first.cache_status()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

both_topologies!(a_page_made_for_a_visitor_is_only_theirs, settings());
fn a_page_made_for_a_visitor_is_only_theirs(stack: &Stack) {
    let visitors: &[(&str, &str, &str)] = &[
        ("Cookie", "sessionid=alice", "alice"),
        ("Cookie", "sessionid=bob", "bob"),
        ("Cookie", "session=carol", "carol"),
        // Not known: personal.
        ("Cookie", "something=dave", "dave"),
        ("Cookie", "_ga=1; theme=erin; csrftoken=x", "erin"),
        ("Cookie", "nameless", "nameless"),
        ("Authorization", "Basic frank", "frank"),
        ("Authorization", "Bearer grace", "grace"),
    ];
    let anonymous = "1 cookie=None authorization=None\n";
    // Before and after an anonymous page is kept.
    for round in 0..2 {
        for (field, value, name) in visitors {
            let page = stack.get_with("/count/own?body=who", &[(field, value)]).expect(200);
            assert!(page.text().contains(name), "{name} got {}", page.text());
            assert!(!page.cache_status().contains("hit"));
        }
        let page = stack.get("/count/own?body=who").expect(200).text();
        for (_, _, name) in visitors {
            assert!(!page.contains(name), "anonymous got {page}");
        }
        if round == 0 {
            assert_ne!(page, anonymous, "the count has moved on");
        }
    }
}

both_topologies!(who_asks_at_the_same_time_gets_no_others_page, settings());
fn who_asks_at_the_same_time_gets_no_others_page(stack: &Stack) {
    std::thread::scope(|scope| {
        for n in 0..24 {
            scope.spawn(move || {
                let cookie = format!("sessionid=visitor{n}.");
                let fields = if n % 3 == 0 { vec![] } else { vec![("Cookie", cookie.as_str())] };
                for _ in 0..3 {
                    let page = stack.get_with("/count/crowd?body=who&delay=50", &fields).expect(200).text();
                    match n % 3 {
                        0 => assert!(page.contains("cookie=None"), "anonymous got {page}"),
                        _ => assert!(page.contains(&cookie), "{n} got {page}"),
                    }
                }
            });
        }
    });
}

both_topologies!(a_reply_may_say_itself_that_it_is_for_all, settings());
fn a_reply_may_say_itself_that_it_is_for_all(stack: &Stack) {
    for (n, control) in ["public,max-age%3D60", "s-maxage%3D60"].iter().enumerate() {
        let target = format!("/count/public{n}?h=Cache-Control:{control}");
        assert_eq!(stack.get(&target).expect(200).text(), "1\n");
        for (field, value) in
            [("Cookie", "sessionid=a"), ("Authorization", "Basic x"), ("Cookie", "sessionid=b")]
        {
            let page = stack.get_with(&target, &[(field, value)]).expect(200).expect_cache(&["hit"]);
            assert_eq!(page.text(), "1\n");
        }
    }
    // It need not have been an anonymous visitor who asked first.
    let target = "/count/first?h=Cache-Control:public,max-age%3D60";
    for _ in 0..3 {
        stack.get_with(target, &[("Cookie", "sessionid=a")]).expect(200);
    }
    stack.get_with(target, &[("Cookie", "sessionid=b")]).expect(200).expect_cache(&["hit"]);
}

both_topologies!(what_was_left_out_is_asked_for_again_with_everything, settings());
fn what_was_left_out_is_asked_for_again_with_everything(stack: &Stack) {
    let target = "/count/trim?utm_source=mail&body=who&h=Set-Cookie:a%3Db";
    let page = stack.get_with(target, &[("Cookie", "_ga=1; csrftoken=x")]).expect(200);
    assert_eq!(page.text(), "2 cookie=_ga=1; csrftoken=x authorization=None\n");
    assert_eq!(stack.oracle.field("trim", 0, "HTTP_COOKIE"), None);
    assert!(!stack.oracle.call("trim", 0)["uri"].as_str().unwrap().contains("utm_source"));
    assert!(stack.oracle.call("trim", 1)["uri"].as_str().unwrap().contains("utm_source=mail"));
    // And it is remembered: the next goes straight through.
    let page = stack.get_with(target, &[("Cookie", "_ga=2")]).expect(200);
    assert_eq!(page.text(), "3 cookie=_ga=2 authorization=None\n");
    assert_eq!(stack.oracle.calls("trim"), 3);
}

both_topologies!(a_page_with_a_token_is_the_visitors_own_cookie_and_all, settings());
fn a_page_with_a_token_is_the_visitors_own_cookie_and_all(stack: &Stack) {
    // The page is asked for without the cookie first; only the body shows that it is one visitor's own,
    // perhaps long after the head.
    for (name, pace) in [("form", ""), ("slow", "&chunks=4&gap=40"), ("open", "&chunks=4&gap=40&nolength=1")]
    {
        let target = format!("/count/{name}?body=html-with-csrf{pace}");
        let cookies = |at| stack.oracle.field(name, at, "HTTP_COOKIE");
        let token = |cookie| {
            let page = stack.get_with(&target, &[("Cookie", cookie)]).expect(200).text();
            page.split("value=\"").nth(1).map(str::to_owned)
        };
        let first = token("csrftoken=a");
        assert_eq!((cookies(0), cookies(1).as_deref()), (None, Some("csrftoken=a")), "{name}");
        let second = token("_ga=1; csrftoken=b");
        assert!(first.is_some() && first != second, "{name}");
        let last = stack.oracle.calls(name) as usize - 1;
        assert_eq!(cookies(last).as_deref(), Some("_ga=1; csrftoken=b"), "{name}");
    }
}

both_topologies!(cookies_and_redirects_of_a_login_stay_with_their_visitor, settings());
fn cookies_and_redirects_of_a_login_stay_with_their_visitor(stack: &Stack) {
    // Chosen by Cookie: anonymous visitors share one page, whatever is measured of them; all others have
    // their own.
    let target = "/count/vary?body=who&h=Vary:Cookie";
    for cookie in ["_ga=1", "_ga=2; _fbp=x", "csrftoken=a"] {
        let page = stack.get_with(target, &[("Cookie", cookie)]).expect(200).text();
        assert_eq!(page, "1 cookie=None authorization=None\n", "{cookie}");
    }
    for name in ["alice", "bob"] {
        let page = stack.get_with(target, &[("Cookie", &format!("_ga=1; sessionid={name}"))]).expect(200);
        assert!(page.text().contains(name) && !page.cache_status().contains("stored"));
    }
    // Said to be for all, and chosen by Cookie all the same: not for those with a session.
    let target = "/count/both?body=who&h=Vary:Cookie&h=Cache-Control:public,max-age%3D60";
    stack.get(target).expect(200);
    assert!(stack.get_with(target, &[("Cookie", "sessionid=eve")]).expect(200).text().contains("eve"));
    assert!(!stack.get(target).expect(200).text().contains("eve"));
    // A login answers with a redirect and a session.
    let login = "/count/login?status=302&h=Location:/me&h=Set-Cookie:sessionid%3Dsecret";
    for calls in 1..4 {
        let reply = stack.get(login).expect(302);
        let status = reply.cache_status();
        // Once it is known, it may also be said of the mark that lets the request through.
        let told = ["detail=set-cookie", "detail=uncacheable-reply"].iter().any(|told| status.contains(told));
        assert!(told && !status.contains("stored"), "{status}");
        assert_eq!(stack.oracle.calls("login"), calls);
    }
    // One to the login, for those who have no session, is kept, and not given to those who have one.
    let gate = "/count/gate?status=302&h=Location:/login";
    stack.get(gate).expect(302).expect_cache(&["stored"]);
    stack.oracle.set("gate", "");
    stack.get(gate).expect(302).expect_cache(&["hit"]);
    stack.get_with(gate, &[("Cookie", "sessionid=alice")]).expect(302).expect_cache(&["fwd=bypass"]);
    assert_eq!(stack.oracle.calls("gate"), 2);
}

fn flask() -> Setup {
    Setup::from(settings()).before(App::Flask)
}

both_topologies!(flask_visitors_never_see_each_other, flask());
fn flask_visitors_never_see_each_other(stack: &Stack) {
    let session = |name: &str| {
        let body = format!("name={name}");
        let length = body.len().to_string();
        let fields =
            [("Content-Length", length.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        let response = stack.ask("POST", "/login", &fields, body.as_bytes()).expect(302);
        response.field("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    };
    let cookies = [session("Alice"), session("Bob")];
    for _ in 0..2 {
        for (cookie, name) in cookies.iter().zip(["Alice", "Bob"]) {
            let page = stack.get_with("/me", &[("Cookie", cookie)]).expect(200);
            assert!(page.text().contains(&format!("you are {name}")), "{name} got {}", page.text());
        }
        assert!(stack.get("/me").expect(200).text().contains("you are nobody"));
    }
    let front = stack.get("/").expect(200).text();
    assert_eq!(stack.get("/").expect(200).expect_cache(&["hit"]).text(), front);
}

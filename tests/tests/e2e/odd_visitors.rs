//! One odd reply costs the others nothing: a page that is kept stays kept, and a mark concerns its own
//! variant.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use weir_tests::{Response, Stack, both_topologies, until};

const PAST_A_SECOND: Duration = Duration::from_millis(1_200);

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
hit_for_miss = "30s"
[[edge.site.location]]
match = "/short/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "0s"
stale_if_error = "60s"
hit_for_miss = "30s"
[[edge.site.location]]
match = "/swr/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
stale_while_revalidate = "60s"
stale_if_error = "60s"
"#;

fn at_once(stack: &Stack, visitors: usize, target: &str) -> Vec<Response> {
    let together = Barrier::new(visitors);
    thread::scope(|scope| {
        let visitor = || {
            let mut client = stack.connect();
            together.wait();
            client.get(target)
        };
        let visitors: Vec<_> = (0..visitors).map(|_| scope.spawn(visitor)).collect();
        visitors.into_iter().map(|visitor| visitor.join().unwrap()).collect()
    })
}

both_topologies!(a_reply_that_may_not_be_stored_leaves_other_variants_alone, SETTINGS);
fn a_reply_that_may_not_be_stored_leaves_other_variants_alone(stack: &Stack) {
    let ask = |accept| stack.get_with("/count/odd", &[("Accept", accept)]);
    stack.oracle.set("odd", "h=Vary:Accept");
    for accept in ["text/html", "text/plain"] {
        ask(accept).expect(200).expect_cache(&["stored"]);
    }
    stack.oracle.set("odd", "h=Vary:Accept&status=406");
    ask("image/x-odd").expect(406);
    for accept in ["text/html", "text/plain"] {
        for _ in 0..5 {
            ask(accept).expect(200).expect_cache(&["hit"]);
        }
    }
    assert_eq!(stack.oracle.calls("odd"), 3);
}

both_topologies!(a_refusal_on_a_refresh_leaves_the_stale_page, SETTINGS);
fn a_refusal_on_a_refresh_leaves_the_stale_page(stack: &Stack) {
    for status in [401, 403, 406, 408, 429, 500, 503] {
        let (name, target) = (format!("refused{status}"), format!("/swr/count/refused{status}"));
        stack.get(&target).expect(200);
        stack.oracle.set(&name, &format!("status={status}"));
        thread::sleep(PAST_A_SECOND);
        for _ in 0..20 {
            assert_eq!(stack.get(&target).expect(200).text(), "1\n", "{status}");
            thread::sleep(Duration::from_millis(10));
        }
        // The pause between refreshes grows: in 200 ms there is one, perhaps two.
        let calls = stack.oracle.calls(&name);
        assert!((2..=4).contains(&calls), "{status}: {calls} calls");
        stack.oracle.set(&name, "");
        until("the next refresh counts", || (stack.get(&target).text() != "1\n").then_some(()));
    }
}

both_topologies!(set_cookie_on_some_replies_costs_the_others_nothing, SETTINGS);
fn set_cookie_on_some_replies_costs_the_others_nothing(stack: &Stack) {
    let target = "/short/count/cookie";
    stack.get(target).expect(200).expect_cache(&["stored"]);
    thread::sleep(PAST_A_SECOND);
    stack.oracle.set("cookie", "h=Set-Cookie:a%3Db");
    // Its requester alone gets it.
    let own = stack.get(target).expect(200);
    assert_eq!((own.text(), own.field("set-cookie")), ("2\n".to_owned(), Some("a=b")));
    stack.oracle.set("cookie", "");
    // The page from before stands in, and the next reply that can be stored ends the mark.
    for response in at_once(stack, 50, target) {
        assert!(response.expect(200).field("set-cookie").is_none());
    }
    until("a page is stored again", || {
        stack.get(target).expect(200).cache_status().contains("hit; ttl").then_some(())
    });
    assert!(stack.oracle.calls("cookie") <= 5, "{} calls", stack.oracle.calls("cookie"));
}

both_topologies!(a_mark_ends_with_the_next_reply_that_can_be_stored, SETTINGS);
fn a_mark_ends_with_the_next_reply_that_can_be_stored(stack: &Stack) {
    stack.oracle.set("mark", "h=Set-Cookie:a%3Db");
    stack.get("/count/mark").expect(200).expect_cache(&["detail=set-cookie"]);
    stack.oracle.set("mark", "");
    // A request that hides something from the application tries again after the first pause.
    thread::sleep(Duration::from_millis(300));
    stack.get("/count/mark").expect(200);
    for _ in 0..5 {
        assert_eq!(stack.get("/count/mark").expect_cache(&["hit"]).text(), "2\n");
    }
}

both_topologies!(
    a_mark_is_no_licence_for_all_at_once,
    format!("limits = {{ hit_for_miss = 3 }}\n{SETTINGS}")
);
fn a_mark_is_no_licence_for_all_at_once(stack: &Stack) {
    stack.oracle.set("crowd", "h=Set-Cookie:a%3Db&delay=100");
    stack.get("/count/crowd").expect(200);
    for response in at_once(stack, 12, "/count/crowd") {
        response.expect(200);
    }
    let most = stack.oracle.most_at_once("crowd");
    // One more may try whether its reply can be stored.
    assert!(most <= 4, "{most} at once");
    assert_eq!(stack.oracle.calls("crowd"), 13);
}

both_topologies!(a_404_without_lifetime_is_asked_for_once_at_a_time, SETTINGS);
fn a_404_without_lifetime_is_asked_for_once_at_a_time(stack: &Stack) {
    stack.oracle.set("missing", "status=404&delay=300");
    let replies = at_once(stack, 20, "/count/missing");
    for response in replies {
        response.expect(404);
    }
    let calls = stack.oracle.calls("missing");
    assert!(calls <= 3, "{calls} calls for 20 visitors");
    // What says that it is one visitor's is not given to another.
    stack.oracle.set("mine", "status=404&delay=300&h=Cache-Control:private");
    at_once(stack, 5, "/count/mine");
    assert_eq!(stack.oracle.calls("mine"), 5);
}

both_topologies!(replies_with_different_vary_stand_side_by_side, SETTINGS);
fn replies_with_different_vary_stand_side_by_side(stack: &Stack) {
    let german = [("Accept-Language", "de"), ("Accept", "text/html")];
    let plain = [("Accept-Language", "en"), ("Accept", "text/plain")];
    stack.oracle.set("both", "h=Vary:Accept-Language");
    assert_eq!(stack.get_with("/count/both", &german).expect(200).text(), "1\n");
    stack.oracle.set("both", "h=Vary:Accept");
    assert_eq!(stack.get_with("/count/both", &plain).expect(200).text(), "2\n");
    for _ in 0..20 {
        assert_eq!(stack.get_with("/count/both", &german).expect_cache(&["hit"]).text(), "1\n");
        assert_eq!(stack.get_with("/count/both", &plain).expect_cache(&["hit"]).text(), "2\n");
    }
    assert_eq!(stack.oracle.calls("both"), 2);
}

both_topologies!(the_variant_used_least_makes_room, SETTINGS);
fn the_variant_used_least_makes_room(stack: &Stack) {
    let ask = |n: usize| {
        let language = format!("l{n}");
        stack.get_with("/count/many?h=Vary:Accept-Language", &[("Accept-Language", &language)]).expect(200)
    };
    for n in [0, 1] {
        ask(n).expect_cache(&["stored"]);
    }
    for _ in 0..10 {
        ask(0).expect_cache(&["hit"]);
    }
    for n in 2..100 {
        ask(n).expect_cache(&["stored"]);
    }
    let calls = stack.oracle.calls("many");
    assert_eq!(calls, 100);
    ask(0).expect_cache(&["hit"]);
    ask(99).expect_cache(&["hit"]);
    // One that made room is made again once, however many ask for it.
    let together = Barrier::new(10);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                together.wait();
                stack
                    .get_with("/count/many?h=Vary:Accept-Language", &[("Accept-Language", "new")])
                    .expect(200);
            });
        }
    });
    assert_eq!(stack.oracle.calls("many"), 101);
}

both_topologies!(nobody_joins_a_page_that_is_over, SETTINGS);
fn nobody_joins_a_page_that_is_over(stack: &Stack) {
    let target = "/count/long?h=Cache-Control:max-age%3D1,must-revalidate&size=4000&chunks=4&gap=1000";
    thread::scope(|scope| {
        let first = scope.spawn(|| stack.get(target));
        stack.oracle.wait_for_calls("long", 1);
        thread::sleep(Duration::from_millis(1_800));
        stack.get(target).expect(200);
        first.join().unwrap().expect(200);
    });
    assert_eq!(stack.oracle.calls("long"), 2, "it joined a page that could not be used any more");
}

//! Requests for a page that is being made: how long they wait, how many may, and what they get if it comes to
//! nothing.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use weir_tests::{Response, Stack, both_topologies, until};

const SETTINGS: &str = r#"
limits = { waiters = 3 }

[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
hit_for_miss = "3s"
"#;

/// The first, and then so many others at the same time while its page is being made.
fn behind(stack: &Stack, name: &str, target: &str, others: usize) -> (Response, Vec<(Response, Duration)>) {
    let together = Barrier::new(others);
    thread::scope(|scope| {
        let first = scope.spawn(|| stack.get(target));
        stack.oracle.wait_for_calls(name, 1);
        let other = || {
            let mut client = stack.connect();
            together.wait();
            let begun = Instant::now();
            (client.get(target), begun.elapsed())
        };
        let others: Vec<_> = (0..others).map(|_| scope.spawn(other)).collect();
        (first.join().unwrap(), others.into_iter().map(|other| other.join().unwrap()).collect())
    })
}

fn impatient() -> String {
    format!("timeouts = {{ wait = \"700ms\" }}\n{SETTINGS}")
}

both_topologies!(a_wait_has_an_end, impatient());
fn a_wait_has_an_end(stack: &Stack) {
    let (first, others) = behind(stack, "slow", "/count/slow?delay=2500", 3);
    first.expect(200).expect_cache(&["stored"]);
    // They gave up waiting, and then asked by themselves, all at once.
    for (response, took) in others {
        response.expect(200).expect_cache(&["fwd=bypass", "detail=wait-timeout"]);
        assert!(took > Duration::from_millis(3_000), "{took:?}");
    }
    assert_eq!(stack.oracle.calls("slow"), 4);
    assert!(stack.oracle.most_at_once("slow") >= 3, "one after the other");
    stack.get("/count/slow?delay=2500").expect_cache(&["hit"]);
}

both_topologies!(a_page_that_was_shared_before_is_waited_for, impatient());
fn a_page_that_was_shared_before_is_waited_for(stack: &Stack) {
    let lives = "h=Cache-Control:max-age%3D1,stale-while-revalidate%3D0";
    stack.oracle.set("known", lives);
    stack.get("/count/known").expect(200).expect_cache(&["stored"]);
    thread::sleep(Duration::from_millis(1_300));
    stack.oracle.set("known", &format!("{lives}&delay=2500"));
    let together = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                assert_eq!(stack.get("/count/known").expect(200).text(), "2\n");
            });
        }
    });
    assert_eq!(stack.oracle.calls("known"), 2, "alone, each would have waited as long");
}

both_topologies!(only_so_many_wait, SETTINGS);
fn only_so_many_wait(stack: &Stack) {
    let (first, others) = behind(stack, "crowd", "/count/crowd?delay=600", 6);
    first.expect(200);
    let words =
        |word: &str| others.iter().filter(|(response, _)| response.cache_status().contains(word)).count();
    assert_eq!((words("detail=too-many-waiters"), words("collapsed")), (3, 3));
    assert_eq!(stack.oracle.calls("crowd"), 4);
}

both_topologies!(an_error_is_shared_by_all_who_wait, SETTINGS);
fn an_error_is_shared_by_all_who_wait(stack: &Stack) {
    let (first, others) = behind(stack, "error", "/count/error?delay=400&status=503", 3);
    let page = first.expect(503).body;
    for (response, _) in others {
        assert_eq!(response.expect(503).expect_cache(&["collapsed"]).body, page);
    }
    assert_eq!(stack.oracle.calls("error"), 1, "a queue of retries");
    // And it is not stored.
    stack.oracle.set("error", "");
    assert_eq!(stack.get("/count/error?delay=0&status=200").expect(200).text(), "2\n");
}

both_topologies!(what_cannot_be_shared_is_remembered_for_a_while, SETTINGS);
fn what_cannot_be_shared_is_remembered_for_a_while(stack: &Stack) {
    stack.oracle.set("own", "delay=500&h=Set-Cookie:a%3Db");
    let (first, others) = behind(stack, "own", "/count/own", 3);
    first.expect(200).expect_cache(&["detail=set-cookie"]);
    for (response, _) in others {
        response.expect(200);
    }
    assert!(stack.oracle.most_at_once("own") >= 2, "one after the other");
    // From now on nobody waits for anybody, but not for ever.
    stack.get("/count/own").expect(200).expect_cache(&["fwd=bypass", "detail=set-cookie"]);
    stack.oracle.set("own", "");
    until("it is stored", || stack.get("/count/own").cache_status().contains("stored").then_some(()));
}

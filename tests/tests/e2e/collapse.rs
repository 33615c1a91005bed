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

/// The first, and then this many others at the same time while its page is being made, which is not done
/// before `until` returns.
fn behind(stack: &Stack, name: &str, others: usize, until: impl FnOnce()) -> (Response, Vec<Response>) {
    let (together, target) = (Barrier::new(others), format!("/count/{name}"));
    thread::scope(|scope| {
        let first = scope.spawn(|| stack.get(&target));
        stack.oracle.wait_for_calls(name, 1);
        let other = || {
            let mut client = stack.connect();
            together.wait();
            client.get(&target)
        };
        let others: Vec<_> = (0..others).map(|_| scope.spawn(other)).collect();
        until();
        stack.oracle.release_all(name);
        (first.join().unwrap(), others.into_iter().map(|other| other.join().unwrap()).collect())
    })
}

fn impatient() -> String {
    format!("timeouts = {{ wait = \"700ms\" }}\n{SETTINGS}")
}

both_topologies!(a_wait_has_an_end, impatient());
fn a_wait_has_an_end(stack: &Stack) {
    stack.oracle.set("slow", "hold=1");
    let begun = Instant::now();
    // They stop waiting, and then ask by themselves, all at once.
    let (first, others) = behind(stack, "slow", 3, || {
        stack.oracle.wait_for_calls("slow", 2);
        assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
        stack.oracle.wait_for_running("slow", 4);
    });
    first.expect(200).expect_cache(&["stored"]);
    for response in others {
        response.expect(200).expect_cache(&["fwd=bypass", "detail=wait-timeout"]);
    }
    assert_eq!(stack.oracle.calls("slow"), 4);
    stack.get("/count/slow").expect_cache(&["hit"]);
}

fn impatient_in_lanes() -> String {
    let limits = "limits = { waiters = 100, hit_for_miss = 2 }";
    impatient().replace("limits = { waiters = 3 }", limits)
}

both_topologies!(a_slow_page_that_nobody_knows_is_asked_for_by_few, impatient_in_lanes());
fn a_slow_page_that_nobody_knows_is_asked_for_by_few(stack: &Stack) {
    stack.oracle.set("unknown", "hold=1");
    let (first, others) = behind(stack, "unknown", 30, || {
        stack.oracle.wait_for_running("unknown", 3);
        thread::sleep(Duration::from_millis(1_500));
    });
    first.expect(200).expect_cache(&["stored"]);
    let alone = others.into_iter().filter(|other| other.cache_status().contains("wait-timeout")).count();
    assert_eq!((alone, stack.oracle.calls("unknown")), (2, 3), "as many as there are lanes");
}

both_topologies!(a_slow_body_that_nobody_knows_is_asked_for_by_few, impatient_in_lanes());
fn a_slow_body_that_nobody_knows_is_asked_for_by_few(stack: &Stack) {
    let target = "/count/body?body=html&size=4000&chunks=4&gap=800";
    thread::scope(|scope| {
        for n in 0..20 {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(10 * n));
                assert_eq!(stack.get(target).expect(200).body.len(), 4000);
            });
        }
    });
    let calls = stack.oracle.calls("body");
    assert!(calls <= 3, "{calls} calls");
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

both_topologies!(so_is_one_whose_body_is_slow_and_searched, impatient());
fn so_is_one_whose_body_is_slow_and_searched(stack: &Stack) {
    let lives = "body=html&h=Cache-Control:max-age%3D1,stale-while-revalidate%3D0";
    stack.oracle.set("searched", lives);
    stack.get("/count/searched").expect(200);
    thread::sleep(Duration::from_millis(1_300));
    stack.oracle.set("searched", &format!("{lives}&size=4000&chunks=4&gap=800"));
    thread::scope(|scope| {
        for n in 0..4 {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(100 * n));
                assert_eq!(stack.get("/count/searched").expect(200).body.len(), 4000);
            });
        }
    });
    assert_eq!(stack.oracle.calls("searched"), 2, "some went alone");
}

both_topologies!(only_so_many_wait, SETTINGS);
fn only_so_many_wait(stack: &Stack) {
    // The first, and those who may not wait.
    stack.oracle.set("crowd", "hold=1");
    let (first, others) = behind(stack, "crowd", 6, || stack.oracle.wait_for_running("crowd", 4));
    first.expect(200);
    let words = |word: &str| others.iter().filter(|response| response.cache_status().contains(word)).count();
    assert_eq!((words("detail=too-many-waiters"), words("collapsed")), (3, 3));
    assert_eq!(stack.oracle.calls("crowd"), 4);
}

both_topologies!(an_error_is_shared_by_all_who_wait, SETTINGS);
fn an_error_is_shared_by_all_who_wait(stack: &Stack) {
    let (mut name, mut round) = (String::new(), 0);
    // On a busy machine they may come when it is over.
    until("all three came in time", || {
        round += 1;
        name = format!("error{round}");
        stack.oracle.set(&name, "hold=1&status=503");
        let (first, others) = behind(stack, &name, 3, || thread::sleep(Duration::from_millis(400)));
        let page = first.expect(503).body;
        let (joined, late): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|response| response.cache_status().contains("collapsed"));
        assert!(joined.into_iter().all(|response| response.expect(503).body == page));
        assert_eq!(stack.oracle.calls(&name), 1 + late.len() as u64, "a queue of retries");
        late.is_empty().then_some(())
    });
    // And it is not stored.
    stack.oracle.set(&name, "");
    assert_eq!(stack.get(&format!("/count/{name}")).expect(200).text(), "2\n");
}

both_topologies!(what_cannot_be_shared_is_remembered_for_a_while, SETTINGS);
fn what_cannot_be_shared_is_remembered_for_a_while(stack: &Stack) {
    stack.oracle.set("own", "hold=1&h=Set-Cookie:a%3Db");
    let (first, others) = behind(stack, "own", 3, || {
        stack.oracle.release("own", 1);
        // Not one after the other.
        stack.oracle.wait_for_running("own", 2);
    });
    first.expect(200).expect_cache(&["detail=set-cookie"]);
    for response in others {
        response.expect(200);
    }
    // From now on nobody waits for anybody, but not for ever.
    stack.get("/count/own").expect(200).expect_cache(&["fwd=bypass", "detail=set-cookie"]);
    stack.oracle.set("own", "");
    until("it is stored", || stack.get("/count/own").cache_status().contains("stored").then_some(()));
}

fn keeps_little() -> String {
    SETTINGS.replace("ttl = \"60s\"", "ttl = \"60s\"\nmax_object = \"1MiB\"")
}

both_topologies!(who_reads_slowly_loses_nothing_of_a_page_that_is_too_large, keeps_little());
fn who_reads_slowly_loses_nothing_of_a_page_that_is_too_large(stack: &Stack) {
    const SIZE: usize = 12_000_000;
    for length in ["", "&nolength=1"] {
        let name = format!("large{}", length.len());
        stack.oracle.set(&name, "hold=1");
        let ask = || {
            let mut client = stack.connect();
            client.send(format!("GET /count/{name}?size={SIZE}{length} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            client
        };
        let mut quick = ask();
        stack.oracle.wait_for_calls(&name, 1);
        let mut slow = ask();
        // It has joined.
        thread::sleep(Duration::from_millis(300));
        stack.oracle.release_all(&name);
        assert_eq!(quick.response("GET").expect(200).body.len(), SIZE);
        thread::sleep(Duration::from_millis(1_500));
        let slow = slow.response("GET");
        assert!(slow.whole && slow.body.len() == SIZE, "{} bytes, {length:?}", slow.body.len());
        assert_eq!(stack.oracle.calls(&name), 1, "both have read one page");
    }
}

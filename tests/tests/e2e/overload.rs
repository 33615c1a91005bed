//! More requests than the servers take: who waits, who goes first, who is turned away, and how quickly.

use std::time::{Duration, Instant};

use weir_tests::{Oracle, Stack, Topology, Uwsgi, both_topologies, check, until};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/urgent/"
pool = "app"
priority = "high"
[[edge.site.location]]
match = "/cached/"
pool = "app"
[edge.site.location.cache]
ttl = "100ms"
stale_while_revalidate = 0
stale_if_error = "60s"
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
max_in_flight = 1
client_share = 100
queue = { length = 2, timeout = "20s" }
"#;

/// Asks in a thread of the scope, and waits until the application has it, which holds it until `release_all`.
fn occupy<'scope>(scope: &'scope std::thread::Scope<'scope, '_>, stack: &'scope Stack, name: &'static str) {
    scope.spawn(move || stack.get(&format!("/count/{name}?hold=1")).expect(200));
    stack.oracle.wait_for_calls(name, 1);
}

/// Waits until this many requests are in the queue.
fn wait_for_queue(stack: &Stack, requests: i64) {
    let line = format!("weir_wsgi_adapter_queued{{pool=\"app\"}} {requests}");
    until("requests wait", || stack.metrics_of_pools().contains(&line).then_some(()));
}

both_topologies!(beyond_the_queue_there_is_a_quick_503_or_the_stale_page, SETTINGS);
fn beyond_the_queue_there_is_a_quick_503_or_the_stale_page(stack: &Stack) {
    /// Half of what those in the queue may wait: who is turned away has not waited.
    const QUICKLY: Duration = Duration::from_secs(10);
    stack.get("/cached/count/page").expect(200);
    std::thread::sleep(Duration::from_millis(200));
    std::thread::scope(|scope| {
        occupy(scope, stack, "slow");
        for _ in 0..2 {
            scope.spawn(|| stack.get("/count/waits").expect(200));
        }
        wait_for_queue(stack, 2);
        let start = Instant::now();
        let refused = stack.get("/count/refused").expect(503);
        assert!(
            refused.field("retry-after").is_some_and(|seconds| (1..=60).contains(&seconds.parse().unwrap()))
        );
        let stale = stack.get("/cached/count/page").expect(200);
        assert_eq!(stale.text(), "1\n");
        assert!(stale.cache_status().contains("fwd=stale"), "{}", stale.cache_status());
        assert!(start.elapsed() < QUICKLY, "{:?}", start.elapsed());
        stack.oracle.release_all("slow");
    });
    assert_eq!(stack.oracle.calls("refused"), 0);
}

both_topologies!(the_urgent_go_first, SETTINGS);
fn the_urgent_go_first(stack: &Stack) {
    std::thread::scope(|scope| {
        occupy(scope, stack, "slow");
        let waiting = [0, 1].map(|_| scope.spawn(|| stack.get("/count/waits?hold=1").status));
        wait_for_queue(stack, 2);
        // The queue is full: the last of the less urgent has to go, and this one stands before the other.
        let urgent = scope.spawn(|| stack.get("/urgent/count/now").expect(200));
        until("one had to go", || waiting.iter().any(|waits| waits.is_finished()).then_some(()));
        stack.oracle.release_all("slow");
        urgent.join().unwrap();
        assert!(stack.oracle.calls("waits") <= 1, "those who came before were served before");
        stack.oracle.release_all("waits");
    });
}

#[test]
fn the_edges_deadline_ends_the_wait_and_the_tries() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let settings = format!(
        "timeouts = {{ application = \"1s\" }}\n[[edge.site]]\nserver_name = [\"localhost\"]\n[[edge.site.location]]\n\
         match = \"/\"\npool = \"app\"\n[[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"{}\", \"{}\"]\n\
         max_in_flight = 1\n",
        first.address(),
        second.address()
    );
    check(Topology::OneProcess, settings, |stack| {
        std::thread::scope(|scope| {
            scope.spawn(|| stack.get("/count/late?hold=1").expect(504));
            until("it is there", || {
                (Oracle::of(&first).calls("late") + Oracle::of(&second).calls("late") > 0).then_some(())
            });
            // This one waits for a place, as long as the edge waits for it.
            stack.get("/count/waits");
        });
        // It is still there, which the deadline of none of them waited for.
        let [first, second] = [&first, &second].map(Oracle::of);
        assert_eq!(first.running("late") + second.running("late"), 1);
        let calls = first.calls("late") + second.calls("late");
        [first, second].iter().for_each(|oracle| oracle.release_all("late"));
        assert_eq!(calls, 1, "nobody waits for a second try");
    });
}

#[test]
fn an_open_breaker_fails_at_once_and_lets_one_try() {
    let app = Uwsgi::oracle();
    let settings = format!(
        "[[edge.site]]\nserver_name = [\"localhost\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n\
         [[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"{}\"]\nread_timeout = \"1s\"\n\
         breaker = {{ failures = 2, pause = \"3s\", max_pause = \"3s\" }}\n",
        app.address()
    );
    check(Topology::OneProcess, settings, |stack| {
        app.pause();
        for _ in 0..2 {
            stack.get("/count/x").expect(504);
        }
        // One that were tried would have 504. In each pause, which is over soon on a busy machine, one is.
        until("an open breaker lets none through", || (stack.get("/count/x").status == 503).then_some(()));
        let pools = stack.admin("/api/v1/pools").json();
        assert_eq!(pools["pools"][0]["servers"][0]["state"], "open");
        assert_eq!(pools["pools"][0]["servers"][0]["last_failure"]["kind"], "timeout");
        app.go_on();
        until("it is tried again", || (stack.get("/count/x").status == 200).then_some(()));
    });
}

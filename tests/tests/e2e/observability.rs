//! What the operator sees: access log, metrics, health, traces.

use std::collections::HashMap;

use serde_json::Value;
use weir_tests::{Location, Settings, Stack, both_topologies, site, until};

fn settings() -> Settings {
    site([Location::passed("/"), Location::cached("/cached/", "60s")])
}

fn json() -> Settings {
    site([Location::cached("/", "60s")]).with("edge.access_log", "json")
}

/// The lines of the access log that hold this word, once there are so many.
fn lines(stack: &Stack, word: &str, wanted: usize) -> Vec<String> {
    until(&format!("{wanted} lines with {word} in the access log"), || {
        let output = stack.edge.output();
        let found: Vec<_> = output.lines().filter(|line| line.contains(word)).map(str::to_owned).collect();
        (found.len() >= wanted).then_some(found)
    })
}

both_topologies!(the_access_log_is_combined, settings());
fn the_access_log_is_combined(stack: &Stack) {
    let fields = [("Referer", "http://a/\"b"), ("User-Agent", "probe\u{e9}")];
    stack.get_with("/cached/count/logged?size=7", &fields).expect(200);
    stack.get_with("/cached/count/logged?size=7", &fields).expect(200);
    stack.ask("POST", "/count/logged2", &[("Content-Length", "0")], b"").expect(200);
    for line in lines(stack, "logged?size=7", 2) {
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
        let rest = line.split("] ").nth(1).unwrap();
        // As nginx escapes them.
        let agent = "probe\\xC3\\xA9";
        assert_eq!(
            rest,
            format!("\"GET /cached/count/logged?size=7 HTTP/1.1\" 200 7 \"http://a/\\x22b\" \"{agent}\"")
        );
    }
    let line = &lines(stack, "logged2", 1)[0];
    assert!(line.ends_with("\"POST /count/logged2 HTTP/1.1\" 200 2 \"-\" \"-\""), "{line}");
    // A request that was refused is there too.
    let mut client = stack.connect();
    client.send("nonsense\r\n\r\n");
    client.response("GET").expect(400);
    lines(stack, "\" 400 ", 1);
}

both_topologies!(the_access_log_may_be_json, json());
fn the_access_log_may_be_json(stack: &Stack) {
    stack.get("/count/j?size=7").expect(200);
    stack.get("/count/j?size=7").expect(200);
    let lines = lines(stack, "/count/j", 2);
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &7.into()));
        assert_eq!((&line["method"], &line["target"]), (&"GET".into(), &"/count/j?size=7".into()));
        assert!(line["duration_s"].as_f64().is_some_and(|seconds| (0.0..30.0).contains(&seconds)));
    }
    // Two connections: a line is written when its answer is, by whoever comes first.
    let mut caches: Vec<&str> = lines.iter().map(|line| line["cache"].as_str().unwrap()).collect();
    caches.sort_unstable();
    assert_eq!(caches, ["hit", "miss"]);
}

/// Names with labels, and their values, of Prometheus' text format. Panics if a line is neither that nor a
/// comment.
fn parsed(text: &str) -> HashMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line:?}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("not a number: {line:?}")))
        })
        .collect()
}

/// The sum of all samples of this name whose labels hold all these words.
fn sum(metrics: &HashMap<String, f64>, name: &str, words: &[&str]) -> f64 {
    let samples = metrics.iter().filter(|(sample, _)| {
        sample.split('{').next() == Some(name) && words.iter().all(|word| sample.contains(word))
    });
    samples.map(|(_, value)| value).sum()
}

both_topologies!(metrics_count_what_happens, settings());
fn metrics_count_what_happens(stack: &Stack) {
    for _ in 0..5 {
        stack.get("/cached/count/m").expect(200);
    }
    for _ in 0..3 {
        stack.get("/count/m?status=404").expect(404);
    }
    // A request is counted when it has been answered.
    let response = until("all are counted", || {
        let response = stack.admin("/metrics").expect(200);
        (sum(&parsed(&response.text()), "weir_edge_requests_total", &[]) >= 8.0).then_some(response)
    });
    assert!(response.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let metrics = parsed(&response.text());
    let requests = |words: &[&str]| sum(&metrics, "weir_edge_requests_total", words);
    assert_eq!(requests(&["location=\"/cached/\"", "cache=\"hit\"", "2xx"]), 4.0, "{}", response.text());
    assert_eq!(requests(&["location=\"/cached/\"", "cache=\"miss\"", "2xx"]), 1.0);
    assert_eq!(requests(&["location=\"/\"", "site=\"localhost\"", "4xx"]), 3.0);
    assert_eq!(sum(&metrics, "weir_edge_application_calls_total", &[]), 4.0);
    assert_eq!(sum(&metrics, "weir_edge_request_duration_seconds_count", &["location=\"/cached/\""]), 5.0);
    assert!(sum(&metrics, "weir_edge_sent_bytes_total", &["location=\"/cached/\""]) >= 10.0);
    // Labels come from the settings, never from a request.
    assert!(!response.text().contains("/count/m"));
}

both_topologies!(each_metric_is_in_the_document, settings());
/// Each name that is scraped stands in docs/operate.md: names are stable.
fn each_metric_is_in_the_document(stack: &Stack) {
    stack.get("/cached/count/m").expect(200);
    stack.get("/count/m").expect(200);
    let document = std::fs::read_to_string(weir_tests::repository().join("docs/operate.md")).unwrap();
    let named = |name: &str| document.contains(&format!("`{name}`"));
    for text in [stack.admin("/metrics").text(), stack.metrics_of_pools()] {
        for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
            assert!(named(name), "docs/operate.md does not name {name}");
        }
    }
}

both_topologies!(health_has_an_address_of_its_own, settings());
fn health_has_an_address_of_its_own(stack: &Stack) {
    stack.admin("/livez").expect(200);
    stack.admin("/readyz").expect(200);
    let status = stack.admin("/api/v1/status").expect(200).json();
    assert_eq!(status["state"], "ready");
    stack.admin("/").expect(200);
    stack.admin("/none").expect(404);
    // Not where the visitors are.
    for path in ["/metrics", "/livez", "/readyz", "/api/v1/status"] {
        stack.get(path).expect(404);
    }
}

both_topologies!(a_trace_is_begun_or_continued, settings());
fn a_trace_is_begun_or_continued(stack: &Stack) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let seen = |fields: &[(&str, &str)]| {
        let environ = stack.get_with("/echo-environ", fields).expect(200).json();
        environ["HTTP_TRACEPARENT"].as_str().unwrap_or_default().to_owned()
    };
    let continued = seen(&[("traceparent", &parent)]);
    assert!(continued.starts_with(&format!("00-{TRACE}-")), "{continued}");
    let begun = seen(&[]);
    let parts: Vec<_> = begun.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{begun}");
    assert!(begun.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || (b'a'..=b'f').contains(&byte)));
    // What is no traceparent begins a new one.
    for nonsense in [
        "x",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        let begun = seen(&[("traceparent", nonsense)]);
        assert!(begun.len() == 55 && begun != nonsense, "{nonsense}: {begun}");
    }
    assert_ne!(seen(&[]), seen(&[]));
}

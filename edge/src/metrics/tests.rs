//! What a scraper reads, and that no count is lost.

use admin::Format;

use super::*;

fn sample() -> Sample {
    Sample {
        l1_entries: 3,
        l1_bytes: 4096,
        l1_hits: 7,
        l1_evictions: 1,
        fills: 2,
        compressed: 0,
        bodies: 4096,
        adapters: (3, 2),
        access_log_dropped: 5,
    }
}

fn busy() -> Metrics {
    let metrics = Metrics::new(sample);
    metrics.connections_accepted.inc_by(2);
    metrics.application_failed("timeout");
    metrics.head_refused("bad_host");
    metrics.location("example.com", "/main").record(CacheResult::Hit, 200, 1000, Duration::from_micros(80));
    metrics.location("example.com", "/main").record(CacheResult::Error, 502, 20, Duration::from_secs(61));
    metrics
}

#[test]
fn says_what_happened() {
    let text = busy().exposition().text(Format::Prometheus).unwrap();
    for line in [
        r#"weir_edge_requests_total{site="example.com",location="/main",cache="hit",status_class="2xx"} 1"#,
        r#"weir_edge_requests_total{site="example.com",location="/main",cache="error",status_class="5xx"} 1"#,
        r#"weir_edge_request_duration_seconds_bucket{le="0.0001",site="example.com",location="/main",cache="hit"} 1"#,
        r#"weir_edge_request_duration_seconds_bucket{le="60.0",site="example.com",location="/main",cache="error"} 0"#,
        r#"weir_edge_request_duration_seconds_bucket{le="+Inf",site="example.com",location="/main",cache="error"} 1"#,
        r#"weir_edge_request_duration_seconds_sum{site="example.com",location="/main",cache="error"} 61.0"#,
        r#"weir_edge_request_duration_seconds_count{site="example.com",location="/main",cache="error"} 1"#,
        r#"weir_edge_sent_bytes_total{site="example.com",location="/main"} 1020"#,
        r#"weir_edge_connections_accepted_total 2"#,
        r#"weir_edge_connections_active 0"#,
        r#"weir_edge_connections_refused_total 0"#,
        r#"weir_edge_application_calls_total 0"#,
        r#"weir_edge_application_failures_total{kind="timeout"} 1"#,
        r#"weir_edge_refused_heads_total{reason="bad_host"} 1"#,
        r#"weir_edge_cache_node_errors_total 0"#,
        r#"weir_edge_l1_entries 3"#,
        r#"weir_edge_l1_bytes 4096"#,
        r#"weir_edge_l1_hits_total 7"#,
        r#"weir_edge_l1_evictions_total 1"#,
        r#"weir_edge_fills_active 2"#,
        r#"weir_edge_bodies_bytes 4096"#,
        r#"weir_edge_access_log_dropped_lines_total 5"#,
        concat!(r#"weir_edge_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

/// Each sample belongs to the TYPE above it, no series comes twice, and in both formats.
#[test]
fn is_well_formed() {
    for format in [Format::OpenMetrics, Format::Prometheus] {
        let text = busy().exposition().text(format).unwrap();
        let mut family = "";
        let mut families = Vec::new();
        let mut series = Vec::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split_once(' ').unwrap().0;
                assert!(family.starts_with("weir_edge_"), "{line}");
                families.push(family);
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(name.starts_with(family), "{line} under {family}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                series.push(name);
            }
        }
        for names in [&mut families, &mut series] {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{format:?}: something comes twice in\n{text}");
        }
        assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
    }
}

#[test]
fn what_never_happened_has_no_series() {
    let metrics = Metrics::new(sample);
    metrics.location("example.com", "/main");
    let text = metrics.exposition().text(Format::Prometheus).unwrap();
    assert!(!text.contains("weir_edge_requests_total{"), "{text}");
    assert!(!text.contains("weir_edge_request_duration_seconds_bucket"), "{text}");
}

#[test]
fn names_from_settings_are_escaped() {
    let metrics = Metrics::new(sample);
    metrics.location("a", "~ \\.(php|\"x\")$\n").record(CacheResult::Bypass, 200, 0, Duration::ZERO);
    let text = metrics.exposition().text(Format::Prometheus).unwrap();
    let line = r#"weir_edge_sent_bytes_total{site="a",location="~ \\.(php|\"x\")$\n"} 0"#;
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn another_service_of_the_process_is_scraped_too() {
    let metrics = Metrics::new(sample);
    let stored = Counter::<u64>::default();
    metrics.register(|registry| {
        registry.sub_registry_with_prefix("weir_cache_node").register("stores", "Stores", stored.clone());
    });
    stored.inc();
    let text = metrics.exposition().text(Format::Prometheus).unwrap();
    assert!(text.contains("\nweir_cache_node_stores_total 1\n"), "{text}");
}

#[test]
fn a_gauge_falls_when_its_holder_ends_even_by_panic() {
    let metrics = Metrics::new(sample);
    let open = GaugeGuard::enter(&metrics.connections_active);
    assert_eq!(metrics.connections_active.get(), 1);
    drop(open);
    let gauge = metrics.connections_active.clone();
    let ended = std::thread::spawn(move || {
        let _open = GaugeGuard::enter(&gauge);
        panic!("one request's own trouble");
    });
    assert!(ended.join().is_err());
    assert_eq!(metrics.connections_active.get(), 0);
}

#[test]
fn no_count_is_lost_among_threads() {
    let metrics = Metrics::new(sample);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let location = metrics.location("a", "/");
            scope.spawn(move || {
                for _ in 0..10_000 {
                    location.record(CacheResult::Hit, 200, 3, Duration::from_micros(5));
                }
            });
        }
    });
    let location = metrics.location("a", "/");
    assert_eq!((location.requests(CacheResult::Hit), location.sent()), (80_000, 240_000));
    assert_eq!(location.time(), Duration::from_millis(400));
}

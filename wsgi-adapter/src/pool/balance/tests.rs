//! Which server each method chooses.

use std::time::Duration;

use super::*;

fn server(text: &str) -> ServerConfig {
    ServerConfig::new(text.parse().unwrap())
}

/// Servers a, b, … with these weights.
fn weighted(method: Balance, weights: &[u32]) -> Servers {
    let servers: Vec<_> = weights
        .iter()
        .zip(1u16..)
        .map(|(&weight, port)| ServerConfig { weight, ..server(&format!("127.0.0.1:{port}")) })
        .collect();
    Servers::new(method, &servers)
}

fn take(servers: &mut Servers, now: Instant) -> Option<char> {
    servers.take(&Wanted::default(), now, |_| 0).map(letter)
}

fn letter(index: usize) -> char {
    char::from(b'a' + u8::try_from(index).unwrap())
}

/// The choices of `count` requests that are over at once.
fn turns(servers: &mut Servers, count: usize, now: Instant) -> String {
    (0..count)
        .map(|_| {
            let chosen = take(servers, now).unwrap();
            servers.release(chosen as usize - 'a' as usize);
            chosen
        })
        .collect()
}

#[test]
fn round_robin_is_smooth() {
    let now = Instant::now();
    for (weights, expected) in
        [(&[1, 1][..], "ababab"), (&[5, 1, 1], "aabacaa"), (&[2, 1], "abaaba"), (&[7], "aaa")]
    {
        assert_eq!(
            turns(&mut weighted(Balance::RoundRobin, weights), expected.len(), now),
            expected,
            "{weights:?}"
        );
    }
}

#[test]
fn least_conn_looks_at_requests_per_weight() {
    let now = Instant::now();
    let mut servers = weighted(Balance::LeastConn, &[1, 3]);
    let held: String = (0..8).map(|_| take(&mut servers, now).unwrap()).collect();
    assert_eq!(held.matches('b').count(), 6, "{held}");
    for _ in 0..3 {
        servers.release(1);
    }
    assert_eq!(take(&mut servers, now), Some('b'));
}

#[test]
fn least_conn_takes_turns_among_equals() {
    let now = Instant::now();
    assert_eq!(turns(&mut weighted(Balance::LeastConn, &[1, 1, 1]), 6, now), "abcabc");
}

#[test]
fn random_two_takes_the_less_busy() {
    let now = Instant::now();
    let mut servers = weighted(Balance::RandomTwo, &[1, 1, 1]);
    // Draws a, then of b and c the first: b.
    assert_eq!(take(&mut servers, now), Some('a'), "equals: the first drawn");
    assert_eq!(take(&mut servers, now), Some('b'));
    // Draws c (the last), then a.
    let mut lots = [2, 0].into_iter();
    assert_eq!(servers.take(&Wanted::default(), now, |_| lots.next().unwrap()), Some(2));
    assert_eq!(turns(&mut weighted(Balance::RandomTwo, &[1]), 3, now), "aaa", "one server is no pair");
}

#[test]
fn ip_hash_keeps_a_network_at_its_server() {
    let now = Instant::now();
    let mut servers = weighted(Balance::IpHash, &[1, 1, 1]);
    let mut at = |address: &str, tried: &[usize]| {
        let wanted = Wanted { client: Some(address.parse().unwrap()), tried: tried.to_vec() };
        servers.take(&wanted, now, |_| 0).unwrap()
    };
    let first = at("192.0.2.1", &[]);
    assert_eq!(at("192.0.2.77", &[]), first, "same network");
    assert_ne!(at("192.0.2.1", &[first]), first, "another one when that failed");
    assert_eq!(at("192.0.2.1", &[(first + 1) % 3]), first, "unmoved when another fails");
    let spread: std::collections::HashSet<_> = (0..50).map(|n| at(&format!("10.0.{n}.1"), &[])).collect();
    assert_eq!(spread.len(), 3, "networks are spread");
    let v6 = at("2001:db8::1", &[]);
    assert_eq!(at("2001:db8::1", &[]), v6);
    assert_eq!(
        servers.take(&Wanted { client: None, tried: vec![0, 1] }, now, |_| 0),
        Some(2),
        "no address: in turn"
    );
}

#[test]
fn a_failing_server_is_left_alone_then_tried_once() {
    let (second, start) = (Duration::from_secs(1), Instant::now());
    let mut servers = weighted(Balance::RoundRobin, &[1, 1]);
    servers.failed(0, start);
    assert_eq!(turns(&mut servers, 4, start + 10 * second), "bbbb", "fail_timeout is 10 s");
    let later = start + 11 * second;
    let tried = turns(&mut servers, 4, later);
    assert_eq!(tried.matches('a').count(), 1, "one request tries it: {tried}");
    servers.failed(0, later);
    assert_eq!(turns(&mut servers, 4, later + 10 * second), "bbbb");
    let again = later + 11 * second;
    assert_eq!(turns(&mut servers, 2, again).matches('a').count(), 1);
    servers.succeeded(0);
    assert_eq!(turns(&mut servers, 4, again).matches('a').count(), 2, "back in turn");
}

#[test]
fn max_fails_counts_failures_that_are_close_together() {
    let (second, start) = (Duration::from_secs(1), Instant::now());
    let twice = ServerConfig { max_fails: 2, ..server("127.0.0.1:1") };
    let mut servers = Servers::new(Balance::RoundRobin, &[twice, server("127.0.0.1:2")]);
    servers.failed(0, start);
    assert!(turns(&mut servers, 2, start + second).contains('a'), "one failure is allowed");
    servers.succeeded(0);
    servers.failed(0, start + 2 * second);
    assert_eq!(turns(&mut servers, 4, start + 3 * second), "bbbb", "a success in between forgives nothing");
    let never = ServerConfig { max_fails: 0, ..server("127.0.0.1:1") };
    let mut servers = Servers::new(Balance::RoundRobin, &[never, server("127.0.0.1:2")]);
    (0..9).for_each(|_| servers.failed(0, start));
    assert!(turns(&mut servers, 2, start).contains('a'));
}

#[test]
fn never_all_are_left_alone() {
    let now = Instant::now();
    let mut single = weighted(Balance::RoundRobin, &[1]);
    single.failed(0, now);
    assert_eq!(take(&mut single, now), Some('a'), "a single server is never marked");
    let mut both = weighted(Balance::RoundRobin, &[1, 1]);
    both.failed(0, now);
    both.failed(1, now);
    assert_eq!(turns(&mut both, 4, now), "abab");
    let wanted = Wanted { client: None, tried: vec![0, 1] };
    assert_eq!(both.take(&wanted, now, |_| 0), None, "but none twice for one request");
}

#[test]
fn backups_serve_when_no_other_can_and_down_never() {
    let now = Instant::now();
    let servers = [
        ServerConfig { down: true, ..server("127.0.0.1:1") },
        ServerConfig { max_conns: 1, ..server("127.0.0.1:2") },
        ServerConfig { backup: true, max_conns: 1, ..server("127.0.0.1:3") },
    ];
    let mut servers = Servers::new(Balance::RoundRobin, &servers);
    assert_eq!(turns(&mut servers, 3, now), "bbb");
    servers.failed(1, now);
    assert_eq!(turns(&mut servers, 3, now), "ccc");
    let late = now + Duration::from_secs(11);
    assert_eq!(take(&mut servers, late), Some('b'), "tried again");
    servers.succeeded(1);
    assert_eq!(take(&mut servers, late), Some('c'), "b has max_conns");
    assert_eq!(take(&mut servers, late), None, "so has c");
    servers.release(1);
    assert_eq!(take(&mut servers, late), Some('b'));
}

//! Which server each method chooses. Where nginx has the method, beside what nginx 1.22 did with the same
//! servers.

mod health;

use std::time::Duration;

use process::units::Time;
use proptest::prelude::*;

use super::*;
use crate::config::{BreakerConfig, CheckConfig, EjectConfig};
use crate::metrics::Metrics;

const SECOND: Duration = Duration::from_secs(1);

fn server(text: &str) -> ServerConfig {
    ServerConfig::new(text.parse().unwrap())
}

/// Servers with the ids 0, 1, …
fn servers(settings: PoolConfig) -> Servers {
    let mut servers = Servers::new(&settings);
    for (server, id) in settings.servers.iter().zip(0..) {
        let (address, metrics) = (server.address.clone(), Metrics::default().server("p", ""));
        servers.add(
            Arc::new(Server { id: ServerId(id), listed: ServerId(id), address, metrics, route: None }),
            server.clone(),
            None,
        );
    }
    servers
}

fn pool(balance: Balance, servers: &[ServerConfig]) -> PoolConfig {
    PoolConfig { balance, servers: servers.to_vec(), ..PoolConfig::default() }
}

/// Servers a, b, … with these weights, at 127.0.0.1:29001, 29002, …
fn weighted(method: Balance, weights: &[u32]) -> Servers {
    servers(pool(method, &at_weights(weights)))
}

fn at_weights(weights: &[u32]) -> Vec<ServerConfig> {
    let server = |(&weight, port)| ServerConfig { weight, ..server(&format!("127.0.0.1:{port}")) };
    weights.iter().zip(29001u16..).map(server).collect()
}

fn take(servers: &mut Servers, now: Instant) -> Option<char> {
    take_for(servers, &SlotRequest::default(), now)
}

fn take_for(servers: &mut Servers, wanted: &SlotRequest, now: Instant) -> Option<char> {
    servers.take(wanted, now, |_| 0).ok().map(|server| letter(server.id))
}

fn letter(id: ServerId) -> char {
    char::from(b'a' + u8::try_from(id.0).unwrap())
}

fn id(letter: char) -> ServerId {
    ServerId(letter as u32 - 'a' as u32)
}

/// The choices of `count` requests that are over at once.
fn turns(servers: &mut Servers, count: usize, now: Instant) -> String {
    (0..count)
        .map(|_| {
            let chosen = take(servers, now).unwrap();
            servers.release(id(chosen));
            chosen
        })
        .collect()
}

fn fail(servers: &mut Servers, server: char, now: Instant) -> Vec<Event> {
    servers.failed(id(server), "timeout", true, now)
}

fn reply(servers: &mut Servers, server: char, status: u16, now: Instant) -> Vec<Event> {
    servers.replied(id(server), status, SECOND / 10, now)
}

#[test]
fn round_robin_is_smooth() {
    let now = Instant::now();
    for (weights, expected) in
        [(&[1, 1][..], "ababab"), (&[5, 1, 1], "aabacaaaabacaa"), (&[3, 2, 1], "abacbaabacba"), (&[7], "aaa")]
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
        servers.release(id('b'));
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
    let mut lots = [2 * super::super::member::WEIGHT_PARTS, 0].into_iter();
    let taken = servers.take(&SlotRequest::default(), now, |_| lots.next().unwrap());
    assert_eq!(taken.unwrap().id, id('c'));
    assert_eq!(turns(&mut weighted(Balance::RandomTwo, &[1]), 3, now), "aaa", "one server is no pair");
}

/// The servers of these clients, each asking once.
fn of_clients(servers: &mut Servers, clients: impl Iterator<Item = String>) -> String {
    clients
        .map(|client| {
            let wanted = SlotRequest { client: client.parse().ok(), ..SlotRequest::default() };
            let chosen = take_for(servers, &wanted, Instant::now()).unwrap();
            servers.release(id(chosen));
            chosen
        })
        .collect()
}

#[test]
fn ip_hash_is_nginxs() {
    let v4 = || (0..40).map(|n| format!("10.{}.{}.{n}", n % 7, n * 13 % 256));
    let v6 = || (0..20).map(|n| format!("2001:db8:{n:x}::{:x}", n * 7));
    let mut down = at_weights(&[1, 1, 1]);
    down[1].down = true;
    let mut down = servers(pool(Balance::IpHash, &down));
    let (mut equal, mut steps) =
        (weighted(Balance::IpHash, &[1, 1, 1]), weighted(Balance::IpHash, &[1, 2, 3]));
    assert_eq!(of_clients(&mut equal, v4()), "aaaaaaabbbbbbbccccccbcccccccaaaaaaabbbbb");
    assert_eq!(of_clients(&mut steps, v4()), "ccccccccccccccccccccbbbbbbbbcccccccccccc");
    assert_eq!(of_clients(&mut equal, v6()), "bacbacbacbacbacbacba");
    assert_eq!(of_clients(&mut down, v4()), "aaaaaaaacaccacccccccacccccccaaaaaaacaacc");
}

#[test]
fn ip_hash_moves_only_who_must() {
    let now = Instant::now();
    let mut servers = weighted(Balance::IpHash, &[1, 1, 1]);
    let mut at = |address: &str, tried: &[char]| {
        let tried = tried.iter().map(|&server| id(server)).collect();
        let wanted = SlotRequest { client: address.parse().ok(), tried, ..SlotRequest::default() };
        take_for(&mut servers, &wanted, now).unwrap()
    };
    let first = at("192.0.2.1", &[]);
    assert_eq!(at("192.0.2.77", &[]), first, "same network");
    assert_ne!(at("192.0.2.1", &[first]), first, "another one when that failed");
    let other = if first == 'a' { 'b' } else { 'a' };
    assert_eq!(at("192.0.2.1", &[other]), first, "unmoved when another fails");
    assert_eq!(at("", &['a', 'b']), 'c', "no address: in turn");
}

fn of_keys(servers: &mut Servers, count: usize) -> String {
    (0..count)
        .map(|n| {
            let key = Some(format!("/page/{n}?x={n}").into_bytes().into());
            let chosen =
                take_for(servers, &SlotRequest { key, ..SlotRequest::default() }, Instant::now()).unwrap();
            servers.release(id(chosen));
            chosen
        })
        .collect()
}

#[test]
fn hash_is_nginxs_consistent() {
    let mut down = at_weights(&[1, 1, 1]);
    down[1].down = true;
    let mut down = servers(pool(Balance::Hash, &down));
    let recorded = "331111111311133313131113313331333133131333311131131131131113";
    let recorded: String = recorded.chars().map(|digit| char::from(digit as u8 - b'1' + b'a')).collect();
    assert_eq!(of_keys(&mut down, recorded.len()), recorded);
    assert_eq!(turns(&mut weighted(Balance::Hash, &[1, 1]), 4, Instant::now()), "abab", "no key: in turn");
}

/// What nginx 1.22 answered with `hash $request_uri` and three servers.
#[test]
fn hash_modulo_is_nginxs_hash() {
    let mut down = at_weights(&[1, 1, 1]);
    down[1].down = true;
    for (mut servers, recorded) in [
        (weighted(Balance::HashModulo, &[1, 1, 1]), "1322131133322333123221221323321212213131"),
        (weighted(Balance::HashModulo, &[1, 2, 3]), "1332323132223323122221233222333333213131"),
        (servers(pool(Balance::HashModulo, &down)), "1331131133333333113311331313331111113131"),
    ] {
        let recorded: String = recorded.chars().map(|digit| char::from(digit as u8 - b'1' + b'a')).collect();
        assert_eq!(of_keys(&mut servers, recorded.len()), recorded);
    }
}

#[test]
fn hash_follows_weights_that_change_and_servers_that_come_and_go() {
    let now = Instant::now();
    let mut servers = weighted(Balance::Hash, &[1, 1]);
    let share = |servers: &mut Servers, server| of_keys(servers, 600).matches(server).count();
    assert!((200..400).contains(&share(&mut servers, 'a')));
    servers.change(id('a'), ServerConfig { weight: 9, ..server("127.0.0.1:29001") }, now);
    assert!(share(&mut servers, 'a') > 480);
    let gone = servers.remove(id('a')).unwrap();
    assert_eq!(share(&mut servers, 'b'), 600);
    servers.add(gone, server("127.0.0.1:29001"), Some(now));
    assert!((200..400).contains(&share(&mut servers, 'a')));
}

#[test]
fn least_time_prefers_who_replies_soon_and_tries_who_is_unknown() {
    let now = Instant::now();
    let mut servers = weighted(Balance::LeastTime, &[1, 1, 1]);
    assert_eq!(turns(&mut servers, 3, now), "abc", "nothing is known");
    servers.replied(id('a'), 200, SECOND / 100, now);
    servers.replied(id('b'), 200, SECOND / 10, now);
    // a takes ten times as many before b is as good; c counts like the average of both.
    let held: String = (0..10).map(|_| take(&mut servers, now).unwrap()).collect();
    assert_eq!((held.matches('a').count(), held.matches('c').count()), (9, 1), "{held}");
    let mut servers = weighted(Balance::LeastTime, &[1, 4]);
    servers.replied(id('a'), 200, SECOND, now);
    servers.replied(id('b'), 200, 3 * SECOND, now);
    assert_eq!(take(&mut servers, now), Some('b'), "for its weight");
}

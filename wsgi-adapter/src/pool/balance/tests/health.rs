//! Which servers get no requests for a while, or fewer: failures, checks, outliers, breakers, slow starts.

use super::*;

#[test]
fn a_failing_server_is_left_alone_then_tried_once() {
    let (second, start) = (SECOND, Instant::now());
    let mut servers = weighted(Balance::RoundRobin, &[1, 1]);
    fail(&mut servers, 'a', start);
    assert_eq!(turns(&mut servers, 4, start + 10 * second), "bbbb", "fail_timeout is 10 s");
    let later = start + 11 * second;
    let tried = turns(&mut servers, 4, later);
    assert_eq!(tried.matches('a').count(), 1, "one request tries it: {tried}");
    fail(&mut servers, 'a', later);
    assert_eq!(turns(&mut servers, 4, later + 10 * second), "bbbb");
    let again = later + 11 * second;
    assert_eq!(turns(&mut servers, 2, again).matches('a').count(), 1);
    reply(&mut servers, 'a', 200, again);
    assert_eq!(turns(&mut servers, 4, again).matches('a').count(), 2, "back in turn");
}

#[test]
fn max_fails_counts_failures_that_are_close_together() {
    let (second, start) = (SECOND, Instant::now());
    let twice = ServerConfig { max_fails: 2, ..server("127.0.0.1:1") };
    let mut servers = servers(pool(Balance::RoundRobin, &[twice, server("127.0.0.1:2")]));
    fail(&mut servers, 'a', start);
    assert!(turns(&mut servers, 2, start + second).contains('a'), "one failure is allowed");
    reply(&mut servers, 'a', 200, start + second);
    fail(&mut servers, 'a', start + 2 * second);
    assert_eq!(turns(&mut servers, 4, start + 3 * second), "bbbb", "a success in between forgives nothing");
    let never = ServerConfig { max_fails: 0, ..server("127.0.0.1:1") };
    let mut servers = self::servers(pool(Balance::RoundRobin, &[never, server("127.0.0.1:2")]));
    (0..9).for_each(|_| drop(fail(&mut servers, 'a', start)));
    assert!(turns(&mut servers, 2, start).contains('a'));
}

#[test]
fn never_all_are_left_alone() {
    let now = Instant::now();
    let mut single = weighted(Balance::RoundRobin, &[1]);
    fail(&mut single, 'a', now);
    assert_eq!(take(&mut single, now), Some('a'), "a single server is never marked");
    let mut both = weighted(Balance::RoundRobin, &[1, 1]);
    fail(&mut both, 'a', now);
    fail(&mut both, 'b', now);
    assert_eq!(turns(&mut both, 4, now), "abab");
    let wanted = SlotRequest { tried: vec![id('a'), id('b')], ..SlotRequest::default() };
    assert_eq!(take_for(&mut both, &wanted, now), None, "but none twice for one request");
}

#[test]
fn backups_serve_when_no_other_can_and_down_never() {
    let now = Instant::now();
    let settings = [
        ServerConfig { down: true, ..server("127.0.0.1:1") },
        ServerConfig { max_conns: 1, ..server("127.0.0.1:2") },
        ServerConfig { backup: true, max_conns: 1, ..server("127.0.0.1:3") },
    ];
    let mut servers = servers(pool(Balance::RoundRobin, &settings));
    assert_eq!(turns(&mut servers, 3, now), "bbb");
    fail(&mut servers, 'b', now);
    assert_eq!(turns(&mut servers, 3, now), "ccc");
    let late = now + Duration::from_secs(11);
    assert_eq!(take(&mut servers, late), Some('b'), "tried again");
    reply(&mut servers, 'b', 200, late);
    assert_eq!(take(&mut servers, late), Some('c'), "b has max_conns");
    assert_eq!(take(&mut servers, late), None, "so has c");
    servers.release(id('b'));
    assert_eq!(take(&mut servers, late), Some('b'));
}

#[test]
fn a_server_that_comes_back_starts_slowly() {
    let start = Instant::now();
    let slow = |port: u16| ServerConfig { slow_start: Time::from_secs(10), ..server(&format!("h:{port}")) };
    let mut servers = servers(pool(Balance::RoundRobin, &[slow(1), slow(2)]));
    assert_eq!(turns(&mut servers, 4, start), "abab", "not at the start of the process");
    fail(&mut servers, 'b', start);
    let back = start + 11 * SECOND;
    assert!(turns(&mut servers, 2, back).contains('b'));
    assert_eq!(reply(&mut servers, 'b', 200, back), [Event::Back]);
    for (seconds, most) in [(0, 2), (1, 12), (5, 35), (10, 50)] {
        let now = back + seconds * SECOND;
        let share = turns(&mut servers, 100, now).matches('b').count();
        assert!(share <= most && share + 5 >= most, "{share} of 100 after {seconds} s");
    }
}

#[test]
fn one_that_is_added_starts_slowly_and_one_alone_gets_all() {
    let now = Instant::now();
    let slow = ServerConfig { slow_start: Time::from_secs(10), ..server("h:2") };
    let mut servers = weighted(Balance::LeastConn, &[1]);
    let added = Server {
        id: id('b'),
        listed: id('b'),
        route: None,
        address: slow.address.clone(),
        metrics: Metrics::default().server("p", ""),
    };
    servers.add(Arc::new(added), slow, Some(now));
    let held: String = (0..20).map(|_| take(&mut servers, now).unwrap()).collect();
    assert_eq!(held.matches('b').count(), 1, "{held}");
    servers.remove(id('a'));
    assert_eq!(turns(&mut servers, 3, now), "bbb");
}

#[test]
fn failed_checks_take_out_and_never_all() {
    let now = Instant::now();
    let check = CheckConfig { fall: 2, ..CheckConfig::default() };
    let settings = pool(Balance::RoundRobin, &at_weights(&[1, 1]));
    let mut servers = servers(PoolConfig { check: Some(check), ..settings });
    let bad = || Err("status 500".to_owned());
    assert_eq!(servers.checked(id('a'), bad(), now), None);
    assert_eq!(servers.checked(id('a'), bad(), now), Some(Event::Unhealthy));
    assert_eq!(turns(&mut servers, 4, now), "bbbb");
    servers.checked(id('b'), bad(), now);
    servers.checked(id('b'), bad(), now);
    assert_eq!(turns(&mut servers, 4, now).matches('a').count(), 2, "all are ill: better tried than refused");
    assert_eq!(servers.checked(id('b'), Ok(()), now), Some(Event::Back));
    assert_eq!(turns(&mut servers, 4, now), "bbbb");
}

#[test]
fn mandatory_checks_come_first() {
    let now = Instant::now();
    let check = CheckConfig { mandatory: true, ..CheckConfig::default() };
    let settings = pool(Balance::RoundRobin, &at_weights(&[1, 1]));
    let mut servers = servers(PoolConfig { check: Some(check), ..settings });
    servers.checked(id('b'), Ok(()), now);
    assert_eq!(turns(&mut servers, 4, now), "bbbb");
    servers.checked(id('a'), Ok(()), now);
    assert!(turns(&mut servers, 4, now).contains('a'));
}

#[test]
fn an_outlier_is_ejected_and_an_error_of_all_ejects_nobody() {
    let start = Instant::now();
    let with_ejection = || {
        let settings = pool(Balance::RoundRobin, &at_weights(&[1, 1, 1]));
        servers(PoolConfig { eject: Some(EjectConfig::default()), ..settings })
    };
    let mut servers = with_ejection();
    for _ in 0..20 {
        for server in ['b', 'c'] {
            reply(&mut servers, server, 200, start);
        }
    }
    let events: Vec<Event> = (0..20).flat_map(|_| reply(&mut servers, 'a', 500, start)).collect();
    assert_eq!(events, [Event::Ejected(30 * SECOND)]);
    assert!(!turns(&mut servers, 9, start).contains('a'));
    assert!(turns(&mut servers, 9, start + 30 * SECOND).contains('a'));
    // One of three is half of them, rounded down: no second one goes.
    let events: Vec<Event> = (0..50).flat_map(|_| reply(&mut servers, 'b', 500, start)).collect();
    assert_eq!(events, []);
    let mut servers = with_ejection();
    for _ in 0..50 {
        let events = ['a', 'b', 'c'].map(|server| reply(&mut servers, server, 500, start));
        assert!(events.iter().all(Vec::is_empty));
    }
}

#[test]
fn an_open_breaker_lets_nobody_through() {
    let start = Instant::now();
    let breaker = BreakerConfig { failures: 2, ..BreakerConfig::default() };
    let mut servers = servers(PoolConfig { breaker, ..pool(Balance::RoundRobin, &[server("h:1")]) });
    assert_eq!(fail(&mut servers, 'a', start), []);
    assert_eq!(fail(&mut servers, 'a', start), [Event::Opened]);
    let barred = servers.take(&SlotRequest::default(), start, |_| 0).unwrap_err();
    assert_eq!(barred, NoServer::Barred(Some(SECOND)), "also where there is no other");
    assert_eq!(take(&mut servers, start + SECOND), Some('a'));
    assert_eq!(take(&mut servers, start + SECOND), None, "one tries it");
    assert_eq!(reply(&mut servers, 'a', 500, start + SECOND), [Event::Back], "it replies");
    assert_eq!(take(&mut servers, start + SECOND), Some('a'));
}

#[test]
fn a_bound_visitor_stays_also_while_it_drains() {
    let now = Instant::now();
    let mut servers = weighted(Balance::RoundRobin, &[1, 1, 1]);
    let bound = SlotRequest { bound: Some(id('c')), ..SlotRequest::default() };
    for _ in 0..3 {
        assert_eq!(take_for(&mut servers, &bound, now), Some('c'));
    }
    servers.change(id('c'), ServerConfig { drain: true, ..server("h:3") }, now);
    assert_eq!(take_for(&mut servers, &bound, now), Some('c'));
    assert!(!turns(&mut servers, 9, now).contains('c'), "nobody else");
    fail(&mut servers, 'b', now);
    let bound = SlotRequest { bound: Some(id('b')), ..SlotRequest::default() };
    assert_ne!(take_for(&mut servers, &bound, now), Some('b'), "not to one that fails");
    servers.change(id('c'), ServerConfig { down: true, ..server("h:3") }, now);
    let bound = SlotRequest { bound: Some(id('c')), ..SlotRequest::default() };
    assert_ne!(take_for(&mut servers, &bound, now), Some('c'));
}

proptest! {
    /// Over a whole round each server has been chosen exactly as often as its weight says, and never more
    /// than its share ahead.
    #[test]
    fn round_robin_gives_each_its_share(weights in prop::collection::vec(1u32..20, 1..6)) {
        let mut servers = weighted(Balance::RoundRobin, &weights);
        let total: u32 = weights.iter().sum();
        let order = turns(&mut servers, total as usize, Instant::now());
        for (index, weight) in weights.iter().enumerate() {
            let server = char::from(b'a' + index as u8);
            prop_assert_eq!(order.matches(server).count(), *weight as usize);
        }
    }

    /// Whatever is under way, each has no more than its share and one.
    #[test]
    fn least_conn_keeps_the_balance(weights in prop::collection::vec(1u32..5, 1..6), requests in 1usize..200) {
        let mut servers = weighted(Balance::LeastConn, &weights);
        for _ in 0..requests {
            take(&mut servers, Instant::now());
        }
        let total: u32 = weights.iter().sum();
        for (member, weight) in servers.iter().zip(&weights) {
            let share = requests as f64 * f64::from(*weight) / f64::from(total);
            prop_assert!((member.in_flight as f64) < share + f64::from(*weight) + 1.0, "{} of {share}", member.in_flight);
        }
    }

    /// Each gets about its share by lot; and the two drawn keep busy servers out.
    #[test]
    fn random_two_is_fair(seed in any::<u64>()) {
        use rand::{Rng, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut servers = weighted(Balance::RandomTwo, &[1, 1, 1, 1]);
        for _ in 0..400 {
            servers.take(&SlotRequest::default(), Instant::now(), |below| random.random_range(0..below)).unwrap();
        }
        for member in servers.iter() {
            prop_assert!((95..=105).contains(&member.in_flight), "{}", member.in_flight);
        }
    }

    /// Whatever has failed, been ejected or found ill: as long as one server is on and no breaker is set, one
    /// is taken.
    #[test]
    fn somebody_is_always_taken(happens in prop::collection::vec((0u32..3, 0u8..4), 0..200)) {
        let settings = pool(Balance::LeastTime, &at_weights(&[1, 2, 3]));
        let mut servers = servers(PoolConfig {
            check: Some(CheckConfig::default()),
            eject: Some(EjectConfig { requests: 1, ..EjectConfig::default() }),
            ..settings
        });
        let now = Instant::now();
        for (server, what) in happens {
            let id = ServerId(server);
            match what {
                0 => drop(servers.failed(id, "timeout", true, now)),
                1 => drop(servers.replied(id, 500, SECOND, now)),
                2 => drop(servers.checked(id, Err("status 500".to_owned()), now)),
                _ => drop(servers.replied(id, 200, SECOND, now)),
            }
            let taken = servers.take(&SlotRequest::default(), now, |_| 0);
            prop_assert!(taken.is_ok());
            servers.release(taken.unwrap().id);
        }
    }
}

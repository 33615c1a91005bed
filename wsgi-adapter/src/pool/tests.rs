//! Slots, the queue and its bounds.

mod names;
mod shares;

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;

use weir_proto::origin::Priority;

use super::member::Member;
use super::names::NamedServer;
use super::*;
use crate::address::Address;
use crate::config::{QueueConfig, RetryConfig, ServerConfig, StickyConfig};
use crate::deadline::Deadline;
use crate::error::PoolFull;

fn pool(max_in_flight: usize, length: usize, servers: &[ServerConfig]) -> Arc<Pool> {
    let queue = QueueConfig { length, ..QueueConfig::default() };
    let config = PoolConfig {
        name: "p".to_owned(),
        max_in_flight,
        queue,
        servers: servers.to_vec(),
        ..PoolConfig::default()
    };
    Pool::open(&config, &Metrics::default(), &memory()).unwrap()
}

fn memory() -> Arc<BodyMemory> {
    Arc::new(BodyMemory::new(1 << 20))
}

impl Pool {
    /// A place for a request that nobody else waits for.
    pub(crate) async fn slot(
        self: &Arc<Self>,
        wanted: SlotRequest,
        deadline: Deadline,
    ) -> Result<Slot, PoolFull> {
        self.slot_for_all(wanted, deadline, &mut None).await
    }
}

fn never() -> Deadline {
    Deadline::in_millis(0)
}

fn server(port: u16) -> ServerConfig {
    ServerConfig::new(format!("127.0.0.1:{port}").parse().unwrap())
}

fn head() -> RequestHead {
    RequestHead::default()
}

fn in_flight(pool: &Pool) -> Vec<usize> {
    pool.state.lock().servers.iter().map(|member| member.in_flight).collect()
}

/// A request that asks for one.
fn slot(
    pool: &Arc<Pool>,
    deadline: Deadline,
) -> Pin<Box<impl Future<Output = Result<Slot, PoolFull>> + use<>>> {
    let pool = Arc::clone(pool);
    Box::pin(async move { pool.slot(pool.wanted(&head()), deadline).await })
}

/// A slot, if there is one at once.
fn at_once(pool: &Arc<Pool>) -> Option<Slot> {
    slot(pool, never()).now_or_never().and_then(Result::ok)
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    let pool = pool(1, 10, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..5 {
        let (pool, order) = (Arc::clone(&pool), order.clone());
        tokio::spawn(async move {
            let slot = slot(&pool, never()).await;
            order.send((number, slot.is_ok())).unwrap();
        });
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.figures.queued.get(), 5);
    drop(held);
    for number in 0..5 {
        assert_eq!(served.recv().await, Some((number, true)));
    }
    assert_eq!(pool.figures.queued.get(), 0);
    assert!(at_once(&pool).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_turns_away_at_once_and_a_slow_one_in_time() {
    let pool = pool(1, 1, &[server(1)]);
    let _held = at_once(&pool).unwrap();
    let start = Instant::now();
    let mut waiting = slot(&pool, never());
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(slot(&pool, never()).await.unwrap_err(), PoolFull::Queue);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(waiting.await.unwrap_err(), PoolFull::TooLong);
    assert_eq!(start.elapsed().as_secs(), 10);
    // Whoever left makes room in the queue, and the edge's deadline counts there too.
    assert_eq!(slot(&pool, Deadline::in_millis(2000)).await.unwrap_err(), PoolFull::TooLong);
    assert_eq!(start.elapsed().as_secs(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_left_loses_no_slot() {
    let pool = pool(1, 10, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let mut first = slot(&pool, never());
    let mut second = slot(&pool, never());
    let mut third = slot(&pool, never());
    for waiting in [&mut first, &mut second, &mut third] {
        assert!(waiting.now_or_never().is_none());
    }
    drop(first);
    // The second one has its slot handed to it, and leaves without having looked.
    drop(held);
    drop(second);
    assert!(third.await.is_ok());
    assert!(at_once(&pool).is_some());
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_server_with_room() {
    let small = |port| ServerConfig { max_conns: 1, ..server(port) };
    let pool = pool(100, 10, &[small(1), small(2)]);
    let (mut one, _two) = (at_once(&pool).unwrap(), at_once(&pool).unwrap());
    assert!(!one.move_on(), "no room at the other");
    let mut waiting = slot(&pool, never());
    assert!((&mut waiting).now_or_never().is_none());
    let address = one.server().address.to_string();
    drop(one);
    assert_eq!(waiting.await.unwrap().server().address.as_str(), address);
}

#[tokio::test(start_paused = true)]
async fn moving_on_frees_the_server_left() {
    let pool = pool(10, 10, &[ServerConfig { max_conns: 1, ..server(1) }, server(2)]);
    let mut slot = at_once(&pool).unwrap();
    assert_eq!(slot.server().address.as_str(), "127.0.0.1:1");
    assert!(slot.move_on());
    assert_eq!(slot.server().address.as_str(), "127.0.0.1:2");
    assert!(!slot.move_on(), "both tried");
    assert_eq!(in_flight(&pool), [0, 1]);
    assert_eq!(slot.server().metrics.in_flight.get(), 1);
    drop(slot);
    assert_eq!(in_flight(&pool), [0, 0]);
    assert_eq!(pool.state.lock().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn uploads_are_counted() {
    let config = PoolConfig { max_uploads: 1, ..PoolConfig::default() };
    let pool = Pool::open(&config, &Metrics::default(), &memory()).unwrap();
    let head = head();
    let held = pool.upload(&head).await.unwrap();
    let begun = Instant::now();
    assert_eq!(pool.upload(&head).await.unwrap_err(), PoolFull::Uploads);
    assert_eq!(begun.elapsed(), config.queue.timeout.0, "it waits as for a server");
    let waiting = pool.upload(&head);
    let mut waiting = std::pin::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(held);
    assert!(waiting.await.is_ok());
    assert!(pool.upload(&head).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_urgent_are_served_first_and_take_the_place_of_others() {
    let pool = pool(1, 2, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let ask = |priority: Priority| {
        let (pool, head) = (Arc::clone(&pool), RequestHead { priority: priority.into(), ..head() });
        Box::pin(async move { pool.slot(pool.wanted(&head), never()).await })
    };
    let (mut low, mut normal, mut high) = (ask(Priority::Low), ask(Priority::Normal), ask(Priority::High));
    assert!((&mut low).now_or_never().is_none() && (&mut normal).now_or_never().is_none());
    assert!((&mut high).now_or_never().is_none());
    assert_eq!(low.await.unwrap_err(), PoolFull::Queue, "its place was needed");
    assert_eq!(ask(Priority::Normal).await.unwrap_err(), PoolFull::Queue);
    drop(held);
    let slot = high.await.unwrap();
    assert!((&mut normal).now_or_never().is_none());
    drop(slot);
    assert!(normal.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn retries_have_a_budget_and_a_time() {
    let servers = [server(1), server(2)];
    let config = PoolConfig {
        servers: servers.to_vec(),
        retry: RetryConfig { min: 1, timeout: process::units::Time::from_secs(5), ..RetryConfig::default() },
        ..PoolConfig::default()
    };
    let pool = Pool::open(&config, &Metrics::default(), &memory()).unwrap();
    let mut slots: Vec<Slot> = (0..9).map(|_| at_once(&pool).unwrap()).collect();
    assert!(slots[0].move_on());
    slots.remove(0).replied(200);
    assert!(!slots[0].move_on(), "two of nine are more than a fifth");
    assert_eq!((pool.figures.retries.get(), pool.figures.retries_refused.get()), (1, 1));
    slots.push(at_once(&pool).unwrap());
    assert!(slots[0].move_on(), "two of ten");
    assert!(!slots[1].move_on());
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut slot = at_once(&pool).unwrap();
    assert!(!slots[1].move_on(), "too late");
    assert!(slot.move_on(), "those before are forgotten");
    drop((slot, slots));
    assert_eq!(in_flight(&pool), [0, 0]);
}

/// A request with this Cookie field.
fn visitor(cookies: &str) -> RequestHead {
    let field = weir_proto::origin::Field { name: "cookie".into(), value: cookies.to_owned().into() };
    RequestHead { fields: vec![field], ..head() }
}

/// Where a request goes, and the cookies that the reply then sets besides `fields`.
async fn visit(pool: &Arc<Pool>, head: &RequestHead, fields: &[&'static str]) -> (String, Vec<String>) {
    let slot = pool.slot(pool.wanted(head), never()).await.unwrap();
    let field =
        |value: &'static str| http1::reply::ResponseField { name: "set-cookie".into(), value: value.into() };
    let mut fields: Vec<_> = fields.iter().copied().map(field).collect();
    slot.bind(Some(head), &mut fields);
    let cookies = fields.iter().map(|field| String::from_utf8_lossy(&field.value).into_owned());
    (slot.server().address.to_string(), cookies.collect())
}

fn sticky(settings: StickyConfig) -> Arc<Pool> {
    let servers = [server(1), server(2), server(3)].to_vec();
    let config =
        PoolConfig { name: "p".to_owned(), servers, sticky: Some(settings), ..PoolConfig::default() };
    Pool::open(&config, &Metrics::default(), &memory()).unwrap()
}

fn signed_with(key: &str) -> StickyConfig {
    StickyConfig { key: Some(key.to_owned()), ..StickyConfig::default() }
}

#[tokio::test]
async fn a_signed_cookie_keeps_a_visitor_at_their_server() {
    let pool = sticky(signed_with("a key of 16 bytes"));
    let (first, set) = visit(&pool, &head(), &[]).await;
    let [set] = set.as_slice() else { panic!("{set:?}") };
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert!(pair.starts_with("weir_server=") && !pair.contains("127.0.0.1"), "{pair}");
    for _ in 0..4 {
        assert_eq!(visit(&pool, &visitor(&format!("x=1; {pair}")), &[]).await, (first.clone(), vec![]));
    }
    // Another adapter with the same key knows it, one with another key does not.
    assert_eq!(visit(&sticky(signed_with("a key of 16 bytes")), &visitor(pair), &[]).await.1, [""; 0]);
    assert_eq!(visit(&sticky(signed_with("b key of 16 bytes")), &visitor(pair), &[]).await.1.len(), 1);
    let forged = pair.replace(['a', 'b', 'c'], "d").replace(['0', '1'], "2");
    for cookie in [forged.as_str(), "weir_server=", "weir_server=127.0.0.1:1"] {
        assert_eq!(visit(&pool, &visitor(cookie), &[]).await.1.len(), 1, "{cookie} is not one of ours");
    }
    let shared = RequestHead { shared: true, ..head() };
    assert_eq!(visit(&pool, &shared, &[]).await.1, [""; 0], "a page for everyone binds nobody");
}

#[tokio::test]
async fn a_visitor_whose_server_is_gone_gets_another_and_a_new_cookie() {
    let pool = sticky(signed_with("a key of 16 bytes"));
    let (first, set) = visit(&pool, &head(), &[]).await;
    let entry = pool.entries().into_iter().find(|entry| entry.server.address.as_str() == first).unwrap();
    let cookie = visitor(set[0].split(';').next().unwrap());
    let drained = ServerConfig { drain: true, ..entry.server.clone() };
    pool.change(entry.id, drained).await.unwrap();
    assert_eq!(visit(&pool, &cookie, &[]).await, (first.clone(), vec![]), "draining: those it has stay");
    pool.remove(entry.id).await.unwrap();
    let (other, set) = visit(&pool, &cookie, &[]).await;
    assert!(other != first && set.len() == 1);
}

#[tokio::test]
async fn the_applications_own_cookie_is_learnt() {
    let learn = StickyConfig { learn: Some("sessionid".to_owned()), ..StickyConfig::default() };
    let pool = sticky(learn);
    let (first, set) = visit(&pool, &head(), &["other=1", "sessionid=abc; Path=/"]).await;
    assert_eq!(set.len(), 2, "none of ours");
    for _ in 0..4 {
        assert_eq!(visit(&pool, &visitor("sessionid=abc"), &[]).await.0, first);
    }
    // A session that was begun before this adapter was.
    let (second, _) = visit(&pool, &visitor("sessionid=xyz"), &[]).await;
    for _ in 0..4 {
        assert_eq!(visit(&pool, &visitor("sessionid=xyz"), &[]).await.0, second);
    }
    let mut anonymous = std::collections::HashSet::new();
    for _ in 0..3 {
        anonymous.insert(visit(&pool, &visitor("sessionid="), &[]).await.0);
    }
    assert_eq!(anonymous.len(), 3, "nobody is bound by nothing");
}

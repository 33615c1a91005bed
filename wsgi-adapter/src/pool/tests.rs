//! Slots, the queue and its bounds.

use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::config::{QueueConfig, ServerConfig};

fn pool(max_in_flight: usize, length: usize, servers: &[ServerConfig]) -> Arc<Pool> {
    let queue = QueueConfig { length, ..QueueConfig::default() };
    let config = PoolConfig {
        name: "p".to_owned(),
        max_in_flight,
        queue,
        servers: servers.to_vec(),
        ..PoolConfig::default()
    };
    Pool::new(&config, &Metrics::default())
}

fn never() -> Deadline {
    Deadline::in_millis(0)
}

fn server(port: u16) -> ServerConfig {
    ServerConfig::new(format!("127.0.0.1:{port}").parse().unwrap())
}

/// A slot, if there is one at once.
fn at_once(pool: &Arc<Pool>) -> Option<Slot> {
    pool.slot(None, never()).now_or_never().and_then(Result::ok)
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    let pool = pool(1, 10, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..5 {
        let (pool, order) = (Arc::clone(&pool), order.clone());
        tokio::spawn(async move {
            let slot = pool.slot(None, never()).await;
            order.send((number, slot.is_ok())).unwrap();
        });
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.queued.get(), 5);
    drop(held);
    for number in 0..5 {
        assert_eq!(served.recv().await, Some((number, true)));
    }
    assert_eq!(pool.queued.get(), 0);
    assert!(at_once(&pool).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_turns_away_at_once_and_a_slow_one_in_time() {
    let pool = pool(1, 1, &[server(1)]);
    let _held = at_once(&pool).unwrap();
    let start = Instant::now();
    let mut waiting = Box::pin(pool.slot(None, never()));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(pool.slot(None, never()).await.unwrap_err(), Full::Queue);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(waiting.await.unwrap_err(), Full::TooLong);
    assert_eq!(start.elapsed().as_secs(), 10);
    // Whoever left makes room in the queue, and the edge's deadline counts there too.
    assert_eq!(pool.slot(None, Deadline::in_millis(2000)).await.unwrap_err(), Full::TooLong);
    assert_eq!(start.elapsed().as_secs(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_left_loses_no_slot() {
    let pool = pool(1, 10, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let mut first = Box::pin(pool.slot(None, never()));
    let mut second = Box::pin(pool.slot(None, never()));
    let mut third = Box::pin(pool.slot(None, never()));
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
    let mut waiting = Box::pin(pool.slot(None, never()));
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
    let in_flight = |index: usize| pool.servers[index].metrics.in_flight.get();
    assert_eq!((in_flight(0), in_flight(1)), (0, 1));
    drop(slot);
    assert_eq!((in_flight(0), in_flight(1)), (0, 0));
    assert_eq!(pool.state.lock().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn uploads_are_counted() {
    let config = PoolConfig { max_uploads: 1, ..PoolConfig::default() };
    let pool = Pool::new(&config, &Metrics::default());
    let held = pool.upload().unwrap();
    assert_eq!(pool.upload().unwrap_err(), Full::Uploads);
    drop(held);
    assert!(pool.upload().is_ok());
}

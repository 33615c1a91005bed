//! What each client has a part of, and what is counted apart.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::fetch::BodyMessages;
use weir_proto::origin::fetch_request::Message;
use weir_proto::origin::{FetchRequest, Joiner};

use super::*;

fn from(client: &str) -> RequestHead {
    RequestHead { client_address: client.to_owned(), ..RequestHead::default() }
}

#[tokio::test(start_paused = true)]
async fn a_client_has_its_part_of_places_and_others_pass_it() {
    let pool = pool(4, 10, &[server(1)]);
    let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
    let _first = pool.slot(pool.wanted(&one), never()).await.unwrap();
    let second = pool.slot(pool.wanted(&one), never()).await.unwrap();
    let third = pool.slot(pool.wanted(&one), never());
    let mut third = std::pin::pin!(third);
    assert!(third.as_mut().now_or_never().is_none(), "it has its half of the places");
    let _fourth = pool.slot(pool.wanted(&other), never()).now_or_never().expect("places are left").unwrap();
    let _fifth =
        pool.slot(pool.wanted(&other), never()).now_or_never().expect("another client passes it").unwrap();
    drop(second);
    third.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pages_for_many_are_of_who_has_caused_them() {
    let pool = pool(4, 10, &[server(1)]);
    let (one, other) = (page("192.0.2.1"), page("192.0.2.2"));
    let _held = [at_once_from(&pool, &one), at_once_from(&pool, &one)];
    let mut third = std::pin::pin!(pool.slot(pool.wanted(&one), never()));
    assert!(third.as_mut().now_or_never().is_none(), "it has its half of the places");
    let _others = [at_once_from(&pool, &other), at_once_from(&pool, &from("192.0.2.3"))];
}

/// A page for many that this client has caused.
fn page(client: &str) -> RequestHead {
    RequestHead { shared: true, caused_by: client.to_owned(), ..from("192.88.99.1") }
}

/// A wait for it, and a way to tell who joins.
fn waiting_for_all(pool: &Arc<Pool>, head: RequestHead) -> (SlotWait, impl Fn(&str)) {
    let (sender, receiver) = mpsc::channel(20);
    let messages: BodyMessages = Box::pin(ReceiverStream::new(receiver));
    let pool = Arc::clone(pool);
    let mut waiting: SlotWait =
        Box::pin(async move { pool.slot_for_all(pool.wanted(&head), never(), &mut Some(messages)).await });
    assert!(waiting.as_mut().now_or_never().is_none());
    let join = move |client: &str| {
        let message = Some(Message::Joined(Joiner { client: client.to_owned() }));
        sender.try_send(FetchRequest { message }).unwrap();
    };
    (waiting, join)
}

#[tokio::test(start_paused = true)]
async fn a_page_has_the_place_of_whoever_waits_for_it() {
    let pool = pool(4, 10, &[server(1)]);
    let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
    let _held = [at_once_from(&pool, &one), at_once_from(&pool, &one)];
    let (mut fill, join) = waiting_for_all(&pool, page("192.0.2.1"));
    join("192.0.2.1");
    assert!(fill.as_mut().now_or_never().is_none(), "no other client waits for it");
    join("192.0.2.2");
    let filled = fill.as_mut().now_or_never().expect("it takes the other's place").unwrap();
    let last = at_once_from(&pool, &other);
    let mut third = waiting(&pool, other.clone());
    drop((filled, last));
    third.as_mut().now_or_never().expect("the places were the other client's").unwrap();
    drop(at_once_from(&pool, &other));
    let holder = slot_request::joined("192.0.2.2");
    assert_eq!(pool.state.lock().clients.rank(holder).0, 0, "nothing is left over");
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_early_or_without_an_address_counts_too() {
    let pool = pool(4, 10, &[server(1)]);
    let one = from("192.0.2.1");
    let _held = [at_once_from(&pool, &one), at_once_from(&pool, &one)];
    let (mut fill, join) = waiting_for_all(&pool, page("192.0.2.1"));
    let others = [at_once_from(&pool, &from("192.0.2.2")), at_once_from(&pool, &from("192.0.2.3"))];
    (10..30).for_each(|n| {
        if n < 15 {
            join(&format!("192.0.2.{n}"))
        }
    });
    assert!(fill.as_mut().now_or_never().is_none(), "all places are taken");
    drop(others);
    fill.as_mut().now_or_never().expect("one is free").unwrap();
    let (mut fill, join) = waiting_for_all(&pool, page("192.0.2.1"));
    join("unix:");
    fill.as_mut().now_or_never().expect("it counts for nobody").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_page_that_others_wait_for_goes_first_and_is_not_turned_away() {
    let pool = pool(1, 4, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let (mut fill, join) = waiting_for_all(&pool, page("192.0.2.1"));
    join("192.0.2.9");
    assert!(fill.as_mut().now_or_never().is_none());
    let mut plain = waiting(&pool, from("192.0.2.1"));
    let _others = [2, 3].map(|n| waiting(&pool, from(&format!("192.0.2.{n}"))));
    let _new = waiting(&pool, from("192.0.2.4"));
    assert_eq!(plain.as_mut().now_or_never().unwrap().unwrap_err(), PoolFull::Queue);
    drop(held);
    fill.as_mut().now_or_never().expect("it came first, and waits for one that has nothing").unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_goes_before_who_has_a_place() {
    let pool = pool(4, 10, &[server(1)]);
    let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
    let _first = at_once_from(&pool, &one);
    let mut held: Vec<_> = (3..6).map(|n| at_once_from(&pool, &from(&format!("192.0.2.{n}")))).collect();
    let mut second = std::pin::pin!(pool.slot(pool.wanted(&one), never()));
    assert!(second.as_mut().now_or_never().is_none(), "all places are taken");
    let mut others = std::pin::pin!(pool.slot(pool.wanted(&other), never()));
    assert!(others.as_mut().now_or_never().is_none());
    held.pop();
    assert!(second.as_mut().now_or_never().is_none(), "it came first, and has a place already");
    others.await.unwrap();
    second.await.unwrap();
}

fn at_once_from(pool: &Arc<Pool>, client: &RequestHead) -> Slot {
    pool.slot(pool.wanted(client), never()).now_or_never().expect("a place is free").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_has_its_part_of_the_queue() {
    let pool = pool(1, 4, &[server(1)]);
    let _held = at_once(&pool).unwrap();
    let one = from("192.0.2.1");
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (pool, one) = (Arc::clone(&pool), one.clone());
            let mut waiting = Box::pin(async move { pool.slot(pool.wanted(&one), never()).await.map(drop) });
            assert!(waiting.as_mut().now_or_never().is_none());
            waiting
        })
        .collect();
    assert_eq!(pool.slot(pool.wanted(&one), never()).await.unwrap_err(), PoolFull::Client);
    assert_eq!(
        pool.slot(pool.wanted(&from("192.0.2.2")), never()).await.unwrap_err(),
        PoolFull::TooLong,
        "there is room for others"
    );
    drop(waiting);
    assert_eq!(
        pool.slot(pool.wanted(&one), never()).await.unwrap_err(),
        PoolFull::TooLong,
        "those who left count no more"
    );
}

/// A request by one of a client's connections over HTTP/2.
fn by(port: u16) -> RequestHead {
    RequestHead { client_port: port.into(), protocol: "HTTP/2.0".to_owned(), ..from("192.0.2.1") }
}

type SlotWait = Pin<Box<dyn Future<Output = Result<Slot, PoolFull>>>>;

fn waiting(pool: &Arc<Pool>, head: RequestHead) -> SlotWait {
    let pool = Arc::clone(pool);
    let mut waiting: SlotWait = Box::pin(async move { pool.slot(pool.wanted(&head), never()).await });
    assert!(waiting.as_mut().now_or_never().is_none());
    waiting
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_much_holds_no_other_of_its_client() {
    let pool = pool(2, 8, &[server(1)]);
    let held = at_once_from(&pool, &by(1));
    let mut first: Vec<_> = (0..4).map(|_| waiting(&pool, by(1))).collect();
    // The client has its part of the queue: the other connection takes the place of one of the first's.
    let mut other = waiting(&pool, by(2));
    let mut out = first.pop().unwrap();
    assert_eq!(out.as_mut().now_or_never().unwrap().unwrap_err(), PoolFull::Client);
    drop(held);
    let other = other.as_mut().now_or_never().expect("it has nothing, and goes first").unwrap();
    assert!(first.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
    first.push(waiting(&pool, by(1)));
    // Each request by HTTP/1 comes alone.
    let mut alone = waiting(&pool, from("192.0.2.1"));
    assert_eq!(first.pop().unwrap().await.unwrap_err(), PoolFull::Client);
    drop(other);
    alone.as_mut().now_or_never().expect("it goes first, too").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_fills_the_queue_makes_room_for_others() {
    let pool = pool(1, 4, &[server(1)]);
    let _held = at_once(&pool).unwrap();
    let mut all: Vec<_> = [1, 1, 2, 2].map(|n| waiting(&pool, from(&format!("192.0.2.{n}")))).into();
    let _new = waiting(&pool, from("192.0.2.3"));
    assert_eq!(all.pop().unwrap().await.unwrap_err(), PoolFull::Queue);
    assert_eq!(
        pool.slot(pool.wanted(&from("192.0.2.3")), never()).await.unwrap_err(),
        PoolFull::Queue,
        "it has as many there as they have"
    );
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_reply_that_was_left_may_have_a_place_again() {
    let pool = pool(40, 40, &[server(1)]);
    let mut unread: Vec<_> = (0..8).map(|_| Unread::new(&pool, pool.wanted(&by(1)).holder)).collect();
    let _held = [at_once_from(&pool, &by(1)), at_once_from(&pool, &by(1))];
    let mut third = waiting(&pool, by(1));
    let _other = at_once_from(&pool, &by(2));
    unread.pop();
    third.as_mut().now_or_never().expect("it reads").unwrap();
}

#[tokio::test(start_paused = true)]
async fn tunnels_and_event_streams_are_counted_apart() {
    let config =
        PoolConfig { max_in_flight: 1, max_tunnels: 2, servers: vec![server(1)], ..PoolConfig::default() };
    let pool = Pool::open(&config, &Metrics::default(), &memory()).unwrap();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut slot = at_once(&pool).expect("the place is free again");
        slot.stream().unwrap();
        streams.push(slot);
    }
    assert_eq!(in_flight(&pool), [2], "the server has them still");
    let mut slot = at_once(&pool).unwrap();
    assert_eq!(slot.stream(), Err(PoolFull::Tunnels));
    drop(slot);
    drop(streams.pop());
    at_once(&pool).unwrap().stream().unwrap();
    drop(streams);
    let state = pool.state.lock();
    assert_eq!((state.in_flight, state.streams), (0, 0));
}

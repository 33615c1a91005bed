//! Which adapter gets a request, by what is known of them; and how they are found.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;
use tonic::Status;
use weir_proto::fetch::{FetchReplies, Fetcher};
use weir_proto::link::{Channel, ChannelSettings};
use weir_proto::origin::FetchReply;

use super::*;
use crate::peers::look_up::tests::{ANSWERS, Answer, scripted};
use crate::peers::look_up::{LOOK_UP_EVERY, Peer};

/// Says nothing to any request.
struct SilentAdapter;

impl Fetcher for SilentAdapter {
    fn fetch(&self, _: RequestHead, _: BodyMessages) -> Replies {
        struct PendingReplies(tokio_stream::Pending<Result<FetchReply, Status>>);
        impl tokio_stream::Stream for PendingReplies {
            type Item = Result<FetchReply, Status>;
            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                std::pin::Pin::new(&mut self.0).poll_next(context)
            }
        }
        impl FetchReplies for PendingReplies {}
        Box::new(PendingReplies(tokio_stream::pending()))
    }
}

fn at(addresses: &[&str]) -> Adapters {
    let urls = addresses.iter().map(|address| format!("http://{address}").parse().unwrap());
    Adapters::new(WsgiAdapters::Named { urls: urls.collect(), tls: None })
}

fn names(adapters: &Adapters) -> Vec<String> {
    adapters.known.load().iter().map(|adapter| adapter.name().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn adapters_come_and_go_with_the_addresses_of_their_name() {
    let adapters = Arc::new(at(&["adapters.example:1", "127.0.0.9:2"]));
    assert_eq!(names(&adapters), ["127.0.0.9:2"], "an address needs no answer");
    let dns: Arc<Mutex<Answer>> = Arc::default();
    let (kept, look_up) = (adapters.clone(), scripted(dns.clone()));
    let keeping = tokio::spawn(async move { kept.keep_by(look_up).await });
    for (answer, expected) in ANSWERS {
        let before = adapters.known.load_full();
        *dns.lock() = answer.map(<[_]>::to_vec);
        sleep(LOOK_UP_EVERY * 2).await;
        let expected: Vec<_> = expected.iter().chain(&["127.0.0.9:2"]).map(ToString::to_string).collect();
        assert_eq!(names(&adapters), expected, "{answer:?}");
        for adapter in adapters.known.load().iter() {
            let old = before.iter().find(|old| old.name() == adapter.name());
            assert!(old.is_none_or(|old| Arc::ptr_eq(old, adapter)), "{}: not the same", adapter.name());
        }
    }
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_has_names_looked_up_at_once_but_not_by_the_hundred() {
    let (adapters, asked) = (Arc::new(at(&["adapters.example:1"])), Arc::new(AtomicUsize::new(0)));
    let (kept, counted) = (adapters.clone(), asked.clone());
    let keeping = tokio::spawn(async move {
        kept.keep_by(|_| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(vec![([127, 0, 0, 1], 1).into(), ([127, 0, 0, 2], 1).into()]))
        })
        .await;
    });
    // Whoever comes before the first answer waits for it.
    let call = adapters.begin(None).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let asked = || asked.swap(0, Ordering::Relaxed);
    // And has it asked for at once.
    assert!((1..=2).contains(&asked()));
    call.lost();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(asked(), 1);
    for _ in 0..100 {
        call.adapter.answered(call.adapter.losses());
        call.lost();
        sleep(Duration::from_millis(10)).await;
    }
    assert!((1..=3).contains(&asked()));
    keeping.abort();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_an_adapter() {
    assert!(Adapters::new(WsgiAdapters::Connected(Vec::new())).begin(None).await.is_none());
    let begun = Instant::now();
    assert!(at(&["adapters.example:1"]).begin(None).await.is_none());
    assert_eq!(begun.elapsed(), LOOK_UP_TIMEOUT);
}

/// What is known of an adapter: its life, and how many calls are under way there.
#[derive(Clone, Copy, Debug)]
enum AdapterNews {
    Nothing,
    Serves,
    Drains,
    Gone,
    Lost,
    Refuses,
}

fn tell(adapter: &Adapter, told: AdapterNews, now: Instant) {
    match told {
        AdapterNews::Nothing => {}
        AdapterNews::Serves => adapter.checked(&Ok(true)),
        AdapterNews::Drains => adapter.checked(&Ok(false)),
        AdapterNews::Gone => adapter.checked(&Err(Status::unavailable("gone"))),
        AdapterNews::Lost => adapter.lose(),
        AdapterNews::Refuses => adapter.shun(now),
    }
}

#[tokio::test(start_paused = true)]
async fn the_least_busy_of_the_best_gets_the_next_request() {
    use AdapterNews::{Drains, Gone, Lost, Nothing, Refuses, Serves};
    type Case = (&'static [(&'static [AdapterNews], usize)], Option<usize>, &'static [usize]);
    // Adapters by what was told of them and calls under way; the one where a call was lost; who is chosen in
    // turn.
    let table: &[Case] = &[
        (&[], None, &[]),
        (&[(&[Nothing], 0), (&[Nothing], 0)], None, &[0, 1, 0, 1]),
        (&[(&[Serves], 1), (&[Serves], 0), (&[Serves], 1)], None, &[1, 1, 1]),
        (&[(&[Serves], 1), (&[Serves], 2), (&[Serves], 1)], None, &[0, 2, 2, 0]),
        // One that nobody has had an answer from waits for its check, however idle it is.
        (&[(&[Serves], 9), (&[Nothing], 0)], None, &[0, 0]),
        (&[(&[Nothing], 9), (&[Gone], 0)], None, &[0, 0]),
        (&[(&[Serves, Lost], 0), (&[Serves], 9)], None, &[1, 1]),
        (&[(&[Serves, Drains], 0), (&[Serves], 9)], None, &[1, 1]),
        (&[(&[Serves, Gone, Serves], 0), (&[Serves], 9)], None, &[0, 0]),
        (&[(&[Serves, Refuses], 0), (&[Serves], 9)], None, &[1, 1]),
        // Better a try than a refusal.
        (&[(&[Gone], 1), (&[Drains], 0), (&[Serves, Refuses], 1)], None, &[1, 1, 1]),
        // Not where a call has just been lost, if there is another.
        (&[(&[Serves], 0), (&[Serves], 9)], Some(0), &[1, 1]),
        (&[(&[Gone], 0), (&[Gone], 9)], Some(0), &[1, 1]),
        (&[(&[Serves], 0), (&[Gone], 0)], Some(0), &[0, 0]),
        (&[(&[Gone], 0)], Some(0), &[0]),
    ];
    for (adapters, but, expected) in table {
        let now = Instant::now();
        let known = adapters.iter().enumerate().map(|(n, (told, calls))| {
            let nobody = http::Uri::from_static("http://127.0.0.1:1");
            let channel = Channel::new(&nobody, ChannelSettings::default());
            let transport = weir_proto::transport::network(vec![channel]);
            let adapter = Arc::new(Adapter::remote(n.to_string(), transport, Arc::default()));
            told.iter().for_each(|told| tell(&adapter, *told, now));
            (0..*calls).for_each(|_| adapter.enter());
            adapter
        });
        let known: Vec<_> = known.collect();
        let but = but.map(|n| &*known[n]);
        let chosen = |turn| best(&known, turn, but, now).map(|adapter| adapter.name().parse().unwrap());
        let chosen: Vec<usize> = (0..expected.len().max(1)).filter_map(chosen).collect();
        assert_eq!(chosen, *expected, "{adapters:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapter_is_out_until_it_answers_and_shunned_for_a_second() {
    let adapters = at(&["127.0.0.1:1"]);
    let standing = || adapters.known.load()[0].standing(Instant::now());
    let early = adapters.begin(None).await.unwrap();
    assert_eq!((standing(), adapters.figures()), (AdapterState::Untried, (1, 0)));
    early.answered();
    assert_eq!((standing(), adapters.figures()), (AdapterState::Well, (1, 1)));
    adapters.begin(None).await.unwrap().lost();
    assert_eq!(standing(), AdapterState::Out);
    // The answer to what was asked before says nothing of what is now.
    early.answered();
    assert_eq!(standing(), AdapterState::Out);
    let late = adapters.begin(None).await.unwrap();
    late.answered();
    assert_eq!(standing(), AdapterState::Well);
    late.refused();
    assert_eq!(standing(), AdapterState::Out);
    sleep(Duration::from_millis(1001)).await;
    assert_eq!(standing(), AdapterState::Well);
}

#[tokio::test]
async fn calls_are_counted_until_they_are_dropped() {
    let adapters =
        Adapters::new(WsgiAdapters::Connected(vec![Arc::new(SilentAdapter), Arc::new(SilentAdapter)]));
    let calls = || adapters.known.load().iter().map(|adapter| adapter.calls()).collect::<Vec<_>>();
    let begin = async || adapters.begin(None).await.unwrap();
    let mut begun = vec![begin().await, begin().await];
    assert_eq!(calls(), [1, 1]);
    begun.remove(0);
    assert_eq!(calls(), [0, 1]);
    begun.extend([begin().await, begin().await, begin().await]);
    assert_eq!(calls(), [2, 2]);
    drop(begun);
    assert_eq!(calls(), [0, 0]);
}

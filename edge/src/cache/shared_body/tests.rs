//! Who reads what of a body, and how much of it is held.

use std::time::Duration;

use futures_util::FutureExt;

use super::*;

fn new(keep: u64) -> Arc<SharedBody> {
    SharedBody::new(keep, &Bodies::new(u64::MAX))
}

async fn read_all(mut reader: Reader) -> Result<Vec<u8>, IncompleteBody> {
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

#[tokio::test]
async fn early_and_late_readers_get_the_same_whole_body() {
    let body = new(1000);
    let early = tokio::spawn(read_all(body.reader().unwrap()));
    for chunk in ["one ", "two ", "three"] {
        assert_eq!(body.push(chunk.into()).await, PushResult::Kept);
        tokio::task::yield_now().await;
    }
    let late = body.reader().unwrap();
    body.end(Ok(()));
    assert_eq!(early.await.unwrap().unwrap(), b"one two three");
    assert_eq!(read_all(late).await.unwrap(), b"one two three");
    assert_eq!(body.whole_body().unwrap(), "one two three");
}

#[tokio::test]
async fn a_broken_body_is_never_whole() {
    let body = new(1000);
    let reader = body.reader().unwrap();
    body.push("half".into()).await;
    body.end(Err(IncompleteBody));
    body.end(Ok(()));
    assert_eq!(read_all(reader).await, Err(IncompleteBody));
    assert_eq!(body.whole_body(), None);
}

#[tokio::test]
async fn a_page_of_the_first_readers_own_breaks_off_for_the_others() {
    let body = new(1000);
    let (first, mut second) = (body.first_reader().unwrap(), body.reader().unwrap());
    body.push("head ".into()).await;
    assert_eq!(second.next().await, Some(Ok("head ".into())));
    body.keep_for_first();
    body.push("secret".into()).await;
    body.end(Ok(()));
    assert_eq!(second.next().await, Some(Err(IncompleteBody)));
    assert!(!second.begun().await);
    assert!(body.reader().is_none());
    assert_eq!(read_all(first).await.unwrap(), b"head secret");
}

#[tokio::test]
async fn nobody_but_the_first_begins_a_page_that_is_searched() {
    for secret in [false, true] {
        let body = new(1000);
        body.hold_followers();
        let (mut first, mut second) = (body.first_reader().unwrap(), body.reader().unwrap());
        body.push("a page ".into()).await;
        assert_eq!(first.next().await, Some(Ok("a page ".into())));
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, second.begun()).await.is_err());
        assert!(tokio::time::timeout(soon, second.next()).await.is_err());
        if secret {
            body.keep_for_first();
        }
        body.push("to its end".into()).await;
        body.end(Ok(()));
        assert_eq!(second.begun().await, !secret);
        let whole = if secret { Err(IncompleteBody) } else { Ok(b"a page to its end".to_vec()) };
        assert_eq!(read_all(second).await, whole);
        assert_eq!(read_all(first).await.unwrap(), b"to its end");
    }
}

#[tokio::test]
async fn a_searched_page_that_is_not_kept_is_the_firsts_alone() {
    let body = new(10);
    body.hold_followers();
    let (first, mut second) = (body.first_reader().unwrap(), body.reader().unwrap());
    body.push("0123456789".into()).await;
    let reading = tokio::spawn(read_all(first));
    assert_eq!(body.push("more".into()).await, PushResult::Window);
    assert!(!second.begun().await);
    body.end(Ok(()));
    assert_eq!(reading.await.unwrap().unwrap(), b"0123456789more");
}

#[tokio::test]
async fn whoever_waits_for_the_fate_of_a_page_holds_up_nobody_who_makes_it() {
    // There is no room for a chunk that nobody reads.
    let body = SharedBody::new(10, &Bodies::new(0));
    body.hold_followers();
    let mut first = body.first_reader().unwrap();
    let writer = body.clone();
    let writing = tokio::spawn(async move {
        for _ in 0..3 {
            writer.push("longer than may be kept".into()).await;
        }
        writer.end(Ok(()));
    });
    tokio::time::timeout(Duration::from_secs(10), first.decided()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(first.next().await, Some(Ok("longer than may be kept".into())));
    }
    assert_eq!(first.next().await, None);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_seat_that_was_the_firsts_is_not_the_next_ones() {
    let body = new(1000);
    drop(body.first_reader().unwrap());
    let mut next = body.reader().unwrap();
    body.push("head ".into()).await;
    body.keep_for_first();
    assert_eq!(next.next().await, Some(Err(IncompleteBody)));
}

#[tokio::test]
async fn a_long_body_follows_the_fastest_and_keeps_what_others_have_not_read() {
    let body = new(10);
    let (mut fast, slow) = (body.reader().unwrap(), body.reader().unwrap());
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut pushed = 0;
    while tokio::time::timeout(Duration::from_millis(20), body.push(chunk.clone())).await.is_ok() {
        pushed += 1;
    }
    assert!((4..=6).contains(&pushed), "window of {WINDOW} took {pushed} chunks");
    assert!(body.reader().is_none(), "nobody joins a window");
    for _ in 0..20 {
        fast.next().await.unwrap().unwrap();
        assert_eq!(body.push(chunk.clone()).await, PushResult::Window);
    }
    body.end(Ok(()));
    assert_eq!(read_all(slow).await.unwrap().len(), (pushed + 20) * chunk.len());
    assert_eq!(body.whole_body(), None);
}

/// Pushes so many chunks, which one reader takes at once, and another after each `pause`: what that one gets,
/// and how long it took to push them.
async fn beside_a_slow_one(bodies: &Arc<Bodies>, chunks: usize, pause: Duration) -> (usize, bool, Duration) {
    const CHUNK: usize = 1 << 20;
    let (body, begun) = (SharedBody::new(10, bodies), Instant::now());
    let fast = tokio::spawn(read_all(body.reader().unwrap()));
    let mut slow = body.reader().unwrap();
    let slow = tokio::spawn(async move {
        let mut read = 0;
        loop {
            tokio::time::sleep(pause).await;
            match slow.next().await {
                Some(Ok(chunk)) => read += chunk.len() / CHUNK,
                last => return (read, last.is_none()),
            }
        }
    });
    for _ in 0..chunks {
        assert_eq!(body.push(vec![b'x'; CHUNK].into()).await, PushResult::Window);
        let held = body.bodies.held();
        assert!(held <= BEHIND + 2 * CHUNK as u64, "{held} bytes are held for who reads slowly");
    }
    let pushed = begun.elapsed();
    body.end(Ok(()));
    assert_eq!(fast.await.unwrap().unwrap().len(), chunks * CHUNK);
    let (read, whole) = slow.await.unwrap();
    (read, whole, pushed)
}

#[tokio::test(start_paused = true)]
async fn who_would_fall_behind_is_waited_for_a_while() {
    let ample = Bodies::new(u64::MAX);
    let ms = Duration::from_millis;
    let (read, whole, pushed) = beside_a_slow_one(&ample, 16, ms(60_000)).await;
    assert!(read == 16 && whole && pushed < ms(10), "there is room for all of it: {read} {pushed:?}");
    let (read, whole, pushed) = beside_a_slow_one(&ample, 40, ms(60_000)).await;
    assert!(!whole && (ms(900)..ms(1100)).contains(&pushed), "it reads nothing: {read} {pushed:?}");
    let (read, whole, pushed) = beside_a_slow_one(&ample, 40, ms(300)).await;
    assert!(whole && read == 40 && pushed < PATIENCE, "it goes on reading: {read} {pushed:?}");
    let (read, whole, pushed) = beside_a_slow_one(&ample, 80, ms(300)).await;
    assert!(!whole && (PATIENCE..PATIENCE + ms(500)).contains(&pushed), "not for ever: {read} {pushed:?}");
    // Where there is little room, what is waited for is less.
    let scarce = Bodies::new(1 << 20);
    let (read, whole, pushed) = beside_a_slow_one(&scarce, 10, ms(300)).await;
    assert!(whole && read == 10 && pushed < PATIENCE, "{read} {pushed:?}");
    drop((ample, scarce));
}

#[tokio::test]
async fn where_there_is_no_room_a_body_goes_on_for_whoever_wants_it() {
    let bodies = Bodies::new(1);
    let _others = bodies.hold(2);
    let is_wanted = async |body: &SharedBody| {
        tokio::time::timeout(Duration::from_millis(20), body.wanted()).await.is_ok()
    };
    let body = SharedBody::new(1000, &bodies);
    let (mut slow, mut fast, last) = (body.reader().unwrap(), body.reader().unwrap(), body.reader().unwrap());
    assert!(!is_wanted(&body).await);
    let beginning = tokio::spawn(async move { slow.begun().await });
    assert!(is_wanted(&body).await, "it waits for the first byte");
    body.push("one".into()).await;
    assert!(beginning.await.unwrap());
    assert!(!is_wanted(&body).await, "nobody has read it");
    let reading = tokio::spawn(async move { (fast.next().await, fast.next().await) });
    assert!(is_wanted(&body).await, "one of two waits for more");
    body.end(Ok(()));
    assert_eq!(reading.await.unwrap(), (Some(Ok("one".into())), None));
    drop(last);
    assert!(is_wanted(&body).await, "there is nobody to wait for");
}

#[tokio::test]
async fn all_bodies_together_are_bounded() {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let bodies = Bodies::new(10 * chunk.len() as u64);
    let mut all = Vec::new();
    for _ in 0..20 {
        let body = SharedBody::new(16 << 20, &bodies);
        let reader = body.reader().unwrap();
        for _ in 0..40 {
            if tokio::time::timeout(Duration::from_millis(2), body.push(chunk.clone())).await.is_err() {
                break;
            }
        }
        all.push((body, reader));
    }
    let held = bodies.held() / chunk.len() as u64;
    assert!(held <= 10 + 20 * 2, "{held} chunks are held, where 10 may be");
    // Each goes on as it is read, and gives back what it held.
    for (body, mut reader) in all {
        let reading = tokio::spawn(async move { while let Some(Ok(_)) = reader.next().await {} });
        for _ in 0..10 {
            body.push(chunk.clone()).await;
        }
        body.end(Ok(()));
        reading.await.unwrap();
    }
    assert_eq!(bodies.held(), 0);
}

/// Bodies for which there is no room.
fn full() -> (Arc<Bodies>, impl Drop) {
    let bodies = Bodies::new(1 << 20);
    let held = bodies.hold(1 << 20);
    (bodies, held)
}

#[tokio::test]
async fn what_cannot_be_kept_is_known_before_its_reader_reads_on() {
    let (bodies, _held) = full();
    for (keep, length, is_too_long) in [(1 << 20, 100_000, false), (10, 11, true)] {
        let body = SharedBody::new(keep, &bodies);
        body.hold_followers();
        let (_first, mut follower) = (body.first_reader().unwrap(), body.reader().unwrap());
        assert!(body.keeps(1) && follower.begun().now_or_never().is_none());
        assert!(!body.keeps(length));
        assert_eq!(follower.begun().now_or_never(), Some(false), "it waits for nothing");
        assert_eq!(body.is_too_long(), is_too_long);
    }
}

#[tokio::test]
async fn a_short_page_is_read_although_its_reader_takes_nothing() {
    let (bodies, _held) = full();
    let body = SharedBody::new(1 << 20, &bodies);
    let _idle = body.first_reader().unwrap();
    assert!(!body.waits_for_readers() && body.wanted().now_or_never().is_some());
    assert_eq!(body.push(vec![b'x'; 60_000].into()).await, PushResult::Kept);
    assert!(body.wanted().now_or_never().is_some());
    let other = SharedBody::new(1 << 20, &bodies);
    let _idle = other.first_reader().unwrap();
    assert_eq!(other.push(vec![b'x'; 64_000].into()).await, PushResult::Kept);
    // The reserve of short pages is an eighth of all.
    assert_eq!(SharedBody::new(1 << 20, &bodies).push(vec![b'x'; 9_000].into()).await, PushResult::Unread);
    assert!(body.keeps(5_000), "there is some room left");
    assert!(!body.keeps(10_000));
    assert!(body.wanted().now_or_never().is_none() && body.waits_for_readers());
}

//! Replies on their way, between one task and between two.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::{spawn, yield_now};
use tokio::time::{Instant, timeout};

use super::*;

/// Bytes that may wait; each chunk here has one.
const LIMIT: usize = 4;

fn memory() -> Arc<BodyMemory> {
    Arc::new(BodyMemory::new(1 << 20))
}

fn chunk(number: u8) -> Message {
    Message::Chunk(vec![number].into())
}

fn number(message: ReplyMessage) -> u8 {
    match message.unwrap().message {
        Some(Message::Chunk(piece)) => piece[0],
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_said_comes_in_order_and_ends_with_the_writer() {
    let (replies, mut stream) = channel(ReplyReader::Here, LIMIT, &memory());
    replies.send(chunk(0)).await.unwrap();
    replies.send(chunk(1)).await.unwrap();
    assert_eq!(number(stream.take_ready().unwrap()), 0);
    replies.refuse(Status::internal("wrong")).await.unwrap();
    drop(replies);
    assert_eq!(number(stream.next().await.unwrap()), 1);
    assert_eq!(stream.next().await.unwrap().unwrap_err().message(), "wrong");
    assert!(stream.next().await.is_none() && stream.take_ready().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_in_another_task_is_a_few_ahead_and_none_gets_lost() {
    let (replies, mut stream) = channel(ReplyReader::Here, LIMIT, &memory());
    let writing = spawn(async move {
        for number in 0..200 {
            replies.send(chunk(number)).await.unwrap();
            if number % 7 == 0 {
                yield_now().await;
            }
        }
    });
    for expected in 0..200 {
        assert!(stream.0.lock().bytes <= LIMIT);
        if expected % 11 == 0 {
            yield_now().await;
        }
        let said = timeout(Duration::from_secs(10), stream.next()).await.unwrap();
        assert_eq!(number(said.unwrap()), expected);
    }
    assert!(stream.next().await.is_none());
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_given_up() {
    let (replies, mut stream) = channel(ReplyReader::Here, LIMIT, &memory());
    for number in 0..LIMIT as u8 {
        replies.send(chunk(number)).await.unwrap();
    }
    let begun = Instant::now();
    assert!(matches!(replies.send(chunk(9)).await, Err(Error::Unread)));
    assert!(begun.elapsed() >= UNREAD);
    assert_eq!(number(stream.next().await.unwrap()), 0);
    replies.send(chunk(4)).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_leaves_ends_every_wait_of_the_writer() {
    for full in [false, true] {
        let (replies, mut stream) = channel(ReplyReader::Here, LIMIT, &memory());
        for number in 0..LIMIT as u8 {
            replies.send(chunk(number)).await.unwrap();
        }
        let waiting = spawn(async move {
            if full {
                assert!(matches!(replies.send(chunk(9)).await, Err(Error::Unread)));
            } else {
                replies.unwanted().await;
            }
            let never = std::pin::pin!(std::future::pending::<Result<(), Error>>());
            assert!(matches!(replies.while_wanted(never).await, Err(Error::Unread)));
            assert!(matches!(replies.send(chunk(9)).await, Err(Error::Unread)));
        });
        yield_now().await;
        stream.close();
        assert!(stream.next().await.is_none(), "what is there is let go");
        timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_the_reader_to_leave_is_not_woken_by_each_message_taken() {
    let (replies, mut stream) = channel(ReplyReader::Here, LIMIT, &memory());
    replies.send(chunk(0)).await.unwrap();
    let mut polls = 0;
    let mut unwanted = std::pin::pin!(replies.unwanted());
    poll_fn(|context| {
        polls += 1;
        assert!(unwanted.as_mut().poll(context).is_pending());
        stream.take_ready();
        assert!(stream.0.lock().writer.is_some());
        Poll::Ready(())
    })
    .await;
    assert_eq!(polls, 1);
}

#[tokio::test]
async fn one_message_has_room_where_all_memory_is_taken_and_nothing_stays_counted() {
    let memory = Arc::new(BodyMemory::new(10));
    memory.reserve(10);
    let (replies, mut stream) = channel(ReplyReader::Here, LIMIT, &memory);
    assert!(replies.has_room());
    replies.send(chunk(0)).await.unwrap();
    assert!(!replies.has_room() && memory.held() == 11);
    memory.release(10);
    assert!(replies.has_room());
    replies.send(chunk(1)).await.unwrap();
    assert_eq!(number(stream.take_ready().unwrap()), 0);
    drop(stream);
    assert_eq!(memory.held(), 0);
}

#[tokio::test]
async fn messages_without_a_body_are_bounded_too() {
    let (replies, _stream) = channel(ReplyReader::Here, LIMIT, &memory());
    for _ in 0..AHEAD {
        assert!(replies.has_room());
        replies.send(Message::Chunk(Bytes::new())).await.unwrap();
    }
    assert!(!replies.has_room());
}

//! Replies on their way, between one task and between two.

use futures_util::StreamExt;
use tokio::task::{spawn, yield_now};
use tokio::time::{Instant, timeout};

use super::*;

fn chunk(number: u8) -> Message {
    Message::Chunk(vec![number].into())
}

fn number(said: Said) -> u8 {
    match said.unwrap().message {
        Some(Message::Chunk(piece)) => piece[0],
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_said_comes_in_order_and_ends_with_the_writer() {
    let (replies, mut replied) = channel(Reader::Here);
    replies.send(chunk(0)).await.unwrap();
    replies.send(chunk(1)).await.unwrap();
    assert_eq!(number(replied.said().unwrap()), 0);
    replies.refuse(Status::internal("wrong")).await.unwrap();
    drop(replies);
    assert_eq!(number(replied.next().await.unwrap()), 1);
    assert_eq!(replied.next().await.unwrap().unwrap_err().message(), "wrong");
    assert!(replied.next().await.is_none() && replied.said().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_in_another_task_is_a_few_ahead_and_none_gets_lost() {
    let (replies, mut replied) = channel(Reader::Here);
    let writing = spawn(async move {
        for number in 0..200 {
            replies.send(chunk(number)).await.unwrap();
            if number % 7 == 0 {
                yield_now().await;
            }
        }
    });
    for expected in 0..200 {
        assert!(replied.0.lock().messages.len() <= AHEAD);
        if expected % 11 == 0 {
            yield_now().await;
        }
        let said = timeout(Duration::from_secs(10), replied.next()).await.unwrap();
        assert_eq!(number(said.unwrap()), expected);
    }
    assert!(replied.next().await.is_none());
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_given_up() {
    let (replies, mut replied) = channel(Reader::Here);
    for number in 0..AHEAD as u8 {
        replies.send(chunk(number)).await.unwrap();
    }
    let begun = Instant::now();
    assert!(matches!(replies.send(chunk(9)).await, Err(Error::Unread)));
    assert!(begun.elapsed() >= UNREAD);
    assert_eq!(number(replied.next().await.unwrap()), 0);
    replies.send(chunk(4)).await.unwrap();
}

#[tokio::test]
async fn a_reader_that_leaves_ends_every_wait_of_the_writer() {
    for full in [false, true] {
        let (replies, mut replied) = channel(Reader::Here);
        for number in 0..AHEAD as u8 {
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
        replied.close();
        assert!(replied.next().await.is_none(), "what is there is let go");
        timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_the_reader_to_leave_is_not_woken_by_each_message_taken() {
    let (replies, mut replied) = channel(Reader::Here);
    replies.send(chunk(0)).await.unwrap();
    let mut polls = 0;
    let mut unwanted = std::pin::pin!(replies.unwanted());
    poll_fn(|context| {
        polls += 1;
        assert!(unwanted.as_mut().poll(context).is_pending());
        replied.said();
        assert!(replied.0.lock().writer.is_some());
        Poll::Ready(())
    })
    .await;
    assert_eq!(polls, 1);
}

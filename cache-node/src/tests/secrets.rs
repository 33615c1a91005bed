//! Secrets that edges share: over both transports, by memory and by Redis.

use bytes::Bytes;
use tonic::Code;
use weir_proto::cache::{SecretChange, SecretReply, SecretRequest};

use super::peer::{PeerTransport, TestNode};
use super::redis_server::RedisServer;
use crate::store::contract::patient;
use crate::{Config, RedisConfig};

fn change(name: &str, expected: &str, sealed: &str, hold_ms: u64) -> SecretRequest {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let change = SecretChange { expected: bytes(expected), sealed: bytes(sealed), hold_ms };
    SecretRequest { name: bytes(name), change: Some(change) }
}

fn read(name: &str) -> SecretRequest {
    SecretRequest { name: Bytes::copy_from_slice(name.as_bytes()), change: None }
}

fn reply(changed: bool, sealed: &str) -> SecretReply {
    SecretReply { changed, sealed: Bytes::copy_from_slice(sealed.as_bytes()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_those_who_change_it_succeeds_and_all_read_the_same() {
    let server = RedisServer::start().await;
    for way in [PeerTransport::InProcess, PeerTransport::Network] {
        let with_redis =
            || Config { redis: Some(patient(RedisConfig::at(&server.url()))), ..Config::default() };
        let alone = TestNode::start(way, Config::default()).await;
        let [one, other] =
            [TestNode::start(way, with_redis()).await, TestNode::start(way, with_redis()).await];
        for (one, other) in [(&alone, &alone), (&one, &other)] {
            let name = format!("{way:?}");
            assert_eq!(one.secret(read(&name)).await.unwrap(), reply(false, ""));
            let both =
                [(one, "a"), (other, "b")].map(|(node, text)| node.secret(change(&name, "", text, 60_000)));
            let [first, second] = both;
            let (first, second) = tokio::join!(first, second);
            let (first, second) = (first.unwrap(), second.unwrap());
            assert!(first.changed != second.changed && first.sealed == second.sealed, "{first:?} {second:?}");
            let now = String::from_utf8(first.sealed.to_vec()).unwrap();
            assert_eq!(other.secret(change(&name, "x", "c", 60_000)).await.unwrap(), reply(false, &now));
            assert_eq!(other.secret(change(&name, &now, "c", 60_000)).await.unwrap(), reply(true, "c"));
            assert_eq!(one.secret(read(&name)).await.unwrap(), reply(false, "c"));
            assert_eq!(one.secret(change(&name, "c", "", 0)).await.unwrap(), reply(true, ""));
            assert_eq!(other.secret(read(&name)).await.unwrap(), reply(false, ""));
            // It ends by itself.
            assert!(one.secret(change(&name, "", "d", 1)).await.unwrap().changed);
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            assert_eq!(other.secret(read(&name)).await.unwrap(), reply(false, ""));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_odd_is_refused_and_nothing_is_promised_without_redis() {
    let server = RedisServer::start().await;
    let config = Config { redis: Some(RedisConfig::at(&server.url())), ..Config::default() };
    let node = TestNode::start(PeerTransport::Network, config).await;
    for odd in [read(""), read(&"n".repeat(513)), change("a", "", &"x".repeat(128 * 1024 + 1), 1)] {
        assert_eq!(node.secret(odd).await.unwrap_err().code(), Code::InvalidArgument);
    }
    assert!(node.secret(change("a", "", "x", 60_000)).await.unwrap().changed);
    drop(server);
    assert_eq!(node.secret(read("a")).await.unwrap_err().code(), Code::Unavailable);
}

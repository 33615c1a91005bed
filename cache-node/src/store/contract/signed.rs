//! Records with a signature, in a real Redis: the same contract, and nothing is taken from who has no key.

use std::fs;
use std::path::PathBuf;

use process::settings::Mistakes;
use tempfile::TempDir;

use super::*;

fn key_file(directory: &TempDir, key: &str) -> Option<PathBuf> {
    let file = directory.path().join(key);
    fs::write(&file, format!("the key that is called {key}\n")).unwrap();
    Some(file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_with_a_key() {
    let (server, directory) = (RedisServer::start().await, TempDir::new().unwrap());
    holds_on(&RedisConfig { record_key_file: key_file(&directory, "a"), ..redis_config(&server) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_the_signature_is_not_there_and_is_replaced() {
    let (server, directory) = (RedisServer::start().await, TempDir::new().unwrap());
    let node = |key: Option<&str>, previous: Option<&str>| {
        let file = |key: Option<&str>| key.and_then(|key| key_file(&directory, key));
        let config = RedisConfig {
            record_key_file: file(key),
            previous_record_key_file: file(previous),
            ..redis_config(&server)
        };
        Redis::new(&config, LEASE, PURGES.clone(), Metrics::default(), MAX_VARIANTS).unwrap()
    };
    let slot = slot("k", &[], &[]);
    let (plain, first) = (node(None, None), node(Some("a"), None));
    plain.fill(&slot, &fresh(&slot, "by nobody")).await;
    first.fill(&slot, &fresh(&slot, "by a")).await;
    assert_eq!(first.body(&slot).await, "by a");
    // A rolling change of the key: nodes with the new one read what the others have written.
    let second = node(Some("b"), Some("a"));
    assert_eq!(second.body(&slot).await, "by a");
    let other = node(Some("c"), None);
    other.fill(&slot, &fresh(&slot, "by c")).await;
    assert_eq!(other.body(&slot).await, "by c");
    second.fill(&slot, &fresh(&slot, "by b")).await;
    plain.fill(&slot, &fresh(&slot, "by nobody")).await;
    assert_eq!(plain.body(&slot).await, "by nobody");
}

#[test]
fn a_wrong_key_file_is_told() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        Some(file)
    };
    let (long, short) = (file("long", "0123456789abcdef\n"), file("short", " 0123456789abcde \n"));
    let told = |key: &Option<PathBuf>, previous: &Option<PathBuf>| {
        let config = RedisConfig {
            record_key_file: key.clone(),
            previous_record_key_file: previous.clone(),
            ..RedisConfig::at("redis://redis")
        };
        let mut mistakes = Mistakes::default();
        crate::store::redis::check(&config, &mut mistakes);
        mistakes.to_string()
    };
    assert_eq!(told(&long, &None), "");
    assert_eq!(told(&long, &long), "");
    for (key, previous, expected) in [
        (&short, &None, "cache_node.redis.record_key_file: holds fewer than 16 bytes"),
        (&long, &short, "cache_node.redis.previous_record_key_file: holds fewer than 16 bytes"),
        (&None, &long, "cache_node.redis.record_key_file: is needed too"),
        (&Some(PathBuf::from("/nowhere/key")), &None, "cache_node.redis.record_key_file: cannot be read"),
    ] {
        let text = told(key, previous);
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

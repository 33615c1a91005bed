//! Which settings of Redis go together, and that each mistake is named by its path.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::Config;

fn config(text: &str) -> RedisConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn mistakes(config: &RedisConfig) -> String {
    let mut mistakes = Mistakes::default();
    crate::check(&Config { redis: Some(config.clone()), ..Config::default() }, &mut mistakes);
    mistakes.to_string()
}

#[test]
fn what_can_be_written() {
    for text in [
        "url = 'redis://localhost'",
        "url = 'redis://user:password@[::1]:6380/3'",
        "url = 'redis://:p%40ss@redis'",
        "url = ['redis://redis']",
        "url = 'redis+unix:///run/redis.sock?db=2'",
        "url = 'rediss://redis'",
        "url = 'redis://redis'\ncluster = true",
        "url = ['redis://:pw@a:1', 'redis://:pw@b:2']\ncluster = true",
        "url = 'redis://redis-sentinel:26379'\nsentinel = 'mymaster'",
        "url = ['redis://u:p@a/2', 'redis://u:p@b/2']\nsentinel = 'm'\nsentinel_user = 'x'\nsentinel_password = 'y'",
        "url = 'rediss://a'\ncluster = true",
        "url = 'redis://a'\nconnections = 64\ncompress_from = 0\nmax_object = '2MiB'",
    ] {
        assert_eq!(mistakes(&config(text)), "", "{text}");
    }
}

#[test]
fn every_mistake_is_named() {
    // What is written, and the setting and the words of its mistake.
    let cases = [
        ("url = 'http://redis'", "url", "is no Redis URL"),
        ("url = ''", "url", "is no Redis URL"),
        ("url = []", "url", "names no server"),
        ("url = 'redis://a/x'", "url", "is no Redis URL"),
        ("url = ['redis://a', 'redis://b']", "url", "must be one server"),
        ("url = ['redis://a', 'nonsense']\ncluster = true", "url", "number 2 is no Redis URL"),
        ("url = 'redis://a/1'\ncluster = true", "url", "no databases"),
        ("url = 'redis+unix:///a'\ncluster = true", "url", "not by a unix socket"),
        ("url = 'redis+unix:///a'\nsentinel = 'm'", "url", "not by a unix socket"),
        ("url = ['redis://a', 'rediss://b']\ncluster = true", "url", "must have the same"),
        ("url = ['redis://:x@a', 'redis://:y@b']\ncluster = true", "url", "must have the same"),
        ("url = ['redis://a/1', 'redis://b/2']\nsentinel = 'm'", "url", "must have the same"),
        ("url = 'rediss://a/#insecure'", "url", "always checked"),
        ("url = 'redis://a'\ncluster = true\nsentinel = 'm'", "sentinel", "does not go with `cluster`"),
        ("url = 'redis://a'\nsentinel = ''", "sentinel", "name of the master"),
        ("url = 'redis://a'\nsentinel_password = 'x'", "sentinel_password", "with `sentinel` only"),
        ("url = 'redis://a'\nsentinel_user = 'x'", "sentinel_user", "with `sentinel` only"),
        ("url = 'redis://a'\nsentinel = 'm'\nsentinel_user = 'x'", "sentinel_password", "is needed"),
        ("url = 'redis://a'\nca = '/x'", "ca", "rediss://"),
        ("url = 'redis://a'\ncertificate = '/x'\nkey = '/y'", "key", "rediss://"),
        ("url = 'rediss://a'\ncertificate = '/x'", "key", "go together"),
        ("url = 'rediss://a'\nkey = '/x'", "certificate", "go together"),
        ("url = 'rediss://a'\nca = '/nowhere/ca.pem'", "ca", "cannot read /nowhere/ca.pem"),
        ("url = 'redis://a'\ntimeout = 0", "timeout", "more than 0"),
        ("url = 'redis://a'\nconnect_timeout = 0", "connect_timeout", "more than 0"),
        ("url = 'redis://a'\nconnections = 0", "connections", "1 to 64"),
        ("url = 'redis://a'\nconnections = 65", "connections", "1 to 64"),
        ("url = 'redis://a'\nprefix = '{x}'", "prefix", "letters"),
        ("url = 'redis://a'\nprefix = ''", "prefix", "letters"),
    ];
    for (text, setting, words) in cases {
        let told = mistakes(&config(text));
        let named = told
            .lines()
            .any(|line| line.contains(&format!("cache_node.redis.{setting}: ")) && line.contains(words));
        assert!(named, "{text}: {setting}: {words} is not in:\n{told}");
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let told = mistakes(&config(
        "url = ['redis://a/1', 'nonsense']\ncluster = true\nsentinel = 'm'\nprefix = ''\nconnections = 0\nkey = '/x'",
    ));
    for setting in ["url", "sentinel", "prefix", "connections", "key", "certificate"] {
        assert!(told.contains(&format!("cache_node.redis.{setting}: ")), "{setting} is not in:\n{told}");
    }
}

#[test]
fn files_for_tls_are_read() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let pair = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (mine, other) = (pair("mine"), pair("other"));
    let certificate = file("certificate.pem", &mine.cert.pem());
    let key = file("key.pem", &mine.signing_key.serialize_pem());
    let (other_key, nonsense) =
        (file("other.pem", &other.signing_key.serialize_pem()), file("nonsense.pem", "nonsense"));
    let with = |ca: &PathBuf, certificate: &PathBuf, key: &PathBuf| RedisConfig {
        ca: Some(ca.clone()),
        certificate: Some(certificate.clone()),
        key: Some(key.clone()),
        ..RedisConfig::at("rediss://redis")
    };
    assert_eq!(mistakes(&with(&certificate, &certificate, &key)), "");
    for (ca, shown, its_key, told) in [
        (&nonsense, &certificate, &key, "cache_node.redis.ca: holds no certificate"),
        (&key, &certificate, &key, "cache_node.redis.ca: holds no certificate"),
        (&certificate, &nonsense, &key, "cache_node.redis.certificate: holds no certificate"),
        (&certificate, &certificate, &nonsense, "cache_node.redis.key: holds no private key"),
        (&certificate, &certificate, &other_key, "cache_node.redis.key: is not the key of `certificate`"),
    ] {
        let text = mistakes(&with(ca, shown, its_key));
        assert!(text.contains(told), "{told} is not in:\n{text}");
    }
}

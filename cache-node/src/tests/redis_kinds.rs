//! Redis in every form it is run in keeps the contract of a store: by password, by unix socket, by TLS, as a
//! Cluster, by Sentinel.

use std::fs;
use std::path::PathBuf;

use process::settings::OneOrMany;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use weir_tests::{Redis, RedisCluster, RedisSentinels, Sentinel, TlsFiles};

use crate::RedisConfig;
use crate::store::contract::{holds_on, patient};

pub(super) fn cluster_config(urls: Vec<String>) -> RedisConfig {
    RedisConfig { url: OneOrMany(urls), cluster: true, ..RedisConfig::at("") }
}

pub(super) fn sentinel_config(urls: Vec<String>) -> RedisConfig {
    RedisConfig {
        url: OneOrMany(urls),
        sentinel: Some(RedisSentinels::NAME.to_owned()),
        ..RedisConfig::at("")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_password() {
    let server = Redis::with_password("s3cret");
    holds_on(&patient(RedisConfig::at(&server.url()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_user_and_database() {
    let server = Redis::start();
    // docs/redis.md, but that each test has a prefix of its own.
    let rule = "ACL SETUSER weir on >p@ss ~* &* +eval +evalsha +get +set +del +hmget +hset +zadd +zcard +zrange +zrem +pttl +pexpire +publish \
                +hget +hgetall +hdel +hexists +xadd +xrange +xrevrange +xtrim +time +subscribe +ping +select +role +cluster|slots +asking";
    server.ask(&rule.split(' ').collect::<Vec<_>>());
    holds_on(&patient(RedisConfig::at(&format!("redis://weir:p%40ss@127.0.0.1:{}/3", server.port)))).await;
    let keyspace = server.ask(&["INFO", "keyspace"]).text();
    assert!(keyspace.contains("db3:") && !keyspace.contains("db0:"), "{keyspace}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_unix_socket() {
    let server = Redis::start();
    holds_on(&patient(RedisConfig::at(&format!("redis+unix://{}", server.socket().display())))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_tls() {
    let authority = Authority::new();
    let server = Redis::with_tls(&authority.server().files(), false);
    holds_on(&patient(authority.config(&server))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_mutual_tls() {
    let authority = Authority::new();
    let server = Redis::with_tls(&authority.server().files(), true);
    let (certificate, key) = authority.issue("node");
    let config = authority.config(&server);
    holds_on(&patient(RedisConfig { certificate: Some(certificate), key: Some(key), ..config })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_cluster() {
    let cluster = RedisCluster::start(3);
    // The others are found.
    holds_on(&patient(cluster_config(vec![cluster.nodes[1].url()]))).await;
    for node in &cluster.nodes {
        assert_ne!(node.ask(&["DBSIZE"]).text(), "0", "the keys are on all nodes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_cluster_by_tls() {
    let authority = Authority::new();
    let cluster = RedisCluster::start_with_tls(3, &authority.server().files());
    let config = cluster_config(cluster.tls_urls());
    holds_on(&patient(RedisConfig { ca: Some(authority.file.clone()), ..config })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_sentinel() {
    let sentinels = RedisSentinels::with_passwords(1, Some("theirs"), Some("own"));
    let config =
        RedisConfig { sentinel_password: Some("own".to_owned()), ..sentinel_config(sentinels.urls()) };
    holds_on(&patient(config)).await;
    assert_ne!(sentinels.servers[0].ask(&["DBSIZE"]).text(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_sentinel_by_tls() {
    let authority = Authority::new();
    let issued = authority.server();
    let server = Redis::with_tls(&issued.files(), false);
    let (_sentinel, port) = Sentinel::by_tls(&server, &issued.files());
    let config = sentinel_config(vec![format!("rediss://127.0.0.1:{port}")]);
    holds_on(&patient(RedisConfig { ca: Some(authority.file.clone()), ..config })).await;
}

/// Who signs the certificates of a test. Made anew for each: nothing to keep secret, nothing that runs out.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(super) file: PathBuf,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file, folder }
    }

    /// Issues a certificate for a server.
    pub(super) fn server(&self) -> ServerFiles {
        let (certificate, key) = self.issue("server");
        ServerFiles { certificate, key, authority: self.file.clone() }
    }

    /// Files with a certificate for 127.0.0.1 and its key.
    pub(super) fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |end: &str, text: String| {
            let path = self.folder.path().join(format!("{name}.{end}"));
            fs::write(&path, text).unwrap();
            path
        };
        (file("crt", certificate.pem()), file("key", key.serialize_pem()))
    }

    pub(super) fn config(&self, server: &Redis) -> RedisConfig {
        let at = RedisConfig::at(&format!("rediss://127.0.0.1:{}", server.port));
        RedisConfig { ca: Some(self.file.clone()), ..at }
    }
}

/// A server's files.
pub(super) struct ServerFiles {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

impl ServerFiles {
    pub(super) fn files(&self) -> TlsFiles<'_> {
        TlsFiles { certificate: &self.certificate, key: &self.key, authority: &self.authority }
    }
}

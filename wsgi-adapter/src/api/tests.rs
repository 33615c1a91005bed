//! The routes as whoever operates the adapter calls them.

use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::*;
use crate::config::{Config, PoolConfig};

fn config() -> Config {
    let servers =
        ["uwsgi://127.0.0.1:1", "unix:/a"].map(|address| ServerConfig::new(address.parse().unwrap()));
    let pool = PoolConfig { name: "my app".to_owned(), servers: servers.to_vec(), ..PoolConfig::default() };
    Config { pool: vec![pool], ..Config::default() }
}

fn request(method: Method, path: &str, body: &str) -> Request<Bytes> {
    let mut request =
        Request::builder().method(method).uri(path).body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

async fn send(pools: &Pools, request: Request<Bytes>) -> (u16, Value) {
    let (head, body) = pools.answer(&request).await.expect("there is such a path").into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn ask(pools: &Pools, method: Method, path: &str, body: &str) -> (u16, Value) {
    send(pools, request(method, path, body)).await
}

fn addresses(pools: &Pools) -> Vec<String> {
    pools.get("my app").unwrap().entries().iter().map(|entry| entry.server.address.to_string()).collect()
}

#[tokio::test]
async fn shows_pools_and_servers() {
    let pools = Pools::open(&config()).unwrap();
    let (status, all) = ask(&pools, Method::GET, "/api/v1/pools", "").await;
    let pool = &all["pools"][0];
    assert_eq!((status, &pool["name"], &pool["balance"]), (200, &"my app".into(), &"round_robin".into()));
    assert_eq!((&pool["in_flight"], &pool["queue"]["waiting"]), (&0.into(), &0.into()));
    let server = &pool["servers"][1];
    assert_eq!(
        (&server["id"], &server["address"], &server["state"]),
        (&1.into(), &"unix:/a".into(), &"up".into())
    );
    assert_eq!((&server["weight"], &server["fail_timeout"]), (&1.into(), &"10s".into()));
    assert_eq!((&server["requests"], &server["last_failure"]), (&0.into(), &Value::Null));
    for path in
        ["/api/v1/pools/my%20app", "/api/v1/pools/my%20app/servers", "/api/v1/pools/my%20app/servers/0"]
    {
        assert_eq!(ask(&pools, Method::GET, path, "").await.0, 200, "{path}");
    }
    for path in [
        "/api/v1/pools/x",
        "/api/v1/pools/my%20app/servers/7",
        "/api/v1/pools/my%20app/servers/x",
        "/api/v1/pools/my%20app/x",
    ] {
        let (status, error) = ask(&pools, Method::GET, path, "").await;
        assert!(status == 404 && error["error"].is_string(), "{path}");
    }
    assert!(pools.answer(&request(Method::GET, "/api/v1/poolsx", "")).await.is_none());
    for (method, path) in [
        (Method::POST, "/api/v1/pools"),
        (Method::PUT, "/api/v1/pools/my%20app/servers"),
        (Method::POST, "/api/v1/pools/my%20app/servers/0"),
    ] {
        assert_eq!(ask(&pools, method, path, "{}").await.0, 405, "{path}");
    }
}

#[tokio::test]
async fn servers_come_change_and_go() {
    let pools = Pools::open(&config()).unwrap();
    let servers = "/api/v1/pools/my%20app/servers";
    let (status, added) =
        ask(&pools, Method::POST, servers, r#"{"address": "127.0.0.1:2", "weight": 3}"#).await;
    assert_eq!((status, &added["id"], &added["weight"]), (201, &2.into(), &3.into()));
    let one = format!("{servers}/2");
    let (status, changed) = ask(&pools, Method::PATCH, &one, r#"{"drain": true, "weight": null}"#).await;
    assert_eq!((status, &changed["weight"], &changed["drain"]), (200, &1.into(), &true.into()));
    assert_eq!(ask(&pools, Method::GET, &one, "").await.1["state"], "draining");
    assert_eq!(ask(&pools, Method::DELETE, &one, "").await.0, 200);
    assert_eq!(ask(&pools, Method::GET, &one, "").await.0, 404);
    assert_eq!(ask(&pools, Method::DELETE, &one, "").await.0, 404);
    let (_, again) = ask(&pools, Method::POST, servers, r#""127.0.0.1:2""#).await;
    assert_eq!(again["id"], 3, "no number is given twice");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let pools = Pools::open(&config()).unwrap();
    let servers = "/api/v1/pools/my%20app/servers";
    let before = addresses(&pools);
    for (method, path, body, status, text) in [
        (Method::POST, servers, r#"{"address": "unix:/a"}"#, 409, "already"),
        (Method::POST, servers, r#"{"address": "http://127.0.0.1:2"}"#, 400, "protocol"),
        (Method::POST, servers, r#"{"address": "127.0.0.1"}"#, 400, "not a host and a port"),
        (Method::POST, servers, r#"{"address": "127.0.0.1:2", "wait": 1}"#, 400, "wait"),
        (Method::POST, servers, r#"{"address": "127.0.0.1:2", "weight": 0}"#, 400, "1 to 1000"),
        (Method::POST, servers, r#"{"address": "127.0.0.1:2", "resolve": true}"#, 400, "not a name"),
        (Method::POST, servers, "nonsense", 400, "expected"),
        (
            Method::PATCH,
            "/api/v1/pools/my%20app/servers/0",
            r#"{"address": "127.0.0.1:2"}"#,
            409,
            "cannot be changed",
        ),
        (Method::PATCH, "/api/v1/pools/my%20app/servers/0", r#"{"weight": "x"}"#, 400, "invalid type"),
        (Method::PATCH, "/api/v1/pools/my%20app/servers/9", "{}", 404, "no such server"),
    ] {
        let (got, error) = ask(&pools, method, path, body).await;
        assert_eq!(got, status, "{body}: {error}");
        assert!(error["error"].as_str().unwrap().contains(text), "{body}: {error}");
    }
    assert_eq!(addresses(&pools), before);
}

#[tokio::test]
async fn a_page_of_another_site_adds_nothing() {
    let pools = Pools::open(&config()).unwrap();
    let mut request = request(Method::POST, "/api/v1/pools/my%20app/servers", r#""127.0.0.1:2""#);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(send(&pools, request).await.0, 415);
}

#[tokio::test]
async fn changes_outlive_a_restart_where_there_is_a_state_file() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut config = config();
    config.pool[0].state_file = Some(directory.path().join("pool.json"));
    let pools = Pools::open(&config).unwrap();
    ask(&pools, Method::DELETE, "/api/v1/pools/my%20app/servers/0", "").await;
    ask(&pools, Method::POST, "/api/v1/pools/my%20app/servers", r#""127.0.0.1:2""#).await;
    let again = Pools::open(&config).unwrap();
    assert_eq!(addresses(&again), ["unix:/a", "127.0.0.1:2"]);
    let (_, third) = ask(&again, Method::POST, "/api/v1/pools/my%20app/servers", r#""127.0.0.1:3""#).await;
    assert_eq!(third["id"], 3);
    std::fs::write(directory.path().join("pool.json"), "{").unwrap();
    let error = Pools::open(&config).unwrap_err().to_string();
    assert!(error.contains("my app") && error.contains("pool.json"), "{error}");
    config.pool[0].state_file = Some(directory.path().join("none/pool.json"));
    let pools = Pools::open(&config).unwrap();
    let (status, _) = ask(&pools, Method::DELETE, "/api/v1/pools/my%20app/servers/0", "").await;
    assert_eq!((status, addresses(&pools).len()), (500, 2), "what cannot be kept is not done");
}

#[tokio::test]
async fn figures_of_a_server_go_with_it() {
    let pools = Pools::open(&config()).unwrap();
    let mut registry = Registry::default();
    pools.register(&mut registry);
    let metrics = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    assert!(
        metrics().contains("weir_wsgi_adapter_server_up{pool=\"my app\",server=\"unix:/a\"} 1"),
        "{}",
        metrics()
    );
    ask(&pools, Method::PATCH, "/api/v1/pools/my%20app/servers/1", r#"{"down": true}"#).await;
    assert!(metrics().contains("weir_wsgi_adapter_server_up{pool=\"my app\",server=\"unix:/a\"} 0"));
    ask(&pools, Method::DELETE, "/api/v1/pools/my%20app/servers/1", "").await;
    assert!(!metrics().contains("unix:/a"), "{}", metrics());
}

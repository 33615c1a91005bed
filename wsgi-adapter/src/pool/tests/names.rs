//! Servers by the names that are looked up.

use super::*;

#[tokio::test]
async fn a_name_is_as_many_servers_as_it_has_addresses() {
    let servers = vec![ServerConfig {
        weight: 2,
        resolve: true,
        ..ServerConfig::new("uwsgi://app.invalid:3031".parse().unwrap())
    }];
    let pool =
        Pool::open(&PoolConfig { servers, ..PoolConfig::default() }, &Metrics::default(), &memory()).unwrap();
    let addresses = || -> Vec<String> {
        let state = pool.state.lock();
        state.servers.iter().map(|member| member.server.address.to_string()).collect()
    };
    let waiting = slot(&pool, never());
    let listed = pool.entries()[0].id;
    let found = |text: &str| -> Vec<NamedServer> {
        let address = |one: &str| SocketAddr::new(one.parse().unwrap(), 3031);
        text.split(' ').map(|one| NamedServer { address: address(one), weight: 1, backup: false }).collect()
    };
    pool.resolved(listed, Some(&found("10.0.0.1 2001:db8::1")));
    assert_eq!(addresses(), ["uwsgi://10.0.0.1:3031", "uwsgi://[2001:db8::1]:3031"]);
    let held = waiting.await.unwrap();
    assert_eq!(held.server().address.as_str(), "uwsgi://10.0.0.1:3031");
    pool.resolved(listed, None);
    assert_eq!(addresses().len(), 2, "nothing was found: what was found last stays");
    pool.resolved(listed, Some(&found("2001:db8::1 10.0.0.2")));
    assert_eq!(addresses(), ["uwsgi://[2001:db8::1]:3031", "uwsgi://10.0.0.2:3031"]);
    drop(held);
    pool.change(listed, ServerConfig { weight: 5, ..pool.entries()[0].server.clone() }).await.unwrap();
    assert_eq!(addresses(), ["uwsgi://[2001:db8::1]:3031", "uwsgi://10.0.0.2:3031"]);
    assert!(pool.state.lock().servers.iter().all(|member| member.settings.weight == 5));
    pool.remove(listed).await.unwrap();
    assert_eq!(addresses(), [""; 0]);
    assert!(!pool.resolved(listed, Some(&found("10.0.0.1"))), "not listed any more");
}

#[tokio::test]
async fn srv_records_say_who_is_a_backup_and_how_heavy_each_is() {
    let address: Address = "http+srv://_web._tcp.app.invalid".parse().unwrap();
    let servers = vec![ServerConfig { weight: 2, ..ServerConfig::new(address) }];
    let pool =
        Pool::open(&PoolConfig { servers, ..PoolConfig::default() }, &Metrics::default(), &memory()).unwrap();
    let listed = pool.entries()[0].id;
    let found = |servers: &[(&str, u32, bool)]| -> Vec<NamedServer> {
        let one = |&(address, weight, backup): &(&str, u32, bool)| NamedServer {
            address: address.parse().unwrap(),
            weight,
            backup,
        };
        servers.iter().map(one).collect()
    };
    let shown = || -> Vec<(String, u32, bool)> {
        let state = pool.state.lock();
        let member = |member: &Member| {
            (member.server.address.to_string(), member.settings.weight, member.settings.backup)
        };
        state.servers.iter().map(member).collect()
    };
    let row = |address: &str, weight, backup| (format!("http://{address}"), weight, backup);
    pool.resolved(listed, Some(&found(&[("10.0.0.1:80", 3, false), ("10.0.0.1:81", 1, true)])));
    assert_eq!(shown(), [row("10.0.0.1:80", 6, false), row("10.0.0.1:81", 2, true)]);
    // The backup takes over, and the other's weight changes.
    pool.resolved(listed, Some(&found(&[("10.0.0.1:81", 1, false), ("10.0.0.1:80", 1, true)])));
    assert_eq!(shown(), [row("10.0.0.1:80", 2, true), row("10.0.0.1:81", 2, false)]);
    // As in nginx: of a name that is a backup itself, only the first ones are used.
    let backup = ServerConfig { backup: true, ..pool.entries()[0].server.clone() };
    pool.change(listed, backup).await.unwrap();
    pool.resolved(listed, Some(&found(&[("10.0.0.1:81", 1, false), ("10.0.0.1:80", 1, true)])));
    assert_eq!(shown(), [row("10.0.0.1:81", 2, true)]);
}

#[tokio::test(start_paused = true)]
async fn without_servers_requests_fail_at_once_and_those_that_wait_too() {
    let pool = pool(1, 9, &[server(1)]);
    let held = at_once(&pool).unwrap();
    let mut waiting = slot(&pool, never());
    assert!((&mut waiting).now_or_never().is_none());
    pool.remove(ServerId(0)).await.unwrap();
    drop(held);
    assert_eq!(waiting.await.unwrap_err(), PoolFull::Barred(None));
    assert_eq!(slot(&pool, never()).await.unwrap_err(), PoolFull::Barred(None));
    pool.add(server(2)).await.unwrap();
    assert!(at_once(&pool).is_some());
}

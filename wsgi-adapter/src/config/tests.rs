//! Settings files, right and wrong.

use std::io::Write;

use process::settings::Settings;
use process::units::Time;

use super::*;

/// The section as it is read from a file, or every line of what is wrong with it, without the file's name.
fn read(toml: &str) -> Result<Config, Vec<String>> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let settings = Settings::load(Some(file.path()), []).unwrap();
    let mut mistakes = settings.mistakes();
    let config: Option<Config> = settings.section("wsgi_adapter", &mut mistakes);
    if let Some(config) = &config {
        config.check(&mut mistakes);
    }
    if mistakes.is_empty() {
        return Ok(config.unwrap());
    }
    let name = format!("{}:", file.path().display());
    Err(mistakes.to_string().lines().map(|line| line.replace(&name, "")).collect())
}

#[test]
fn the_designs_example_is_good() {
    let config = read(
        r#"
        [wsgi_adapter]
        listen = "0.0.0.0:7102"
        [[wsgi_adapter.pool]]
        name = "django"
        balance = "least_conn"
        servers = ["uwsgi://127.0.0.1:29000", "uwsgi+unix:///run/app.sock", { address = "127.0.0.1:8000", weight = 2, backup = true }]
        "#,
    )
    .unwrap();
    let pool = &config.pool[0];
    assert_eq!((pool.name.as_str(), pool.balance), ("django", Balance::LeastConn));
    let plain = |address: &str| ServerConfig::new(address.parse().unwrap());
    let third = ServerConfig { weight: 2, backup: true, ..plain("127.0.0.1:8000") };
    assert_eq!(pool.servers, [plain("uwsgi://127.0.0.1:29000"), plain("uwsgi+unix:///run/app.sock"), third]);
}

const EVERY_SETTING: &str = r#"
        [wsgi_adapter]
        listen = "127.0.0.1:1"
        [[wsgi_adapter.pool]]
        name = "a"
        balance = "hash"
        hash_key = "cookie:user"
        servers = [{ address = "uwsgi://app:1", weight = 3, down = false, max_conns = 4, max_fails = 5, fail_timeout = "6s", slow_start = "7s", resolve = true }, { address = "unix:/b", drain = true }]
        resolve_every = "20s"
        state_file = "/var/lib/weir/a.json"
        retry = { budget = 0.1, min = 1, timeout = "9s" }
        check = { path = "/ok?x", host = "a.example", interval = "1s", jitter = "2ms", timeout = "3s", rise = 4, fall = 5, status = "200-204", body = "fine", mandatory = true }
        eject = { window = "1s", requests = 2, rate = 0.3, time = "4s", share = 0.5 }
        breaker = { failures = 6, pause = "2s", max_pause = "8s" }
        sticky = { key = "0123456789abcdef", cookie = "c", expires = "1h", path = "/p", domain = "a.example", secure = true, same_site = "None" }
        connect_timeout = "1s"
        send_timeout = "2s"
        read_timeout = "3s"
        buffer_size = "32k"
        max_vars = 100
        reply_head = "8k"
        max_in_flight = 16
        queue = { length = 7, timeout = "8s" }
        tries = 2
        request_buffering = false
        buffer_memory = "1m"
        max_body = "10m"
        max_uploads = 9
        body_timeout = "10s"
        tunnel_timeout = "11s"
        flavour = "gunicorn"
        variables = { SITE = "shop", "wsgi.x" = "1\n2" }
        variable_sets = { admin = { SITE = "admin", USER = { told = 1 } } }
        keepalive = { connections = 12, timeout = "13s", age = "14s", requests = 15 }
        "#;

#[test]
fn every_setting_is_read() {
    let config = read(EVERY_SETTING).unwrap();
    let pool = &config.pool[0];
    let server = &pool.servers[0];
    assert_eq!((server.weight, server.max_conns, server.max_fails), (3, 4, 5));
    assert_eq!(server.fail_timeout, Time::from_secs(6));
    assert_eq!([pool.connect_timeout, pool.send_timeout, pool.read_timeout], [1, 2, 3].map(Time::from_secs));
    assert_eq!((pool.buffer_size, pool.max_vars, pool.reply_head), (Size(32768), 100, Size(8192)));
    assert_eq!((pool.max_in_flight, pool.queue.length, pool.tries), (16, 7, 2));
    assert_eq!((pool.queue.timeout, pool.body_timeout), (Time::from_secs(8), Time::from_secs(10)));
    assert_eq!((pool.buffer_memory, pool.max_body), (Size::mebibytes(1), Size::mebibytes(10)));
    assert_eq!((server.slow_start, server.resolve), (Time::from_secs(7), true));
    assert!(pool.servers[1].drain && !server.drain);
    assert_eq!(pool.hash_key, HashKey::Cookie("user".to_owned()));
    assert_eq!(
        (pool.resolve_every, pool.state_file.as_deref()),
        (Time::from_secs(20), Some("/var/lib/weir/a.json".as_ref()))
    );
    assert_eq!((pool.retry.budget, pool.retry.min, pool.retry.timeout), (0.1, 1, Time::from_secs(9)));
}

#[test]
fn every_setting_of_a_pools_tables_is_read() {
    let config = read(EVERY_SETTING).unwrap();
    let pool = &config.pool[0];
    let check = pool.check.as_ref().unwrap();
    assert_eq!(
        (check.path.as_str(), check.host.as_str(), check.body.as_deref()),
        ("/ok?x", "a.example", Some("fine"))
    );
    assert_eq!(
        [check.interval, check.jitter, check.timeout],
        [Time::from_secs(1), Time::from_millis(2), Time::from_secs(3)]
    );
    assert_eq!((check.rise, check.fall, check.status, check.mandatory), (4, 5, Statuses(200, 204), true));
    let eject = pool.eject.as_ref().unwrap();
    assert_eq!(
        (eject.window, eject.requests, eject.rate, eject.time, eject.share),
        (Time::from_secs(1), 2, 0.3, Time::from_secs(4), 0.5)
    );
    let breaker = &pool.breaker;
    assert_eq!(
        (breaker.failures, breaker.pause, breaker.max_pause),
        (6, Time::from_secs(2), Time::from_secs(8))
    );
    let sticky = pool.sticky.as_ref().unwrap();
    assert_eq!(
        (sticky.key.as_deref(), sticky.cookie.as_str(), sticky.expires),
        (Some("0123456789abcdef"), "c", Some(Time::from_secs(3600)))
    );
    assert_eq!((sticky.path.as_str(), sticky.domain.as_deref()), ("/p", Some("a.example")));
    assert_eq!((sticky.secure, sticky.same_site.as_str()), (true, "None"));
    assert!(!pool.request_buffering && pool.max_uploads == 9);
    assert_eq!((pool.tunnel_timeout, pool.flavour), (Time::from_secs(11), Flavour::Gunicorn));
    let text = |value: &str| VariableValue::Text(value.to_owned());
    let variables =
        [("SITE", "shop"), ("wsgi.x", "1\n2")].map(|(name, value)| (name.to_owned(), text(value)));
    assert_eq!(pool.variables.0, variables);
    let admin = [("SITE".to_owned(), text("admin")), ("USER".to_owned(), VariableValue::Told(1))];
    assert_eq!(
        ["", "admin", "other"].map(|set| Some(pool.variables_of(set)?.0.as_slice())),
        [Some(&variables[..]), Some(&admin), None]
    );
    let KeepaliveConfig { connections, timeout, age, requests } = pool.keepalive;
    assert_eq!((connections, timeout, age, requests), (12, Time::from_secs(13), Time::from_secs(14), 15));
}

/// What stands in the second pool (the first is good), and of each mistake the path below the pool and a part
/// of the text.
const WRONG_SECOND_POOLS: &[(&str, &[(&str, &str)])] = &[
    (r#"servers = ["127.0.0.1:1"]"#, &[(".name", "needs a name")]),
    (r#"name = "good""#, &[(".name", "another pool"), (".servers", "no server")]),
    (r#"servers = ["https://127.0.0.1"]"#, &[(".name", ""), (".servers[0]", "not a host and a port")]),
    (
        r#"name = "b"
            servers = ["127.0.0.1", { address = "scgi://h:1" }, "127.0.0.1:1"]"#,
        &[(".servers[0]", "not a host and a port"), (".servers[1].address", "unknown scheme")],
    ),
    (
        r#"name = "b"
            balance = "hsah"
            servers = ["127.0.0.1:1", "127.0.0.1:1", { address = "127.0.0.1:2", weight = 0 }]"#,
        &[(".balance", "unknown method"), (".servers[1]", "twice"), (".servers[2].weight", "1 to 1000")],
    ),
    (
        r#"name = "b"
            servers = [{ address = "127.0.0.1:1", wait = 1 }]"#,
        &[(".servers[0].wait", "")],
    ),
    (
        r#"name = "b"
            servers = [{ address = "127.0.0.1:1", down = true }]"#,
        &[(".servers", "every server is down")],
    ),
    (
        r#"name = "b"
            servers = [{ address = "127.0.0.1:1", backup = true }]"#,
        &[(".servers", "every server is a backup")],
    ),
    (
        r#"name = "b"
            servers = ["http://127.0.0.1:1"]
            mount = "/shop"
            variables = { A = "1" }
            variable_sets = { a = { "A-B" = "1" } }
            flavour = "php""#,
        &[
            (".mount", "no SCRIPT_NAME"),
            (".variables", "no variables"),
            (".variable_sets", "no variables"),
            (".flavour", "fastcgi://"),
            (".variable_sets.a.A-B", "not the name"),
        ],
    ),
    (
        r#"name = "b"
            servers = ["127.0.0.1:1"]
            flavour = "gunicorn"
            mount = "/shop""#,
        &[(".mount", "gunicorn takes no SCRIPT_NAME")],
    ),
    (
        r#"name = "b"
            servers = ["127.0.0.1:1"]
            flavour = "unicorn"
            mount = "shop/"
            keepalive = { requests = 0 }
            variables = { "A-B" = "1", CONTENT_LENGTH = "7", B = "\u0001" }"#,
        &[
            (".flavour", "unicorn"),
            (".mount", "begin with a slash"),
            (".keepalive", "connections = 0"),
            (".variables.A-B", "not the name"),
            (".variables.CONTENT_LENGTH", "cannot be set"),
            (".variables.B", "control character"),
        ],
    ),
    (
        r#"name = "b"
            servers = [{ address = "127.0.0.1:1", resolve = true }]
            hash_key = "header:"
            retry = { budget = 2.0 }
            check = { path = "x", interval = 0, rise = 0, status = "2xx", body = "" }
            eject = { rate = 0.0, share = 2.0, requests = 0 }
            sticky = { key = "short", cookie = "a b", same_site = "None", path = "/;" }
            breaker = { failures = 1, pause = 0 }"#,
        &[
            (".servers[0].resolve", "not a name"),
            (".hash_key", "cookie:NAME"),
            (".retry.budget", "from 0 to 1"),
            (".sticky.key", "16 bytes"),
            (".sticky.cookie", "not the name"),
            (".sticky.path", "Set-Cookie"),
            (".sticky.same_site", "secure = true"),
            (".check.path", "begin with /"),
            (".check.interval", "no time"),
            (".check.rise", "1 or more"),
            (".check.status", "200-399"),
            (".check.body", "empty"),
            (".eject.rate", "more than 0"),
            (".eject.share", "at most 1"),
            (".eject.requests", "1 or more"),
            (".breaker.pause", "no time"),
        ],
    ),
    (
        r#"name = "b"
            servers = ["127.0.0.1:1"]
            connect_timeout = 0
            read_timeout = "soon"
            queue = { length = 1, timeout = 0 }
            buffer_size = "64k"
            max_vars = 3
            reply_head = 1
            max_in_flight = 0
            tries = 0
            buffer_memory = "1g""#,
        &[
            (".connect_timeout", "no time"),
            (".read_timeout", "a time such as"),
            (".queue.timeout", "no time"),
            (".buffer_size", "1024 to 65535"),
            (".max_vars", "64 or more"),
            (".reply_head", "1KiB to 1MiB"),
            (".max_in_flight", "1 or more"),
            (".tries", "1 or more"),
            (".buffer_memory", "64MiB"),
        ],
    ),
];

#[test]
fn all_that_is_wrong_is_said_with_its_place() {
    for (second, expected) in WRONG_SECOND_POOLS {
        let toml = format!(
            "[[wsgi_adapter.pool]]\nname = \"good\"\nservers = [\"127.0.0.1:1\"]\n[[wsgi_adapter.pool]]\n{second}\n"
        );
        let lines = read(&toml).unwrap_err();
        assert_eq!(lines.len(), expected.len(), "{second}: {lines:#?}");
        for (path, text) in *expected {
            let path = format!(" wsgi_adapter.pool[1]{path}: ");
            assert!(
                lines.iter().any(|line| line.contains(&path) && line.contains(text)),
                "{path}{text}: {lines:#?}"
            );
        }
    }
}

#[test]
fn addresses_without_host_or_port_are_wrong() {
    let lines = read("[wsgi_adapter]\nlisten = \"7102\"\nadmin = \"localhost\"\n").unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    for path in ["wsgi_adapter.listen", "wsgi_adapter.admin"] {
        assert!(lines.iter().any(|line| line.contains(&format!("{path}: "))), "{path}: {lines:#?}");
    }
}

#[test]
fn only_a_process_of_its_own_needs_a_pool() {
    let (mut within, mut alone) = (Mistakes::default(), Mistakes::default());
    Config::default().check(&mut within);
    Config::default().check_alone(&mut alone);
    assert!(within.is_empty(), "{within}");
    assert!(alone.to_string().contains("wsgi_adapter.pool: no pool"), "{alone}");
}

#[test]
fn an_admin_listener_can_be_left_out() {
    assert_eq!(read("[wsgi_adapter]\nadmin = \"off\"\n").unwrap().admin, "off");
}

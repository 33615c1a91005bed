//! A reload takes over all settings while visitors are served, or none, and says what it has done.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_tests::{
    Certificate, Client, Http2, Load, Location, Oracle, Pool, Response, Settings, Stack, Topology, Uwsgi,
    binary, both_topologies, free_port, site, until,
};

fn settings() -> Settings {
    site([Location::cached("/", "60s")])
}

/// What the settings file says.
fn written(stack: &Stack) -> Settings {
    Settings::parse(&fs::read_to_string(stack.directory().join("weir.toml")).unwrap())
}

/// Lets the edge, or `weir`, read its settings again; the services behind it first.
fn reload(stack: &Stack) -> (u16, Value) {
    for service in [&stack.cache_node, &stack.wsgi_adapter].into_iter().flatten() {
        let told = || service.log().matches("settings reloaded").count() + refusals(&service.log());
        let before = told();
        service.hang_up();
        until("a service has reloaded", || (told() > before).then_some(()));
    }
    let answer = stack.ask_admin("POST", "/api/v1/reload", "");
    let text = answer.text();
    (answer.status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}: {text}", answer.status)))
}

fn refusals(log: &str) -> usize {
    log.matches("settings not reloaded").count()
}

/// Writes other settings, and expects them to be taken over.
#[track_caller]
fn change(stack: &Stack, change: impl FnOnce(Settings) -> Settings) -> Value {
    change(written(stack)).write(&stack.directory().join("weir.toml"));
    let (status, answer) = reload(stack);
    assert_eq!((status, &answer["reloaded"]), (200, &Value::Bool(true)), "{answer}");
    answer
}

/// The keys of a list in the answer.
fn keys(answer: &Value, list: &str) -> Vec<String> {
    let changes = answer[list].as_array().unwrap_or_else(|| panic!("{answer}"));
    changes.iter().map(|change| change["key"].as_str().unwrap().to_owned()).collect()
}

fn get(address: SocketAddr, host: &str, target: &str) -> Response {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    client.response("GET")
}

both_topologies!(a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not, settings());
fn a_site_with_a_new_pool_is_served_and_one_that_is_gone_is_not(stack: &Stack) {
    let other = Uwsgi::oracle();
    let more = "[[edge.site]]\nserver_name = [\"other.test\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"other\"\n";
    let sites = |settings: Settings| {
        let text = format!("{}\n{more}", settings.to_text());
        Settings::parse(&text).pool(Pool::new("other", &other.address()))
    };
    let answer = change(stack, sites);
    assert!(
        keys(&answer, "changed").contains(&"edge.site[other.test].location[/].pool".to_owned()),
        "{answer}"
    );
    // Its application has not been asked for this page before, the other one has.
    stack.get("/count/page").expect(200);
    assert_eq!(get(stack.http(), "other.test", "/count/page").expect(200).text(), "1\n");
    assert_eq!(stack.oracle.calls("page"), 1);

    // Another server for the pool; a request that the first has begun with is finished there.
    let next = Uwsgi::oracle();
    let slow = thread::spawn({
        let http = stack.http();
        move || get(http, "other.test", "/count/slow?delay=1500").status
    });
    until("it is under way", || (Oracle::of(&other).running("slow") == 1).then_some(()));
    change(stack, |settings| Settings::parse(&settings.to_text().replace(&other.address(), &next.address())));
    assert_eq!(get(stack.http(), "other.test", "/count/next").expect(200).text(), "1\n");
    assert_eq!(Oracle::of(&next).calls("next"), 1);
    assert_eq!(slow.join().unwrap(), 200);

    // Without them, the first site answers, from the cache: nothing in memory was lost.
    change(stack, |settings| settings.without_last("edge.site").without_last("wsgi_adapter.pool"));
    assert_eq!(get(stack.http(), "other.test", "/count/fresh").expect(200).text(), "1\n");
    assert_eq!(stack.oracle.calls("fresh"), 1);
    assert_eq!(get(stack.http(), "localhost", "/count/page").expect(200).text(), "1\n");
}

both_topologies!(listeners_come_and_go_and_open_connections_stay, settings());
fn listeners_come_and_go_and_open_connections_stay(stack: &Stack) {
    let new: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let mut old = stack.connect();
    old.get("/count/page").expect(200);
    let listen = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let both = listen(&[new, stack.http()]);
    let answer = change(stack, |settings| settings.with("edge.listen", both));
    assert_eq!(keys(&answer, "changed"), ["edge.listen"]);
    get(new, "localhost", "/count/page").expect(200);
    // The listener's number has changed, its connections have not.
    let response = old.get("/count/page").expect(200);
    assert_ne!(response.field("connection"), Some("close"));

    let one = listen(&[new]);
    change(stack, |settings| settings.with("edge.listen", one));
    until("the old address is closed", || TcpStream::connect(stack.http()).is_err().then_some(()));
    // What was open gets one more answer at most.
    old.send("GET /count/page HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if let Some(response) = old.try_response("GET") {
        assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    }
    get(new, "localhost", "/count/page").expect(200);

    let back = listen(&[stack.http()]);
    change(stack, |settings| settings.with("edge.listen", back));
    stack.get("/count/page").expect(200);
}

both_topologies!(nothing_changes_where_something_cannot_be_had, settings());
fn nothing_changes_where_something_cannot_be_had(stack: &Stack) {
    let file = stack.directory().join("weir.toml");
    let right = written(stack);
    let (free, taken) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let taken_at = taken.local_addr().unwrap().to_string();
    let missing = stack.directory().join("missing/access.log").display().to_string();
    let wrong = [
        // A mistake, an address that another program has, a log in no directory.
        (right.clone().with("edge.limits.target", "no size"), "edge.limits.target"),
        (
            right
                .clone()
                .with(
                    "edge.listen",
                    vec![stack.http().to_string(), format!("127.0.0.1:{free}"), taken_at.clone()],
                )
                .with("edge.limits.target", "64"),
            taken_at.as_str(),
        ),
        (
            right.clone().with("edge.access_log_to", missing.as_str()).with("edge.limits.target", "64"),
            missing.as_str(),
        ),
        (
            right.clone().with("edge.admin", taken_at.as_str()).with("edge.limits.target", "64"),
            taken_at.as_str(),
        ),
    ];
    let long = format!("/count/{}", "x".repeat(100));
    for (settings, why) in wrong {
        settings.write(&file);
        let answer = stack.ask_admin("POST", "/api/v1/reload", "");
        let text = answer.text();
        assert_eq!(answer.status, 422, "{text}");
        assert!(text.contains(why) && text.contains("\"reloaded\":false"), "{why}: {text}");
        stack.get(&long).expect(200);
        assert!(TcpStream::connect(("127.0.0.1", free)).is_err(), "a socket was left open");
    }
    right.write(&file);
    assert_eq!(change(stack, |settings| settings.with("edge.limits.target", "64"))["reloaded"], true);
    stack.get(&long).expect(414);
}

both_topologies!(limits_timeouts_logs_and_caches_change_in_place, settings().with("edge.access_log", "json"));
fn limits_timeouts_logs_and_caches_change_in_place(stack: &Stack) {
    let mut client = stack.connect();
    for page in 0..8 {
        client.get(&format!("/count/page{page}?size=20000")).expect(200);
    }
    let metric = |name: &str| {
        let metrics = stack.admin("/metrics").text();
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(metric("weir_edge_l1_bytes") > 100_000.0);
    let log = stack.directory().join("other.log");
    let to = log.display().to_string();
    let answer = change(stack, |settings| {
        settings
            .with("edge.l1.memory", "64k")
            .with("edge.limits.target", "64")
            .with("edge.timeouts.keepalive", "300ms")
            .with("edge.access_log_to", to)
            .with("edge.access_log", "combined")
            .with("edge.nginx_cache_status", true)
    });
    let expected = [
        "edge.access_log",
        "edge.access_log_to",
        "edge.l1.memory",
        "edge.limits.target",
        "edge.nginx_cache_status",
        "edge.timeouts.keepalive",
    ];
    assert_eq!(keys(&answer, "changed"), expected);
    assert!(metric("weir_edge_l1_bytes") < 70_000.0, "pages that have no room are evicted");
    // An open connection goes on by the new settings.
    let response = client.get("/count/page1?size=20000").expect(200);
    assert!(response.field("x-cache-status").is_some());
    until("the line is in the other log", || {
        let lines = fs::read_to_string(&log).unwrap_or_default();
        lines.contains("\"GET /count/page1?size=20000 HTTP/1.1\" 200").then_some(())
    });
    assert!(!stack.edge.output().contains("\"/count/page1?size=20000\",\"x\""));
    let idle = Instant::now();
    assert!(client.try_head().is_none(), "an idle connection ends by the new time");
    assert!(idle.elapsed() < Duration::from_secs(30));
    stack.get(&format!("/count/{}", "x".repeat(100))).expect(414);
    // Back: the cache-node still has the pages.
    change(stack, |settings| settings.with("edge.limits.target", "8k").with("edge.l1.memory", "32MiB"));
    stack.get(&format!("/count/{}", "x".repeat(100))).expect(200);
    assert_eq!(stack.oracle.calls("page1"), 1);
}

both_topologies!(bounds_of_the_node_change_in_place, settings());
fn bounds_of_the_node_change_in_place(stack: &Stack) {
    // Small enough for no L1, so that the node answers.
    change(stack, |settings| settings.with("edge.l1.memory", "0"));
    stack.get("/count/large?size=200000").expect(200);
    stack.get("/count/large?size=200000").expect(200);
    assert_eq!(stack.oracle.calls("large"), 1);
    change(stack, |settings| {
        settings.with("cache_node.max_object", "100k").with("edge.l1.max_object", "100k")
    });
    stack.get("/count/larger?size=200000").expect(200);
    stack.get("/count/larger?size=200000").expect(200);
    assert_eq!(stack.oracle.calls("larger"), 2, "it is not stored any more");
    change(stack, |settings| {
        settings.with("cache_node.max_object", "1MiB").with("cache_node.memory", "8MiB")
    });
    stack.get("/count/largest?size=200000").expect(200);
    stack.get("/count/largest?size=200000").expect(200);
    assert_eq!(stack.oracle.calls("largest"), 1, "it is stored again");
}

both_topologies!(what_cannot_change_is_told_until_the_next_start, settings());
fn what_cannot_change_is_told_until_the_next_start(stack: &Stack) {
    let answer =
        change(stack, |settings| settings.with("edge.name", "edge-x").with("edge.strict_targets", true));
    assert_eq!(keys(&answer, "at_next_start"), ["edge.name"]);
    assert_eq!(keys(&answer, "changed"), ["edge.strict_targets"]);
    let again = change(stack, |settings| settings);
    assert_eq!(
        (keys(&again, "changed").len(), keys(&again, "at_next_start")),
        (0, vec!["edge.name".to_owned()])
    );
}

both_topologies!(the_admin_listener_moves_and_believes_other_hosts, settings());
fn the_admin_listener_moves_and_believes_other_hosts(stack: &Stack) {
    let ask = |address: SocketAddr, host: &str| get(address, host, "/api/v1/status").status;
    assert_eq!(ask(stack.admin_address(), "weir.test"), 421);
    change(stack, |settings| settings.with("edge.admin_hosts", vec!["weir.test"]));
    assert_eq!(ask(stack.admin_address(), "weir.test"), 200);
    let new: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    change(stack, |settings| settings.with("edge.admin", new.to_string()));
    until("it is at the new address", || TcpStream::connect(new).is_ok().then_some(()));
    assert_eq!(ask(new, "weir.test"), 200);
    until("it has left the old one", || TcpStream::connect(stack.admin_address()).is_err().then_some(()));
    // The cache-nodes tell others where it is now.
    let token = stack.directory().join(format!("admin-{}.token", new.to_string().replace(':', "_")));
    let shown = format!("Bearer {}", fs::read_to_string(token).unwrap().trim());
    until("the nodes know it by the new one", || {
        let fields = [("Authorization", shown.as_str())];
        let told = Client::connect(new).ask("GET", "/api/v1/edges", &fields, b"").expect(200).json();
        let admins: Vec<_> = told["edges"].as_array()?.iter().map(|edge| edge["admin"].clone()).collect();
        (admins == [new.to_string()]).then_some(())
    });
}

both_topologies!(a_reload_right_after_the_start_is_taken_over, settings());
fn a_reload_right_after_the_start_is_taken_over(stack: &Stack) {
    // The longer an edge waits for its nodes, the earlier it is asked.
    if let Some(node) = &stack.cache_node {
        node.kill();
    }
    stack.edge.terminate();
    let mut command = match stack.topology {
        Topology::Split => Command::new(binary("edge")),
        Topology::OneProcess => {
            let mut command = Command::new(binary("weir"));
            command.arg("run");
            command
        }
    };
    command.arg("--config").arg(stack.directory().join("weir.toml")).env("NO_COLOR", "1");
    stack.edge.start_again(&mut command);
    until("the admin listener is there", || TcpStream::connect(stack.admin_address()).ok());
    let answer = stack.ask_admin("POST", "/api/v1/reload", "").expect(200).json();
    assert_eq!(answer["reloaded"], true, "{answer}");
    stack.get("/count/a").expect(200);
}

both_topologies!(http2_connections_end_with_goaway_and_lose_nothing, {
    settings().with("edge.listen", vec![listen_h2c()])
});
fn http2_connections_end_with_goaway_and_lose_nothing(stack: &Stack) {
    let mut client = Http2::connect(stack.http());
    let url = format!("http://localhost:{}/count/page", stack.http().port());
    assert_eq!(client.get(&url).status, 200);
    // Only sites have changed: it goes on.
    let root = stack.directory().display().to_string();
    change(stack, |settings| settings.with_in_first("edge.site", "root", root));
    assert_eq!(client.get(&url).status, 200);
    change(stack, |settings| settings.with("edge.limits.http2_streams", 7));
    let mut next = Http2::connect(stack.http());
    assert_eq!(next.get(&url).status, 200);
}

fn listen_h2c() -> toml::Value {
    let mut listen = toml::Table::new();
    listen.insert("address".to_owned(), "$HTTP".into());
    listen.insert("http2".to_owned(), true.into());
    listen.into()
}

both_topologies!(nobody_notices_reloads_under_load, settings());
fn nobody_notices_reloads_under_load(stack: &Stack) {
    const TIMES: usize = 12;
    let load = Load::start(stack.http(), 4, |visitor, n| format!("/count/page{}", (visitor + n) % 50));
    load.wait_for(100);
    for time in 0..TIMES {
        let (seconds, length) = (format!("{}s", 60 + time), i64::try_from(100 + time).unwrap());
        change(stack, |settings| {
            let settings = settings.with("edge.timeouts.keepalive", seconds);
            settings.with_in_first("wsgi_adapter.pool", "max_in_flight", length)
        });
        load.wait_for(30);
    }
    assert_eq!(load.end(), Vec::<String>::new());
    for page in 0..50 {
        assert!(stack.oracle.calls(&format!("page{page}")) <= 1, "a page was made again");
    }
}

#[test]
fn a_changed_file_is_taken_over_by_watch_and_told_by_the_command() {
    let stack = Stack::one_process(settings());
    let weir = |arguments: &[&str]| {
        let mut command = Command::new(binary("weir"));
        command.args(arguments).arg("--config").arg(stack.directory().join("weir.toml"));
        command.env("WEIR_RUNTIME_DIR", stack.directory());
        let output = command.output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let file = stack.directory().join("weir.toml");
    written(&stack).with("edge.strict_targets", true).with("edge.name", "x").write(&file);
    let (code, told) = weir(&["reload"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("edge.strict_targets: not set → true") && told.contains("edge.name"), "{told}");
    assert_eq!(stack.get("/count/a%22b").status, 200);
    assert_eq!(stack.get("/count/a\"b").status, 400, "it is in force");
    let (code, told) = weir(&["reload", "--json"]);
    assert!(code == Some(0) && told.contains("\"changed\":[]"), "{told}");
    fs::write(
        &file,
        fs::read_to_string(&file).unwrap().replace("strict_targets = true", "strict_targets = 7"),
    )
    .unwrap();
    let (code, told) = weir(&["reload", "--admin", &stack.admin_address().to_string()]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("nothing has changed") && told.contains("edge.strict_targets"), "{told}");
}

#[test]
fn certificates_of_listeners_and_what_clients_must_show_change() {
    let setup = settings().with("edge.listen", vec![toml::Value::from("$HTTP")]);
    let stack = Stack::one_process(setup);
    let certificate = Certificate::write(stack.directory(), &["localhost"]);
    let tls: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let mut listen = toml::Table::new();
    listen.insert("address".to_owned(), tls.to_string().into());
    let tls_setting: toml::Table = format!("tls = {}", certificate.setting()).parse().unwrap();
    listen.extend(tls_setting);
    let addresses = vec![toml::Value::from(stack.http().to_string()), listen.into()];
    change(&stack, |settings| settings.with("edge.listen", addresses));
    let mut client = Http2::over_tls(tls, "localhost", certificate.client(&["h2"]));
    assert_eq!(client.get(&format!("https://localhost:{}/count/page", tls.port())).status, 200);
}

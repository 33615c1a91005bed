//! What an operator sees of a running Weir by the command line: `weir show`, `weir log`, `weir top`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use weir_tests::{Client, Location, Settings, Stack, Topology, binary, both_topologies, check, site, until};

fn settings() -> Settings {
    site([Location::passed("/"), Location::cached("/cached/", "60s")])
}

/// The command line as the stack's user types it.
fn command(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("weir"));
    command.args(arguments).env("WEIR_RUNTIME_DIR", stack.directory()).current_dir(stack.directory());
    command.env("NO_COLOR", "1");
    command
}

fn run(stack: &Stack, arguments: &[&str]) -> Output {
    command(stack, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A program whose lines are read as they come; it ends with the test.
struct LiveProgram {
    child: Child,
    lines: Receiver<String>,
}

impl LiveProgram {
    fn start(stack: &Stack, arguments: &[&str]) -> Self {
        let mut child =
            command(stack, arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Makes requests until a line comes.
    fn line_after(&self, what: &str, request: impl Fn()) -> String {
        until(what, || {
            request();
            self.lines.recv_timeout(Duration::from_millis(500)).ok()
        })
    }
}

impl Drop for LiveProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

both_topologies!(requests_are_seen_as_they_end, settings());
fn requests_are_seen_as_they_end(stack: &Stack) {
    let log = LiveProgram::start(stack, &["log", "--json", "status >= 500 and path ~ \"^/count/api\""]);
    let line = log.line_after("the failure is seen", || {
        stack.get("/count/other?status=503").expect(503);
        stack.get("/count/api-good").expect(200);
        stack.get("/count/api?status=503").expect(503);
    });
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&record["status"], &record["target"]), (&503.into(), &"/count/api?status=503".into()));
    assert_eq!((&record["cache"], &record["location"]), (&"bypass".into(), &"/".into()));
    assert_eq!((&record["client"], &record["method"]), (&"127.0.0.1".into(), &"GET".into()));
    assert_eq!(record["pool"], "app");
    assert!(!record["server"].as_str().unwrap().is_empty(), "{record}");
    assert!(
        record["application_s"].as_f64().is_some_and(|seconds| (0.0..30.0).contains(&seconds)),
        "{record}"
    );
    assert_eq!(record["edge"], stack.admin_address().to_string());
}

both_topologies!(hits_and_reasons_are_seen_too, settings());
fn hits_and_reasons_are_seen_too(stack: &Stack) {
    let hits = LiveProgram::start(stack, &["log", "cache == hit"]);
    let line = hits.line_after("a hit is seen", || drop(stack.get("/cached/count/h").expect(200)));
    assert!(
        line.contains("200 GET ") && line.contains("/cached/count/h") && line.contains(" hit "),
        "{line}"
    );
    let reasons = LiveProgram::start(stack, &["log", "--json", "reason == set-cookie"]);
    let line = reasons.line_after("the reason is seen", || {
        stack.get("/cached/count/c?h=Set-Cookie:%20a%3Db").expect(200);
    });
    assert!(line.contains("\"location\":\"/cached/\""), "{line}");
}

both_topologies!(it_ends_after_lines_or_time_and_says_what_is_wrong, settings());
fn it_ends_after_lines_or_time_and_says_what_is_wrong(stack: &Stack) {
    let wrong = run(stack, &["log", "status >= abc"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("status >= abc\n          ^ `status` is a number"), "{wrong:?}");
    let quiet = run(stack, &["log", "--for", "1s", "status == 599"]);
    assert!(quiet.status.success() && quiet.stdout.is_empty(), "{quiet:?}");
    let nobody = run(stack, &["log", "--admin", "127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("nothing answers at 127.0.0.1:1"), "{nobody:?}");
    // Who asks for what is nobody's business without the token.
    for path in ["/api/v1/log", "/api/v1/top", "/api/v1/edges"] {
        assert_eq!(stack.admin(path).status, 401, "{path}");
    }
    let refused = stack.ask_admin("GET", "/api/v1/log?filter=statsu", "");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("there is no field `statsu`"), "{}", refused.text());
    stack.ask_admin("GET", "/api/v1/top?seconds=0", "").expect(400);
    stack.ask_admin("POST", "/api/v1/log", "").expect(405);
}

#[test]
fn a_watcher_that_is_gone_costs_nothing_more() {
    check(Topology::OneProcess, settings(), |stack| {
        let log = LiveProgram::start(stack, &["log"]);
        log.line_after("it is seen", || drop(stack.get("/count/x").expect(200)));
        drop(log);
        // Sixteen may watch: those that have gone are not among them for long.
        for _ in 0..20 {
            let log = LiveProgram::start(stack, &["log"]);
            log.line_after("a new one sees too", || drop(stack.get("/count/y").expect(200)));
        }
    });
}

/// Found through the cache-node.
#[test]
fn all_edges_are_seen_by_the_address_of_one() {
    check(Topology::Split, settings(), |stack| {
        let (_other, at) = stack.another_edge();
        until("the node knows both edges", || {
            let known = stack.ask_admin("GET", "/api/v1/edges", "").expect(200).json();
            (known["edges"].as_array().unwrap().len() == 2).then_some(())
        });
        let log = LiveProgram::start(stack, &["log", "--json", "path == /count/second"]);
        let line = log.line_after("the other edge's request is seen", || {
            Client::connect(at).get("/count/second").expect(200);
        });
        let record: Value = serde_json::from_str(&line).unwrap();
        assert_ne!(record["edge"], stack.admin_address().to_string());
        let only = LiveProgram::start(stack, &["log", "--json", "--only"]);
        let line = only.line_after("this edge's request is seen", || {
            Client::connect(at).get("/count/second").expect(200);
            stack.get("/count/first").expect(200);
        });
        assert!(line.contains("/count/first"), "{line}");
    });
}

both_topologies!(top_tells_once_what_happens, settings());
fn top_tells_once_what_happens(stack: &Stack) {
    thread::scope(|scope| {
        let (end, ended) = channel::<()>();
        scope.spawn(move || {
            while ended.try_recv() != Err(TryRecvError::Disconnected) {
                stack.get("/cached/count/hot").expect(200);
                stack.get("/count/busy?status=503").expect(503);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let told = until("the figures are there", || {
            let told = run(stack, &["top", "--once", "--json", "--for", "2s"]);
            assert!(told.status.success(), "{}", text(&told.stderr));
            let told: Value = serde_json::from_slice(&told.stdout).unwrap();
            let has = |table: &str, word: &str| {
                let rows = told[table].as_array().unwrap();
                rows.iter().any(|row| row["name"].as_str().is_some_and(|name| name.contains(word)))
            };
            let is_whole =
                has("urls", "/cached/count/hot") && has("expensive", "/count/busy") && has("servers", "app ");
            is_whole.then_some(told.clone())
        });
        assert!(told["requests_per_s"].as_f64().unwrap() > 0.0, "{told}");
        assert!(told["hit_rate"].as_f64().unwrap() > 0.5, "{told}");
        assert!(
            told["p50_s"].as_f64().unwrap() > 0.0 && told["p99_s"].as_f64() >= told["p50_s"].as_f64(),
            "{told}"
        );
        assert!(told["server_errors_per_s"].as_f64().unwrap() > 0.0, "{told}");
        assert_eq!(told["errors"][0]["status"], 503);
        assert_eq!(told["clients"][0]["name"], "127.0.0.1");
        if stack.topology == Topology::OneProcess {
            assert_eq!(told["pools"][0]["pool"], "app");
        }
        let plain = text(&run(stack, &["top", "--once", "--for", "1s"]).stdout);
        assert!(plain.contains(" req/s ") && plain.contains("hottest URLs"), "{plain}");
        drop(end);
    });
}

/// A pipe is no terminal.
#[test]
fn top_needs_a_terminal_or_once() {
    check(Topology::OneProcess, settings(), |stack| {
        let piped = run(stack, &["top"]);
        assert_eq!(piped.status.code(), Some(1));
        assert!(text(&piped.stderr).contains("weir top --once"), "{piped:?}");
    });
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = "memory = \"256MiB\"\n[edge]\nlisten = [\"127.0.0.1:8080\"]\nadmin_token_file = \"token\"\n[[edge.site]]\n\
                [[edge.site.location]]\nmatch = \"/\"\npool = \"a\"\n[edge.site.location.cache]\nttl = \"5s\"\n\
                [[wsgi_adapter.pool]]\nname = \"a\"\nservers = [\"127.0.0.1:2\"]\n[cache_node.redis]\n\
                url = \"redis://u:s3cret@127.0.0.1:3/1\"\n";
    std::fs::write(directory.path().join("weir.toml"), file).unwrap();
    std::fs::write(directory.path().join("token"), "x").unwrap();
    let show = |arguments: &[&str]| {
        let mut command = Command::new(binary("weir"));
        command.arg("show").args(arguments).current_dir(directory.path());
        let done = command.env("WEIR__EDGE__ADMIN", "127.0.0.1:9911").output().unwrap();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, shown, said) = show(&[]);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "edge.listen = [\"127.0.0.1:8080\"] weir.toml:3",
        "edge.admin = \"127.0.0.1:9911\" $WEIR__EDGE__ADMIN",
        "edge.runtime = \"shared\" default",
        "edge.timeouts.head = \"10s\" default",
        "edge.site[0].location[0].cache.ttl = \"5s\" weir.toml:10",
        "edge.site[0].location[0].cache.stale_while_revalidate = \"5s\" default",
        "cache_node.redis.url = \"redis://u:***@127.0.0.1:3/1\" weir.toml:15",
        "wsgi_adapter.pool[0].tries = 3 default",
    ] {
        let found = shown.lines().any(|shown| shown.split_whitespace().collect::<Vec<_>>().join(" ") == line);
        assert!(found, "no {line} in\n{shown}");
    }
    let l1 = shown.lines().find(|line| line.starts_with("edge.l1.memory ")).unwrap();
    assert!(l1.ends_with("part of memory, weir.toml:1"), "{l1}");
    assert!(!shown.contains("s3cret"));
    let (_, json, _) = show(&["edge.admin", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let admin = &json[0];
    assert_eq!((&admin["value"], &admin["from"]), (&"127.0.0.1:9911".into(), &"environment".into()));
    assert_eq!(admin["variable"], "WEIR__EDGE__ADMIN");
    let (code, _, said) = show(&["edge.nothing"]);
    assert!(code == Some(1) && said.contains("there is no setting `edge.nothing`"), "{said}");
    let (_, flags, said) = show(&["edge", "--", "--app", "127.0.0.1:2", "--ttl", "3s"]);
    let ttl = flags.lines().find(|line| line.contains(".cache.ttl = \"3s\""));
    assert!(ttl.is_some_and(|line| line.ends_with("--ttl")), "{flags}{said}");
    let (_, lists, _) = show(&["cookies", "--json"]);
    let lists: Value = serde_json::from_str(&lists).unwrap();
    assert!(lists["personal"].as_array().unwrap().contains(&"sessionid".into()));
    assert!(lists["split"].as_array().unwrap().contains(&"cookie_consent".into()));
    assert!(show(&["fields"]).1.starts_with("personal: "));
    assert!(show(&["query"]).1.contains("no parameter is ignored by itself"));
    std::fs::write(directory.path().join("weir.toml"), "[edge]\nlisen = []\n").unwrap();
    let (code, _, said) = show(&[]);
    assert!(code == Some(1) && said.contains("weir.toml:2") && said.contains("lisen"), "{said}");
}

#[test]
fn the_schema_is_json() {
    let printed = Command::new(binary("weir")).arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(schema["properties"]["edge"]["$ref"], "#/definitions/edge");
}

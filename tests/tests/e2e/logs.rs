//! Access logs with formats of one's own: the lines are nginx's.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use weir_tests::{Http2, Nginx, Stack, both_topologies, until};

const FORMAT: &str = "$remote_addr - $remote_user [$request] $status $body_bytes_sent \\\"$http_referer\\\" \
     \\\"$http_user_agent\\\" $http_x_nothing [$uri] [$args] $arg_x $cookie_a $sent_http_x_out $request_method \
     $server_protocol $scheme $host $connection_requests $request_length $request_completion $mapped end";

const WEIR: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
access_log = "off"
trusted_proxies = ["127.0.0.1"]
log_formats = { plain = "FORMAT", js = { text = '{"a":"$arg_x","u":"$http_user_agent","n":"$http_x_nothing"}', escape = "json" }, raw = { text = "$http_user_agent|$status", escape = "none" }, times = "$request_uri|$upstream_status|$upstream_addr|$upstream_connect_time|$upstream_header_time|$upstream_response_time|$gzip_ratio|$request_length|$ssl_protocol", head = "$request|$status", short = "$request_uri $status $upstream_cache_status $bytes_sent $request_id" }
logs = [{ to = "$DIR/edge.log", format = "short" }, { to = "$DIR/heads.log", format = "head" }]
[[edge.map]]
variable = "mapped"
from = "$status"
default = "other"
cases = [["~^2", "good"], ["404", "missing"]]
[[edge.map]]
variable = "loggable"
from = "$status"
default = "0"
cases = [["404", "1"]]
[[edge.site]]
server_name = ["first.example"]
root = "$DIR"
[[edge.site.location]]
match = "/files/"
reply_fields = [{ add = "X-Out", value = "o", always = true }]
logs = [
    { to = "$DIR/plain.log", format = "plain" }, { to = "$DIR/js.log", format = "js" },
    { to = "$DIR/raw.log", format = "raw" }, { to = "$DIR/missing.log", format = "raw", if = "$loggable" },
    { to = "$DIR/never.log", format = "raw", sample = 0.0 }, { to = "$DIR/combined.log" },
]
[[edge.site.location]]
match = "/client/"
return = "200 x"
trusted_proxies = ["127.0.0.1"]
real_ip_header = "CF-Connecting-IP"
logs = [{ to = "$DIR/client.log" }]
[[edge.site.location]]
match = "/page/"
pool = "app"
cache = { ttl = "1m" }
[[edge.site.location]]
match = "/quiet/"
pool = "app"
access_log = false
[[edge.site.location]]
match = "/timed/"
pool = "app"
compress = { min_length = "1" }
logs = [{ to = "$DIR/timed.log", format = "times" }]
[[edge.site.location]]
match = "/none/"
pool = "app"
logs = []
[[edge.site.location]]
match = "/syslog/"
pool = "app"
logs = [{ to = "syslog:server=127.0.0.1:$PORT,tag=site", format = "short" }]
"#;

fn settings() -> String {
    WEIR.replace("FORMAT", FORMAT)
}

/// The lines of a log once there are this many.
fn lines(file: &std::path::Path, count: usize) -> Vec<String> {
    until(&format!("{} has {count} lines", file.display()), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        (lines.len() >= count && text.ends_with('\n')).then_some(lines)
    })
}

const REQUESTS: &[&str] = &[
    "GET /files/a.html?x=1 HTTP/1.1\r\nHost: first.example\r\nUser-Agent: t/1 \"q\" \\ \r\nCookie: a=b\r\n\r\n",
    "GET /files/none?x=%22y HTTP/1.1\r\nHost: FIRST.example:80\r\nReferer: http://x/\r\n\r\n",
    "HEAD /files/a.html HTTP/1.1\r\nHost: first.example\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n\r\n",
    "GET /files/./b%20c?x HTTP/1.1\r\nHost: first.example\r\nUser-Agent: caf\u{e9}\tx\r\n\r\n",
    "GET /files/a.html HTTP/1.0\r\nHost: first.example\r\n\r\n",
];

both_topologies!(lines_are_those_of_nginx, settings());
fn lines_are_those_of_nginx(stack: &Stack) {
    let dir = stack.directory();
    fs::create_dir_all(dir.join("files")).unwrap();
    fs::write(dir.join("files/a.html"), "hello").unwrap();
    let theirs = dir.join("nginx.log");
    let format = |text: &str| text.replace("\\\"", "\"");
    let http = format!(
        "log_format plain '{}';\nlog_format js escape=json '{{\"a\":\"$arg_x\",\"u\":\"$http_user_agent\",\
         \"n\":\"$http_x_nothing\"}}';\nmap $status $mapped {{ default other; ~^2 good; 404 missing; }}",
        format(FORMAT)
    );
    let server = format!(
        "server_name first.example;\nroot {};\nadd_header X-Out o always;\naccess_log {} plain;\naccess_log {}.js js;",
        dir.display(),
        theirs.display(),
        theirs.display()
    );
    let nginx = Nginx::start_with(&http, &server);
    for request in REQUESTS {
        for mut client in [stack.connect(), nginx.connect()] {
            client.send(request);
            client.response(request.split(' ').next().unwrap_or_default());
        }
    }
    let count = REQUESTS.len();
    // The length of an error page is each server's own.
    let cut = |line: &str| {
        let mut words: Vec<_> = line.split(' ').collect();
        if let Some(at) = words.iter().position(|word| *word == "404") {
            words[at + 1] = "";
        }
        words.join(" ")
    };
    let sorted = |lines: Vec<String>| {
        let mut lines: Vec<_> = lines.iter().map(|line| cut(line)).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(lines(&dir.join("plain.log"), count)), sorted(lines(&theirs, count)));
    let json = lines(&dir.join("js.log"), count);
    assert_eq!(json.iter().filter(|line| line.contains("\\\"q\\\"")).count(), 1, "{json:?}");
    for line in &json {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    // Some are answered from memory, some are not: the same lines.
    assert_eq!(lines(&dir.join("missing.log"), 2).len(), 2);
    let users = |name: &str| {
        lines(&dir.join("combined.log"), count).iter().filter(|line| line.contains(name)).count()
    };
    assert_eq!((users("127.0.0.1 - - ["), users("127.0.0.1 - ann [")), (count - 1, 1));
    assert_eq!(fs::read_to_string(dir.join("never.log")).unwrap(), "");
    assert!(lines(&dir.join("raw.log"), count).iter().any(|line| line == "t/1 \"q\" \\|200"));
}

both_topologies!(a_malformed_request_is_in_the_logs_of_the_default_site, settings());
fn a_malformed_request_is_in_the_logs_of_the_default_site(stack: &Stack) {
    let mut client = stack.connect();
    client.send("nonsense\r\n\r\n");
    client.response("GET").expect(400);
    let file = stack.directory().join("edge.log");
    assert!(lines(&file, 1)[0].starts_with("- 400 - "), "{:?}", lines(&file, 1));
    // As in nginx, what there is of the request line.
    let table: &[(&[u8], &str)] = &[
        (b"GET /x HTTP/1.1\r\nno field\r\n\r\n", "GET /x HTTP/1.1|400"),
        (b"\r\nGET /x HTTP/9.9\r\n\r\n", "GET /x HTTP/9.9|505"),
        (b"\x16\x03\x01\"\xff\n", "\\x16\\x03\\x01\\x22\\xFF|400"),
    ];
    for (sent, _) in table {
        let mut client = stack.connect();
        client.send(sent);
        client.rest();
    }
    let logged = lines(&stack.directory().join("heads.log"), 1 + table.len());
    assert_eq!(logged[0], "nonsense|400");
    for (line, (_, expected)) in logged[1..].iter().zip(table) {
        assert_eq!(line, expected);
    }
}

both_topologies!(a_place_that_knows_the_client_logs_that_one, settings());
fn a_place_that_knows_the_client_logs_that_one(stack: &Stack) {
    let fields = [("CF-Connecting-IP", "192.0.2.7")];
    stack.get_with("/client/a", &fields).expect(200);
    let line = &lines(&stack.directory().join("client.log"), 1)[0];
    assert!(line.starts_with("192.0.2.7 - - ["), "{line}");
}

both_topologies!(hits_and_misses_are_logged_alike, settings());
fn hits_and_misses_are_logged_alike(stack: &Stack) {
    let mut client = stack.connect();
    for _ in 0..3 {
        client.get("/page/count/a");
    }
    let mut over_http2 = Http2::connect(stack.http());
    over_http2.get("http://localhost/page/count/a");
    client.get("/quiet/count/a");
    client.get("/none/count/a");
    client.get("/page/count/b?status=404");
    let mut logged = lines(&stack.directory().join("edge.log"), 5);
    // Threads have lines of their own.
    logged.sort();
    let words: Vec<Vec<&str>> = logged.iter().map(|line| line.split(' ').collect()).collect();
    for hit in &words[..3] {
        assert_eq!(hit[..3], ["/page/count/a", "200", "HIT"]);
    }
    assert_eq!(words[3][..3], ["/page/count/a", "200", "MISS"]);
    assert_eq!(words[4][..2], ["/page/count/b?status=404", "404"]);
    assert_eq!(words.len(), 5, "{words:?}");
    let ids: std::collections::BTreeSet<_> = words.iter().map(|line| line[4]).collect();
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|id| id.len() == 32));
    for line in &words[..3] {
        assert!(line[3].parse::<u64>().unwrap() > 50, "{line:?}");
    }
}

both_topologies!(the_application_s_part_is_told, settings());
fn the_application_s_part_is_told(stack: &Stack) {
    let mut client = stack.connect();
    let gzip = [("Accept-Encoding", "gzip")];
    client.ask("GET", "/timed/count/a", &[], b"").expect(200);
    client.ask("GET", "/timed/count/b?size=20000", &gzip, b"").expect(200);
    client.ask("POST", "/timed/upload", &[("Content-Length", "5000")], &[b'x'; 5000]).expect(200);
    let logged = lines(&stack.directory().join("timed.log"), 3);
    let mut words: Vec<Vec<&str>> = logged.iter().map(|line| line.split('|').collect()).collect();
    words.sort();
    for line in &mut words {
        line.remove(0);
    }
    for line in &words {
        assert_eq!(line[0], "200", "{line:?}");
        assert!(line[1].starts_with("127.0.0.1:") || line[1].starts_with("unix:/"), "{line:?}");
        let times: Vec<f64> = line[2..5].iter().map(|time| time.parse().unwrap()).collect();
        assert!(times[0] <= times[1] && times[1] <= times[2] && times[2] < 20.0, "{line:?}");
        assert_eq!(line[7], "-");
    }
    assert_eq!(words[0][5], "-");
    assert!(words[1][5].parse::<f64>().unwrap() > 2.0, "{:?}", words[1]);
    assert!(words[2][6].parse::<u64>().unwrap() > 5000, "{:?}", words[2]);
    assert!(words[0][6].parse::<u64>().unwrap() < 500, "{:?}", words[0]);
}

both_topologies!(a_rotated_log_is_opened_again, settings());
fn a_rotated_log_is_opened_again(stack: &Stack) {
    let (file, old) = (stack.directory().join("edge.log"), stack.directory().join("edge.log.1"));
    let mut client = stack.connect();
    client.get("/page/count/a");
    lines(&file, 1);
    fs::rename(&file, &old).unwrap();
    stack.edge.reopen_logs();
    until("the file is there again", || file.exists().then_some(()));
    client.get("/page/count/a");
    assert_eq!(lines(&file, 1).len(), 1);
    assert_eq!(lines(&old, 1).len(), 1);
    // Some rotate by a reload, which opens them again in nginx too.
    fs::rename(&file, &old).unwrap();
    stack.edge.hang_up();
    until("the file is there again after a reload", || file.exists().then_some(()));
    client.get("/page/count/a");
    assert_eq!(lines(&file, 1).len(), 1);
}

const ERRORS: &str = r#"
[[edge.site]]
server_name = ["first.example"]
root = "$DIR/files"
error_log = [{ to = "$DIR/site.log", level = "info" }]
[[edge.site.location]]
match = "/own/"
error_log = [{ to = "$DIR/own.log", level = "info" }, { to = "$DIR/grave.log", level = "warn" }]
[[edge.site.location]]
match = "/app/"
pool = "gone"
[[edge.site.location]]
match = "/cached/"
pool = "away"
cache = { ttl = "1s" }
[[edge.site.location]]
match = "/passed/"
error_log = []
[[edge.site]]
server_name = ["other.example"]
root = "$DIR/files"
[[wsgi_adapter.pool]]
name = "gone"
servers = ["http://127.0.0.1:$PORT"]
[[wsgi_adapter.pool]]
name = "away"
servers = ["http://127.0.0.1:1"]
"#;

both_topologies!(sites_and_locations_have_error_logs, ERRORS);
fn sites_and_locations_have_error_logs(stack: &Stack) {
    let directory = stack.directory();
    fs::create_dir_all(directory.join("files/own")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", directory.join("files/own/out")).unwrap();
    let get = |host: &str, target: &str| {
        let mut client = stack.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.response("GET").status
    };
    assert_eq!(get("first.example", "/site-missing"), 404);
    assert_eq!(get("first.example", "/own/missing%20line"), 404);
    assert_eq!(get("first.example", "/own/out"), 403);
    assert_eq!(get("first.example", "/app/a"), 502);
    assert_eq!(get("first.example", "/cached/b"), 502);
    assert_eq!(get("first.example", "/passed/c"), 404);
    assert_eq!(get("other.example", "/other-missing"), 404);
    let mut own = lines(&directory.join("own.log"), 2);
    assert_eq!(own.len(), 2, "{own:?}");
    // Several threads write, each when it gets to it.
    own.sort_by_key(|line| line.contains("/own/out"));
    let line = &own[0];
    let said = "client: 127.0.0.1, server: first.example, request: \"GET /own/missing%20line HTTP/1.1\", \
                host: \"first.example\"";
    assert!(line.contains(" [info] ") && line.ends_with(said), "{line}");
    assert!(line.contains("file not found"), "{line}");
    assert!(own[1].contains(" [warn] ") && own[1].contains("the file is forbidden"), "{own:?}");
    assert_eq!(lines(&directory.join("grave.log"), 1), own[1..]);
    let site = lines(&directory.join("site.log"), 3);
    for (what, target) in [("not found", "/site-missing"), ("failed", "/app/a"), ("failed", "/cached/b")] {
        let says = |line: &String| line.contains(what) && line.contains(&format!("GET {target} HTTP/1.1"));
        assert_eq!(site.iter().filter(|line| says(line)).count(), 1, "{site:#?}");
    }
    for said in ["/passed/c", "other-missing"] {
        until(&format!("{said} is logged"), || stack.log().contains(said).then_some(()));
    }
    let log = stack.log();
    assert!(!log.contains("site-missing") && !log.contains("missing%20"), "{log}");
    // Rotated as access logs are.
    let (file, old) = (directory.join("site.log"), directory.join("site.log.1"));
    fs::rename(&file, &old).unwrap();
    stack.edge.reopen_logs();
    until("the file is there again", || file.exists().then_some(()));
    assert_eq!(get("first.example", "/later"), 404);
    assert!(lines(&file, 1)[0].contains("/later"));
}

const QUIET: &str = r#"
error_log_level = "warn"
[[edge.site]]
server_name = ["localhost"]
root = "$DIR"
"#;

both_topologies!(the_error_log_has_its_level, QUIET);
fn the_error_log_has_its_level(stack: &Stack) {
    stack.get("/missing").expect(404);
    // Said at the level "warn".
    std::os::unix::fs::symlink("/etc/hostname", stack.directory().join("out")).unwrap();
    stack.get("/out").expect(403);
    until("the warning is written", || stack.edge.log().contains("forbidden").then_some(()));
    assert!(!stack.edge.log().contains("file not found"), "{}", stack.edge.log());
}

both_topologies!(lines_go_to_syslog, settings());
fn lines_go_to_syslog(stack: &Stack) {
    let server = UdpSocket::bind(("127.0.0.1", stack.port)).unwrap();
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stack.connect().get("/syslog/count/a");
    let mut datagram = [0; 2000];
    let length = server.recv(&mut datagram).unwrap();
    let text = String::from_utf8_lossy(&datagram[..length]);
    assert!(text.starts_with("<190>") && text.contains(" site: /syslog/count/a 200 "), "{text}");
}

//! What each client has a part of: a pool's places, uploads, tunnels, the links between services, the disk.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::{
    App, AppServer, Client, Location, Pool, Settings, Setup, Stack, Topology, both_topologies, once_within,
    site,
};

const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const A_MOMENT: Duration = Duration::from_millis(1_500);

fn small() -> Settings {
    site([Location::passed("/").with("max_body", "10MiB")])
        .pool(Pool::new("app", "$APP").with("max_in_flight", 4).with("max_uploads", 10))
}

const HTTP: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[wsgi_adapter.pool]]
name = "app"
servers = ["http://127.0.0.1:$PORT"]
max_tunnels = 4
"#;

fn deaf() -> Settings {
    site([
        Location::passed("/").with("max_body", "10MiB"),
        Location::passed("/deaf/").pool("deaf").with("request_buffering", false).with("max_body", "10MiB"),
    ])
    .pool(Pool::new("app", "$APP"))
    .pool(Pool::new("deaf", "http://127.0.0.1:$PORT").with("client_share", 100))
}

fn soon(what: &str, work: impl FnMut()) {
    once_within(A_MOMENT, what, work);
}

both_topologies!(a_client_has_a_part_of_a_pool, small());
fn a_client_has_a_part_of_a_pool(stack: &Stack) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| stack.get("/count/mine?hold=1").expect(200));
        }
        stack.oracle.wait_for_running("mine", 2);
        // It waits for none of them.
        Client::connect_from(OTHER, stack.http()).get("/count/other").expect(200);
        stack.oracle.release_all("mine");
    });
    // All were served, half of four at once; the application may still be ending one when it gets the next.
    assert_eq!(stack.oracle.calls("mine"), 8);
    assert!(stack.oracle.most_at_once("mine") <= 3);
}

/// An upload whose end does not come.
fn begin_upload(stack: &Stack, length: usize) -> Client {
    let mut client = stack.connect();
    client.send(format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n."));
    client
}

both_topologies!(uploads_that_do_not_come_hold_nobody, small());
fn uploads_that_do_not_come_hold_nobody(stack: &Stack) {
    let mut slow: Vec<_> = (0..40).map(|_| begin_upload(stack, 100_000)).collect();
    thread::sleep(Duration::from_millis(600));
    for _ in 0..10 {
        soon("a note", || {
            stack.ask("POST", "/upload", &[("Content-Length", "5")], b"hello").expect(200);
        });
    }
    // One that takes its time finds a place, from which a slower one had to go.
    let mut client = Client::connect_from(OTHER, stack.http());
    client.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n");
    for _ in 0..50 {
        client.send("x".repeat(1000));
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(client.response("POST").expect(200).json()["length"], 50_000);
    assert!(matches!(slow[0].response("POST").status, 400 | 408));
}

both_topologies!(tunnels_and_event_streams_have_a_bound_of_their_own, HTTP);
fn tunnels_and_event_streams_have_a_bound_of_their_own(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let open = |source| {
        let mut client = Client::connect_from(source, stack.http());
        client.send("GET /events?gap=2000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let status = client.head().status;
        (client, status)
    };
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let streams: Vec<_> = [here, here, OTHER, OTHER].map(open).into();
    assert!(streams.iter().all(|(_, status)| *status == 200));
    assert_eq!(open(here).1, 503, "a client has half of them, and all are taken");
    soon("a page", || {
        stack.get("/count/page").expect(200);
    });
}

both_topologies!(slow_downloads_stall_no_other, small());
fn slow_downloads_stall_no_other(stack: &Stack) {
    // More than a link between services may hold on its way.
    let slow: Vec<_> = (0..40)
        .map(|_| {
            let mut client = stack.connect();
            client.send("GET /count/large?size=3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    for _ in 0..6 {
        soon("another page", || {
            assert_eq!(stack.get("/count/other?size=300000").expect(200).body.len(), 300_000);
        });
    }
    drop(slow);
}

both_topologies!(uploads_that_no_server_takes_stall_no_other, deaf());
fn uploads_that_no_server_takes_stall_no_other(stack: &Stack) {
    let deaf = TcpListener::bind(("127.0.0.1", stack.port)).unwrap();
    thread::spawn(move || deaf.incoming().flatten().collect::<Vec<_>>());
    let uploads: Vec<_> = (0..40)
        .map(|_| {
            let mut upload = std::net::TcpStream::connect(stack.http()).unwrap();
            upload.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            let head = "POST /deaf/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n";
            upload.write_all(head.as_bytes()).unwrap();
            let _ = upload.write_all(&vec![b'x'; 5_000_000]);
            upload
        })
        .collect();
    for _ in 0..6 {
        soon("another upload", || {
            let body = vec![b'y'; 500_000];
            let sent = stack.ask("POST", "/upload", &[("Content-Length", "500000")], &body);
            assert_eq!(sent.expect(200).json()["length"], 500_000);
        });
    }
    drop(uploads);
}

/// A file system of 1 MiB, or a directory that does not exist where none may be mounted.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "weir"])
            .arg(directory.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            std::fs::remove_dir(directory.path()).unwrap();
        }
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

fn on_a_full_disk(topology: Topology) {
    let disk = SmallDisk::new();
    let setup =
        Setup::from(small()).before(App::Oracle).with_env("TMPDIR", disk.path().display().to_string());
    let stack = Stack::start(topology, setup);
    let target = "/count/large?size=8000000";
    let download = |pause: Duration| {
        let mut client = stack.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert_eq!(client.head().expect(200).field("content-length"), Some("8000000"));
        thread::sleep(pause);
        client.take(8_000_000).len()
    };
    // Several at once, so that what one leaves is no room for another.
    thread::scope(|scope| {
        let slow: Vec<_> = (0..3).map(|_| scope.spawn(|| download(Duration::from_millis(1_500)))).collect();
        for slow in slow {
            assert_eq!(slow.join().unwrap(), 8_000_000, "a full disk broke a reply off");
        }
    });
    assert!(stack.log().contains("its client sets the pace"), "the disk was not full:\n{}", stack.log());
}

#[test]
fn a_full_disk_under_the_buffer_makes_a_reply_slow() {
    on_a_full_disk(Topology::OneProcess);
}

#[test]
fn so_it_does_where_services_are_three() {
    on_a_full_disk(Topology::Split);
}

both_topologies!(servers_with_few_connections_take_every_post, HTTP);
fn servers_with_few_connections_take_every_post(stack: &Stack) {
    type Start = fn(u16) -> AppServer;
    let servers: [(&str, Start); 3] = [
        ("waitress", |port| AppServer::waitress(port, &["--threads=2", "--connection-limit=10"])),
        ("granian", |port| AppServer::granian(port, &["--blocking-threads", "2", "--backlog", "128"])),
        ("gunicorn", |port| AppServer::gunicorn(port, &["--worker-connections", "10"], "oracle:application")),
    ];
    for (name, start) in servers {
        let server = start(stack.port);
        for n in 0..30 {
            let sent = stack.ask("POST", "/upload", &[("Content-Length", "3")], b"abc");
            assert_eq!(sent.expect(200).json()["length"], 3, "{name}: POST {n}");
        }
        drop(server);
    }
}

fn not_put_aside() -> Settings {
    let buffer = toml::Table::from_iter([("file".to_owned(), 0.into())]);
    let pool = Pool::new("app", "http://127.0.0.1:$PORT").with("max_in_flight", 2).with("client_share", 100);
    site([Location::passed("/")]).pool(pool.with("reply_buffer", buffer))
}

both_topologies!(readers_whose_replies_cannot_be_put_aside_give_their_places_up, not_put_aside());
fn readers_whose_replies_cannot_be_put_aside_give_their_places_up(stack: &Stack) {
    // gunicorn waits for ever; uWSGI would end it after four seconds.
    let _server = AppServer::gunicorn(stack.port, &[], "oracle:application");
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let mut reader = stack.connect();
            reader.send("GET /count/large?size=30000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
            reader.head().expect(200);
            reader
        })
        .collect();
    stack.get("/count/other").expect(200);
    drop(readers);
}

fn kept_for_long() -> Settings {
    let keepalive = toml::Table::from_iter([("timeout".to_owned(), "10m".into())]);
    site([Location::passed("/").pool("app")])
        .pool(Pool::new("app", "http://127.0.0.1:$PORT").with("keepalive", keepalive))
}

both_topologies!(a_burst_at_a_server_with_few_connections_waits_for_no_idle_one, kept_for_long());
fn a_burst_at_a_server_with_few_connections_waits_for_no_idle_one(stack: &Stack) {
    type Start = fn(u16) -> AppServer;
    let servers: [(&str, Start); 2] = [
        ("waitress", |port| AppServer::waitress(port, &["--threads=2", "--connection-limit=10"])),
        ("granian", |port| {
            AppServer::granian(port, &["--backpressure=4", "--blocking-threads=4", "--backlog=128"])
        }),
    ];
    for (name, start) in servers {
        let server = start(stack.port);
        for burst in 0..3 {
            thread::scope(|scope| {
                for n in 0..20 {
                    scope.spawn(move || {
                        let sent = stack.ask("POST", "/upload", &[("Content-Length", "3")], b"abc");
                        assert_eq!(sent.expect(200).json()["length"], 3, "{name}: burst {burst}, POST {n}");
                    });
                }
            });
        }
        drop(server);
    }
}

both_topologies!(an_answer_that_trickles_is_read_whole, HTTP);
fn an_answer_that_trickles_is_read_whole(stack: &Stack) {
    // 200,000 chunks of one byte, in as many pieces as the sockets make of them.
    let server = TcpListener::bind(("127.0.0.1", stack.port)).unwrap();
    thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
                .unwrap();
            let chunks = "1\r\n.\r\n".repeat(1000);
            for _ in 0..200 {
                stream.write_all(chunks.as_bytes()).unwrap();
            }
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
    });
    // A message for each would take many times as long.
    once_within(Duration::from_secs(8), "an answer in 200,000 chunks", || {
        assert_eq!(stack.get("/trickle").expect(200).body.len(), 200_000);
    });
}

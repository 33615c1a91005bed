//! Who has file descriptors when there are few: visitors and probes do, whatever hoards them.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::{AppServer, Client, Process, Uwsgi, binary, frame, free_port, until};

use crate::bounds::{END_HEADERS, END_STREAM, next, request};

const SETTINGS_FRAME: u8 = 4;

/// A `weir` that may open 256 files.
struct SmallWeir {
    process: Process,
    directory: TempDir,
    http: SocketAddr,
    http2: SocketAddr,
    admin: SocketAddr,
    events: AppServer,
    _app: Uwsgi,
}

fn small_weir() -> SmallWeir {
    let (directory, app, port) = (TempDir::new().unwrap(), Uwsgi::oracle(), free_port());
    let events = AppServer::uvicorn(port);
    let [http, http2, admin] = [(); 3].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let settings = format!(
        "[edge]\nlisten = [\"{http}\", {{ address = \"{http2}\", http2 = true }}]\nadmin = \"{admin}\"\n\
         limits = {{ connections = 10_000 }}\n\
         [[edge.site]]\nserver_name = [\"localhost\"]\n\
         [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n\
         [[edge.site.location]]\nmatch = \"/events\"\npool = \"events\"\n\
         [[edge.site.location]]\nmatch = \"/files/\"\nalias = \"{}/\"\n\
         [[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"{}\"]\nbuffer_size = \"32KiB\"\n\
         [[wsgi_adapter.pool]]\nname = \"events\"\nservers = [\"http://127.0.0.1:{port}\"]\n",
        directory.path().display(),
        app.address()
    );
    let file = directory.path().join("weir.toml");
    fs::write(&file, settings).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256; exec \"$0\" run --config \"$1\""]).arg(binary("weir")).arg(&file);
    let process = Process::start("weir", &mut command, directory.path());
    let weir = SmallWeir { process, directory, http, http2, admin, events, _app: app };
    weir.process.wait_until("is ready", || weir.is_ready());
    weir.process.wait_until("says so", || weir.process.log().contains("file descriptors for fewer"));
    weir
}

impl SmallWeir {
    fn is_ready(&self) -> bool {
        TcpStream::connect(self.admin).is_ok() && Client::connect(self.admin).get("/readyz").status == 200
    }

    /// A visitor who was there before, and probes.
    fn serves(&self, visitor: &mut Client) {
        for n in 0..20 {
            visitor.get(&format!("/count/crowd-{n}")).expect(200);
            assert!(self.is_ready(), "probe {n}");
        }
    }

    fn has_room_again(&self) {
        until("there is room again", || TcpStream::connect(self.http).ok());
    }
}

/// Clients of many addresses that say this.
fn crowd(weir: &SmallWeir, text: &str) -> Vec<Client> {
    let addresses =
        (0..400u16).map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 1 + (n / 250) as u8, 1 + (n % 250) as u8)));
    let clients = addresses.map(|address| {
        let client = Client::connect_from(address, weir.http);
        // It may have been refused.
        let _ = client.socket().write_all(text.as_bytes());
        client
    });
    clients.collect()
}

#[test]
fn a_crowd_of_connections_leaves_file_descriptors_for_the_rest() {
    let weir = small_weir();
    let mut visitor = Client::connect(weir.http);
    visitor.get("/count/first").expect(200);
    let crowd: Vec<_> = (0..400).filter_map(|_| TcpStream::connect(weir.http).ok()).collect();
    sleep(Duration::from_millis(300));
    weir.serves(&mut visitor);
    assert!(!weir.process.log().contains("os error 24"), "{}", weir.process.log());
    drop(crowd);
    weir.has_room_again();
}

#[test]
fn event_streams_and_slow_readers_leave_descriptors_too() {
    let weir = small_weir();
    for path in ["/events?gap=60000", "/count/large?size=4000000"] {
        let mut visitor = Client::connect(weir.http);
        visitor.get("/count/first").expect(200);
        let crowd = crowd(&weir, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        sleep(Duration::from_millis(1500));
        weir.serves(&mut visitor);
        drop(crowd);
        weir.has_room_again();
    }
    assert!(
        !weir.process.log().contains("connection not accepted"),
        "{}\n{}",
        weir.process.log(),
        weir.events.log()
    );
}

#[test]
fn files_that_are_not_read_leave_descriptors_to_others() {
    let weir = small_weir();
    let large = vec![0; 3 << 20];
    for n in 0..40 {
        fs::write(weir.directory.path().join(format!("{n}.bin")), &large).unwrap();
    }
    // Many streams of one file, then of many.
    for files in [1, 40] {
        let mut visitor = Client::connect(weir.http);
        visitor.get("/count/first").expect(200);
        let hoarders: Vec<_> = (0..10).map(|_| unread(&weir, files)).collect();
        weir.serves(&mut visitor);
        let mut other = Client::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), weir.http);
        other.get("/count/other").expect(200);
        assert_eq!(other.get("/files/39.bin").expect(200).body.len(), large.len());
        drop(hoarders);
    }
}

/// An HTTP/2 connection with 90 streams of as many files, none of which is read.
fn unread(weir: &SmallWeir, files: u32) -> Client {
    let mut client = Client::connect(weir.http2);
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.send(frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for n in 0..90 {
        client.send(request(2 * n + 1, &format!("/files/{}.bin", n % files), END_STREAM | END_HEADERS));
    }
    let mut heads = 0;
    while heads < 90 {
        let (kind, ..) = next(&mut client).expect("each has a head, whatever its status");
        heads += u32::from(kind == 1);
    }
    client
}

//! SIGUSR2: a new process takes over the sockets of the old one, and no visitor notices. Socket activation by
//! the same protocol.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use weir_tests::{
    Certificate, Client, Load, Location, Process, Settings, Stack, binary, both_topologies, free_port, site,
    until,
};

fn settings() -> Settings {
    site([Location::cached("/", "1s")]).with("edge.timeouts.drain", "20s")
}

/// Processes that no test has started itself; ended with the test.
#[derive(Default)]
struct Successors(Vec<Pid>);

impl Drop for Successors {
    fn drop(&mut self) {
        for pid in self.0.iter().filter(|pid| runs(**pid)) {
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}

/// Whether the process has not ended. Who inherits it may not have asked for its exit code yet.
fn runs(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// The processes that this one's log says were started.
fn started(process: &Process) -> Vec<Pid> {
    let log = process.log();
    let named = log.lines().filter(|line| line.contains("a new process was started;"));
    let number = |line: &str| line.rsplit_once("process=")?.1.trim().parse().ok().and_then(Pid::from_raw);
    named.filter_map(number).collect()
}

/// How often the process is replaced under load; `WEIR_HANDOVERS=100` makes it as many.
const TIMES: usize = 4;

fn times() -> usize {
    std::env::var("WEIR_HANDOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(TIMES)
}

/// Replaces the process so many times. The last one.
fn replace(stack: &Stack, successors: &mut Successors, mut between: impl FnMut()) -> Pid {
    let mut current = stack.edge.id();
    for time in 1..=times() {
        kill_process(current, Signal::USR2).unwrap();
        let next = until("a new process is started", || started(&stack.edge).get(time - 1).copied());
        successors.0.push(next);
        if time == 1 {
            assert!(stack.edge.wait().success());
        }
        until("the old process has drained", || (!runs(current)).then_some(()));
        between();
        assert!(runs(next));
        stack.admin("/livez").expect(200);
        current = next;
    }
    current
}

fn end(last: Pid) {
    kill_process(last, Signal::TERM).unwrap();
    until("the last process has drained", || (!runs(last)).then_some(()));
}

both_topologies!(a_new_process_takes_over_without_a_lost_request, settings());
fn a_new_process_takes_over_without_a_lost_request(stack: &Stack) {
    let load = Load::start(stack.http(), 4, |visitor, n| format!("/count/page{}", (visitor + n) % 7));
    load.wait_for(100);
    let mut successors = Successors::default();
    let last = replace(stack, &mut successors, || load.wait_for(100));
    assert_eq!(load.end(), Vec::<String>::new());
    end(last);
}

both_topologies!(nor_is_one_lost_over_tls_and_http2, with_tls_and_http2());
fn nor_is_one_lost_over_tls_and_http2(stack: &Stack) {
    // The settings file names what the test writes once it has a directory.
    let certificate = Certificate::write(stack.directory(), &["localhost"]);
    let tls: std::net::SocketAddr = ([127, 0, 0, 1], stack.port).into();
    let file = stack.directory().join("weir.toml");
    let listen = format!(
        "listen = [{{ address = \"{}\", http2 = true }}, {{ address = \"{tls}\", tls = {} }}]",
        stack.http(),
        certificate.setting()
    );
    let listen = listen.parse::<toml::Table>().unwrap()["listen"].clone();
    Settings::parse(&fs::read_to_string(&file).unwrap()).with("edge.listen", listen).write(&file);
    stack.ask_admin("POST", "/api/v1/reload", "").expect(200);
    let target = |visitor: usize, n: usize| format!("/count/page{}", (visitor + n) % 7);
    let loads = [
        Load::over_tls(tls, certificate.client(&["http/1.1"]), 2, target),
        Load::over_http2(stack.http(), 2, target),
    ];
    let wait = || loads.iter().for_each(|load| load.wait_for(40));
    wait();
    let mut successors = Successors::default();
    let last = replace(stack, &mut successors, wait);
    for load in loads {
        assert_eq!(load.end(), Vec::<String>::new());
    }
    end(last);
}

fn with_tls_and_http2() -> Settings {
    let mut listen = toml::Table::new();
    listen.insert("address".to_owned(), "$HTTP".into());
    listen.insert("http2".to_owned(), true.into());
    settings().with("edge.listen", vec![listen])
}

both_topologies!(the_application_does_not_feel_it, {
    site([Location::cached("/", "10m")]).with("edge.timeouts.drain", "20s")
});
fn the_application_does_not_feel_it(stack: &Stack) {
    const PAGES: usize = 200;
    let mut client = stack.connect();
    for page in 0..PAGES {
        client.get(&format!("/count/page{page}?size=3000")).expect(200);
    }
    drop(client);
    // A page is kept once its visitor has it, and what is not kept yet is not handed on.
    let kept = || stack.counted("weir_cache_node_stores_total", &["result=\"kept\""]);
    let are_kept = || stack.topology == weir_tests::Topology::Split || kept() >= PAGES as f64;
    until("all pages are kept", || are_kept().then_some(()));
    let mut successors = Successors::default();
    let mut handed_on = 0;
    let last = replace(stack, &mut successors, || {
        handed_on += 1;
        let told = || stack.log().matches("took over the pages").count();
        let is_there = || stack.topology == weir_tests::Topology::Split || told() >= handed_on;
        until("the pages are there", || is_there().then_some(()));
    });
    let mut client = stack.connect();
    for page in 0..PAGES {
        client.get(&format!("/count/page{page}?size=3000")).expect(200);
    }
    let calls: u64 = (0..PAGES).map(|page| stack.oracle.calls(&format!("page{page}"))).sum();
    assert_eq!(usize::try_from(calls).unwrap(), PAGES, "the application has made each page once");

    // A purge reaches pages that were handed on.
    stack.ask_admin("POST", "/api/v1/purge", "{\"all\": true}").expect(200);
    client.get("/count/page7?size=3000").expect(200);
    assert_eq!(stack.oracle.calls("page7"), 2);
    end(last);
}

both_topologies!(a_websocket_holds_nothing_from_the_new_process, {
    settings().with("edge.timeouts.tunnel_drain", "3s")
});
fn a_websocket_holds_nothing_from_the_new_process(stack: &Stack) {
    let server = weir_tests::AppServer::uvicorn(stack.port);
    let file = stack.directory().join("weir.toml");
    let text = fs::read_to_string(&file).unwrap();
    let more = format!(
        "\n[[edge.site]]\nserver_name = [\"ws.test\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"ws\"\n\
         [[wsgi_adapter.pool]]\nname = \"ws\"\nservers = [\"http://127.0.0.1:{}\"]\n",
        stack.port
    );
    fs::write(&file, text + &more).unwrap();
    if let Some(adapter) = &stack.wsgi_adapter {
        adapter.hang_up();
        until("the pool is there", || adapter.log().contains("settings reloaded").then_some(()));
    }
    stack.ask_admin("POST", "/api/v1/reload", "").expect(200);
    let mut socket = stack.connect();
    socket.send(
        "GET /ws HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert_eq!(socket.head().status, 101);
    kill_process(stack.edge.id(), Signal::USR2).unwrap();
    let next = until("a new process is started", || started(&stack.edge).first().copied());
    let _successors = Successors(vec![next]);
    // The new process serves on the port and at the admin address while the tunnel is still open.
    until("the old process drains", || stack.edge.log().contains("draining").then_some(()));
    stack.get("/count/page").expect(200);
    until("the new one answers at the admin address", || {
        (stack.admin("/readyz").status == 200).then_some(())
    });
    assert!(stack.edge.wait().success(), "the tunnel ended in its own time");
    drop(server);
    end(next);
}

both_topologies!(the_command_upgrades_and_says_why_it_cannot, settings());
fn the_command_upgrades_and_says_why_it_cannot(stack: &Stack) {
    let token = stack.directory().join("token");
    fs::write(&token, stack.token()).unwrap();
    let upgrade = || {
        let mut command = Command::new(binary("weir"));
        command.args(["upgrade", "--admin", &stack.admin_address().to_string(), "--token-file"]).arg(&token);
        let output = command.output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let file = stack.directory().join("weir.toml");
    let right = fs::read_to_string(&file).unwrap();
    fs::write(&file, "[edge]\nlisten = 5\n").unwrap();
    let (code, told) = upgrade();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("edge.listen") && told.contains("the old one goes on"), "{told}");
    stack.get("/count/here").expect(200);
    fs::write(&file, right).unwrap();
    fs::write(&token, stack.token()).unwrap();
    let (code, told) = upgrade();
    assert_eq!(code, Some(0), "{told}");
    let next = until("a new process is started", || started(&stack.edge).last().copied());
    let _successors = Successors(vec![next]);
    assert!(stack.edge.wait().success());
    stack.get("/count/here").expect(200);
    end(next);
}

both_topologies!(a_new_process_that_does_not_start_changes_nothing, settings());
fn a_new_process_that_does_not_start_changes_nothing(stack: &Stack) {
    let file = stack.directory().join("weir.toml");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, "[edge]\nlisten = 5\n").unwrap();
    for _ in 0..2 {
        let ended = stack.edge.log().matches("the new process ended").count();
        kill_process(stack.edge.id(), Signal::USR2).unwrap();
        until("it has ended", || {
            (stack.edge.log().matches("the new process ended").count() > ended).then_some(())
        });
        stack.get("/count/here").expect(200);
    }
    fs::write(&file, settings).unwrap();
}

/// What a client of a socket in the file system gets.
fn asked(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /count/here HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply.lines().next().unwrap_or_default().to_owned())
}

/// Asks there all the time, until it is told to end. What it got besides 200.
fn asks_on(socket: PathBuf, end: Arc<AtomicBool>) -> Vec<String> {
    let mut wrong = Vec::new();
    while !end.load(Relaxed) {
        match asked(&socket) {
            Ok(line) if line == "HTTP/1.1 200 OK" => {}
            other => wrong.push(format!("{other:?}")),
        }
    }
    wrong
}

both_topologies!(sockets_in_the_file_system_are_handed_over_and_removed, settings());
fn sockets_in_the_file_system_are_handed_over_and_removed(stack: &Stack) {
    let [first, second] = ["first.sock", "second.sock"].map(|name| stack.directory().join(name));
    let file = stack.directory().join("weir.toml");
    let plain = Settings::parse(&fs::read_to_string(&file).unwrap());
    let listen = |more: &[String]| {
        let all = [vec![stack.http().to_string()], more.to_vec()].concat();
        plain.clone().with("edge.listen", all).write(&file);
    };
    let place = |socket: &Path| format!("unix:{}", socket.display());
    let reload = || stack.ask_admin("POST", "/api/v1/reload", "").status;
    listen(&[place(&first)]);
    assert_eq!(reload(), 200);
    let end = Arc::new(AtomicBool::new(false));
    let visitors: Vec<_> = (0..3)
        .map(|_| {
            let (socket, end) = (first.clone(), end.clone());
            thread::spawn(move || asks_on(socket, end))
        })
        .collect();
    // What cannot be had changes nothing, in a reload or in a new process.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&[place(&first), place(&second), taken.local_addr().unwrap().to_string()]);
    assert_eq!(reload(), 422);
    assert!(!second.exists());
    kill_process(stack.edge.id(), Signal::USR2).unwrap();
    until("it has ended", || stack.edge.log().contains("the new process ended").then_some(()));
    assert_eq!(asked(&first).unwrap(), "HTTP/1.1 200 OK");
    listen(&[place(&first), place(&second)]);
    assert_eq!(reload(), 200);
    let mut successors = Successors::default();
    let failed = started(&stack.edge).len();
    kill_process(stack.edge.id(), Signal::USR2).unwrap();
    let next = until("a new process is started", || started(&stack.edge).get(failed).copied());
    successors.0.push(next);
    assert!(stack.edge.wait().success());
    until("all have asked it", || asked(&first).ok());
    end.store(true, Relaxed);
    for visitor in visitors {
        assert_eq!(visitor.join().unwrap(), Vec::<String>::new());
    }
    // What the settings no longer name is gone.
    assert!(asked(&second).is_ok());
    listen(&[place(&first)]);
    assert_eq!(reload(), 200);
    assert!(!second.exists() && first.exists());
    self::end(next);
    assert!(!first.exists(), "the last process removes the files that the first one made");
}

#[test]
fn a_socket_from_systemd_is_taken() {
    // systemd-socket-activate(1) does what a .socket unit does: it starts the program with the first
    // connection.
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        eprintln!("systemd-socket-activate is not installed: not tested");
        return;
    }
    let directory = tempfile::TempDir::new().unwrap();
    let (http, admin) = (free_port(), free_port());
    let settings = format!(
        "[edge]\nlisten = [\"127.0.0.1:{http}\"]\nadmin = \"127.0.0.1:{admin}\"\n[[edge.site]]\nroot = \"{}\"\n",
        directory.path().display()
    );
    let file = directory.path().join("weir.toml");
    fs::write(&file, settings).unwrap();
    fs::write(directory.path().join("page.txt"), "by a handed socket").unwrap();
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen=127.0.0.1:{http}")).arg(binary("weir"));
    command.arg("run").arg("--config").arg(&file);
    let server = Process::start("activated", &mut command, directory.path());
    let address = ([127, 0, 0, 1], http).into();
    until("systemd listens", || std::net::TcpStream::connect(address).ok());
    let mut client = Client::connect(address);
    client.send("GET /page.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.response("GET").expect(200).text(), "by a handed socket");
    assert!(server.terminate().success());
}

#[test]
fn relative_paths_begin_at_the_settings_file_wherever_it_is_started() {
    let directory = tempfile::TempDir::new().unwrap();
    let site = directory.path().join("site");
    fs::create_dir_all(site.join("pages")).unwrap();
    fs::write(site.join("pages/page.txt"), "beside the settings").unwrap();
    let http = free_port();
    let settings = format!(
        "[edge]\nlisten = [\"127.0.0.1:{http}\"]\nadmin = \"off\"\n[[edge.site]]\nroot = \"pages\"\n"
    );
    fs::write(site.join("weir.toml"), settings).unwrap();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(binary("weir"));
        let checked = command.arg("check").args(arguments).current_dir(directory.path()).output().unwrap();
        String::from_utf8(checked.stderr).unwrap()
    };
    for arguments in [&["site/weir.toml"][..], &["--config", "site/weir.toml"]] {
        assert_eq!(check(arguments), "site/weir.toml: no mistakes\n");
    }
    assert_eq!(check(&[]), "weir.toml: there is no such file\n");

    // What the settings name is found by the commands too, and what a flag names is where they are started.
    fs::write(site.join("token"), "t\n").unwrap();
    fs::write(directory.path().join("other-token"), "t\n").unwrap();
    let plane = format!(
        "[edge]\nadmin = \"127.0.0.1:{}\"\nadmin_token_file = \"token\"\n[[edge.site]]\nroot = \"pages\"\n",
        free_port()
    );
    fs::write(site.join("plane.toml"), plane).unwrap();
    for flags in [&[][..], &["--token-file", "other-token"]] {
        let mut command = Command::new(binary("weir"));
        command.args(["purge", "--config", "site/plane.toml", "--tag", "x"]).args(flags);
        let purged = command.current_dir(directory.path()).output().unwrap();
        let said = String::from_utf8(purged.stderr).unwrap();
        assert!(said.contains("nothing answers"), "{said}");
    }

    let mut command = Command::new(binary("weir"));
    command.args(["run", "--config", "site/weir.toml"]).current_dir(directory.path());
    let server = Process::start("elsewhere", &mut command, directory.path());
    let page = || {
        let mut client = Client::connect(([127, 0, 0, 1], http).into());
        client.send("GET /page.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.response("GET").expect(200).text()
    };
    server.wait_until("it serves", || std::net::TcpStream::connect(("127.0.0.1", http)).is_ok());
    assert_eq!(page(), "beside the settings");
    // The new process is started with the same arguments, and finds the same files.
    kill_process(server.id(), Signal::USR2).unwrap();
    let next = until("a new process is started", || started(&server).first().copied());
    let _successors = Successors(vec![next]);
    assert!(server.wait().success());
    assert_eq!(page(), "beside the settings");
    kill_process(next, Signal::TERM).unwrap();
    until("it has drained", || (!runs(next)).then_some(()));
}

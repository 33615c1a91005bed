//! An edge before several wsgi-adapters: who gets what, and what becomes of requests when one of them goes.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_tests::{Client, Load, Oracle, Process, Uwsgi, binary, free_port, once_measured_within, until};

struct Adapter {
    process: Process,
    at: SocketAddr,
    admin: SocketAddr,
    file: std::path::PathBuf,
}

impl Adapter {
    fn start(n: usize, app: &Uwsgi, directory: &Path) -> Self {
        let (at, admin, file) = (address(), address(), directory.join(format!("adapter-{n}.toml")));
        fs::write(&file, settings(at, admin, &app.address())).unwrap();
        let process = Process::start(&format!("adapter-{n}"), &mut command("wsgi-adapter", &file), directory);
        let adapter = Self { process, at, admin, file };
        adapter.wait();
        adapter
    }

    fn wait(&self) {
        self.process.wait_until("accepts connections", || {
            TcpStream::connect(self.at).is_ok() && TcpStream::connect(self.admin).is_ok()
        });
    }

    fn start_again(&self) {
        self.process.start_again(&mut command("wsgi-adapter", &self.file));
        self.wait();
    }

    fn change_server(&self, server: &str) {
        fs::write(&self.file, settings(self.at, self.admin, server)).unwrap();
        self.start_again();
    }

    /// Requests that it has given to the application since it started.
    fn requests(&self) -> u64 {
        figure(self.admin, "weir_wsgi_adapter_requests_total")
    }
}

fn settings(at: SocketAddr, admin: SocketAddr, server: &str) -> String {
    format!(
        "[wsgi_adapter]\nlisten = \"{at}\"\nadmin = \"{admin}\"\n[[wsgi_adapter.pool]]\nname = \"app\"\n\
         servers = [\"{server}\"]\nbuffer_size = \"32KiB\"\n"
    )
}

struct Stack {
    adapters: Vec<Adapter>,
    edge: Process,
    http: SocketAddr,
    admin: SocketAddr,
    oracle: Oracle,
    _app: Uwsgi,
    _directory: TempDir,
}

impl Stack {
    /// `urls` says how the edge is told of the adapters. There is no cache-node, and nothing is cached.
    fn start(adapters: usize, urls: impl Fn(&[SocketAddr]) -> Vec<String>) -> Self {
        let (directory, app) = (TempDir::new().unwrap(), Uwsgi::oracle());
        let adapters: Vec<_> = (0..adapters).map(|n| Adapter::start(n, &app, directory.path())).collect();
        let addresses: Vec<_> = adapters.iter().map(|adapter| adapter.at).collect();
        let (http, admin, file) = (address(), address(), directory.path().join("edge.toml"));
        let settings = format!(
            "[edge]\nlisten = [\"{http}\"]\nadmin = \"{admin}\"\naccess_log = \"off\"\nwatch_grace = \"100ms\"\n\
             [edge.peers]\ncache_node = \"http://{}\"\nwsgi_adapter = {:?}\n\
             [[edge.site]]\nserver_name = [\"localhost\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n",
            address(),
            urls(&addresses)
        );
        fs::write(&file, settings).unwrap();
        let edge = Process::start("edge", &mut command("edge", &file), directory.path());
        edge.wait_until("listens", || TcpStream::connect(http).is_ok());
        let oracle = Oracle::of(&app);
        Self { adapters, edge, http, admin, oracle, _app: app, _directory: directory }
    }

    fn of_three() -> Self {
        let stack = Self::start(3, |adapters| adapters.iter().map(|at| format!("http://{at}")).collect());
        stack.wait_for_alive(3);
        stack
    }

    fn wait_for_alive(&self, number: u64) {
        until(&format!("{number} adapters are alive"), || {
            (figure(self.admin, "weir_edge_wsgi_adapters_alive") == number).then_some(())
        });
    }

    fn requests(&self) -> Vec<u64> {
        self.adapters.iter().map(Adapter::requests).collect()
    }

    fn load(&self, visitors: usize, delay: u32) -> Load {
        Load::start(self.http, visitors, move |visitor, _| format!("/count/load{visitor}?delay={delay}"))
    }

    /// Also by POST, of which each must get through once. Returns how many did, when `ended`.
    fn uploads(&self, ended: &AtomicBool) -> u64 {
        let mut client = Client::connect(self.http);
        for n in 1.. {
            let answer = client.ask("POST", "/count/upload", &[("Content-Length", "6")], b"a body");
            assert_eq!(answer.expect(200).text(), format!("{n}\n"));
            if ended.load(Ordering::Relaxed) {
                return n;
            }
            if n % 100 == 0 {
                client = Client::connect(self.http);
            }
        }
        0
    }
}

fn command(program: &str, settings: &Path) -> Command {
    let mut command = Command::new(binary(program));
    command.arg("--config").arg(settings).env("NO_COLOR", "1");
    command
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// The sum of a metric's lines.
fn figure(admin: SocketAddr, name: &str) -> u64 {
    let text = Client::connect(admin).get("/metrics").expect(200).text();
    let of_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter(of_it).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn requests_are_spread_evenly() {
    let stack = Stack::of_three();
    let mut client = Client::connect(stack.http);
    for _ in 0..60 {
        client.get("/count/x").expect(200);
    }
    assert_eq!(stack.requests(), [20, 20, 20], "one after the other");
    let load = stack.load(6, 20);
    load.wait_for(300);
    assert_eq!(load.end(), [""; 0]);
    let requests = stack.requests();
    let (least, most) = (requests.iter().min().unwrap(), requests.iter().max().unwrap());
    assert!(*most < least + 30, "six at a time: {requests:?}");
    assert_eq!(figure(stack.admin, "weir_edge_wsgi_adapters"), 3);
}

#[test]
fn a_killed_adapter_costs_no_get_and_is_used_again_when_it_is_back() {
    let stack = Stack::of_three();
    let load = stack.load(8, 5);
    load.wait_for(100);
    once_measured_within(Duration::from_secs(5), "until it is used again", || {
        stack.adapters[1].process.kill();
        stack.wait_for_alive(2);
        load.wait_for(200);
        stack.adapters[1].start_again();
        let begun = Instant::now();
        until("it is used again", || (stack.adapters[1].requests() > 0).then_some(()));
        begun.elapsed()
    });
    load.wait_for(100);
    assert_eq!(load.end(), [""; 0]);
    let log = stack.edge.log();
    assert!(
        log.contains("is not used until it answers") && log.contains("the wsgi-adapter is back"),
        "{log}"
    );
}

#[test]
fn a_drained_adapter_costs_nothing() {
    let stack = Stack::of_three();
    let (load, ended) = (stack.load(6, 5), AtomicBool::new(false));
    let uploads = thread::scope(|scope| {
        let uploads = scope.spawn(|| stack.uploads(&ended));
        for adapter in &stack.adapters {
            load.wait_for(100);
            assert_eq!(adapter.process.terminate().code(), Some(0));
            load.wait_for(100);
            adapter.start_again();
            stack.wait_for_alive(3);
        }
        ended.store(true, Ordering::Relaxed);
        uploads.join().unwrap()
    });
    assert_eq!(load.end(), [""; 0]);
    assert_eq!(stack.oracle.calls("upload"), uploads, "each once");
}

#[test]
fn an_adapter_without_servers_costs_no_get() {
    let stack = Stack::of_three();
    stack.adapters[1].change_server(&address().to_string());
    stack.wait_for_alive(3);
    let load = stack.load(6, 5);
    load.wait_for(600);
    let all = load.answers() as u64;
    assert_eq!(load.end(), [""; 0]);
    // Nor does it get all of them for being idle.
    let failures = figure(stack.adapters[1].admin, "weir_wsgi_adapter_failures_total");
    assert!((1..all / 5).contains(&failures), "{failures} of {all}");
}

#[test]
fn an_adapter_that_hangs_gets_no_more() {
    let stack = Stack::of_three();
    stack.adapters[0].process.stop();
    stack.wait_for_alive(2);
    let mut client = Client::connect(stack.http);
    for _ in 0..30 {
        client.get("/count/x").expect(200);
    }
    stack.adapters[0].process.go_on();
    stack.wait_for_alive(3);
}

#[test]
fn addresses_where_nobody_listens_cost_no_request() {
    // A name with an IPv6 address too, which the adapter does not listen on.
    let both = |adapters: &[SocketAddr]| {
        let port = adapters[0].port();
        vec![format!("http://[::1]:{port}"), format!("http://localhost:{port}")]
    };
    let nobody: Vec<_> = (0..6).map(|_| format!("http://{}", address())).collect();
    let many = |adapters: &[SocketAddr]| [nobody.clone(), vec![format!("http://{}", adapters[0])]].concat();
    for stack in [Stack::start(1, both), Stack::start(1, many)] {
        // From the first request on, when nothing is known of any.
        for n in 1..=40 {
            let answer = Client::connect(stack.http).ask(
                "POST",
                "/count/upload",
                &[("Content-Length", "6")],
                b"a body",
            );
            assert_eq!(answer.expect(200).text(), format!("{n}\n"));
        }
        assert_eq!(stack.oracle.calls("upload"), 40);
        stack.wait_for_alive(1);
    }
}

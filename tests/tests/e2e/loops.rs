//! Pools that lead back to the edge before them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_tests::{Client, Process, binary, free_port};

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

fn start(program: &str, settings: &str, at: SocketAddr, directory: &TempDir) -> Process {
    let file = directory.path().join(format!("{program}.toml"));
    fs::write(&file, settings).unwrap();
    let mut command = Command::new(binary(program));
    command.args((program == "weir").then_some("run")).arg("--config").arg(&file).env("NO_COLOR", "1");
    let process = Process::start(program, &mut command, directory.path());
    process.wait_until("accepts connections", || TcpStream::connect(at).is_ok());
    process
}

/// The edge's part of the settings: everything goes to itself, through the cache or not.
fn edge(http: SocketAddr, peers: &str) -> String {
    format!(
        "[edge]\nlisten = [\"{http}\"]\nadmin = \"off\"\naccess_log = \"off\"\nwatch_grace = \"100ms\"\n\
         timeouts = {{ wait = \"200ms\" }}\n{peers}\
         [[edge.site]]\nserver_name = [\"localhost\"]\n\
         location = [{{ match = \"/\", pool = \"app\" }}, {{ match = \"/kept/\", pool = \"app\", cache = {{}} }}]\n"
    )
}

fn pool(http: SocketAddr) -> String {
    format!("[[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"http://{http}\"]\n")
}

fn ends(http: SocketAddr, log: impl Fn() -> String) {
    for path in ["/", "/kept/page", "/kept/other"] {
        let begun = Instant::now();
        let reply = Client::connect(http).get(path).expect(502);
        assert!(reply.text().contains("The application leads back to this server."), "{}", reply.text());
        assert!(begun.elapsed() < Duration::from_secs(8), "{path}: {:?}", begun.elapsed());
    }
    let log = log();
    assert!(
        log.contains("the pool's server leads back to this edge") && log.contains("kind=\"LOOP\""),
        "{log}"
    );
}

#[test]
fn a_request_that_goes_round_ends_with_an_error_that_says_so() {
    let (directory, http) = (TempDir::new().unwrap(), address());
    let settings = format!("{}[cache_node]\nadmin = \"off\"\n[wsgi_adapter]\n{}", edge(http, ""), pool(http));
    let weir = start("weir", &settings, http, &directory);
    ends(http, || weir.log());
}

#[test]
fn so_it_does_where_services_are_three() {
    let (directory, http) = (TempDir::new().unwrap(), address());
    let (node, adapter) = (address(), address());
    let settings = format!("[cache_node]\nlisten = \"{node}\"\nadmin = \"off\"\n");
    let _node = start("cache-node", &settings, node, &directory);
    let settings = format!("[wsgi_adapter]\nlisten = \"{adapter}\"\nadmin = \"off\"\n{}", pool(http));
    let _adapter = start("wsgi-adapter", &settings, adapter, &directory);
    let peers =
        format!("[edge.peers]\ncache_node = \"http://{node}\"\nwsgi_adapter = \"http://{adapter}\"\n");
    let edge = start("edge", &edge(http, &peers), http, &directory);
    ends(http, || edge.log());
}

//! SIGUSR2: a new process takes over the sockets of the old one, and no visitor notices. Socket activation by
//! the same protocol.

use std::fs;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use weir_tests::{
    Client, Load, Location, Process, Settings, Stack, binary, both_topologies, free_port, site, until,
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

both_topologies!(a_new_process_takes_over_without_a_lost_request, settings());
fn a_new_process_takes_over_without_a_lost_request(stack: &Stack) {
    const TIMES: usize = 4;
    let load = Load::start(stack.http(), 4, |visitor, n| format!("/count/page{}", (visitor + n) % 7));
    load.wait_for(100);
    let mut successors = Successors::default();
    let mut current = stack.edge.id();
    for time in 1..=TIMES {
        kill_process(current, Signal::USR2).unwrap();
        let next = until("a new process is started", || started(&stack.edge).get(time - 1).copied());
        successors.0.push(next);
        if time == 1 {
            assert!(stack.edge.wait().success());
        }
        until("the old process has drained", || (!runs(current)).then_some(()));
        load.wait_for(100);
        assert!(runs(next));
        stack.admin("/livez").expect(200);
        current = next;
    }
    assert_eq!(load.end(), Vec::<String>::new());
    kill_process(current, Signal::TERM).unwrap();
    until("the last process has drained", || (!runs(current)).then_some(()));
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

//! `weir nginx`: nginx's command line, words, exit codes, pid file and signals, beside Debian's nginx.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use weir_tests::{Client, NginxCommand, Process, binary, free_port, until};

/// Runs it to its end.
fn weir_nginx(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("weir"));
    command.arg("nginx").arg("-p").arg(directory).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file that serves a directory on this port.
fn serving(port: u16, daemon: &str) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    format!(
        "{user}daemon {daemon};\npid nginx.pid;\nerror_log error.log;\nevents {{ }}\nhttp {{\n  access_log off;\n  \
         server {{ listen 127.0.0.1:{port}; root html; }}\n}}\n"
    )
}

/// A directory with this nginx.conf and a page.
fn directory(text: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("html")).unwrap();
    fs::write(directory.path().join("html/page.txt"), "a page").unwrap();
    fs::write(directory.path().join("nginx.conf"), text).unwrap();
    directory
}

fn answers(port: u16) -> bool {
    let Ok(stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    drop(stream);
    let address = ([127, 0, 0, 1], port).into();
    Client::connect(address).get("/page.txt").expect(200).text() == "a page"
}

#[test]
fn the_test_of_a_file_has_nginx_s_words_and_exit_codes() {
    let port = free_port();
    let cases = [
        serving(port, "off"),
        "events { }\nhttp { server { lisen 80; } }\n".to_owned(),
        "events { }\nhttp { server { listen 80 }\n".to_owned(),
        "events { }\nhttp { gzip maybe; }\n".to_owned(),
        "events { } }\n".to_owned(),
        "events { }\nhttp { include missing.conf; }\n".to_owned(),
        "events { }\nhttp { root /a; root /b; }\n".to_owned(),
    ];
    for text in cases {
        let directory = directory(&text);
        let ours = weir_nginx(directory.path(), &["-c", "nginx.conf", "-t"]);
        let theirs = NginxCommand::run(directory.path(), &["-c", "nginx.conf", "-e", "error.log", "-t"]);
        let said = |output: &Output| -> Vec<String> {
            let lines = stderr(output);
            let lines = lines.lines().filter(|line| !line.contains("[notice]") && !line.contains("[warn]"));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(said(&ours), said(&theirs), "{text}");
        assert_eq!(ours.status.code(), theirs.status.code(), "{text}");
    }
}

#[test]
fn quiet_and_dump_are_nginx_s() {
    let directory = directory(&serving(free_port(), "off").replace("access_log off;", "include log.conf;"));
    fs::write(directory.path().join("log.conf"), "access_log off;\n").unwrap();
    let quiet = weir_nginx(directory.path(), &["-c", "nginx.conf", "-tq"]);
    assert_eq!((quiet.status.code(), stderr(&quiet)), (Some(0), String::new()));
    let ours = weir_nginx(directory.path(), &["-c", "nginx.conf", "-T"]);
    let theirs = NginxCommand::run(directory.path(), &["-c", "nginx.conf", "-e", "error.log", "-T"]);
    assert_eq!(String::from_utf8_lossy(&ours.stdout), String::from_utf8_lossy(&theirs.stdout));
    let wrong = weir_nginx(directory.path(), &["-s", "restart"]);
    assert_eq!(
        (wrong.status.code(), stderr(&wrong)),
        (Some(1), "nginx: invalid option: \"-s restart\"\n".into())
    );
    let version = weir_nginx(directory.path(), &["-v"]);
    assert!(stderr(&version).starts_with("nginx version: nginx/1."), "{version:?}");
}

#[test]
fn what_is_not_done_is_said_and_starts_only_leniently() {
    let text = serving(free_port(), "off")
        .replace("root html;", "root html; location /x { xslt_stylesheet a.xslt; }");
    let directory = directory(&text);
    let strict = weir_nginx(directory.path(), &["-c", "nginx.conf", "-t"]);
    let said = stderr(&strict);
    assert_eq!(strict.status.code(), Some(1), "{said}");
    assert!(
        said.contains("[emerg] \"xslt_stylesheet\" is not done: Weir does not transform XML; let the "),
        "{said}"
    );
    assert!(said.contains("nginx.conf:8\n"), "{said}");
    assert!(said.contains("syntax is ok") && said.contains("test failed"), "{said}");
    let lenient = weir_nginx(directory.path(), &["-c", "nginx.conf", "-t", "--lenient"]);
    let said = stderr(&lenient);
    assert_eq!(lenient.status.code(), Some(0), "{said}");
    assert!(said.contains("[warn] \"xslt_stylesheet\"") && said.contains("test is successful"), "{said}");
}

/// Also a process that nobody has asked for its exit code yet: its parent may have ended.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[test]
fn no_leniency_opens_what_is_guarded() {
    let guarded = "location /staff/ { auth_basic Staff; }";
    let directory = directory(&format!("server {{ listen {}; root .; {guarded} }}\n", free_port()));
    let refused = weir_nginx(directory.path(), &["-c", "nginx.conf", "-t", "--lenient"]);
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("[emerg] \"auth_basic\""), "{said}");
}

#[test]
fn runs_before_the_terminal_and_obeys_its_signals() {
    let port = free_port();
    let directory = directory(&serving(port, "off"));
    let mut command = Command::new(binary("weir"));
    // Called by the name `nginx`, the program needs no sub-command.
    command.arg0("/usr/sbin/nginx").arg("-p").arg(directory.path()).args(["-c", "nginx.conf"]);
    let process = Process::start("nginx", &mut command, directory.path());
    let pid = directory.path().join("nginx.pid");
    process.wait_until("writes its pid file", || pid.exists());
    assert!(answers(port));

    // A reload takes up what is new, and refuses what is wrong.
    let page = directory.path().join("other");
    fs::create_dir(&page).unwrap();
    fs::write(page.join("page.txt"), "another page").unwrap();
    let file = directory.path().join("nginx.conf");
    let changed = serving(port, "off").replace("root html", "root other");
    fs::write(&file, changed.replace("root other", "rooot other")).unwrap();
    assert_eq!(weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "reload"]).status.code(), Some(1));
    fs::write(&file, changed).unwrap();
    let reload = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "reload"]);
    assert_eq!(reload.status.code(), Some(0), "{}", stderr(&reload));
    let address = ([127, 0, 0, 1], port).into();
    until("the new root is used", || {
        (Client::connect(address).get("/page.txt").text() == "another page").then_some(())
    });

    // The error log is opened again after it was moved.
    let log = directory.path().join("error.log");
    fs::rename(&log, directory.path().join("error.log.1")).unwrap();
    let reopen = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "reopen"]);
    assert_eq!(reopen.status.code(), Some(0), "{}", stderr(&reopen));
    until("there is a new log", || log.exists().then_some(()));

    // Another process takes its place, and the one before ends.
    let before = fs::read_to_string(&pid).unwrap();
    let kill = Command::new("kill").args(["-USR2", before.trim()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(process.wait().code(), Some(0));
    let after = fs::read_to_string(&pid).unwrap();
    assert_ne!(before, after);
    assert_eq!(Client::connect(address).get("/page.txt").expect(200).text(), "another page");

    let quit = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "quit"]);
    assert_eq!(quit.status.code(), Some(0), "{}", stderr(&quit));
    until("the process has ended", || has_ended(after.trim()).then_some(()));
    assert!(!pid.exists());
    let gone = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "quit"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("nginx.pid\" failed (2: No such file or directory)"), "{}", stderr(&gone));
}

#[test]
fn leaves_the_terminal_once_it_serves() {
    let port = free_port();
    let directory = directory(&serving(port, "on"));
    let started = weir_nginx(directory.path(), &["-c", "nginx.conf"]);
    assert_eq!(started.status.code(), Some(0), "{}", stderr(&started));
    assert!(answers(port));
    let pid = fs::read_to_string(directory.path().join("nginx.pid")).unwrap();
    assert!(Path::new("/proc").join(pid.trim()).exists());
    // The address is taken now.
    let second = weir_nginx(directory.path(), &["-c", "nginx.conf", "-g", "error_log second.log;"]);
    assert_eq!(second.status.code(), Some(1));
    let stop = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "stop"]);
    assert_eq!(stop.status.code(), Some(0), "{}", stderr(&stop));
    until("the process has ended", || (!directory.path().join("nginx.pid").exists()).then_some(()));
}

#[test]
fn the_imported_settings_run_as_the_file_does() {
    let port = free_port();
    let directory = directory(&serving(port, "off"));
    let mut import = Command::new(binary("weir"));
    import.arg("nginx-import").arg(directory.path().join("nginx.conf")).arg("-p");
    let imported = import.arg(format!("{}/", directory.path().display())).output().unwrap();
    let text = String::from_utf8(imported.stdout.clone()).unwrap();
    assert_eq!(imported.status.code(), Some(0), "{}", stderr(&imported));
    let settings = directory.path().join("weir.toml");
    fs::write(&settings, &text).unwrap();
    assert!(text.contains("root = ") && text.contains("nginx.conf:7"), "{text}");
    let mut command = Command::new(binary("weir"));
    command.args(["run", "--config"]).arg(&settings);
    let process = Process::start("weir", &mut command, directory.path());
    process.wait_until("serves", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(answers(port));
}

#[test]
fn what_is_imported_without_a_root_passes_the_check() {
    let directory = directory(
        "server { listen 8080; location /a { return 204; } location /b { try_files $uri =404; } \
         location = /favicon.ico { log_not_found off; } location /s { stub_status; } }\n",
    );
    fs::remove_dir_all(directory.path().join("html")).unwrap();
    let mut import = Command::new(binary("weir"));
    import.arg("nginx-import").arg(directory.path().join("nginx.conf")).arg("-p").arg(directory.path());
    let imported = import.output().unwrap();
    assert_eq!(imported.status.code(), Some(0), "{}", stderr(&imported));
    let settings = directory.path().join("weir.toml");
    fs::write(&settings, &imported.stdout).unwrap();
    let check = Command::new(binary("weir")).arg("check").arg(&settings).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
}

#[test]
fn root_without_a_user_serves_as_nobody_from_all_threads() {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let port = free_port();
    let directory = directory(&serving(port, "off").replace("user root;\n", ""));
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(binary("weir"));
    command.args(["nginx", "-p"]).arg(directory.path()).args(["-c", "nginx.conf"]);
    let process = Process::start("nginx", &mut command, directory.path());
    process.wait_until("writes its pid file", || directory.path().join("nginx.pid").exists());
    // Files are read by threads that other threads start.
    for _ in 0..20 {
        assert!(answers(port));
    }
}

/// The directory of log and pid file is root's, and requests are served by nobody.
#[test]
fn logs_are_opened_again_and_the_pid_file_is_removed_although_requests_have_less_rights() {
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let port = free_port();
    let directory = directory(&serving(port, "off").replace("user root;\n", ""));
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::File::create(directory.path().join("html/long.bin")).unwrap().set_len(64 << 20).unwrap();
    let mut command = Command::new(binary("weir"));
    command.args(["nginx", "-p"]).arg(directory.path()).args(["-c", "nginx.conf"]);
    let process = Process::start("nginx", &mut command, directory.path());
    let pid = directory.path().join("nginx.pid");
    process.wait_until("writes its pid file", || pid.exists());

    let log = directory.path().join("error.log");
    fs::rename(&log, directory.path().join("error.log.1")).unwrap();
    let reopen = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "reopen"]);
    assert_eq!(reopen.status.code(), Some(0), "{}", stderr(&reopen));
    until("there is a new log", || log.exists().then_some(()));

    // A reply that is not read keeps the process from draining at once.
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    slow.write_all(b"GET /long.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    slow.read_exact(&mut [0; 12]).unwrap();
    let stop = weir_nginx(directory.path(), &["-c", "nginx.conf", "-s", "stop"]);
    assert_eq!(stop.status.code(), Some(0), "{}", stderr(&stop));
    assert_eq!(process.wait().code(), Some(0));
    assert!(!pid.exists());
}

#[test]
fn a_reload_moves_the_error_log_or_changes_nothing() {
    let port = free_port();
    let directory = directory(&serving(port, "off"));
    let mut command = Command::new(binary("weir"));
    command.arg("nginx").arg("-p").arg(directory.path()).args(["-c", "nginx.conf"]);
    let server = Process::start("nginx", &mut command, directory.path());
    server.wait_until("it serves", || answers(port));
    let text = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap_or_default();
    let reload = |log: &str| {
        let changed = serving(port, "off").replace("error_log error.log;", &format!("error_log {log};"));
        fs::write(directory.path().join("nginx.conf"), changed).unwrap();
        server.hang_up();
    };
    reload("none/error.log");
    until("it is refused", || text("error.log").contains("none/error.log\" failed").then_some(()));
    reload("other.log warn");
    until("it has moved", || directory.path().join("other.log").exists().then_some(()));
    fs::write(directory.path().join("nginx.conf"), "events { } }").unwrap();
    server.hang_up();
    until("lines go there", || text("other.log").contains("settings not reloaded").then_some(()));
    assert_eq!(text("error.log").matches("settings not reloaded").count(), 1);
    assert!(answers(port));
    assert!(server.terminate().success());
}

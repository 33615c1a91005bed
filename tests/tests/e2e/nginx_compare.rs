//! `weir nginx --compare`: Weir and Debian's nginx with the same file, and one that differs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use weir_tests::{FakeApp, Nginx, NginxCommand, binary, free_port};

const FILE: &str = "nginx.conf";

/// A directory with a page, and a file with this server.
fn directory(server: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    for name in ["page.txt", "index.html", ".env"] {
        fs::create_dir_all(directory.path().join("html")).unwrap();
        fs::write(directory.path().join("html").join(name), name).unwrap();
    }
    fs::write(directory.path().join(FILE), format!("server {{ {server} }}\n")).unwrap();
    directory
}

fn compare(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("weir"));
    command.args(["nginx", "--compare", "-c", FILE, "-p"]).arg(directory);
    let program = NginxCommand::program();
    if !arguments.contains(&"--against") {
        command.arg("--nginx").arg(program.get_program());
    }
    command.args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_same_file_gives_no_difference() {
    let (port, reply) = (free_port(), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Own: 1\r\n\r\nabc");
    let _app = FakeApp::answering(port, reply);
    let server = format!(
        "listen 8080; server_name a.example; root html; add_header X-A b;
         location /app/ {{ uwsgi_pass 127.0.0.1:{port}; }} location = /moved {{ return 301 /page.txt; }}
         location ~ \\.php$ {{ deny all; }}"
    );
    let directory = directory(&server);
    let file = fs::read_to_string(directory.path().join(FILE)).unwrap();
    let map = "map $uri $to { include to.map; default \"\"; }\n";
    fs::write(directory.path().join(FILE), format!("{map}{file}")).unwrap();
    fs::write(directory.path().join("to.map"), "/a /b;\n").unwrap();
    let output = compare(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains(" 0 differ"), "{}", said(&output));
}

#[test]
fn what_differs_is_printed_and_what_is_meant_to_is_named() {
    let nginx = Nginx::start("root html; location = /page.txt { return 200 other; }");
    let directory = directory(&format!("listen {}; server_name a.example; root html;", nginx.port()));
    let url = format!("http://127.0.0.1:{}", nginx.port());
    fs::write(directory.path().join("list"), "GET a.example /page.txt | X-Some: field\n").unwrap();
    let list = directory.path().join("list").display().to_string();
    let output = compare(directory.path(), &["--against", &url, "--requests", &list]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("GET http://a.example/page.txt"), "{text}");
    assert!(text.contains("body: nginx 5 bytes") && text.contains("1 differ"), "{text}");
    // Both have one file: only what nginx shows and Weir does not.
    fs::write(directory.path().join("list"), "GET a.example /.env\n").unwrap();
    let output = compare(directory.path(), &["--requests", &list]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("as intended, 1 times: files whose names begin with a dot"), "{text}");
}

#[test]
fn what_cannot_be_asked_has_a_code_of_its_own() {
    let directory = directory("listen 8080; root html;");
    for arguments in [
        vec!["--against", "http://127.0.0.1:1"],
        vec!["--against", "nowhere"],
        vec!["--requests", "/no/such/list"],
        vec!["--nginx", "/no/such/nginx"],
    ] {
        let output = compare(directory.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {}", said(&output));
        assert!(said(&output).contains("weir: "), "{}", said(&output));
    }
    fs::write(directory.path().join(FILE), "server { listen 8080; no_such on; }\n").unwrap();
    let output = compare(directory.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

//! `https://` servers: whose certificate is accepted, what they are told, and that connections are kept.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use rustls::{ServerConnection, StreamOwned};
use tempfile::TempDir;
use weir_tests::{Certificate, Nginx, Stack, Topology, until};

const WEIR: &str = r#"
listen = ["$HTTP"]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/right/"
pool = "right"
pool_path = "/"
max_body = "4MiB"
[[edge.site.location]]
match = "/stranger/"
pool = "stranger"
[[edge.site.location]]
match = "/anybody/"
pool = "anybody"
pool_path = "/"
[[edge.site.location]]
match = "/misnamed/"
pool = "misnamed"
[[wsgi_adapter.pool]]
name = "right"
servers = ["https://127.0.0.1:$PORT"]
tls = { ca = "DIR/server.example.pem", name = "server.example", certificate = "DIR/weir.example.pem", key = "DIR/weir.example.key" }
[[wsgi_adapter.pool]]
name = "stranger"
servers = ["https://127.0.0.1:$PORT"]
tls = { ca = "DIR/weir.example.pem", name = "server.example" }
[[wsgi_adapter.pool]]
name = "misnamed"
servers = ["https://localhost:$PORT"]
tls = { ca = "DIR/server.example.pem" }
[[wsgi_adapter.pool]]
name = "anybody"
servers = ["https://127.0.0.1:$PORT"]
tls = { verify = false }
"#;

/// nginx with TLS before the application.
fn server(stack: &Stack, directory: &TempDir) -> Nginx {
    let dir = directory.path().display();
    let app = stack.app.address().replace("uwsgi://", "");
    Nginx::start(&format!(
        "listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/server.example.pem;
         ssl_certificate_key {dir}/server.example.key; ssl_client_certificate {dir}/weir.example.pem;
         ssl_verify_client optional; client_max_body_size 10m;
         location /tls {{ return 200 \"$ssl_server_name $ssl_client_verify $connection_requests\"; }}
         location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass {app}; }}",
        port = stack.port
    ))
}

fn check(topology: Topology) {
    let directory = TempDir::new().unwrap();
    Certificate::write(directory.path(), &["server.example"]);
    Certificate::write(directory.path(), &["weir.example"]);
    let settings = WEIR.replace("DIR", &directory.path().display().to_string());
    weir_tests::check(topology, settings.as_str(), |stack| {
        let _server = server(stack, &directory);
        let mut client = stack.connect();
        assert_eq!(client.get("/right/tls").expect(200).text(), "server.example SUCCESS 1");
        // The connection is used again.
        assert_eq!(client.get("/right/tls").expect(200).text(), "server.example SUCCESS 2");
        assert_eq!(client.get("/anybody/tls").expect(200).text(), " NONE 1");
        for path in ["/stranger/tls", "/misnamed/tls"] {
            assert_eq!(client.get(path).status, 502, "{path}");
        }
        let body = vec![b'x'; 3 << 20];
        let sent = client.ask("POST", "/right/upload", &[("Content-Length", "3145728")], &body).expect(200);
        assert_eq!(sent.json()["length"], 3_145_728);
        assert_eq!(client.get("/right/count/a?size=3000000").expect(200).body.len(), 3_000_000);
    });
}

#[test]
fn servers_show_certificates_one_process() {
    check(Topology::OneProcess);
}

#[test]
fn servers_show_certificates_split() {
    check(Topology::Split);
}

#[test]
fn a_server_s_file_is_checked() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("weir.toml");
    let settings = WEIR.replace("DIR", "/no/such").replace("$HTTP", "127.0.0.1:1").replace("$PORT", "1");
    fs::write(&file, format!("[edge]\n{settings}")).unwrap();
    let output =
        std::process::Command::new(weir_tests::binary("weir")).arg("check").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("weir.toml:24: wsgi_adapter.pool[0].tls.ca: `/no/such/server.example.pem`"),
        "{text}"
    );
}

#[test]
fn a_log_names_protocol_cipher_and_name() {
    let directory = TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["localhost"]);
    let settings = format!(
        "listen = [\"$HTTP\", {{ address = \"127.0.0.1:$PORT\", tls = {} }}]\n\
         log_formats = {{ tls = \"$ssl_protocol $ssl_cipher $ssl_server_name $upstream_cache_status\" }}\n\
         logs = [{{ to = \"$DIR/tls.log\", format = \"tls\" }}]\n\
         [[edge.site]]\nserver_name = [\"localhost\"]\n\
         [[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\ncache = {{ ttl = \"1m\" }}\n",
        certificate.setting()
    );
    weir_tests::check(Topology::OneProcess, settings.as_str(), |stack| {
        let address = ([127, 0, 0, 1], stack.port).into();
        let config = certificate.client(&["http/1.1"]);
        let mut client = weir_tests::Client::over_tls(address, "localhost", &config).unwrap();
        client.get("/count/a").expect(200);
        client.get("/count/a").expect(200);
        stack.get("/count/b").expect(200);
        let file = stack.directory().join("tls.log");
        let mut lines = until("three lines", || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let lines: Vec<_> = text.lines().map(str::to_owned).collect();
            (lines.len() == 3).then_some(lines)
        });
        lines.sort();
        let tls = "TLSv1.3 TLS_AES_256_GCM_SHA384 localhost";
        assert_eq!(lines, ["- - - MISS".to_owned(), format!("{tls} HIT"), format!("{tls} MISS")]);
    });
}

/// RFC 9112 section 9.8: without the alert, a server cannot tell this end from a connection that was cut.
#[test]
fn a_server_is_told_that_its_connection_ends() {
    let directory = TempDir::new().unwrap();
    let certificate = Certificate::write(directory.path(), &["localhost"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!(
        "listen = [\"$HTTP\"]\n[[edge.site]]\nserver_name = [\"localhost\"]\n\
         [[edge.site.location]]\nmatch = \"/\"\npool = \"alone\"\n\
         [[wsgi_adapter.pool]]\nname = \"alone\"\nservers = [\"https://127.0.0.1:{}\"]\n\
         tls = {{ verify = false }}\nkeepalive = {{ connections = 1, timeout = \"300ms\" }}\n",
        listener.local_addr().unwrap().port()
    );
    weir_tests::check(Topology::OneProcess, settings.as_str(), |stack| {
        let end = thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let (tcp, _) = listener.accept().unwrap();
                let session = ServerConnection::new(certificate.server()).unwrap();
                let mut stream = StreamOwned::new(session, tcp);
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                stream.flush().unwrap();
                // An end without the alert is an error.
                stream.read(&mut [0]).map_err(|error| error.kind())
            });
            assert_eq!(stack.get("/").expect(200).text(), "ok");
            serving.join().unwrap()
        });
        assert_eq!(end, Ok(0));
    });
}

//! Configurations in the manner of real ones (tests/nginx-conf): each is run by Debian's nginx and by `weir
//! nginx`, before the same application and files, and their answers are compared.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use tempfile::TempDir;
use weir_tests::{
    AppServer, Certificate, Client, NginxCommand, Process, Response, binary, free_port, repository,
};

/// A configuration, the requests to compare, and the directives in it that Weir does not do yet.
pub(super) struct Case {
    pub(super) file: &'static str,
    /// `METHOD HOST TARGET`, with `https` before it for TLS; request fields behind it.
    pub(super) requests: &'static [&'static str],
    pub(super) missing: &'static [&'static str],
}

#[path = "nginx_conf/cases.rs"]
mod cases;
use cases::CASES;

/// Reply fields that must be the same.
const COMPARED: &[&str] = &[
    "content-type",
    "location",
    "cache-control",
    "content-encoding",
    "content-range",
    "allow",
    "www-authenticate",
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "x-powered-by",
    "x-own",
    "set-cookie",
    "retry-after",
];

/// Files and an application, by uwsgi and by HTTP.
struct Site {
    directory: TempDir,
    uwsgi: u16,
    http: u16,
    client: Arc<ClientConfig>,
    _app: AppServer,
}

impl Site {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        for (name, text) in [
            ("html/index.html", "<p>index</p>"),
            ("html/500.html", "<p>broken</p>"),
            ("html/maintenance.html", "<p>soon</p>"),
            ("html/assets/app.js", "let a;"),
            ("html/page.txt", "a page"),
            ("static/site.css", "p { }"),
            ("static/fonts/a.woff2", "font"),
            ("static/note.txt", "a note"),
            ("media/photo.jpg", "a photo"),
            ("media/two words.txt", "two words"),
        ] {
            fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            fs::write(path.join(name), text).unwrap();
        }
        fs::write(path.join("htpasswd"), "ann:{PLAIN}secret\n").unwrap();
        let names = ["localhost", "netbox.example.com", "shop.example.com", "www.shop.example.com"];
        let certificate = Certificate::write_as(path, "tls", &names);
        fs::write(path.join("mime.types"), MIME_TYPES).unwrap();
        fs::write(path.join("uwsgi_params"), UWSGI_PARAMS).unwrap();
        let (uwsgi, http) = (free_port(), free_port());
        let socket = format!("127.0.0.1:{http}");
        let arguments = ["--http-socket", &socket, "--wsgi-file", "oracle.py", "--buffer-size", "32768"];
        let app = AppServer::uwsgi(uwsgi, &arguments);
        let client = certificate.client(&["http/1.1"]);
        Self { directory, uwsgi, http, client, _app: app }
    }

    /// The configuration, whole, with its names filled in; and where it listens, plainly and by TLS.
    fn configuration(&self, file: &str, name: &str) -> (PathBuf, u16, u16) {
        let (plain, tls) = (free_port(), free_port());
        let directory = self.directory.path();
        let text = fs::read_to_string(repository().join("tests/nginx-conf").join(file)).unwrap();
        let path = directory.display().to_string();
        let filled = [
            ("LISTEN_TLS", format!("127.0.0.1:{tls}")),
            ("LISTEN", format!("127.0.0.1:{plain}")),
            ("UWSGI", format!("127.0.0.1:{}", self.uwsgi)),
            ("APP", format!("127.0.0.1:{}", self.http)),
            ("DIR", path.clone()),
            ("nobody nogroup", "root root".to_owned()),
        ];
        let text = filled.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {path}/{name}-{kind};\n"))
            .concat();
        let text = if text.contains("http {") {
            text.replace("http {", &format!("http {{\n{temporary}"))
                .replace("nginx.pid", &format!("{name}.pid"))
        } else {
            format!(
                "{user}pid {path}/{name}.pid;\nevents {{ }}\nhttp {{\ninclude mime.types;\n\
                 default_type application/octet-stream;\naccess_log off;\n{temporary}{text}\n}}\n"
            )
        };
        // Each has a cache of its own.
        let text = text.replace("/cache levels", &format!("/{name}-cache levels"));
        let file = directory.join(format!("{name}-{file}"));
        fs::write(&file, text).unwrap();
        (file, plain, tls)
    }
}

/// A server with the configuration.
struct Server {
    plain: u16,
    tls: u16,
    _process: Process,
}

impl Server {
    fn start(site: &Site, file: &str, name: &str, mut command: Command) -> Self {
        let (configuration, plain, tls) = site.configuration(file, name);
        command.arg("-p").arg(site.directory.path()).arg("-e").arg("stderr").arg("-c").arg(configuration);
        command.arg("-g").arg("daemon off;");
        let process = Process::start(name, &mut command, site.directory.path());
        process.wait_until("accepts connections", || TcpStream::connect(("127.0.0.1", plain)).is_ok());
        Self { plain, tls, _process: process }
    }

    /// The answer to a request of a table.
    fn ask(&self, site: &Site, request: &str) -> Option<Response> {
        let (secure, request) = match request.strip_prefix("https ") {
            Some(request) => (true, request),
            None => (false, request),
        };
        let (line, fields) = request.split_once(" | ").unwrap_or((request, ""));
        let mut words = line.split(' ');
        let (method, host, target) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for field in fields.split(" | ").filter(|field| !field.is_empty()) {
            text.push_str(&format!("{field}\r\n"));
        }
        let port = if secure { self.tls } else { self.plain };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut client = match secure {
            true => Client::over_tls(address, host, &site.client).unwrap(),
            false => Client::connect(address),
        };
        client.send(text + "\r\n");
        client.try_response(method)
    }
}

/// What is compared of an answer, ports left out.
fn shown(response: Option<Response>, server: &Server) -> String {
    let Some(response) = response else { return "no answer".to_owned() };
    let mut text = format!("{}\n", response.status);
    let is_own = is_own_page(&response);
    for name in COMPARED.iter().filter(|name| !is_own || !OF_OWN_PAGES.contains(name)) {
        for value in response.fields.all(name) {
            // RFC 7617 section 2.1: Weir also says that names and passwords are UTF-8.
            text.push_str(&format!("{name}: {}\n", value.trim_end_matches(", charset=\"UTF-8\"")));
        }
    }
    // The codings of two programs differ in their bytes.
    if !is_own && response.field("content-encoding").is_none() {
        // Pages begin with the number of calls that the application has had for them.
        text.push_str(response.text().trim_start_matches(|char: char| char.is_ascii_digit()));
    }
    text.replace(&server.plain.to_string(), "PORT").replace(&server.tls.to_string(), "PORT")
}

/// Fields in which the pages for errors and redirects differ, which each program has its own of.
const OF_OWN_PAGES: &[&str] = &["content-type", "cache-control", "allow"];

fn is_own_page(response: &Response) -> bool {
    let text = response.text();
    let is_empty = text.is_empty() && response.status >= 300;
    is_empty
        || text.contains("<center>nginx")
        || text.starts_with("<!doctype html>\n<html lang=\"en\"><head>")
}

/// The directives that `weir nginx -t` says are not done.
fn not_done(site: &Site, file: &str) -> Vec<String> {
    let (configuration, ..) = site.configuration(file, "test");
    let mut command = Command::new(binary("weir"));
    command.args(["nginx", "-t", "-p"]).arg(site.directory.path()).arg("-c").arg(configuration);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = text.lines().filter_map(|line| line.strip_prefix("nginx: [emerg] \""));
    let mut names: Vec<_> = said.filter_map(|line| line.split('"').next().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    assert_eq!(output.status.success(), names.is_empty(), "{file}: {text}");
    names
}

#[test]
fn answers_are_those_of_nginx() {
    let site = Site::start();
    let mut wrong = Vec::new();
    for case in CASES {
        let missing = not_done(&site, case.file);
        if missing != case.missing {
            wrong.push(format!("{}: not done {missing:?}, expected {:?}", case.file, case.missing));
        }
        if !missing.is_empty() {
            continue;
        }
        let mut weir = Command::new(binary("weir"));
        weir.arg("nginx");
        let ours = Server::start(&site, case.file, "weir", weir);
        let theirs = Server::start(&site, case.file, "nginx", NginxCommand::program());
        for request in case.requests {
            let (one, other) =
                (shown(ours.ask(&site, request), &ours), shown(theirs.ask(&site, request), &theirs));
            if one != other {
                wrong.push(format!("{}: {request}\n--- weir\n{one}\n--- nginx\n{other}", case.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_configuration_is_compared() {
    let directory = fs::read_dir(repository().join("tests/nginx-conf")).unwrap();
    let mut files: Vec<_> =
        directory.flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
    let mut compared: Vec<_> = CASES.iter().map(|case| case.file.to_owned()).collect();
    files.sort();
    compared.sort();
    assert_eq!(files, compared);
}

const MIME_TYPES: &str = "types {
    text/html html htm; text/css css; text/plain txt; application/javascript js; application/json json;
    image/jpeg jpg jpeg; image/png png; font/woff2 woff2;
}
";

const UWSGI_PARAMS: &str = "
uwsgi_param QUERY_STRING $query_string;
uwsgi_param REQUEST_METHOD $request_method;
uwsgi_param CONTENT_TYPE $content_type;
uwsgi_param CONTENT_LENGTH $content_length;
uwsgi_param REQUEST_URI $request_uri;
uwsgi_param PATH_INFO $document_uri;
uwsgi_param DOCUMENT_ROOT $document_root;
uwsgi_param SERVER_PROTOCOL $server_protocol;
uwsgi_param REQUEST_SCHEME $scheme;
uwsgi_param HTTPS $https if_not_empty;
uwsgi_param REMOTE_ADDR $remote_addr;
uwsgi_param REMOTE_PORT $remote_port;
uwsgi_param SERVER_PORT $server_port;
uwsgi_param SERVER_NAME $server_name;
";

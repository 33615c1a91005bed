//! Where a request goes, side by side with nginx: the same requests to Debian's nginx and to Weir, before the
//! same files and the same application. Status, Location and body are equal; what differs on purpose is in
//! docs/nginx-differences.md.

use std::fs;

use tempfile::TempDir;
use weir_tests::{Nginx, Response, Stack, Topology};

/// Paths with everything that rules look at: encoded characters, doubled slashes, dots, directories.
const PATHS: &[&str] = &[
    "/",
    "/index.html",
    "/a.txt",
    "/a%20b.txt",
    "/%61.txt",
    "/caf%C3%A9.txt",
    "/dir",
    "/dir/",
    "/dir/x.txt",
    "/dir//x.txt",
    "/dir/./x.txt",
    "/dir/../a.txt",
    "/bare",
    "/bare/",
    "/missing",
    "/missing/",
    "/missing/x.txt",
    "/x+y",
    "/old/one/two",
    "/old/a%20b",
    "/old/caf%C3%A9",
    "/old/",
    "/old",
    "/de/page",
    "/user/42/photo.png",
    "/loop/a",
    "/app/count/a",
    "/img/logo.png",
    "/img/big/logo.png",
    "/gone/1",
    "/status/404",
];

const QUERIES: &[&str] = &["", "?a=1", "?a=1&b=%20x"];

struct Pair {
    weir: Stack,
    nginx: Nginx,
    _files: TempDir,
}

impl Pair {
    /// `$FILES` in both texts is the directory with the files.
    fn start(nginx: &str, weir: &str) -> Self {
        let files = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = files.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in
            ["index.html", "a.txt", "a b.txt", "café.txt", "dir/index.html", "dir/x.txt", "bare/deep.txt"]
        {
            write(name, &format!("file {name}"));
        }
        write("404.html", "page 404");
        write("50x.html", "page 50x");
        write("img/logo.png", "png");
        write("other/logo.png", "other png");
        write("site/a.txt", "of the site");
        let directory = files.path().display().to_string();
        let weir = Stack::start(Topology::OneProcess, weir.replace("$FILES", &directory));
        let nginx = nginx
            .replace("$FILES", &directory)
            .replace("$APP", weir.app.address().trim_start_matches("uwsgi://"));
        Self { weir, nginx: Nginx::start(&nginx), _files: files }
    }

    /// Both give the same answer to each path with each query.
    fn agree(&self, methods: &[&str]) {
        let mut compared = 0;
        let mut differ = Vec::new();
        for path in PATHS {
            for query in QUERIES {
                for method in methods {
                    let target = format!("{path}{query}");
                    let fields = [("Content-Length", "0")];
                    let fields = if *method == "POST" { &fields[..] } else { &[] };
                    let theirs = self.nginx.connect().ask(method, &target, fields, b"");
                    let ours = self.weir.connect().ask(method, &target, fields, b"");
                    let (theirs, ours) = (shown(&theirs), shown(&ours));
                    if theirs != ours {
                        differ.push(format!("{method} {target}\n   nginx {theirs:?}\n   weir  {ours:?}"));
                    }
                    compared += 1;
                }
            }
        }
        assert!(differ.is_empty(), "{} of {compared} differ:\n{}", differ.len(), differ.join("\n"));
    }
}

/// Status, Location, and the body unless it is a page of the server's own.
fn shown(response: &Response) -> (u16, Option<String>, String) {
    let text = response.text();
    let own = text.starts_with("<html>") || text.starts_with("<!doctype html>\n<html lang");
    let location = response.field("location").map(str::to_owned);
    (response.status, location, if own { String::new() } else { text })
}

#[test]
fn returns() {
    let pair = Pair::start(
        r#"
absolute_redirect off;
location / { return 404; }
location = / { return 200 "home $uri $args"; }
location /dir { return 301 https://$host$request_uri; }
location /old/ { return 302 /new$uri$is_args$args; }
location /missing { return 410 "gone: $request_uri"; }
location /bare { return 204; }
location /user/ { return 308 /u?from=$uri; }
location /app/ { return https://example.com/$args; }
location ~ ^/(?<lang>de|en)/(.*)$ { return 200 "$lang $2 $arg_a"; }
location /status/ { return 503; }
"#,
        r#"[[edge.site]]
server_name = ["localhost"]
location = [
  { match = "/", return = 404 },
  { match = "= /", return = "200 home $uri $args" },
  { match = "/dir", return = "301 https://$host$request_uri" },
  { match = "/old/", return = "302 /new$uri$is_args$args" },
  { match = "/missing", return = "410 gone: $request_uri" },
  { match = "/bare", return = 204 },
  { match = "/user/", return = "308 /u?from=$uri" },
  { match = "/app/", return = "https://example.com/$args" },
  { match = '~ ^/(?<lang>de|en)/(.*)$', return = "200 $lang $2 $arg_a" },
  { match = "/status/", return = 503 },
]
"#,
    );
    pair.agree(&["GET", "HEAD", "POST"]);
}

const TRY_NGINX: &str = r#"
absolute_redirect off;
root $FILES;
location / { try_files $uri $uri/ @app; }
location /missing/ { try_files $uri /dir$uri /index.html?from=$uri&$args; }
location /old/ { try_files $uri =404; }
location /de/ { try_files /none /a.txt =404; }
location /img/ { alias $FILES/other/; try_files $uri /img/logo.png; }
location @app { return 200 "app $uri $is_args$args"; }
"#;

const TRY_WEIR: &str = r#"
[[edge.site]]
server_name = ["localhost"]
root = "$FILES"
location = [
  { match = "/", try_files = ["$uri", "$uri/", "@app"] },
  { match = "/missing/", try_files = ["$uri", "/dir$uri", "/index.html?from=$uri&$args"] },
  { match = "/old/", try_files = ["$uri", "=404"] },
  { match = "/de/", try_files = ["/none", "/a.txt", "=404"] },
  { match = "/img/", alias = "$FILES/other/", try_files = ["$uri", "/img/logo.png"] },
  { match = "@app", return = "200 app $uri $is_args$args" },
]
"#;

#[test]
fn try_files() {
    Pair::start(TRY_NGINX, TRY_WEIR).agree(&["GET", "HEAD"]);
}

#[test]
fn try_files_before_an_application() {
    let variables = "REQUEST_URI PATH_INFO QUERY_STRING SCRIPT_NAME";
    for variable in variables.split(' ') {
        let pair = Pair::start(
            &format!(
                r#"
root $FILES;
include /etc/nginx/uwsgi_params;
location / {{ try_files $uri @app; }}
location /dir/ {{ try_files $uri /app/count/b?body=variable:{variable}&$args; }}
location /app/ {{ uwsgi_pass $APP; }}
location @app {{ rewrite ^/(.*)$ /app/count/c?x=$1&body=variable:{variable} break; uwsgi_pass $APP; }}
"#
            ),
            &format!(
                r#"
[[edge.site]]
server_name = ["localhost"]
root = "$FILES"
location = [
  {{ match = "/", try_files = ["$uri", "@app"] }},
  {{ match = "/dir/", try_files = ["$uri", "/app/count/b?body=variable:{variable}&$args"] }},
  {{ match = "/app/", pool = "app" }},
  {{ match = "@app", pool = "app", rewrite = ['^/(.*)$ /app/count/c?x=$1&body=variable:{variable} break'] }},
]
"#
            ),
        );
        for target in ["/missing/x.txt?a=1", "/x+y", "/old/a%20b?q", "/dir/none?a=1", "/a.txt", "/dir/x.txt"]
        {
            // The body begins with the number of the call.
            let value = |response: Response| {
                let text = response.expect(200).text();
                text.split_once(' ').map_or_else(|| text.clone(), |(_, value)| value.to_owned())
            };
            let theirs = value(pair.nginx.connect().get(target));
            assert_eq!(value(pair.weir.get(target)), theirs, "{variable} {target}");
        }
    }
}

#[test]
fn error_pages() {
    let pair = Pair::start(
        r#"
absolute_redirect off;
root $FILES;
error_page 404 /404.html;
error_page 500 502 503 504 =200 /50x.html?$args;
location /status/ { return 503; }
location /gone/ { return 410; error_page 410 = @gone; }
location /old/ { return 403; error_page 403 https://login.example/; }
location /user/ { return 403; error_page 403 =307 https://login.example/$uri; }
location /de/ { return 500; error_page 500 /nowhere.html; }
location /app/ { return 404 "text of its own"; }
location /loop/ { return 404; error_page 404 =418 /loop/b; }
location @gone { return 200 "was $uri"; }
"#,
        r#"
[[edge.site]]
server_name = ["localhost"]
root = "$FILES"
error_page = { "404" = "/404.html", "500 502 503 504" = "=200 /50x.html?$args" }
location = [
  { match = "/status/", return = 503 },
  { match = "/gone/", return = 410, error_page = { "410" = "= @gone" } },
  { match = "/old/", return = 403, error_page = { "403" = "https://login.example/" } },
  { match = "/user/", return = 403, error_page = { "403" = "=307 https://login.example/$uri" } },
  { match = "/de/", return = 500, error_page = { "500" = "/nowhere.html" } },
  { match = "/app/", return = "404 text of its own" },
  { match = "/loop/", return = 404, error_page = { "404" = "=418 /loop/b" } },
  { match = "@gone", return = "200 was $uri" },
]
"#,
    );
    pair.agree(&["GET", "HEAD"]);
}

#[test]
fn rewrites() {
    let pair = Pair::start(
        r#"
absolute_redirect off;
root $FILES;
rewrite ^/user/(\d+)/(.*)$ /who?id=$1&what=$2;
rewrite ^/x(.*)$ /moved$1 permanent;
location /old/ { rewrite ^/old/(.*)$ /new/$1 last; }
location /new/ { return 200 "new $uri $args"; }
location = /who { return 200 "who $args"; }
location /de/ { rewrite ^/de/(.*)$ https://de.example/$1; }
location /missing { rewrite ^ /a.txt? break; }
location /dir { rewrite ^/dir/(.*)$ /$1; rewrite ^/x.txt$ /a.txt; rewrite ^/nothing$ /b; }
location /loop/ { rewrite ^/loop/(.*)$ /loop/x$1 last; }
location /gone/ { rewrite ^/gone/(.*)$ /away?n=$1? redirect; }
"#,
        r#"
[[edge.site]]
server_name = ["localhost"]
root = "$FILES"
rewrite = ['^/user/(\d+)/(.*)$ /who?id=$1&what=$2', '^/x(.*)$ /moved$1 permanent']
location = [
  { match = "/old/", rewrite = ['^/old/(.*)$ /new/$1 last'] },
  { match = "/new/", return = "200 new $uri $args" },
  { match = "= /who", return = "200 who $args" },
  { match = "/de/", rewrite = ['^/de/(.*)$ https://de.example/$1'] },
  { match = "/missing", rewrite = ['^ /a.txt? break'] },
  { match = "/dir", rewrite = ['^/dir/(.*)$ /$1', '^/x.txt$ /a.txt', '^/nothing$ /b'] },
  { match = "/loop/", rewrite = ['^/loop/(.*)$ /loop/x$1 last'] },
  { match = "/gone/", rewrite = ['^/gone/(.*)$ /away?n=$1? redirect'] },
]
"#,
    );
    pair.agree(&["GET", "HEAD"]);
    assert!(pair.weir.log().contains("without an end"), "a loop is logged");
}

#[test]
fn rules() {
    let pair = Pair::start(
        r#"
absolute_redirect off;
root $FILES;
if ($request_method = POST) { return 405; }
if ($arg_b) { return 302 /b; }
if ($uri ~ ^/$) { return 204; }
if (-f $document_root/dir$uri) { return 200 "also in dir"; }
set $where outside;
if ($uri ~ ^/old/(?<rest>.+)$) { set $where "old $rest"; }
location / { try_files $uri $uri/ =404; }
location /old/ { return 200 "$where $1"; }
location /missing { if (!-e $request_filename) { return 200 "nothing, $where"; } }
location /img/ { if ($uri !~* LOGO) { return 403; } if ($args = "a=1") { return 200 one; } }
"#,
        r#"
[[edge.site]]
server_name = ["localhost"]
root = "$FILES"
rule = [
  { when = { method = "POST" }, return = 405 },
  { when = { "$arg_b" = true }, return = "302 /b" },
  { when = { path = '~ ^/$' }, return = 204 },
  { when = { file = "$document_root/dir$uri" }, return = "200 also in dir" },
  { set = { where = "outside" } },
  { when = { path = '~ ^/old/(?<rest>.+)$' }, set = { where = "old $rest" } },
]
location = [
  { match = "/", try_files = ["$uri", "$uri/", "=404"] },
  { match = "/old/", return = "200 $where $1" },
  { match = "/missing", rule = [{ when = { exists = "!$request_filename" }, return = "200 nothing, $where" }] },
  { match = "/img/", rule = [
    { when = { path = "!~* LOGO" }, return = 403 },
    { when = { query = "a=1" }, return = "200 one" },
  ] },
]
"#,
    );
    pair.agree(&["GET", "HEAD", "POST"]);
}

#[test]
fn locations_within_locations_and_places_of_files() {
    let pair = Pair::start(
        r#"
absolute_redirect off;
location / { root $FILES; }
location /img/ {
    root $FILES;
    location /img/big/ { alias $FILES/other/; }
    location ~ logo { return 200 "nested $uri"; }
}
location ~ ^/user/(\d+)/(.*)\.png$ { alias $FILES/other/logo.png; }
location ~ ^/de/(.*)$ { alias $FILES/$1.txt; }
location ~ ^/old/(.*)$ { root $FILES/site; rewrite ^ /a.txt break; }
location /app/ { limit_except GET { deny all; } return 200 ok; }
"#,
        r#"
[[edge.site]]
server_name = ["localhost"]
location = [
  { match = "/", root = "$FILES" },
  { match = "/img/", root = "$FILES", location = [
    { match = "/img/big/", alias = "$FILES/other/" },
    { match = "~ logo", return = "200 nested $uri" },
  ] },
  { match = '~ ^/user/(\d+)/(.*)\.png$', alias = "$FILES/other/logo.png" },
  { match = '~ ^/de/(.*)$', alias = "$FILES/$1.txt" },
  { match = '~ ^/old/(.*)$', root = "$FILES/site", rewrite = ['^ /a.txt break'] },
  { match = "/app/", return = "200 ok" },
]
"#,
    );
    pair.agree(&["GET", "HEAD"]);
}

#[test]
fn absolute_redirects() {
    for (settings, keys) in [
        ("", "absolute_redirect = true"),
        ("port_in_redirect off;", "absolute_redirect = true\nport_in_redirect = false"),
        ("server_name_in_redirect on;", "absolute_redirect = true\nserver_name_in_redirect = true"),
        ("absolute_redirect off;", "absolute_redirect = false"),
    ] {
        let pair = Pair::start(
            &format!(
                "server_name named.example; root $FILES; {settings} location /old/ {{ return 301 /new; }}"
            ),
            &format!(
                "[[edge.site]]\nserver_name = [\"named.example\"]\nroot = \"$FILES\"\n{keys}\n\
                 location = [{{ match = \"/old/\", return = \"301 /new\" }}]\n"
            ),
        );
        let ports = [pair.nginx.port(), pair.weir.http().port()];
        for target in ["/dir", "/old/x"] {
            let [theirs, ours] = [pair.nginx.connect(), pair.weir.connect()].map(|mut client| {
                client.send(format!("GET {target} HTTP/1.1\r\nHost: Asked.example\r\n\r\n"));
                let response = client.response("GET").expect(301);
                let location = response.field("location").unwrap().to_owned();
                ports.iter().fold(location, |text, port| text.replace(&format!(":{port}"), ":PORT"))
            });
            assert_eq!(ours, theirs, "{keys} {target}");
        }
    }
}

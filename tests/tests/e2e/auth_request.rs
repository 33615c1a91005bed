//! `auth_request`: a page of the site decides who may have an answer, as in nginx.

use std::fs;

use weir_tests::{Client, Nginx, Stack, both_topologies};

/// The application's page says what the query of `/check` wants: the client chooses it by a cookie.
const WEIR: &str = r#"
log_formats = { uri = "$uri $status $who" }
logs = [{ to = "$DIR/edge.log", format = "uri" }]
[[edge.site]]
server_name = ["localhost"]
root = "$DIR"
[[edge.site.location]]
match = "= /check"
pool = "app"
internal = true
rewrite = ["^ /count/check?$cookie_want break"]
[[edge.site.location]]
match = "/files/"
auth_request = { uri = "/check", set = [["who", "$upstream_http_x_user"]], cookies = false }
reply_fields = [{ add = "X-Who", value = "$who", always = true }]
error_page = { "403" = "/403.txt" }
[[edge.site.location]]
match = "/pages/"
pool = "app"
auth_request = { uri = "/check", fields = ["X-User"] }
cache = { ttl = "1m" }
[[edge.site.location]]
match = "/either/"
satisfy = "any"
access = ["allow 127.0.0.2", "deny all"]
auth_request = "/check"
alias = "$DIR/files/"
[[edge.site.location]]
match = "/password/"
satisfy = "any"
auth_basic = { realm = "ours", file = "$DIR/users", checked = false }
auth_request = "/check"
alias = "$DIR/files/"
[[edge.site.location]]
match = "/login/"
auth_request = { uri = "/check", set = [["to", "$upstream_http_location"], ["how", "$upstream_status"]], cookies = false }
error_page = { "401" = "=302 $to?s=$how" }
alias = "$DIR/files/"
[[edge.site.location]]
match = "/both/"
access = ["deny 127.0.0.2"]
auth_request = "/check"
alias = "$DIR/files/"
[[edge.site.location]]
match = "/reading/"
limit_except = ["GET"]
auth_basic = { realm = "ours", file = "$DIR/users", checked = false }
auth_request = "/check"
alias = "$DIR/files/"
[[edge.site.location]]
match = "= /kept-check"
pool = "app"
internal = true
rewrite = ["^ /count/kept? break"]
cache = { ttl = "1m" }
[[edge.site.location]]
match = "/kept/"
auth_request = "/kept-check"
alias = "$DIR/files/"
[[edge.site.location]]
match = "= /by-method"
internal = true
rule = [{ when = { method = "POST" }, return = 403 }, { when = { "$request" = "~ ^HEAD " }, return = 403 }]
return = 204
[[edge.site.location]]
match = "/by-method/"
auth_request = "/by-method"
alias = "$DIR/files/"
[[edge.site.location]]
match = "/pages/open/"
pool = "app"
auth_request = false
"#;

fn nginx(stack: &Stack) -> Nginx {
    let app = stack.app.address().replace("uwsgi://", "");
    let app = app.replace("uwsgi+unix://", "unix:");
    Nginx::start(&format!(
        "root {dir};
         location = /check {{ internal; rewrite ^ /count/check?$cookie_want break;
           include /etc/nginx/uwsgi_params; uwsgi_param QUERY_STRING $args; uwsgi_pass {app}; }}
         location /files/ {{ auth_request /check; auth_request_set $who $upstream_http_x_user;
           add_header X-Who $who always; error_page 403 /403.txt; }}
         location /either/ {{ satisfy any; allow 127.0.0.2; deny all; auth_request /check; alias {dir}/files/; }}
         location /password/ {{ satisfy any; auth_basic ours; auth_basic_user_file {dir}/users;
           auth_request /check; alias {dir}/files/; }}
         location /login/ {{ auth_request /check; auth_request_set $to $upstream_http_location;
           auth_request_set $how $upstream_status; error_page 401 =302 $to?s=$how; alias {dir}/files/; }}
         location /both/ {{ deny 127.0.0.2; auth_request /check; alias {dir}/files/; }}
         location /reading/ {{ auth_basic ours; auth_basic_user_file {dir}/users; auth_request /check;
           alias {dir}/files/; limit_except GET {{ deny all; }} }}
         location = /by-method {{ internal; if ($request_method = POST) {{ return 403; }}
           if ($request ~ \"^HEAD \") {{ return 403; }} return 204; }}
         location /by-method/ {{ auth_request /by-method; alias {dir}/files/; }}",
        dir = stack.directory().display()
    ))
}

const WANTED: &[&str] = &[
    "",
    "h=X-User:ann",
    "status=204&h=X-User:bob",
    "status=401&h=WWW-Authenticate:Bearer",
    "status=401",
    "status=401&h=Location:/login",
    "status=403",
    "status=403&h=X-User:eve",
    "status=404",
    "status=302&h=Location:/login",
    "status=500",
];

both_topologies!(the_page_decides_as_in_nginx, WEIR);
fn the_page_decides_as_in_nginx(stack: &Stack) {
    fs::create_dir_all(stack.directory().join("files")).unwrap();
    fs::write(stack.directory().join("files/a.txt"), "a").unwrap();
    fs::write(stack.directory().join("403.txt"), "no").unwrap();
    fs::write(stack.directory().join("users"), "ann:{PLAIN}secret\n").unwrap();
    let nginx = nginx(stack);
    for path in [
        "/files/a.txt",
        "/files/none",
        "/either/a.txt",
        "/password/a.txt",
        "/login/a.txt",
        "/both/a.txt",
        "/check",
    ] {
        for wanted in WANTED {
            for source in ["127.0.0.1", "127.0.0.2"] {
                let ask = |address| {
                    let mut client = Client::connect_from(source.parse().unwrap(), address);
                    client.ask("GET", path, &[("Cookie", &format!("want={wanted}"))], b"")
                };
                let (ours, theirs) = (ask(stack.http()), ask(([127, 0, 0, 1], nginx.port()).into()));
                let seen = |answer: &weir_tests::Response| {
                    let page = (answer.status == 200 || path.starts_with("/files") && answer.status == 403)
                        .then(|| answer.text());
                    let field = |name: &str| answer.field(name).map(str::to_owned);
                    // Ours say in which letters the password is.
                    let scheme = |challenge: &&str| challenge.split(' ').next().unwrap().to_owned();
                    let mut challenges: Vec<String> =
                        answer.fields.all("www-authenticate").iter().map(scheme).collect();
                    challenges.sort();
                    // nginx leaves that of the password in its 500, too.
                    challenges.retain(|_| answer.status == 401);
                    (
                        answer.status,
                        page,
                        field("x-who").filter(|who| !who.is_empty()),
                        challenges,
                        field("location").map(|to| to.rsplit('/').next().unwrap().to_owned()),
                    )
                };
                assert_eq!(seen(&ours), seen(&theirs), "{path} {wanted} from {source}");
            }
        }
    }
}

both_topologies!(the_page_may_look_at_the_method, WEIR);
fn the_page_may_look_at_the_method(stack: &Stack) {
    fs::create_dir_all(stack.directory().join("files")).unwrap();
    fs::write(stack.directory().join("files/a.txt"), "a").unwrap();
    let nginx = nginx(stack);
    for (method, expected) in [("GET", 200), ("HEAD", 403), ("POST", 403), ("PUT", 405)] {
        for mut client in [stack.connect(), nginx.connect()] {
            client.ask(method, "/by-method/a.txt", &[("Content-Length", "0")], b"").expect(expected);
        }
    }
}

both_topologies!(nobody_is_asked_about_a_method_that_is_refused, WEIR);
fn nobody_is_asked_about_a_method_that_is_refused(stack: &Stack) {
    fs::create_dir_all(stack.directory().join("files")).unwrap();
    fs::write(stack.directory().join("files/a.txt"), "a").unwrap();
    fs::write(stack.directory().join("users"), "ann:{PLAIN}secret\n").unwrap();
    let nginx = nginx(stack);
    let password = ("Authorization", "Basic YW5uOnNlY3JldA==");
    for (method, want, fields, expected) in [
        ("GET", "", &[][..], 401),
        ("GET", "status=401", &[password], 401),
        ("GET", "", &[password], 200),
        ("HEAD", "", &[password], 200),
        ("POST", "status=401", &[], 403),
        ("POST", "status=401", &[password], 403),
        ("DELETE", "", &[password], 403),
    ] {
        let (cookie, mut asked) = (format!("want={want}"), Vec::new());
        for mut client in [stack.connect(), nginx.connect()] {
            let before = stack.oracle.calls("check");
            let fields = [&[("Cookie", &*cookie)], fields].concat();
            client.ask(method, "/reading/a.txt", &fields, b"").expect(expected);
            asked.push(stack.oracle.calls("check") - before);
        }
        assert_eq!(asked[0], asked[1], "{method} {want}");
    }
}

both_topologies!(what_the_page_says_goes_to_the_application, WEIR);
fn what_the_page_says_goes_to_the_application(stack: &Stack) {
    let mut client = stack.connect();
    let mut ask = |method: &str, target: &str, want: &str| {
        let body: &[u8] = if method == "POST" { b"body" } else { b"" };
        let (cookie, length) = (format!("want={want}"), body.len().to_string());
        let fields = [("Cookie", &*cookie), ("X-User", "forged"), ("Content-Length", &*length)];
        client.ask(method, target, &fields, body)
    };
    let ann = ask("GET", "/pages/echo-environ?x=1", "h=X-User:ann&h=Set-Cookie:s=2").expect(200);
    assert_eq!(ann.json()["HTTP_X_USER"], "ann");
    assert_eq!(ann.field("set-cookie"), Some("s=2"));
    let nobody = ask("GET", "/pages/echo-environ", "").expect(200).json();
    assert_eq!(nobody.get("HTTP_X_USER"), None);
    assert_eq!(ask("GET", "/pages/open/echo-environ", "").expect(200).json()["HTTP_X_USER"], "forged");
    // The body is not for the page that decides.
    assert_eq!(ask("POST", "/pages/upload", "h=X-User:ann").expect(200).json()["length"], 4);
    assert_eq!(ask("POST", "/pages/upload", "status=403").status, 403);
    let last = stack.oracle.calls("check") as usize - 1;
    assert_eq!(stack.oracle.call("check", last)["method"], "GET");
    assert_eq!(stack.oracle.field("check", last, "HTTP_X_USER"), None);
    assert_eq!(
        stack.oracle.field("check", 0, "HTTP_COOKIE").as_deref(),
        Some("want=h=X-User:ann&h=Set-Cookie:s=2")
    );
}

both_topologies!(a_checked_page_is_shared_only_if_the_check_says_so, WEIR);
fn a_checked_page_is_shared_only_if_the_check_says_so(stack: &Stack) {
    let mut client = stack.connect();
    // Everybody has this page's answer to the check, without a cookie.
    stack.oracle.set("check", "status=200");
    let private = client.get("/pages/count/a").expect(200);
    assert!(private.cache_status().contains("detail=auth-request"), "{}", private.cache_status());
    client.get("/pages/count/a").expect(200);
    assert_eq!(stack.oracle.calls("a"), 2);
    stack.oracle.set("check", "status=200&h=Cache-Control:public");
    for _ in 0..3 {
        client.get("/pages/count/b").expect(200);
    }
    assert_eq!(stack.oracle.calls("b"), 1);
    // A stored page is for those who are let in.
    stack.oracle.set("check", "status=403");
    assert_eq!(client.get("/pages/count/b").status, 403);
}

both_topologies!(the_check_of_one_visitor_is_never_anothers, WEIR);
fn the_check_of_one_visitor_is_never_anothers(stack: &Stack) {
    fs::create_dir_all(stack.directory().join("files")).unwrap();
    fs::write(stack.directory().join("files/a.txt"), "a").unwrap();
    let ask =
        |source: &str| Client::connect_from(source.parse().unwrap(), stack.http()).get("/kept/a.txt").status;
    // A page that refuses some addresses: nothing of these requests but the address tells them apart.
    assert_eq!(ask("127.0.0.1"), 200);
    assert_eq!(ask("127.0.0.1"), 200);
    stack.oracle.set("kept", "status=403");
    assert_eq!(ask("127.0.0.2"), 403);
    assert_eq!(ask("127.0.0.1"), 403);
    assert_eq!(stack.oracle.calls("kept"), 4);
}

both_topologies!(the_log_names_the_place_of_the_request, WEIR);
fn the_log_names_the_place_of_the_request(stack: &Stack) {
    fs::create_dir_all(stack.directory().join("files")).unwrap();
    fs::write(stack.directory().join("files/a.txt"), "a").unwrap();
    let mut client = stack.connect();
    client.ask("GET", "/files/a.txt", &[("Cookie", "want=h=X-User:ann")], b"").expect(200);
    client.ask("GET", "/files/a.txt", &[("Cookie", "want=status=401")], b"").expect(401);
    let file = stack.directory().join("edge.log");
    let text = weir_tests::until("two lines", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() == 2).then_some(text)
    });
    // As in nginx, what a refusal does not say is an empty text.
    assert_eq!(text, "/files/a.txt 200 ann\n/files/a.txt 401 \n");
}

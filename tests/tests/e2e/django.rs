//! The demo site, a real Django on real uWSGI, as its visitors see it through Weir.

use weir_tests::{App, Client, Demo, Response, Setup, Stack, both_topologies};

/// deploy/demo/weir.toml with lifetimes that outlast a test.
const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/static/"
alias = "$STATIC/"
expires = "max"
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
cookies = { personal = ["sessionid", "messages"], split = ["django_language"], ignore = ["csrftoken"] }
ignore_query = ["utm_*", "fbclid", "gclid"]
[[edge.site.location]]
match = "/admin/"
pool = "app"
"#;

fn demo() -> Setup {
    Setup::new(SETTINGS, App::Demo)
}

/// A visitor with a browser's memory for cookies.
struct Visitor {
    client: Client,
    cookies: Vec<(String, String)>,
}

impl Visitor {
    fn new(stack: &Stack) -> Self {
        Self { client: stack.connect(), cookies: Vec::new() }
    }

    fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, "")
    }

    /// Sends a form with the token of the page it is on.
    fn post(&mut self, target: &str, form: &str) -> Response {
        let page = self.get(target).expect(200).text();
        let token =
            page.split("csrfmiddlewaretoken\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.unwrap_or_else(|| panic!("no form on {target}: {page}"));
        self.ask("POST", target, &format!("csrfmiddlewaretoken={token}&{form}"))
    }

    fn ask(&mut self, method: &str, target: &str, body: &str) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (cookies, length) = (cookies.join("; "), body.len().to_string());
        let mut fields = vec![];
        if !cookies.is_empty() {
            fields.push(("Cookie", cookies.as_str()));
        }
        if method == "POST" {
            fields.push(("Content-Length", &length));
            fields.push(("Content-Type", "application/x-www-form-urlencoded"));
        }
        let response = self.client.ask(method, target, &fields, body.as_bytes());
        for line in response.fields.all("set-cookie") {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        response
    }
}

/// wsgiref's validator found nothing, and no request failed.
fn silent(stack: &Stack) {
    let log = stack.app.log();
    for word in ["Traceback", "AssertionError", "WSGIWarning"] {
        assert!(!log.contains(word), "{log}");
    }
}

both_topologies!(anonymous_visitors_share_the_pages, demo());
fn anonymous_visitors_share_the_pages(stack: &Stack) {
    let front = stack.get("/").expect(200);
    assert!(front.text().contains("The Millrace"));
    for cookies in ["_ga=GA1.1.2; _gid=3", "csrftoken=abc", "_fbp=x; csrftoken=def"] {
        let page = stack.get_with("/?utm_source=mail&fbclid=1", &[("Cookie", cookies)]);
        // The query's end is left: "/?" is another page than "/" to Django, but one for all.
        assert!(page.status == 200 && page.fields.all("set-cookie").is_empty(), "{cookies}");
        // Just asked for: a page is kept for a second, which may have gone by.
        let front = stack.get("/").expect(200);
        let page = stack.get_with("/", &[("Cookie", cookies)]).expect(200).expect_cache(&["hit"]);
        assert_eq!(page.body, front.body, "{cookies}");
    }
    let count = |page: Response| {
        page.text().split("<output id=\"count\">").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let first = count(stack.get("/counter/").expect(200));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(count(stack.get("/counter/").expect(200)), first));
        }
    });
    silent(stack);
}

both_topologies!(campaigns_and_measuring_leave_the_hit_rate_alone, demo());
fn campaigns_and_measuring_leave_the_hit_rate_alone(stack: &Stack) {
    let calls = || stack.admin("/api/v1/status").expect(200).json()["application"]["calls"].as_u64().unwrap();
    let (before, visits, pages) = (calls(), 60, ["/", "/counter/", "/letters/"]);
    let mut hits = 0;
    for n in 0..visits {
        // Everybody has another identity for each of those who measure, and came by another link.
        let cookies = format!(
            "_ga=GA1.1.{n}.9; _gid=GA1.2.{n}; _ga_X{n}=GS1.1.{n}; _fbp=fb.1.{n}; _hjSessionUser_{n}=a; \
             OptanonConsent=groups{n}; CookieConsent=yes; csrftoken=token{n}"
        );
        let target = format!("{}?utm_source=mail{n}&utm_campaign=c{n}&fbclid=f{n}&gclid=g{n}", pages[n % 2]);
        let page = stack.get_with(&target, &[("Cookie", &cookies)]).expect(200);
        assert!(page.fields.all("set-cookie").is_empty(), "{target}");
        hits += usize::from(page.cache_status().contains("; hit"));
    }
    assert_eq!((hits, calls() - before), (visits - 2, 2));
    // A page with a form is shared too: its token is a hole.
    stack.get_with(pages[2], &[("Cookie", "_ga=1")]).expect(200).expect_cache(&["stored"]);
    stack.get_with(pages[2], &[("Cookie", "_ga=2")]).expect(200).expect_cache(&["hit"]);
    silent(stack);
}

both_topologies!(visitors_who_are_signed_in_never_see_each_other, demo());
fn visitors_who_are_signed_in_never_see_each_other(stack: &Stack) {
    Demo::add_user(&stack.app, "berta");
    let signed_in = |name: &str| {
        let mut visitor = Visitor::new(stack);
        visitor.post("/login/", &format!("username={name}&password={name}&next=/")).expect(302);
        visitor
    };
    stack.get("/").expect(200);
    let (mut demo, mut berta) = (signed_in("demo"), signed_in("berta"));
    for page in ["/", "/counter/", "/section/town/", "/search/?q=mill"] {
        for (visitor, name, other) in [(&mut demo, "demo", "berta"), (&mut berta, "berta", "demo")] {
            let text = visitor.get(page).text();
            assert!(text.contains(&format!("<strong>{name}</strong>")), "{page}: {text}");
            assert!(!text.contains(&format!("<strong>{other}</strong>")), "{page}: {name} sees {other}");
        }
        assert!(!stack.get(page).text().contains("Signed in as"), "{page}: anonymous sees a name");
    }
    let desk = demo.get("/admin/").expect(200);
    assert!(desk.text().to_lowercase().contains("demo"));
    let out = stack.get("/admin/");
    assert_eq!(out.status, 302, "the desk is for those who are signed in");
    silent(stack);
}

both_topologies!(a_form_works_and_its_page_is_shared, demo());
fn a_form_works_and_its_page_is_shared(stack: &Stack) {
    let token = |page: &Response| {
        page.text()
            .split("csrfmiddlewaretoken\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let (first, second) = (stack.get("/letters/").expect(200), stack.get("/letters/").expect(200));
    assert_ne!(token(&first), token(&second));
    second.expect_cache(&["hit"]);
    assert!(first.field("set-cookie").is_some_and(|cookie| cookie.starts_with("csrftoken=")));
    let mut reader = Visitor::new(stack);
    reader.post("/letters/", "name=Ada&message=The+weir+holds.").expect(302);
    let page = reader.get("/letters/").expect(200).text();
    assert!(page.contains("The weir holds.") && page.contains("Thank you"), "{page}");
    // The thanks are the reader's alone.
    let page = stack.get("/letters/").expect(200).text();
    assert!(page.contains("The weir holds.") && !page.contains("Thank you"));
    // Django still refuses what has no token.
    let forged = stack.ask(
        "POST",
        "/letters/",
        &[("Content-Length", "17"), ("Content-Type", "application/x-www-form-urlencoded")],
        b"name=E&message=no",
    );
    assert_eq!(forged.status, 403);
    silent(stack);
}

both_topologies!(a_language_is_a_variant_for_all_who_chose_it, demo());
fn a_language_is_a_variant_for_all_who_chose_it(stack: &Stack) {
    let mut reader = Visitor::new(stack);
    reader.get("/language/de/?next=/counter/").expect(302);
    let german = reader.get("/counter/").expect(200);
    assert!(german.text().contains("<html lang=\"de\">"));
    let english = stack.get("/counter/").expect(200);
    assert!(english.text().contains("<html lang=\"en\">"));
    let another = stack.get_with("/counter/", &[("Cookie", "django_language=de; _ga=1")]);
    assert_eq!(another.expect(200).expect_cache(&["hit"]).body, german.body);
    // Django names Accept-Language in Vary, so it selects too.
    let page = stack.get_with("/search/", &[("Accept-Language", "de-DE,de;q=0.9")]).expect(200);
    assert!(page.text().contains("<html lang=\"de\">"));
    assert!(stack.get("/search/").expect(200).text().contains("<html lang=\"en\">"));
    silent(stack);
}

both_topologies!(static_files_are_kept_for_ever, demo());
fn static_files_are_kept_for_ever(stack: &Stack) {
    let page = stack.get("/").expect(200).text();
    let href = page.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let style = stack.get(href).expect(200);
    assert_eq!(style.field("cache-control"), Some("max-age=315360000"));
    assert!(
        style.field("content-type").is_some_and(|kind| kind.starts_with("text/css"))
            && !style.body.is_empty()
    );
    let etag = style.field("etag").unwrap();
    stack.get_with(href, &[("If-None-Match", etag)]).expect(304);
    stack.get("/static/none.css").expect(404);
}

both_topologies!(odd_requests_are_djangos_to_answer, demo());
fn odd_requests_are_djangos_to_answer(stack: &Stack) {
    stack.get("/articles/none/").expect(404);
    assert_eq!(stack.get("/counter").expect(301).field("location"), Some("/counter/"));
    let mut client = stack.connect();
    client.send("GET /counter/ HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    client.response("GET").expect(400);
    // Not UTF-8, very long, nothing: no error of ours, and no traceback.
    for target in ["/articles/%FF/", "/search/?q=%FF%FE", "/search/?q=", "/?page=99999999999"] {
        let status = stack.get(target).status;
        assert!(status < 500, "{target}: {status}");
    }
    let head = stack.ask("HEAD", "/counter/", &[], b"").expect(200);
    assert!(head.field("content-length").is_some());
    stack.ask("PUT", "/counter/", &[("Content-Length", "2")], b"hi");
    silent(stack);
}

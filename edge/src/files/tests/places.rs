//! Which file a path leads to, and which it must not.

use super::*;
use crate::settings::files::Symlinks;

/// Targets, and what they lead to. But for dotfiles, backups, pipes and links that lead out, the answers are
/// nginx's.
const TARGETS: &[(&str, &str)] = &[
    ("/a.css", "css"),
    ("/dir/", "hi"),
    ("/dir/index.html", "hi"),
    ("/second/", "second"),
    ("/odd/", "odd"),
    ("/with%20space", "s"),
    ("/caf%c3%a9", "c"),
    ("/back%5cslash", "b"),
    ("/new%0aline", "n"),
    ("/%252e%252e", "p"),
    ("/.well-known/acme-challenge/token", "token"),
    ("/dir/../a.css", "css"),
    ("/dir/%2e%2e/a.css", "css"),
    ("//a.css", "css"),
    ("/dir", "to /dir/"),
    ("/dir?q=1", "to /dir/?q=1"),
    ("/empty", "to /empty/"),
    ("/empty/", "forbidden"),
    ("/", "forbidden"),
    ("/none", "not found"),
    ("/none/", "not found"),
    ("/a.css/", "not found"),
    ("/a.css/x", "not found"),
    ("/A.CSS", "not found"),
    ("/....", "not found"),
    ("/a.css~", "not found"),
    ("/settings.py.bak", "not found"),
    ("/settings.py.orig", "not found"),
    ("/a.swp", "not found"),
    ("/.env", "not found"),
    ("/.git", "not found"),
    ("/.git/config", "not found"),
    ("/%2egit/config", "not found"),
    ("/dir/.htpasswd", "not found"),
    ("/dir/.well-known/token", "not found"),
    ("/..%5coutside.txt", "not found"),
    ("/%c0%ae%c0%ae/outside.txt", "not found"),
];

fn site() -> Fixture {
    let site = Fixture::new();
    site.write("a.css", "css")
        .write("dir/index.html", "hi")
        .write("dir/a.txt", "a")
        .write("second/index.txt", "second")
        .write("odd/index.html/x", "x")
        .write("odd/index.txt", "odd")
        .write("with space", "s")
        .write("caf\u{e9}", "c")
        .write("back\\slash", "b")
        .write("new\nline", "n")
        .write("%2e%2e", "p")
        .write("....", "dots")
        .write("a.css~", "old")
        .write("settings.py.bak", "old")
        .write("settings.py.orig", "old")
        .write("a.swp", "old")
        .write(".env", "secret")
        .write(".git/config", "secret")
        .write("dir/.htpasswd", "secret")
        .write(".well-known/acme-challenge/token", "token")
        .write("dir/.well-known/token", "token")
        .write("../outside.txt", "outside")
        .write("../root-secret/x", "outside");
    fs::create_dir(site.path("empty")).unwrap();
    site
}

#[tokio::test]
async fn paths() {
    let site = site();
    let long = format!("/{}", "a".repeat(300));
    let very_long = format!("/{}", "a/".repeat(10_000));
    let too_long = [(long.as_str(), "not found"), (very_long.as_str(), "not found")];
    for (target, expected) in TARGETS.iter().copied().chain(too_long) {
        let answer = site.get(target).await;
        let found = match &answer {
            FileAnswer::Reply(_) => text(answer).await.unwrap(),
            _ => kind(&answer),
        };
        assert_eq!(found, expected, "{:.80}", target);
    }
}

#[tokio::test]
async fn methods() {
    let site = Fixture::new();
    site.write("a.css", "css");
    // What a POST gets: `a_post_learns_whether_there_is_a_file`.
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "X"] {
        for target in ["/a.css", "/none"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(kind(&site.ask(method, target, &[], NOW).await), "method");
        }
    }
    for _cold_and_warm in 0..2 {
        let head = site.ask(Method::HEAD, "/a.css", &[], NOW).await;
        assert_eq!(header(&head, CONTENT_LENGTH), Some("3"));
        let FileAnswer::Reply(reply) = head else { panic!("{head:?}") };
        assert!(matches!(reply.body, FileBody::Empty), "{reply:?}");
    }
}

/// A location's `match` and `alias` (`@` is the directory), a path, and the answer.
#[tokio::test]
async fn aliases() {
    let cases = [
        ("/static/", "@", "/static/a.css", "css"),
        ("/static/", "@/", "/static/a.css", "css"),
        ("^~ /static/", "@", "/static/sub/b.css", "b"),
        ("/static", "@", "/static/a.css", "css"),
        ("/static", "@", "/static", "to /static/"),
        ("/static", "@/sub/", "/staticb.css", "b"),
        ("/static/", "@", "/static/", "forbidden"),
        ("/static/", "@", "/static/sub", "to /static/sub/"),
        ("= /one", "@/a.css", "/one", "css"),
        ("= /one", "@/none.css", "/one", "not found"),
        ("/one/", "@/a.css", "/one/x", "not found"),
        ("/one/", "@/a.css", "/one/", "not found"),
        // nginx serves these: the location lacks the slash that would end the directory's name.
        ("/static", "@/", "/static../outside.txt", "not found"),
        ("/static", "@", "/static-secret/x", "not found"),
        ("/static", "@/", "/static..", "not found"),
        ("/static/", "@", "/static/.env", "not found"),
        ("/.well-known/", "@", "/.well-known/a.css", "css"),
    ];
    for (pattern, alias, target, expected) in cases {
        let place = |root: &Path| {
            let alias = alias.replace('@', root.to_str().unwrap());
            let literal_length = Pattern::parse(pattern).unwrap().literal_length().unwrap();
            FilePlace::Alias { to: alias.into(), literal_length }
        };
        let site = Fixture::with(place, Symlinks::Inside);
        site.write("a.css", "css")
            .write("sub/b.css", "b")
            .write(".env", "secret")
            .write("../outside.txt", "outside")
            .write("../root-secret/x", "outside");
        let answer = site.get(target).await;
        let found = match &answer {
            FileAnswer::Reply(_) => text(answer).await.unwrap(),
            _ => kind(&answer),
        };
        assert_eq!(found, expected, "{target} in {pattern} with {alias}");
    }
}

#[tokio::test]
async fn links() {
    let links = [
        ("file", "a.txt", "a", "a"),
        ("absolute", "@/root/a.txt", "a", "a"),
        ("by-way-of-outside", "../root/a.txt", "a", "a"),
        ("up", "../outside.txt", "forbidden", "outside"),
        ("up-absolute", "@/outside.txt", "forbidden", "outside"),
        ("sibling", "../root-secret/x", "forbidden", "x"),
        ("chain", "up", "forbidden", "outside"),
        ("loop", "loop", "forbidden", "forbidden"),
        ("dangling", "none", "not found", "not found"),
        ("system", "/proc/self/environ", "forbidden", ""),
        ("null", "/dev/null", "forbidden", "forbidden"),
    ];
    for symlinks in [Symlinks::Inside, Symlinks::Follow] {
        let site = Fixture::with(|root| FilePlace::Root(root.to_owned()), symlinks);
        site.write("a.txt", "a")
            .write("dir/b.txt", "b")
            .write("../outside.txt", "outside")
            .write("../root-secret/x", "x")
            .write("../root-secret/index.html", "index")
            .write("page", "page")
            .write("coded/app.js", "plain");
        let outside = site.directory.path().to_str().unwrap().to_owned();
        for (name, to, ..) in links {
            symlink(to.replace('@', &outside), site.path(name)).unwrap();
        }
        symlink("dir", site.path("inner")).unwrap();
        symlink("../root-secret", site.path("outer")).unwrap();
        symlink("../../root-secret/index.html", site.path("dir/index.html")).unwrap();
        symlink("../../outside.txt", site.path("coded/app.js.br")).unwrap();
        let inside = symlinks == Symlinks::Inside;
        let directories = [
            ("inner/b.txt", "", "b", "b"),
            ("outer/x", "", "forbidden", "x"),
            ("outer", "", "forbidden", "to /outer/"),
            ("outer/", "", "forbidden", "index"),
            ("dir/", "", "forbidden", "index"),
        ];
        for (name, _, when_inside, when_followed) in links.iter().chain(&directories) {
            let answer = site.get(&format!("/{name}")).await;
            let found = match &answer {
                FileAnswer::Reply(_) => text(answer).await.unwrap(),
                _ => kind(&answer),
            };
            assert_eq!(found, if inside { *when_inside } else { *when_followed }, "{name}, {symlinks:?}");
        }
        let coded = site.ask(Method::GET, "/coded/app.js", &[(ACCEPT_ENCODING, "br")], NOW).await;
        assert_eq!(text(coded).await.unwrap(), if inside { "plain" } else { "outside" });
    }
}

/// As a release is put in place by swapping one link.
#[tokio::test]
async fn the_root_may_be_a_link_that_moves() {
    let site = Fixture::with(|root| FilePlace::Root(root.join("current")), Symlinks::Inside);
    site.write("one/a.txt", "first").write("two/a.txt", "second");
    symlink("one", site.path("current")).unwrap();
    assert_eq!(site.text("/a.txt").await.as_deref(), Some("first"));
    fs::remove_file(site.path("current")).unwrap();
    symlink("two", site.path("current")).unwrap();
    let later = site.ask(Method::GET, "/a.txt", &[], NOW + 1).await;
    assert_eq!(text(later).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn what_is_no_file_is_refused_at_once() {
    let site = Fixture::with(|root| FilePlace::Root(root.to_owned()), Symlinks::Follow);
    let pipe = std::process::Command::new("mkfifo").arg(site.path("pipe")).status().unwrap();
    assert!(pipe.success());
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    symlink("/dev/zero", site.path("zero")).unwrap();
    symlink("/dev/tty", site.path("terminal")).unwrap();
    for target in ["/pipe", "/socket", "/zero", "/terminal"] {
        let answer = tokio::time::timeout(Duration::from_secs(5), site.get(target)).await.unwrap();
        assert_eq!(kind(&answer), "forbidden", "{target}");
    }
}

#[tokio::test]
async fn a_root_that_is_not_there() {
    let site = Fixture::with(|root| FilePlace::Root(root.join("none")), Symlinks::Inside);
    assert_eq!(kind(&site.get("/").await), "not found");
    assert_eq!(kind(&site.get("/a").await), "not found");
}

#[test]
fn mistakes_in_settings() {
    let root = || FilePlace::Root("/srv".into());
    let cases = [
        (FilePlace::Root("".into()), vec![], "directory"),
        (FilePlace::Root("/a\0b".into()), vec![], "directory"),
        (root(), vec![""], "index"),
        (root(), vec!["/index.html"], "index"),
        (root(), vec!["../index.html"], "index"),
        (root(), vec![".htaccess"], "index"),
        (root(), vec!["index.html", "a/b"], "index"),
    ];
    for (place, index, part) in cases {
        let index: Vec<String> = index.into_iter().map(str::to_owned).collect();
        let mistake = FileSettings::new(place, index, Symlinks::Inside, false).unwrap_err();
        assert!(mistake.contains(part), "{mistake}");
    }
}

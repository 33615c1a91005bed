//! `secure_link`: the same links are right as in nginx.

use std::fs;

use weir_tests::{Nginx, Stack, both_topologies};

const WEIR: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/dl/"
root = "$DIR"
secure_link = { link = "$arg_md5,$arg_expires", md5 = "$secure_link_expires$uri$remote_addr secret" }
[[edge.site.location]]
match = "/plain/"
alias = "$DIR/dl/"
secure_link = { link = "$arg_md5", md5 = "$secure_link_expires/dl/a.txt$remote_addr secret", refuse = false }
[[edge.site.location.rule]]
when = { "$secure_link" = "" }
return = "404 [$secure_link]"
[[edge.site.location]]
match = "/pages/"
pool = "app"
secure_link = { link = "$arg_md5,$arg_expires", md5 = "$secure_link_expires/dl/a.txt$remote_addr secret" }
[edge.site.location.cache]
ttl = "1m"
ignore_query = ["md5", "expires"]
"#;

/// The hashes of "TIME/dl/a.txt127.0.0.1 secret" and the like.
const RIGHT: &str = "nPMXOgzE1D1oyWNZYGgf2w";
const LONG_AGO: &str = "gEN1QG9foxKn-awLOLyFQg";
const WITHOUT_TIME: &str = "0ZWY5H9RFGtHyfEWw9MiyQ";
const WITH_SPACE: &str = "GxjLVtrtJpGvY0e4xnSYNg";

both_topologies!(links_are_right_as_in_nginx, WEIR);
fn links_are_right_as_in_nginx(stack: &Stack) {
    let directory = stack.directory().join("dl");
    fs::create_dir_all(&directory).unwrap();
    for name in ["a.txt", "b c.txt"] {
        fs::write(directory.join(name), name).unwrap();
    }
    let nginx = Nginx::start(&format!(
        "root {dir};
         location /dl/ {{ secure_link $arg_md5,$arg_expires;
           secure_link_md5 \"$secure_link_expires$uri$remote_addr secret\";
           if ($secure_link = \"\") {{ return 403; }} if ($secure_link = \"0\") {{ return 410; }} }}
         location /plain/ {{ alias {dir}/dl/; secure_link $arg_md5;
           secure_link_md5 \"$secure_link_expires/dl/a.txt$remote_addr secret\";
           if ($secure_link = \"\") {{ return 404 [$secure_link]; }} }}",
        dir = stack.directory().display()
    ));
    let (mut ours, mut theirs) = (stack.connect(), nginx.connect());
    let hashes = [
        RIGHT,
        LONG_AGO,
        WITHOUT_TIME,
        WITH_SPACE,
        "",
        "nPMXOgzE1D1oyWNZYGgf2w==",
        "nPMXOgzE1D1oyWNZYGgf2",
        "AAAA",
    ];
    let mut seen = std::collections::BTreeMap::new();
    for path in ["/dl/a.txt", "/dl/b%20c.txt", "/dl/./a.txt", "/dl/none", "/plain/a.txt"] {
        for hash in hashes {
            for time in
                ["&expires=2147483647", "&expires=1000", "&expires=0", "&expires=", "&expires=12x", ""]
            {
                let target = format!("{path}?md5={hash}{time}");
                let (one, other) = (ours.get(&target), theirs.get(&target));
                assert_eq!(one.status, other.status, "{target}");
                *seen.entry(one.status).or_insert(0) += 1;
                if one.status == 200 {
                    assert_eq!(one.text(), other.text(), "{target}");
                }
            }
        }
    }
    for status in [200, 403, 404, 410] {
        assert!(seen.contains_key(&status), "{seen:?}");
    }
}

both_topologies!(a_stored_page_needs_a_right_link_too, WEIR);
fn a_stored_page_needs_a_right_link_too(stack: &Stack) {
    let mut client = stack.connect();
    let right = format!("/pages/count/a?md5={RIGHT}&expires=2147483647");
    client.get(&right).expect(200);
    assert!(client.get(&right).expect(200).cache_status().contains("hit"));
    assert_eq!(client.get("/pages/count/a?md5=AAAA&expires=2147483647").status, 403);
    assert_eq!(client.get(&format!("/pages/count/a?md5={LONG_AGO}&expires=1000")).status, 410);
    assert_eq!(client.get("/pages/count/a").status, 403);
    assert_eq!(stack.oracle.calls("a"), 1);
}

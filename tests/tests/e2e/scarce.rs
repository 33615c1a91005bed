//! The cache goes on for all while some ask for long pages and do not read them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use weir_tests::{App, Client, Setup, Stack, both_topologies};

/// So many long pages fill the memory for bodies.
const HELD: usize = 12;
const SOON: Duration = Duration::from_secs(3);

const LITTLE: &str = r#"
limits = { bodies = "512KiB" }
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/brief/"
pool = "app"
[edge.site.location.cache]
ttl = "1s"
"#;

fn little() -> Setup {
    Setup::new(LITTLE, App::Oracle)
}

fn unread(stack: &Stack) -> Vec<Client> {
    (0..HELD)
        .map(|n| {
            let mut reader = stack.connect();
            reader.send(format!("GET /count/long-{n}?size=7000000 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            reader.head().expect(200);
            reader
        })
        .collect()
}

both_topologies!(a_short_page_is_kept_and_given_while_others_do_not_read_long_ones, little());
fn a_short_page_is_kept_and_given_while_others_do_not_read_long_ones(stack: &Stack) {
    let earlier = ["/count/earlier?size=9000", "/count/plain?size=9000&body=html"];
    for target in earlier {
        stack.get(target).expect(200);
    }
    let _held = unread(stack);
    sleep(Duration::from_millis(500));
    let begun = Instant::now();
    for visit in 0..12 {
        for target in [
            earlier[0],
            earlier[1],
            "/count/new?size=9000",
            "/count/public?size=9000&body=html&h=Cache-Control:public,%20max-age=60",
            "/brief/count/brief?size=9000",
        ] {
            let asked = Instant::now();
            let page = stack.get(target).expect(200);
            assert_eq!(page.body.len(), 9000, "{target}");
            assert!(asked.elapsed() < SOON, "{target}: {:?}", asked.elapsed());
            assert!(
                visit == 0 || page.cache_status().contains("hit") || target.starts_with("/brief"),
                "{target}: {}",
                page.cache_status()
            );
        }
        sleep(Duration::from_millis(200));
    }
    for name in ["earlier", "plain", "new", "public"] {
        assert_eq!(stack.oracle.calls(name), 1, "{name}");
    }
    let brief = stack.oracle.calls("brief");
    assert!(brief <= begun.elapsed().as_secs() + 2, "{brief} calls in {:?}", begun.elapsed());
}

//! The connections between edge and wsgi-adapter: one that breaks, and visitors who leave by the thousand.

use std::thread;
use std::time::Duration;

use weir_tests::{Client, Load, NetworkFault, Stack, Topology, Uwsgi, check, split_only};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
"#;

split_only!(what_is_under_way_when_a_connection_breaks_is_asked_again_if_it_may_be, SETTINGS);
fn what_is_under_way_when_a_connection_breaks_is_asked_again_if_it_may_be(stack: &Stack) {
    let (_edge, at, proxy) = stack.edge_over_proxy();
    let asking = |method: &'static str| {
        thread::spawn(move || {
            let fields: &[_] = if method == "POST" { &[("Content-Length", "0")] } else { &[] };
            Client::connect(at).ask(method, &format!("/count/{method}?delay=2000"), fields, b"").status
        })
    };
    let gets: Vec<_> = (0..4).map(|_| asking("GET")).collect();
    let post = asking("POST");
    stack.oracle.wait_for_calls("GET", 4);
    stack.oracle.wait_for_calls("POST", 1);
    proxy.end_connections();
    assert_eq!(post.join().unwrap(), 502);
    for get in gets {
        assert_eq!(get.join().unwrap(), 200);
    }
    assert_eq!((stack.oracle.calls("GET"), stack.oracle.calls("POST")), (8, 1));
}

/// h2 gives a connection up on which 1,024 given-up replies went on, unless told otherwise. Here are two.
const WAVES: usize = 15;
const LEAVERS: usize = 200;

#[test]
fn visitors_who_leave_by_the_thousand_take_nobody_with_them() {
    let app = Uwsgi::oracle_with_master(&["--threads", "256"]);
    let pool = format!(
        "[[wsgi_adapter.pool]]\nname = \"app\"\nservers = [\"{}\"]\nmax_in_flight = 1000\n",
        app.address()
    );
    check(Topology::Split, format!("{SETTINGS}{pool}"), |stack| {
        let (edge, at, proxy) = stack.edge_over_proxy();
        // So much of a reply is on its way when it is given up.
        proxy.set(NetworkFault::Latency(Duration::from_millis(20)));
        let load = Load::checking(
            at,
            3,
            |_, _| "/slow-head?size=3000&chunks=3&gap=20".to_owned(),
            |_, response| (response.body.len() != 3000).then(|| format!("{} bytes", response.body.len())),
        );
        for _ in 0..WAVES {
            let mut leavers: Vec<_> = (0..LEAVERS).map(|_| Client::connect(at)).collect();
            for client in &mut leavers {
                client.send(
                    "GET /slow-head?size=3000&nolength=1&chunks=150&gap=20 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                );
            }
            for client in &mut leavers {
                client.head().expect(200);
            }
        }
        load.wait_for(20);
        let troubles = load.end();
        assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
        assert!(!edge.log().contains("too_many"), "{}", edge.log());
    });
}

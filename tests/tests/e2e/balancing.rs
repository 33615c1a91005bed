//! Several application servers: who gets what, and servers that come and go while it runs.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_tests::{Load, Oracle, Stack, Topology, Uwsgi, check, until};

/// A pool of these servers, and what else there is to say of it.
fn pool(servers: &[&Uwsgi], more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.address())).collect();
    format!(
        "[[edge.site]]\nserver_name = [\"localhost\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n\
         [[wsgi_adapter.pool]]\nname = \"app\"\nservers = [{}]\nbuffer_size = \"32KiB\"\n{more}\n",
        servers.join(", ")
    )
}

/// The server with this address, as the API shows it.
fn shown(stack: &Stack, server: &Uwsgi) -> Value {
    let servers = stack.admin("/api/v1/pools/app/servers").expect(200).json();
    let servers = servers.as_array().unwrap();
    let found = servers.iter().find(|shown| shown["address"] == server.address().as_str());
    found.cloned().unwrap_or(Value::Null)
}

fn wait_for_state(stack: &Stack, server: &Uwsgi, state: &str) {
    until(&format!("it is {state}"), || (shown(stack, server)["state"] == state).then_some(()));
}

#[test]
fn servers_are_added_drained_and_removed_under_load() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let settings = pool(&[&first], "state_file = \"$DIR/servers.json\"");
    check(Topology::OneProcess, settings, |stack| {
        let load = Load::start(stack.http(), 4, |_, _| "/count/x".into());
        load.wait_for(20);
        let body = format!("{{\"address\": \"{}\", \"weight\": 2}}", second.address());
        let added = stack.ask_admin("POST", "/api/v1/pools/app/servers", &body).expect(201);
        let id = added.json()["id"].to_string();
        assert_eq!(added.field("location"), Some(format!("/api/v1/pools/app/servers/{id}").as_str()));
        Oracle::of(&second).wait_for_calls("x", 20);

        let drained =
            stack.ask_admin("PATCH", "/api/v1/pools/app/servers/0", "{\"drain\": true}").expect(200);
        assert_eq!(drained.json()["drain"], true);
        until("nothing is under way there", || (shown(stack, &first)["in_flight"] == 0).then_some(()));
        let calls = Oracle::of(&first).calls("x");
        load.wait_for(40);
        assert_eq!(Oracle::of(&first).calls("x"), calls, "a drained server gets nothing new");
        stack.ask_admin("DELETE", "/api/v1/pools/app/servers/0", "").expect(200);
        first.stop();
        load.wait_for(40);
        let troubles = load.end();
        assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);

        let pools = stack.admin("/api/v1/pools").expect(200).json();
        assert_eq!(pools["pools"][0]["servers"].as_array().unwrap().len(), 1);
        let metrics = stack.admin("/metrics").text();
        assert!(metrics.contains(&format!("server_up{{pool=\"app\",server=\"{}\"}} 1", second.address())));
        assert!(!metrics.contains(&first.address()), "its figures are gone with it");
        let kept = std::fs::read_to_string(stack.directory().join("servers.json")).unwrap();
        assert!(kept.contains(&second.address()) && !kept.contains(&first.address()), "{kept}");
    });
}

#[test]
fn a_process_of_its_own_shows_its_pools() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    check(Topology::Split, pool(&[&first, &second], "balance = \"least_conn\""), |stack| {
        for n in 0..10 {
            stack.get(&format!("/count/{n}")).expect(200);
        }
        let calls = |server: &Uwsgi| Oracle::of(server).names().len();
        assert_eq!((calls(&first), calls(&second)), (5, 5), "in turn among equals");
    });
}

#[test]
fn a_server_that_fails_its_check_gets_nothing_until_it_passes() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let checks =
        "check = { path = \"/count/health\", interval = \"50ms\", jitter = 0, fall = 2, body = \"<title>\" }";
    [&first, &second].into_iter().for_each(|server| Oracle::of(server).set("health", "body=html"));
    check(Topology::OneProcess, pool(&[&first, &second], checks), |stack| {
        let oracle = Oracle::of(&second);
        wait_for_state(stack, &first, "up");
        oracle.wait_for_calls("health", 3);
        oracle.set("health", "status=500");
        wait_for_state(stack, &second, "unhealthy");
        assert_eq!(shown(stack, &second)["check"]["fault"], "status 500");
        (0..8).for_each(|_| drop(stack.get("/count/x").expect(200)));
        assert_eq!(oracle.calls("x"), 0);
        // The right status, and not the body that is wanted.
        oracle.set("health", "body=number");
        until("the body is looked at", || {
            shown(stack, &second)["check"]["fault"]
                .as_str()
                .is_some_and(|fault| fault.contains("body"))
                .then_some(())
        });
        oracle.set("health", "body=html");
        wait_for_state(stack, &second, "up");
        (0..8).for_each(|_| drop(stack.get("/count/x").expect(200)));
        assert!(oracle.calls("x") > 0);
        // Both fail: better tried than refused.
        for server in [&first, &second] {
            Oracle::of(server).set("health", "status=503");
            wait_for_state(stack, server, "unhealthy");
        }
        stack.get("/count/x").expect(200);
    });
}

#[test]
fn a_server_that_fails_more_often_than_the_others_is_ejected() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let eject = "eject = { requests = 5, window = \"60s\", time = \"60s\" }";
    check(Topology::OneProcess, pool(&[&first, &second], eject), |stack| {
        Oracle::of(&second).set("x", "status=500");
        let mut statuses: Vec<u16> = (0..40).map(|_| stack.get("/count/x").status).collect();
        wait_for_state(stack, &second, "ejected");
        let late = statuses.split_off(20);
        assert!(statuses.contains(&500) && late.iter().all(|&status| status == 200), "{statuses:?} {late:?}");
        assert_eq!(shown(stack, &second)["replies"]["5xx"], Oracle::of(&second).calls("x"));
    });
}

/// How many of these requests each server got, by the server's address.
fn shares(
    stack: &Stack,
    servers: &[&Uwsgi],
    fields: impl Fn(usize) -> Vec<(&'static str, String)>,
) -> BTreeMap<String, u64> {
    let before: Vec<u64> = servers.iter().map(|server| Oracle::of(server).calls("x")).collect();
    for n in 0..24 {
        let fields = fields(n);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        stack.get_with("/count/x", &fields).expect(200);
    }
    let now = servers
        .iter()
        .zip(before)
        .map(|(server, before)| (server.address(), Oracle::of(server).calls("x") - before));
    now.filter(|(_, calls)| *calls > 0).collect()
}

#[test]
fn a_visitor_stays_by_cookie_and_by_key() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let servers = [&first, &second];
    let sticky = "sticky = { key = \"0123456789abcdef\" }";
    check(Topology::OneProcess, pool(&servers, sticky), |stack| {
        let set = stack.get("/count/y").expect(200).field("set-cookie").unwrap().to_owned();
        let pair = set.split(';').next().unwrap().to_owned();
        assert_eq!(shares(stack, &servers, |_| vec![("Cookie", pair.clone())]).len(), 1);
        assert_eq!(shares(stack, &servers, |_| vec![]).len(), 2);
        // Their server is gone: another one, and another cookie.
        let mine = shares(stack, &servers, |_| vec![("Cookie", pair.clone())]).into_keys().next().unwrap();
        servers.iter().find(|server| server.address() == mine).unwrap().stop();
        let moved = stack.get_with("/count/y", &[("Cookie", &pair)]).expect(200);
        assert_ne!(moved.field("set-cookie").unwrap().split(';').next().unwrap(), pair);
    });
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let servers = [&first, &second];
    check(
        Topology::OneProcess,
        pool(&servers, "balance = \"hash\"\nhash_key = \"header:X-User\""),
        |stack| {
            assert_eq!(shares(stack, &servers, |_| vec![("X-User", "ann".into())]).len(), 1);
            assert_eq!(shares(stack, &servers, |n| vec![("X-User", format!("user{n}"))]).len(), 2);
        },
    );
}

#[test]
fn a_cached_page_carries_nobodys_server() {
    let (first, second) = (Uwsgi::oracle(), Uwsgi::oracle());
    let cached = "sticky = { key = \"0123456789abcdef\" }\n[[edge.site.location]]\nmatch = \"/cached/\"\npool = \"app\"\n\
                  [edge.site.location.cache]\nttl = \"60s\"";
    // The location belongs to the site, which comes first.
    let settings = pool(&[&first, &second], "");
    let (site, pools) = settings.split_once("[[wsgi_adapter.pool]]").unwrap();
    let (sticky, location) = cached.split_once('\n').unwrap();
    let settings = format!("{site}{location}\n[[wsgi_adapter.pool]]{pools}{sticky}\n");
    check(Topology::OneProcess, settings, |stack| {
        let made = stack.get("/cached/count/x").expect(200).expect_cache(&["stored"]);
        assert_eq!(made.field("set-cookie"), None);
        let cookie = stack.get("/count/y").expect(200).field("set-cookie").unwrap().to_owned();
        let pair = cookie.split(';').next().unwrap();
        stack.get_with("/cached/count/x", &[("Cookie", pair)]).expect(200).expect_cache(&["hit"]);
    });
}

#[test]
fn a_name_is_looked_up_while_it_runs() {
    let app = Uwsgi::oracle();
    let port = app.address().rsplit_once(':').unwrap().1.to_owned();
    let settings = pool(&[&app], "resolve_every = \"100ms\"").replace(
        &format!("\"{}\"", app.address()),
        &format!("{{ address = \"uwsgi://localhost:{port}\", resolve = true }}"),
    );
    check(Topology::OneProcess, settings, |stack| {
        stack.get("/count/x").expect(200);
        let found = shown(stack, &app);
        assert_eq!((&found["parent"], &found["state"]), (&0.into(), &"up".into()), "{found}");
    });
}

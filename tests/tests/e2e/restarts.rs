//! Application servers that are reloaded, restarted, stopped and killed while visitors ask: who notices.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_tests::{GRACEFUL, Load, Stack, Topology, Uwsgi, check, until};

/// How long servers are killed and stopped at random. A minute says more: `WEIR_RESTARTS=60`.
const AT_RANDOM: u64 = 5;
/// Visitors who ask at the same time.
const VISITORS: usize = 6;

/// A pool of these servers. One that hangs is left after a second.
fn settings(servers: &[&Uwsgi], more: &str) -> String {
    let server = |server: &&Uwsgi| format!("{{ address = \"{}\", fail_timeout = \"1s\" }}", server.address());
    let servers: Vec<String> = servers.iter().map(server).collect();
    format!(
        "[[edge.site]]\nserver_name = [\"localhost\"]\n[[edge.site.location]]\nmatch = \"/\"\npool = \"app\"\n\
         [[wsgi_adapter.pool]]\nname = \"app\"\nservers = [{}]\nbuffer_size = \"32KiB\"\n{more}\n",
        servers.join(", ")
    )
}

/// Each asks for pages that nobody has asked for before, so each right answer is the number 1.
fn visitors(stack: &Stack) -> Load {
    Load::checking(
        stack.http(),
        VISITORS,
        |visitor, n| format!("/count/{visitor}-{n}?delay=5"),
        |_, response| (response.text() != "1\n").then(|| response.text()),
    )
}

#[track_caller]
fn expect_none(troubles: &[String]) {
    assert!(troubles.is_empty(), "{} troubles, the first: {}", troubles.len(), troubles[0]);
}

#[test]
fn nobody_notices_that_the_only_server_is_reloaded() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("reload");
    std::fs::write(&file, "").unwrap();
    let app = Uwsgi::oracle_with_master(&["--processes", "2", "--touch-reload", &file.display().to_string()]);
    check(Topology::OneProcess, settings(&[&app], ""), |stack| {
        let load = visitors(stack);
        load.wait_for(50);
        for reload in 1..=2 {
            let spawned = || app.log().matches("spawned uWSGI worker 1 ").count();
            // It looks at the file's time once a second.
            std::thread::sleep(Duration::from_millis(1100));
            std::fs::write(&file, "x").unwrap();
            until("uWSGI has reloaded", || (spawned() > reload).then_some(()));
            load.wait_for(50);
        }
        expect_none(&load.end());
    });
}

#[test]
fn nobody_notices_workers_that_end_after_so_many_requests() {
    let app = Uwsgi::oracle_with_master(&[
        "--processes",
        "2",
        "--max-requests",
        "20",
        "--min-worker-lifetime",
        "0",
    ]);
    check(Topology::OneProcess, settings(&[&app], ""), |stack| {
        let load = visitors(stack);
        load.wait_for(300);
        until("workers were replaced", || {
            (app.log().matches("Respawned uWSGI worker").count() > 2).then_some(())
        });
        expect_none(&load.end());
    });
}

#[test]
fn nobody_notices_a_rolling_restart() {
    let [first, second] = [0, 1].map(|_| Uwsgi::oracle_with_master(&GRACEFUL));
    check(Topology::Split, settings(&[&first, &second], ""), |stack| {
        let load = visitors(stack);
        for server in [&first, &second, &first] {
            load.wait_for(60);
            server.stop_gracefully();
            load.wait_for(60);
            server.start();
            std::thread::sleep(Duration::from_millis(1500));
        }
        expect_none(&load.end());
    });
}

/// A reply that had begun when its server was killed may break off, or be a 502 if only a part of its head
/// had come: once for each who asked. Nothing else may happen, and never a wrong answer that looks right.
#[track_caller]
fn broken_off_at_most(kills: usize, troubles: Vec<String>) {
    let had_begun = |trouble: &String| trouble.ends_with("broke off") || trouble.contains(": 502 ");
    let (broken, others): (Vec<_>, Vec<_>) = troubles.into_iter().partition(had_begun);
    expect_none(&others);
    assert!(broken.len() <= kills * VISITORS, "{} broke off with {kills} kills", broken.len());
}

#[test]
fn servers_killed_stopped_and_restarted_at_random() {
    at_random(Topology::OneProcess);
}

#[test]
fn servers_killed_stopped_and_restarted_at_random_behind_three_services() {
    at_random(Topology::Split);
}

fn at_random(topology: Topology) {
    let seconds = std::env::var("WEIR_RESTARTS").ok().and_then(|text| text.parse().ok()).unwrap_or(AT_RANDOM);
    let servers = [Uwsgi::oracle(), Uwsgi::oracle(), Uwsgi::oracle()];
    let all: Vec<&Uwsgi> = servers.iter().collect();
    let pool = settings(&all, "read_timeout = \"1s\"\nbalance = \"least_conn\"");
    check(topology, pool, |stack| {
        let load = visitors(stack);
        load.wait_for(60);
        let (start, mut kills, mut lot) = (Instant::now(), 0, std::process::id());
        while start.elapsed() < Duration::from_secs(seconds) {
            // A linear congruential generator, so that a failure can be looked at again.
            lot = lot.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let server = &servers[(lot >> 16) as usize % servers.len()];
            let pause = Duration::from_millis(u64::from(lot >> 8) % 1500);
            if (lot >> 24) % 2 == 0 {
                kills += 1;
                server.stop();
                std::thread::sleep(pause);
                server.start();
            } else {
                server.pause();
                std::thread::sleep(pause);
                server.go_on();
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        load.wait_for(60);
        let (answers, troubles) = (load.answers(), load.end());
        eprintln!("{answers} answers, {kills} kills, {} broke off", troubles.len());
        broken_off_at_most(kills, troubles);
    });
}

//! One feature: draws requests, asks nginx and both Weirs each of them, and compares.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use side_by_side::{Comparison, Difference, Probe, Reply};
use weir_tests::until;

use crate::asker::{Asker, Protocol, to_http2};
use crate::draw::{self, Dice, DrawnRequest};
use crate::feature::{Feature, Words};
use crate::ledger::Ledger;
use crate::servers::{Server, Servers};

/// Asks all programs this many requests, over each protocol that can say them.
pub(crate) fn run(servers: &mut Servers, feature: &Feature, requests: usize, seed: usize) -> Ledger {
    let (mut ledger, mut dice) = (Ledger::new(&feature.name), Dice::new(seed, &feature.name));
    let requests = if feature.words.timed { requests.div_ceil(5) } else { requests };
    let identities = servers.identities.as_ref().filter(|_| !feature.words.certificates.is_empty());
    let mut number = 0;
    let all = [&servers.nginx, &servers.weir[0], &servers.weir[1]];
    let mut askers = [Protocol::Http1, Protocol::Http2].map(|protocol| {
        let asker = |server: &Server| {
            let plain = server.listeners.http1;
            Asker::new(address(server, protocol, feature), protocol, plain).over_tls(identities)
        };
        (protocol, all.map(|server| (server, asker(server))))
    });
    for drawing in 0..requests {
        let drawn = draw::request(&feature.words, &mut dice, drawing);
        for (protocol, askers) in &mut askers {
            let mut drawn = drawn.numbered(&format!("{drawing}-{protocol:?}"));
            drawn.probe.secure = identities.is_some();
            if *protocol == Protocol::Http2 && to_http2(&drawn).is_none() {
                continue;
            }
            if !feature.words.logs.is_empty() {
                number += 1;
                drawn.probe.fields.retain(|(name, _)| name != "X-Number");
                drawn.probe.fields.push(("X-Number".to_owned(), number.to_string()));
            }
            compare(askers, &drawn, &mut ledger, (*protocol, &feature.words));
        }
    }
    for name in &feature.words.logs {
        compare_logs(&all, name, number, &mut ledger);
    }
    ledger
}

fn address(server: &Server, protocol: Protocol, feature: &Feature) -> std::net::SocketAddr {
    match protocol {
        _ if !feature.words.preambles.is_empty() => server.listeners.proxied,
        _ if !feature.words.certificates.is_empty() => server.listeners.secure,
        Protocol::Http1 => server.listeners.http1,
        Protocol::Http2 => server.listeners.http2,
    }
}

fn compare(
    askers: &mut [(&Server, Asker<'_>); 3],
    drawn: &DrawnRequest,
    ledger: &mut Ledger,
    (protocol, words): (Protocol, &Words),
) {
    let [nginx, weirs @ ..] = askers;
    let (theirs, their_time) = timed(nginx, drawn);
    for weir in weirs {
        let (ours, our_time) = timed(weir, drawn);
        let found = |theirs: &Option<Reply>, ours: &Option<Reply>, again: &Option<Reply>| {
            let comparison = Comparison {
                probe: &drawn.probe,
                nginx: theirs.as_ref(),
                weir: ours.as_ref(),
                again: again.as_ref(),
                is_decoded: true,
            };
            comparison.differences()
        };
        let mut differences = found(&theirs, &ours, &theirs);
        // What nginx itself gives otherwise the next time is no difference.
        if !differences.is_empty() && !words.counts && drawn.probe.is_safe() {
            differences = found(&theirs, &ours, &ask(nginx, drawn));
        }
        // A busy machine takes its time to see what has begun, and what has ended.
        for factor in [5, 50] {
            if !differences.is_empty() && !drawn.held.is_empty() {
                let patience = drawn.patience * factor;
                let slowly = DrawnRequest { patience, ..drawn.clone() };
                thread::sleep(patience);
                let theirs = ask(nginx, &slowly);
                differences = found(&theirs, &ask(weir, &slowly), &theirs);
            }
        }
        if words.timed && differs(their_time, our_time) {
            // The machine may have been busy.
            let (again, ours_again) = (timed(nginx, drawn).1, timed(weir, drawn).1);
            differences.extend(differs(again, ours_again).then(|| Difference {
                what: "seconds".to_owned(),
                nginx: format!("{:.1}", again.as_secs_f32()),
                weir: format!("{:.1}", ours_again.as_secs_f32()),
                intended: None,
            }));
        }
        ledger.add(&drawn.probe, &format!("{} {protocol:?}", weir.0.name), &differences);
    }
}

/// The reply, and how long it took.
fn timed(asker: &mut (&Server, Asker<'_>), drawn: &DrawnRequest) -> (Option<Reply>, Duration) {
    let begun = Instant::now();
    (ask(asker, drawn), begun.elapsed())
}

/// nginx counts the time in whole seconds.
fn differs(theirs: Duration, ours: Duration) -> bool {
    theirs.abs_diff(ours) > Duration::from_millis(1_200)
}

/// The reply, with names in the place of the program's ports.
fn ask((server, asker): &mut (&Server, Asker<'_>), drawn: &DrawnRequest) -> Option<Reply> {
    let reply = asker.ask(drawn)?;
    Some(server.listeners.ports().iter().fold(reply, |reply, (port, name)| reply.with_port(*port, name)))
}

/// Compares lines of logs, each of which begins with the number of its request.
fn compare_logs(servers: &[&Server; 3], name: &str, requests: usize, ledger: &mut Ledger) {
    let [theirs, ours @ ..] = servers.map(|server| {
        let path = server.directory.path().join(name);
        until(&format!("{requests} requests are in {name} of {}", server.name), || {
            lines(&path, server).filter(|lines| lines.last().is_some_and(|(last, _)| *last == requests))
        })
    });
    for (server, ours) in servers[1..].iter().zip(ours) {
        for number in 1..=requests {
            let line = |lines: &[(usize, String)]| {
                let all = lines.iter().filter(|(known, _)| *known == number);
                all.map(|(_, line)| line.as_str()).collect::<Vec<_>>().join(" AND ")
            };
            let (theirs, ours) = (line(&theirs), line(&ours));
            let difference = Difference {
                what: name.to_owned(),
                nginx: theirs.clone(),
                weir: ours.clone(),
                intended: None,
            };
            let found = if theirs == ours { vec![] } else { vec![difference] };
            ledger.add(&logged(number), server.name, &found);
        }
    }
}

/// The lines by number. `None`: there is no such file yet.
fn lines(path: &Path, server: &Server) -> Option<Vec<(usize, String)>> {
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let named = server
        .listeners
        .ports()
        .iter()
        .fold(text, |text, (port, name)| text.replace(&port.to_string(), name));
    let numbered = |line: &str| {
        // That of a malformed request has no number: it belongs to no site.
        let begun = line.trim_start_matches("{\"n\": ");
        let digits = begun.split(|letter: char| !letter.is_ascii_digit()).next()?;
        Some((digits.parse().ok()?, line.to_owned()))
    };
    let mut lines: Vec<(usize, String)> = named.lines().filter_map(numbered).collect();
    lines.sort();
    Some(lines)
}

fn logged(number: usize) -> Probe {
    Probe {
        listen: String::new(),
        secure: false,
        method: "line".to_owned(),
        host: String::new(),
        target: format!(" of request {number}"),
        fields: Vec::new(),
    }
}

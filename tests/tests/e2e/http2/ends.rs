//! How connections of HTTP/2 end: by silence, by a storm of resets, by a drain.

use super::*;

#[test]
fn silence_has_its_time() {
    let stack = Stack::one_process(SETTINGS);
    let get = head_block(&[
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", b"/count/silence?size=300000"),
    ]);
    let whole = frame(HEADERS, END_STREAM | END_HEADERS, 1, &get);
    let no_window = frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let cases: [(&str, Vec<Vec<u8>>); 6] = [
        ("half a preface", vec![PREFACE[..10].to_vec()]),
        ("nothing but the preface", vec![PREFACE.to_vec()]),
        (
            "half a head",
            vec![PREFACE.to_vec(), frame(4, 0, 0, b""), frame(HEADERS, END_STREAM, 1, &get[..9])],
        ),
        ("half a frame", vec![PREFACE.to_vec(), frame(4, 0, 0, b""), whole[..20].to_vec()]),
        ("idle after a request", vec![PREFACE.to_vec(), frame(4, 0, 0, b""), whole.clone()]),
        ("no window", vec![PREFACE.to_vec(), no_window, whole.clone()]),
    ];
    for (what, parts) in cases {
        let mut client = stack.connect();
        let started = Instant::now();
        for part in parts {
            client.send(part);
        }
        while next(&mut client).is_some() {}
        client.rest();
        assert!(started.elapsed() > Duration::from_millis(500), "{what}: closed at once");
        assert!(started.elapsed() < Duration::from_secs(30), "{what}: {:?}", started.elapsed());
    }
    // A body that stops coming.
    let mut client = raw(&stack);
    let post = head_block(&[
        (":method", b"POST"),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", b"/upload"),
    ]);
    client.send(frame(HEADERS, END_HEADERS, 1, &post));
    client.send(frame(0, 0, 1, b"some"));
    // 408 stands in no table: a literal follows, kept or not.
    assert!(matches!(fate(&mut client), Fate::Answered(0x08 | 0x48)));
}

#[test]
fn a_storm_of_resets_ends_the_connection_and_nothing_else() {
    let stack = Stack::one_process(SETTINGS);
    let get = head_block(&[
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"localhost"),
        (":path", b"/count/reset?delay=20"),
    ]);
    let mut client = raw(&stack);
    for stream in (1..20_001).step_by(2) {
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, stream, &get);
        both.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        if client.try_send(both).is_err() {
            break;
        }
    }
    client.rest();
    // Each cost at most one call of the application, and few were begun.
    let calls = stack.oracle.calls("reset");
    assert!(calls < 500, "{calls} calls");
    stack.get("/count/after").expect(200);
}

#[test]
fn a_drain_finishes_what_is_under_way() {
    let stack = Stack::one_process(SETTINGS);
    let mut client = raw(&stack);
    let get = |path: &'static [u8]| {
        head_block(&[
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"localhost"),
            (":path", path),
        ])
    };
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &get(b"/count/slow?delay=1500")));
    until("the request is under way", || (stack.oracle.calls("slow") == 1).then_some(()));
    stack.edge.terminate_without_waiting();
    let mut said = Vec::new();
    while let Some((kind, _, stream, payload)) = next(&mut client) {
        said.push((kind, stream, payload));
    }
    assert!(said.iter().any(|(kind, ..)| *kind == GOAWAY), "{said:?}");
    assert!(
        said.iter()
            .any(|(kind, stream, payload)| (*kind, *stream, payload.first()) == (HEADERS, 1, Some(&0x88))),
        "{said:?}"
    );
    assert!(stack.edge.wait().success());
}

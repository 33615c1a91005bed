//! The one setting for memory, `memory`, is kept whatever clients ask for and do not take.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use weir_tests::{Client, Settings, Stack};

use crate::bounds::{DATA, END_HEADERS, END_STREAM, HEADERS, next, raw, request};

const MEMORY: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/own/"
pool = "app"
[[edge.site.location]]
match = "/files/"
alias = "$DIR/"
"#;

/// What the process may have.
const MEBIBYTES: usize = 224;

#[test]
fn the_process_keeps_within_its_memory_whatever_is_asked_for() {
    let settings = Settings::of_edge(MEMORY).with("memory", format!("{MEBIBYTES}MiB"));
    let stack = Stack::one_process(settings);
    let asking: Vec<_> = (0..6u32)
        .map(|visitor| {
            let address = stack.http();
            std::thread::spawn(move || {
                let mut lot = visitor + 1;
                let (mut client, mut idle) = (Client::connect(address), Vec::new());
                for n in 0..120 {
                    lot = lot.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let size = (lot >> 8) % 400_000;
                    let target = format!("/count/m{visitor}?size={size}&q={lot}");
                    assert_eq!(client.get(&target).expect(200).body.len(), size as usize);
                    if n % 25 == 0 {
                        // One who asks for a large page of its own, and does not read it.
                        let mut reader = Client::connect(address);
                        reader.send("GET /own/count/x?size=15000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
                        idle.push(reader);
                    }
                }
                drop(idle);
            })
        })
        .collect();
    let mut most = 0;
    while asking.iter().any(|visitor| !visitor.is_finished()) {
        most = most.max(stack.edge.memory());
        sleep(Duration::from_millis(50));
    }
    asking.into_iter().for_each(|visitor| visitor.join().unwrap());
    assert!(most > 64 << 20, "the caches were filled: {} MiB", most >> 20);
    assert!(most < MEBIBYTES << 20, "{} MiB", most >> 20);
}

#[test]
fn streams_without_a_window_hold_nothing_of_a_file() {
    let settings = Settings::of_edge(MEMORY).with("memory", format!("{MEBIBYTES}MiB"));
    let stack = Stack::one_process(settings);
    let file = fs::File::create(stack.directory().join("long.bin")).unwrap();
    file.set_len(20_000_000).unwrap();
    let mut held = Vec::new();
    for _ in 0..20 {
        // SETTINGS_INITIAL_WINDOW_SIZE: 0.
        let mut client = raw(&stack, &[0, 4, 0, 0, 0, 0]);
        for n in 0..100 {
            client.send(request(2 * n + 1, "/files/long.bin", END_STREAM | END_HEADERS));
        }
        held.push(client);
    }
    // All heads are there: what follows them waits.
    for client in &mut held {
        let mut heads = 0;
        while heads < 100 {
            match next(client) {
                Some((HEADERS, ..)) => heads += 1,
                Some((DATA, ..)) | None => panic!("no window is open"),
                Some(_) => {}
            }
        }
    }
    sleep(Duration::from_millis(500));
    let memory = stack.edge.memory();
    assert!(memory < MEBIBYTES << 20, "{} MiB", memory >> 20);
    stack.get("/count/others").expect(200);
}

//! Static files: what changes while it is sent, several parts at once, types, and the log of those refused.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;

use weir_tests::{App, Client, Setup, Stack, both_topologies, until};

const LARGE: usize = 30_000_000;

const SETTINGS: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/files/"
alias = "$DIR/files/"
[[edge.site.location]]
match = "/latin/"
alias = "$DIR/files/"
charset = "iso-8859-1"
[[edge.site.location]]
match = "/plain/"
alias = "$DIR/files/"
charset = "off"
[[edge.site.location]]
match = "/private/"
alias = "$DIR/files/"
internal = true
"#;

/// A file below /files/.
fn write(stack: &Stack, name: &str, content: impl AsRef<[u8]>) -> std::path::PathBuf {
    let path = stack.directory().join("files").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// Asks for a large file, and reads no more than its head.
fn begin(stack: &Stack, target: &str) -> Client {
    let mut client = stack.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(head.field("content-length"), Some(LARGE.to_string().as_str()));
    client
}

fn a_file_that_grows_is_sent_as_long_as_it_was(stack: &Stack) {
    let path = write(stack, "growing.log", vec![b'x'; LARGE]);
    let mut client = begin(stack, "/files/growing.log");
    let mut log = File::options().append(true).open(&path).unwrap();
    log.write_all(b"another line\n").unwrap();
    log.set_modified(std::time::SystemTime::now()).unwrap();
    let body = client.rest();
    assert_eq!(body.len(), LARGE);
    assert!(body.iter().all(|byte| *byte == b'x'));
    // Another file under its name does no harm either.
    let mut client = begin_of(stack, "/files/growing.log", LARGE + 13);
    let other = write(stack, "other.log", "other");
    fs::rename(other, &path).unwrap();
    assert_eq!(client.rest().len(), LARGE + 13);
}

fn begin_of(stack: &Stack, target: &str, length: usize) -> Client {
    let mut client = stack.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    assert_eq!(client.head().field("content-length"), Some(length.to_string().as_str()));
    client
}

fn a_file_that_shrinks_breaks_its_reply_off(stack: &Stack) {
    let path = write(stack, "shrinking.bin", vec![b'x'; LARGE]);
    let mut client = begin(stack, "/files/shrinking.bin");
    File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
    assert!(client.rest().len() < LARGE);
    until("the log says why", || {
        let log = stack.log();
        (log.contains("became shorter") && log.contains("shrinking.bin")).then_some(())
    });
}

both_topologies!(files_that_change_by_sendfile, SETTINGS);
fn files_that_change_by_sendfile(stack: &Stack) {
    a_file_that_grows_is_sent_as_long_as_it_was(stack);
    a_file_that_shrinks_breaks_its_reply_off(stack);
}

both_topologies!(files_that_change_in_chunks, format!("files = {{ sendfile = false }}\n{SETTINGS}"));
fn files_that_change_in_chunks(stack: &Stack) {
    a_file_that_grows_is_sent_as_long_as_it_was(stack);
    a_file_that_shrinks_breaks_its_reply_off(stack);
}

both_topologies!(several_parts_of_a_file_come_in_one_reply, SETTINGS);
fn several_parts_of_a_file_come_in_one_reply(stack: &Stack) {
    let content: Vec<u8> = (0..400_000u32).map(|n| b'a' + (n % 26) as u8).collect();
    write(stack, "small.txt", &content[..10_000]);
    write(stack, "large.txt", &content);
    // Files that were changed a moment ago come from disk, later ones from memory.
    for _ in 0..2 {
        for (name, length) in [("small.txt", 10_000), ("large.txt", 400_000)] {
            let range = format!("bytes=0-3,5000-5009,{}-", length - 5);
            let page = stack.get_with(&format!("/files/{name}"), &[("Range", &range)]).expect(206);
            let media_type = page.field("content-type").unwrap().to_owned();
            let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
            let mut expected = Vec::new();
            for (first, last) in [(0, 3), (5000, 5009), (length - 5, length - 1)] {
                let part = format!(
                    "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\n\
                     content-range: bytes {first}-{last}/{length}\r\n\r\n"
                );
                expected.extend(part.into_bytes());
                expected.extend(&content[first..=last]);
            }
            expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
            assert!(page.body == expected, "{name}: {:?}", String::from_utf8_lossy(&page.body));
            assert_eq!(page.field("content-length"), Some(expected.len().to_string().as_str()));
        }
        std::thread::sleep(std::time::Duration::from_millis(2100));
    }
}

both_topologies!(an_empty_file_has_a_beginning_and_no_more, SETTINGS);
fn an_empty_file_has_a_beginning_and_no_more(stack: &Stack) {
    write(stack, "empty.txt", "");
    for (range, status) in [("bytes=0-", 200), ("bytes=0-9", 200), ("bytes=-5", 200), ("bytes=1-", 416)] {
        let page = stack.get_with("/files/empty.txt", &[("Range", range)]);
        assert_eq!((page.status, page.body.len()), (status, 0), "{range}");
    }
}

both_topologies!(types_and_charsets, SETTINGS);
fn types_and_charsets(stack: &Stack) {
    for name in ["a.html", "a.txt", "a.m3u8", "a.mjs"] {
        write(stack, name, "x");
    }
    for (target, expected) in [
        ("/files/a.html", "text/html"),
        ("/files/a.txt", "text/plain; charset=utf-8"),
        ("/files/a.mjs", "text/javascript; charset=utf-8"),
        ("/files/a.m3u8", "application/vnd.apple.mpegurl"),
        ("/latin/a.html", "text/html; charset=iso-8859-1"),
        ("/plain/a.txt", "text/plain"),
    ] {
        assert_eq!(stack.get(target).expect(200).field("content-type"), Some(expected), "{target}");
    }
}

both_topologies!(refusals_are_logged_with_the_path_on_disk, SETTINGS);
fn refusals_are_logged_with_the_path_on_disk(stack: &Stack) {
    write(stack, "directory/other.txt", "x");
    symlink("/etc/hostname", stack.directory().join("files/link.txt")).unwrap();
    for (target, status, reason) in [
        ("/files/missing.txt", 404, "file not found"),
        ("/files/directory/", 403, "without an index file"),
        ("/files/link.txt", 403, "leads out of root or alias"),
    ] {
        assert_eq!(stack.get(target).status, status, "{target}");
        let path = stack.directory().join(target.trim_start_matches('/').trim_end_matches('/'));
        let line = until("it is logged", || {
            stack.log().lines().find(|line| line.contains(reason)).map(str::to_owned)
        });
        assert!(line.contains(&path.display().to_string()), "{line}");
    }
}

both_topologies!(the_application_may_send_any_file, Setup::new(SETTINGS, App::Oracle));
fn the_application_may_send_any_file(stack: &Stack) {
    for name in ["a.bak", "a~", ".env.txt", ".hidden/a.txt"] {
        write(stack, name, name);
        let redirect = format!("/count/x?h=X-Accel-Redirect:+/private/{name}");
        for _cold_and_warm in 0..2 {
            assert_eq!(stack.get(&redirect).expect(200).text(), name);
        }
        assert_eq!(stack.get(&format!("/files/{name}")).status, 404, "{name} is still nobody's");
    }
}

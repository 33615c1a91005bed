//! Exact lines, hostile bytes, many threads, outputs that block or fail.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use super::stamp::Stamps;
use super::*;

fn record() -> Record<'static> {
    Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_355_736_007),
        client: IpAddr::from([203, 0, 113, 7]),
        method: "GET",
        target: b"/main?page=2",
        protocol: "HTTP/1.1",
        status: 200,
        bytes: 5120,
        duration: Duration::from_micros(1234),
        upstream: Some(Duration::from_micros(1100)),
        work: ApplicationWork::of(b"\"news.front\";queries=3;sql-us=250"),
        cache: Some(CacheResult::Miss),
        host: "example.com",
        site: "example.com",
        authorization: None,
        referer: Some(b"https://example.com/"),
        user_agent: Some(b"curl/8.5.0"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
    }
}

fn refused() -> Record<'static> {
    Record {
        client: "2001:db8::1".parse().unwrap(),
        method: "",
        target: b"",
        protocol: "",
        status: 400,
        bytes: 0,
        upstream: None,
        work: ApplicationWork::default(),
        cache: None,
        host: "",
        site: "",
        referer: None,
        user_agent: None,
        trace_id: None,
        ..record()
    }
}

fn combined(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    combined::format(&mut line, &mut Stamps::new(), record);
    String::from_utf8(line).unwrap()
}

fn json(record: &Record<'_>) -> String {
    let mut line = Vec::new();
    json::format(&mut line, &mut Stamps::new(), record);
    String::from_utf8(line).unwrap()
}

#[test]
fn combined_is_nginx_s() {
    let hostile = Record {
        target: b"/\"\\\r\n\x00\x7f\xff caf\xc3\xa9",
        bytes: u64::MAX,
        referer: Some(b""),
        user_agent: Some(b"a\" 200 1 \"-\" \"-\"\n203.0.113.8 - - [x"),
        ..record()
    };
    let named = |authorization| Record { authorization: Some(authorization), ..refused() };
    let unparsable = Record { target: b"\x16\x03\x01 GET", ..refused() };
    for (record, line) in [
        (
            record(),
            r#"203.0.113.7 - - [22/Nov/2026:13:55:36 +0000] "GET /main?page=2 HTTP/1.1" 200 5120 "https://example.com/" "curl/8.5.0""#,
        ),
        (refused(), r#"2001:db8::1 - - [22/Nov/2026:13:55:36 +0000] "-" 400 0 "-" "-""#),
        // "ann:secret", "a\"b\xe9 :x", ":x", and what is no name.
        (
            named(b"Basic YW5uOnNlY3JldA=="),
            r#"2001:db8::1 - ann [22/Nov/2026:13:55:36 +0000] "-" 400 0 "-" "-""#,
        ),
        (
            named(b"basic  YSJi6SA6eA"),
            r#"2001:db8::1 - a\x22b\xE9  [22/Nov/2026:13:55:36 +0000] "-" 400 0 "-" "-""#,
        ),
        (named(b"Basic Ong="), r#"2001:db8::1 - - [22/Nov/2026:13:55:36 +0000] "-" 400 0 "-" "-""#),
        (
            named(b"Bearer YW5uOnNlY3JldA=="),
            r#"2001:db8::1 - - [22/Nov/2026:13:55:36 +0000] "-" 400 0 "-" "-""#,
        ),
        (unparsable, r#"2001:db8::1 - - [22/Nov/2026:13:55:36 +0000] "\x16\x03\x01 GET" 400 0 "-" "-""#),
        (
            hostile,
            r#"203.0.113.7 - - [22/Nov/2026:13:55:36 +0000] "GET /\x22\x5C\x0D\x0A\x00\x7F\xFF caf\xC3\xA9 HTTP/1.1" 200 18446744073709551615 "" "a\x22 200 1 \x22-\x22 \x22-\x22\x0A203.0.113.8 - - [x""#,
        ),
    ] {
        assert_eq!(combined(&record), format!("{line}\n"));
    }
}

#[test]
fn json_is_one_object_a_line() {
    let hostile = Record {
        target: b"/\"\\\r\n\x00\xff caf\xc3\xa9",
        user_agent: Some(b"\"}\n{\"status\":200"),
        duration: Duration::from_nanos(999),
        ..record()
    };
    for (record, line) in [
        (
            record(),
            r#"{"time":"2026-11-22T13:55:36.007Z","client":"203.0.113.7","method":"GET","target":"/main?page=2","protocol":"HTTP/1.1","status":200,"bytes":5120,"duration_s":0.001234,"upstream_s":0.0011,"view":"news.front","queries":3,"query_s":0.00025,"cache":"miss","host":"example.com","site":"example.com","referer":"https://example.com/","user_agent":"curl/8.5.0","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#,
        ),
        (
            refused(),
            r#"{"time":"2026-11-22T13:55:36.007Z","client":"2001:db8::1","method":"","target":"","protocol":"","status":400,"bytes":0,"duration_s":0.001234,"upstream_s":null,"view":null,"queries":null,"query_s":null,"cache":null,"host":"","site":"","referer":null,"user_agent":null,"trace_id":null}"#,
        ),
        (
            hostile,
            concat!(
                r#"{"time":"2026-11-22T13:55:36.007Z","client":"203.0.113.7","method":"GET","target":"/\"\\\r\n\u0000"#,
                "\u{fffd} café",
                r#"","protocol":"HTTP/1.1","status":200,"bytes":5120,"duration_s":0.0,"upstream_s":0.0011,"view":"news.front","queries":3,"query_s":0.00025,"cache":"miss","host":"example.com","site":"example.com","referer":"https://example.com/","user_agent":"\"}\n{\"status\":200","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#
            ),
        ),
    ] {
        let found = json(&record);
        assert_eq!(found, format!("{line}\n"));
        assert_eq!(found.matches('\n').count(), 1);
        serde_json::from_str::<serde_json::Value>(&found).unwrap();
    }
}

#[test]
fn long_fields_are_cut() {
    let long = vec![0xff; 10 * MAX_FIELD];
    let record = Record { target: &long, referer: Some(&long), user_agent: Some(&long), ..record() };
    assert!(combined(&record).len() < 3 * 4 * MAX_FIELD + 200);
    assert!(json(&record).len() < 3 * 4 * MAX_FIELD + 500);
}

#[test]
fn destinations_as_in_settings() {
    for (name, destination) in [
        ("off", Destination::Off),
        ("stdout", Destination::Stdout),
        ("stderr", Destination::Stderr),
        ("/var/log/weir/access.log", Destination::File("/var/log/weir/access.log".into())),
    ] {
        assert_eq!(Destination::from(name), destination);
    }
}

#[test]
fn off_does_nothing() {
    let log = AccessLog::open(&Destination::Off, Format::Combined).unwrap();
    log.log(&record());
    log.reopen();
    assert_eq!(log.dropped(), 0);
}

#[test]
fn says_which_file_cannot_be_opened() {
    let destination = Destination::from("/nonexistent/access.log");
    let error = AccessLog::open(&destination, Format::Combined).unwrap_err().to_string();
    assert!(error.starts_with("cannot open the access log /nonexistent/access.log: "), "{error}");
}

#[test]
fn keeps_every_line_of_many_threads_whole_and_in_each_thread_s_order() {
    const THREADS: u64 = 16;
    const LINES: u64 = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::open(&Destination::File(path.clone()), Format::Json).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                for line in 0..LINES {
                    let status = u16::try_from(thread).unwrap();
                    log.log(&Record { status, bytes: line, ..record() });
                    if line % 50 == 0 {
                        thread::sleep(Duration::from_millis(5)); // stays below the bound on a slow disk
                    }
                }
            });
        }
    });
    assert_eq!(log.dropped(), 0);
    drop(log);
    let mut next = [0; THREADS as usize];
    for line in fs::read_to_string(&path).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let thread = usize::try_from(line["status"].as_u64().unwrap()).unwrap();
        assert_eq!(line["bytes"], next[thread]);
        next[thread] += 1;
    }
    assert_eq!(next, [LINES; THREADS as usize]);
}

fn log_to_pipe() -> (PipeReader, AccessLog) {
    let (reader, pipe) = io::pipe().unwrap();
    let output = Output::stream(File::from(OwnedFd::from(pipe)));
    (reader, AccessLog::start(output, Format::Combined).unwrap())
}

#[test]
fn lines_come_without_waiting_for_more() {
    let (reader, log) = log_to_pipe();
    log.log(&record());
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(line, combined(&record()));
}

#[test]
fn a_pipe_nobody_reads_stops_no_request() {
    const LINES: u64 = 200_000;
    let (reader, log) = log_to_pipe();
    // One that waited for a reader would wait for ever.
    for _ in 0..LINES {
        log.log(&record());
    }
    let dropped = log.dropped();
    assert!(dropped > LINES / 2, "{dropped}");

    // Read again, all that was not dropped comes out, whole.
    let counting = thread::spawn(move || {
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        lines.inspect(|line| assert_eq!(format!("{line}\n"), combined(&record()))).count() as u64
    });
    drop(log);
    assert_eq!(counting.join().unwrap(), LINES - dropped);
}

#[test]
fn closing_into_a_pipe_nobody_reads_has_a_deadline() {
    let (_reader, log) = log_to_pipe();
    for _ in 0..10_000 {
        log.log(&record());
    }
    let began = Instant::now();
    drop(log);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_full_disk_is_counted() {
    let log = AccessLog::open(&Destination::from("/dev/full"), Format::Combined).unwrap();
    log.log(&record());
    log.log(&record());
    wait_until(|| log.dropped() == 2);
}

#[test]
fn reopened_it_follows_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = AccessLog::open(&Destination::File(path.clone()), Format::Combined).unwrap();
    log.log(&Record { bytes: 1, ..record() });
    fs::rename(&path, &rotated).unwrap();
    log.log(&Record { bytes: 2, ..record() });
    log.reopen();
    wait_until(|| path.exists());
    log.log(&Record { bytes: 3, ..record() });
    drop(log);
    let lines = |bytes: &[u64]| -> String {
        bytes.iter().map(|bytes| combined(&Record { bytes: *bytes, ..record() })).collect()
    };
    assert_eq!(fs::read_to_string(rotated).unwrap(), lines(&[1, 2]));
    assert_eq!(fs::read_to_string(path).unwrap(), lines(&[3]));
}

#[test]
fn a_file_that_cannot_be_reopened_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("logs"), folder.path().join("moved"));
    fs::create_dir(&path).unwrap();
    let log = AccessLog::open(&Destination::File(path.join("access.log")), Format::Combined).unwrap();
    fs::rename(&path, &moved).unwrap();
    log.reopen();
    thread::sleep(Duration::from_millis(50));
    log.log(&record());
    drop(log);
    assert_eq!(fs::read_to_string(moved.join("access.log")).unwrap(), combined(&record()));
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "it did not come true in 10 s");
        thread::sleep(Duration::from_millis(5));
    }
}

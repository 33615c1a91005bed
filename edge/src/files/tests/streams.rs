//! Memory and disk: what is kept, when it is looked at again, and files that change.

use super::*;
use crate::settings::files::FileCacheConfig;

/// What is done to a file, and how.
type Change = (&'static str, fn(&Fixture));

#[tokio::test]
async fn small_files_come_from_memory_until_they_are_looked_at_again() {
    let site = Fixture::new();
    site.write("a.txt", "first");
    assert_eq!(site.text("/a.txt").await.as_deref(), Some("first"));
    site.write_at("a.txt", "other", CHANGED + 500);
    assert_eq!(site.text("/a.txt").await.as_deref(), Some("first"));
    let later = site.ask(Method::GET, "/a.txt", &[], NOW + 1).await;
    assert!(is_from_memory(&later));
    assert_eq!(text(later).await.as_deref(), Some("other"));
    fs::remove_file(site.path("a.txt")).unwrap();
    assert_eq!(kind(&site.ask(Method::GET, "/a.txt", &[], NOW + 1).await), "200");
    assert_eq!(kind(&site.ask(Method::GET, "/a.txt", &[], NOW + 2).await), "not found");
    // The clock was set back: what was kept is not believed.
    assert_eq!(kind(&site.ask(Method::GET, "/a.txt", &[], NOW - 100).await), "not found");
}

#[tokio::test]
async fn one_of_each_change_is_seen() {
    let changes: [Change; 3] = [
        ("time", |site| {
            site.write_at("a.txt", "B", CHANGED + 1);
        }),
        ("length", |site| {
            site.write("a.txt", "BB");
        }),
        ("file", |site| {
            site.write("b.txt", "B");
            fs::rename(site.path("b.txt"), site.path("a.txt")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let site = Fixture::new();
        site.write("a.txt", "A");
        assert_eq!(site.text("/a.txt").await.as_deref(), Some("A"));
        change(&site);
        let later = text(site.ask(Method::GET, "/a.txt", &[], NOW + 1).await).await.unwrap();
        assert!(later.starts_with('B'), "{what}: {later}");
    }
}

#[tokio::test]
async fn locations_do_not_see_each_others_files() {
    let one = Fixture::new();
    let other = Fixture { cache: Arc::clone(&one.cache), ..Fixture::new() };
    one.write("a.txt", "one");
    other.write("a.txt", "other");
    for _cold_and_warm in 0..2 {
        assert_eq!(one.text("/a.txt").await.as_deref(), Some("one"));
        assert_eq!(other.text("/a.txt").await.as_deref(), Some("other"));
    }
}

#[tokio::test]
async fn large_and_unsettled_files_come_from_disk() {
    let site = Fixture::new();
    let limit = usize::try_from(MAX_FILE).unwrap();
    let cases = [
        ("empty", 0, CHANGED, true),
        ("limit", limit, CHANGED, true),
        ("over", limit + 1, CHANGED, false),
        ("large", 300_000, CHANGED, false),
        ("just-now", 10, NOW, false),
        ("future", 10, NOW + 1000, false),
    ];
    for (name, length, changed, is_kept) in cases {
        let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        site.write_at(name, &content, changed);
        for _cold_and_warm in 0..2 {
            let answer = site.get(&format!("/{name}")).await;
            assert_eq!(is_from_memory(&answer), is_kept, "{name}");
            assert_eq!(header(&answer, CONTENT_LENGTH), Some(length.to_string().as_str()));
            let FileAnswer::Reply(reply) = answer else { panic!("{answer:?}") };
            assert!(whole(reply.body).await.unwrap() == content, "{name}");
        }
    }
}

#[tokio::test]
async fn memory_is_bounded() {
    let config = FileCacheConfig {
        memory: Size::kibibytes(64),
        max_file: Size::kibibytes(4),
        valid: Time::from_secs(1),
        sendfile: true,
    };
    let site = Fixture { cache: Arc::new(FileCache::new(config)), ..Fixture::new() };
    for i in 0..100 {
        let name = format!("f{i}");
        site.write(&name, vec![b'x'; 4000]);
        assert_eq!(kind(&site.get(&format!("/{name}")).await), "200");
    }
    let used = site.cache.memory_used();
    assert!((4000..=64 * 1024).contains(&used), "{used}");
}

#[tokio::test]
async fn a_file_replaced_while_it_is_sent_goes_on() {
    let site = Fixture::new();
    site.write("a.bin", vec![b'A'; 300_000]).write("b.bin", vec![b'B'; 300_000]);
    let mut stream = stream(site.get("/a.bin").await);
    let first = stream.next(usize::MAX).await.unwrap().unwrap();
    fs::rename(site.path("b.bin"), site.path("a.bin")).unwrap();
    let rest = whole(FileBody::Stream(stream)).await.unwrap();
    assert_eq!(first.len() + rest.len(), 300_000);
    assert!(rest.iter().all(|&byte| byte == b'A'));
}

#[tokio::test]
async fn a_file_that_becomes_shorter_while_it_is_sent_breaks_off() {
    let changes: [Change; 2] = [
        ("emptied", |site| fs::write(site.path("a.bin"), "").unwrap()),
        ("shortened", |site| {
            fs::File::options().write(true).open(site.path("a.bin")).unwrap().set_len(200_000).unwrap();
        }),
    ];
    for (what, change) in changes {
        let site = Fixture::new();
        site.write("a.bin", vec![b'A'; 300_000]);
        let mut stream = stream(site.get("/a.bin").await);
        assert!(stream.next(usize::MAX).await.unwrap().is_ok());
        change(&site);
        for _ in 0..2 {
            assert!(stream.next(usize::MAX).await.unwrap().is_err(), "{what}");
            assert!(stream.remaining() > 0, "{what}");
        }
    }
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_sent_is_sent_as_long_as_it_was() {
    let site = Fixture::new();
    site.write("a.log", vec![b'A'; 300_000]);
    let mut stream = stream(site.get("/a.log").await);
    let first = stream.next(usize::MAX).await.unwrap().unwrap();
    let mut log = fs::File::options().append(true).open(site.path("a.log")).unwrap();
    io::Write::write_all(&mut log, b"BBB").unwrap();
    let rest = whole(FileBody::Stream(stream)).await.unwrap();
    assert_eq!(first.len() + rest.len(), 300_000);
    assert!(rest.iter().all(|&byte| byte == b'A'));
}

#[tokio::test]
async fn dropping_a_read_loses_nothing() {
    let site = Fixture::new();
    let content: Vec<u8> = (0..400_000u32).map(|i| (i % 251) as u8).collect();
    site.write("a.bin", &content);
    let mut stream = stream(site.get("/a.bin").await);
    let mut received = Vec::new();
    while stream.remaining() > 0 {
        let _ = tokio::time::timeout(Duration::ZERO, stream.next(usize::MAX)).await.map(|chunk| {
            received.extend_from_slice(&chunk.unwrap().unwrap());
        });
        if let Some(chunk) = stream.next(usize::MAX).await {
            received.extend_from_slice(&chunk.unwrap());
        }
    }
    assert!(received == content);
}

fn stream(answer: FileAnswer) -> FileStream {
    match answer {
        FileAnswer::Reply(FileReply { body: FileBody::Stream(stream), .. }) => stream,
        other => panic!("{other:?}"),
    }
}

//! Requests against real directories: what is served, what is refused, what is kept in memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::UNIX_EPOCH;

use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, VARY,
};
use process::units::{Size, Time};
use tempfile::TempDir;

use super::*;
use crate::request::path::normalise;
use crate::settings::files::{FileCacheConfig, Symlinks};
use crate::settings::pattern::Pattern;

mod conditions;
mod places;
mod streams;

/// Thu, 01 Jan 2026 00:00:00 GMT: when the files were changed, unless a test says otherwise.
const CHANGED: u64 = 1_767_225_600;
/// When the requests come.
const NOW: u64 = CHANGED + 1000;

const MAX_FILE: u64 = 1024;

struct Fixture {
    directory: TempDir,
    settings: Arc<FileSettings>,
    cache: Arc<FileCache>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|root| FilePlace::Root(root.to_owned()), Symlinks::Inside)
    }

    /// The files are in `root/` of a temporary directory, so that there is something outside of them.
    fn with(place: impl FnOnce(&Path) -> FilePlace, symlinks: Symlinks) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        let index = vec!["index.html".to_owned(), "index.txt".to_owned()];
        let settings = Arc::new(FileSettings::new(place(&root), index, symlinks, true).unwrap());
        let config = FileCacheConfig {
            memory: Size::mebibytes(1),
            max_file: Size(MAX_FILE),
            valid: Time::from_secs(1),
            sendfile: true,
        };
        Self { directory, settings, cache: Arc::new(FileCache::new(config)) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        self.write_at(name, content, CHANGED)
    }

    fn write_at(&self, name: &str, content: impl AsRef<[u8]>, changed: u64) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(changed)).unwrap();
        self
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(HeaderName, &str)],
        now: u64,
    ) -> FileAnswer {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let path = normalise(path.as_bytes()).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let request =
            FileRequest { method: &method, path: &path, query, headers: &map, internal: false, client: None };
        answer(&self.settings, &request, UNIX_EPOCH + Duration::from_secs(now), &self.cache).await
    }

    async fn get(&self, target: &str) -> FileAnswer {
        self.ask(Method::GET, target, &[], NOW).await
    }

    /// The text of the answer, if it is a 200.
    async fn text(&self, target: &str) -> Option<String> {
        text(self.get(target).await).await
    }
}

async fn text(answer: FileAnswer) -> Option<String> {
    let FileAnswer::Reply(FileReply { status: StatusCode::OK, body, .. }) = answer else { return None };
    Some(String::from_utf8(whole(body).await.unwrap()).unwrap())
}

async fn whole(body: FileBody) -> io::Result<Vec<u8>> {
    match body {
        FileBody::Empty => Ok(Vec::new()),
        FileBody::Memory(content) => Ok(content.to_vec()),
        FileBody::Stream(mut stream) => {
            let mut content = Vec::new();
            while let Some(chunk) = stream.next(usize::MAX).await {
                content.extend_from_slice(&chunk?);
            }
            Ok(content)
        }
    }
}

/// The answer in one word, for tables.
fn kind(answer: &FileAnswer) -> String {
    match answer {
        FileAnswer::Reply(reply) => reply.status.as_u16().to_string(),
        FileAnswer::Redirect(location) => format!("to {}", location.to_str().unwrap()),
        FileAnswer::Listing { .. } => "listing".into(),
        FileAnswer::NotFound(_) => "not found".into(),
        FileAnswer::Forbidden(..) => "forbidden".into(),
        FileAnswer::MethodNotAllowed => "method".into(),
        FileAnswer::Unavailable(error) => format!("unavailable: {error}"),
    }
}

fn is_from_memory(answer: &FileAnswer) -> bool {
    matches!(answer, FileAnswer::Reply(FileReply { body: FileBody::Memory(_), .. }))
}

fn header(answer: &FileAnswer, name: HeaderName) -> Option<&str> {
    let FileAnswer::Reply(reply) = answer else { return None };
    Some(reply.headers.get(name)?.to_str().unwrap())
}

#[tokio::test]
async fn a_post_learns_whether_there_is_a_file() {
    let files = Fixture::new();
    files.write("a.txt", "a").write("with/index.html", "i").write("without/x.txt", "x");
    let cases = [
        (Method::POST, "/a.txt", "method"),
        (Method::POST, "/none", "not found"),
        (Method::POST, "/with", "to /with/"),
        (Method::POST, "/with/", "method"),
        (Method::POST, "/without/", "forbidden"),
        (Method::PUT, "/none", "method"),
        (Method::DELETE, "/without/", "method"),
    ];
    for (method, target, expected) in cases {
        let found = kind(&files.ask(method.clone(), target, &[], NOW).await);
        assert!(found.starts_with(expected), "{method} {target}: {found}");
    }
}

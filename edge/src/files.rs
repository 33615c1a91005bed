//! Answers a request from files on disk: which file, which part of it the client gets, from memory or in
//! chunks.
//!
//! The settings of a location say where its files are (`settings`). One look at the disk (`lookup`, `open`)
//! finds the file and its representations (`resource`); small ones stay in memory (`cache`) for a
//! moment. The reply (`reply`) obeys conditions and ranges, and `stream` sends what is too large for memory.

mod cache;
mod handles;
mod listing;
mod lookup;
pub(crate) mod media_type;
mod open;
mod reply;
mod resource;
mod settings;
mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use process::client_key::ClientKey;

use crate::request::path::{NormalPath, with_slash};

pub(crate) use cache::FileCache;
pub(crate) use settings::{FilePlace, FileSettings};
pub(crate) use stream::FileStream;

use crate::coding::Codings;
use crate::coding::copies::CodedCopies;
use lookup::{FileLookup, FoundFile};
use open::{Barrier, NoFile};
use reply::{Content, reply};
use resource::Resource;

/// A disk that has not answered after this long counts as failed.
const DISK_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(crate) struct FileRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a NormalPath<'a>,
    /// The query as sent, without the question mark.
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The application has sent the request here: it may have files whose names are not served otherwise.
    pub(crate) internal: bool,
    /// Who has it open; `None`: nobody counts.
    pub(crate) client: Option<ClientKey>,
}

#[derive(Debug)]
pub(crate) enum FileAnswer {
    /// 200, 206, 304, 412 or 416.
    Reply(FileReply),
    /// The path names a directory and lacks the slash: 301 with this Location.
    Redirect(HeaderValue),
    /// The path on disk where it was looked for; `None`: names of this kind are not served.
    NotFound(Option<PathBuf>),
    /// A directory's names, as a page or as JSON.
    Listing { content_type: &'static str, body: Bytes },
    /// A directory without index, a file that must not be read, or no file at all but a pipe, a device, a
    /// socket.
    Forbidden(PathBuf, Barrier),
    /// Neither GET nor HEAD. As in nginx, of a POST it is known that there is such a file; for other methods
    /// the disk was not asked.
    MethodNotAllowed,
    /// The disk failed, or the process has no free file descriptor.
    Unavailable(io::Error),
}

#[derive(Debug)]
pub(crate) struct FileReply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: FileBody,
    /// When the file was last changed.
    pub(crate) last_modified: SystemTime,
    /// The compressed copies of a file that memory holds.
    pub(crate) kept: Option<Arc<CodedCopies>>,
}

#[derive(Debug)]
pub(crate) enum FileBody {
    Empty,
    Memory(Bytes),
    Stream(FileStream),
}

/// Answers from the file that the settings have for the request's path. Waits for the disk only if the cache
/// has nothing, or nothing that was checked lately.
pub(crate) async fn answer(
    settings: &Arc<FileSettings>,
    request: &FileRequest<'_>,
    now: SystemTime,
    cache: &FileCache,
) -> FileAnswer {
    match *request.method {
        Method::GET | Method::HEAD => {}
        Method::POST => return to_post(settings, request, now, cache).await,
        _ => return FileAnswer::MethodNotAllowed,
    }
    let accepted = accepted(settings, request);
    let path = request.path.as_bytes();
    // What only the application may allow is not kept for others.
    let is_kept = !request.internal || settings.file_for(request.path, false).is_some();
    let known = cache.get(settings, path).filter(|_| is_kept);
    if let Some(kept) = known.as_deref().and_then(|resource| kept(request, resource, accepted, now, cache)) {
        return FileAnswer::Reply(kept);
    }
    let Some(file) = settings.file_for(request.path, request.internal) else {
        return FileAnswer::NotFound(None);
    };
    let lookup = FileLookup {
        settings: Arc::clone(settings),
        path: file,
        is_directory: request.path.is_directory(),
        accepted,
        known,
        max_file: cache.max_file(),
        now,
    };
    let path_on_disk: Arc<Path> = Arc::from(lookup.path.as_path());
    match on_disk(move || lookup.run()).await {
        Ok(FoundFile { resource, file }) => {
            if is_kept {
                cache.keep(settings, path, &resource);
            }
            let representation = resource.choose(accepted);
            let content = match &representation.content {
                Some(content) => Content::Memory(content.clone()),
                None => match cache.handles.share(file, request.client) {
                    Ok(file) => Content::Disk(file, path_on_disk),
                    Err(error) => return FileAnswer::Unavailable(error),
                },
            };
            FileAnswer::Reply(reply(request, representation, content, now))
        }
        Err(missing) => {
            cache.forget(settings, path);
            match missing {
                NoFile::IsDirectory => FileAnswer::Redirect(with_slash(request.path, request.query)),
                NoFile::Listing(entries) => listing::answer(settings.autoindex(), request, &entries),
                NoFile::NotFound => FileAnswer::NotFound(Some(path_on_disk.to_path_buf())),
                NoFile::Forbidden(barrier) => FileAnswer::Forbidden(path_on_disk.to_path_buf(), barrier),
                NoFile::Failed(error) => FileAnswer::Unavailable(error),
            }
        }
    }
}

/// The answer to a POST: where a file would answer, it is the wrong method, and a directory has no list.
async fn to_post(
    settings: &Arc<FileSettings>,
    request: &FileRequest<'_>,
    now: SystemTime,
    cache: &FileCache,
) -> FileAnswer {
    let got = FileRequest { method: &Method::HEAD, ..*request };
    match Box::pin(answer(settings, &got, now, cache)).await {
        FileAnswer::Reply(_) => FileAnswer::MethodNotAllowed,
        FileAnswer::Listing { .. } => {
            let path = settings.file_for(request.path, request.internal).unwrap_or_default();
            FileAnswer::Forbidden(path, Barrier::NoIndex)
        }
        other => other,
    }
}

/// Answers as `answer` does, but only if it takes no waiting: memory has the file, and it was checked lately.
/// GET and HEAD only.
pub(crate) fn from_memory(
    settings: &FileSettings,
    request: &FileRequest<'_>,
    now: SystemTime,
    cache: &FileCache,
) -> Option<FileReply> {
    let resource = cache.get(settings, request.path.as_bytes())?;
    kept(request, &resource, accepted(settings, request), now, cache)
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    File,
    Directory,
}

/// What is there for a request's path, as far as requests may have it.
pub(crate) async fn kind(
    settings: &Arc<FileSettings>,
    path: &NormalPath<'_>,
    now: SystemTime,
    cache: &FileCache,
) -> io::Result<Option<PathKind>> {
    let known = cache.get(settings, path.as_bytes()).filter(|_| !path.is_directory());
    if known.is_some_and(|known| cache.is_valid(&known, now)) {
        return Ok(Some(PathKind::File));
    }
    let Some(file) = settings.file_for(path, false) else { return Ok(None) };
    let settings = Arc::clone(settings);
    let found = on_disk(move || {
        let boundary = settings.boundary().map(open::resolve).transpose()?;
        open::open(&file, boundary.as_deref()).map(|opened| opened.metadata)
    });
    match found.await {
        Ok(metadata) if metadata.is_dir() => Ok(Some(PathKind::Directory)),
        Ok(_) => Ok(Some(PathKind::File)),
        Err(NoFile::Failed(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// What is at a path of this machine, which the settings name.
pub(crate) async fn kind_at(path: PathBuf) -> io::Result<Option<PathKind>> {
    let found = on_disk(move || -> io::Result<Option<PathKind>> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(PathKind::Directory)),
            Ok(metadata) => Ok(metadata.is_file().then_some(PathKind::File)),
            Err(_) => Ok(None),
        }
    });
    found.await
}

fn kept(
    request: &FileRequest<'_>,
    resource: &Resource,
    accepted: Codings,
    now: SystemTime,
    cache: &FileCache,
) -> Option<FileReply> {
    if !cache.is_valid(resource, now) {
        return None;
    }
    let representation = resource.choose(accepted);
    let content = Content::Memory(representation.content.clone()?);
    Some(reply(request, representation, content, now))
}

fn accepted(settings: &FileSettings, request: &FileRequest<'_>) -> Codings {
    if settings.is_precompressed() { Codings::accepted_by(request.headers) } else { Codings::default() }
}

/// Runs a job that waits for the disk on the thread pool for that, with a deadline.
async fn on_disk<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    match tokio::time::timeout(DISK_DEADLINE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(io::Error::other(panicked).into()),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

#[cfg(test)]
mod tests;

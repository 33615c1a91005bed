//! What is known about one file: its representations (as it is, precompressed), their headers, and small
//! ones' content.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use crate::coding::copies::CodedCopies;
use crate::coding::{Coding, Codings};
use crate::files::open::OpenFile;

/// A file that changed just now is not kept in memory: a second change soon after could have the same time.
const SETTLED: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Resource {
    /// When the disk was last asked.
    pub(super) checked: SystemTime,
    /// The file as it is.
    pub(super) plain: Representation,
    /// Its precompressed siblings, in the order of preference.
    pub(super) coded: Vec<(Coding, Representation)>,
}

/// One version of one file as a client gets it.
#[derive(Debug)]
pub(super) struct Representation {
    pub(super) stamp: Stamp,
    /// The headers of a 200 answer.
    pub(super) headers: HeaderMap,
    /// The whole content; `None`: it is streamed from disk.
    pub(super) content: Option<Bytes>,
    /// Copies of the content that were compressed on the fly.
    pub(super) kept: Arc<CodedCopies>,
}

/// What a representation says of itself beside what its file says.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) media_type: HeaderValue,
    pub(super) coding: Option<Coding>,
    /// There are representations in other codings.
    pub(super) varies: bool,
}

/// Distinguishes one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: SystemTime,
    pub(super) length: u64,
    inode: u64,
    device: u64,
}

impl Resource {
    pub(super) fn choose(&self, accepted: Codings) -> &Representation {
        let coded = self.coded.iter().find(|(coding, _)| accepted.contains(*coding));
        coded.map_or(&self.plain, |(_, representation)| representation)
    }

    pub(super) fn in_coding(&self, coding: Option<Coding>) -> Option<&Representation> {
        let Some(coding) = coding else { return Some(&self.plain) };
        self.coded.iter().find(|(other, _)| *other == coding).map(|(_, representation)| representation)
    }

    /// The content that is in memory.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Bytes> {
        let coded = self.coded.iter().map(|(_, representation)| representation);
        coded.chain([&self.plain]).filter_map(|representation| representation.content.as_ref())
    }
}

impl Representation {
    /// Takes the content from `known` if that is the same version, else from the file if it is at most
    /// `max_length` long.
    pub(super) fn load(
        opened: &OpenFile,
        description: &Description,
        known: Option<&Self>,
        max_length: u64,
        now: SystemTime,
    ) -> io::Result<Self> {
        let stamp = Stamp::of(&opened.metadata)?;
        let headers = headers(&stamp, description, now);
        if let Some(known) = known.filter(|known| known.stamp == stamp && known.content.is_some()) {
            let (content, kept) = (known.content.clone(), known.kept.clone());
            return Ok(Self { stamp, headers, content, kept });
        }
        let content = match stamp.length <= max_length && stamp.is_settled(now) {
            true => read_whole(&opened.file, &stamp)?,
            false => None,
        };
        Ok(Self { stamp, headers, content, kept: Arc::default() })
    }
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
            inode: metadata.ino(),
            device: metadata.dev(),
        })
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age >= SETTLED)
    }

    /// A strong validator: the time of the last change in nanoseconds, and the length. It leaves out the
    /// inode, so that edges with copies of the same files (`rsync -t`, one container image) agree.
    fn entity_tag(&self, coding: Option<Coding>) -> String {
        let (sign, since) = match self.modified.duration_since(UNIX_EPOCH) {
            Ok(since) => ("", since),
            Err(before) => ("-", before.duration()),
        };
        let (dash, coding) = coding.map_or(("", ""), |coding| ("-", coding.name()));
        format!("\"{sign}{:x}-{:x}{dash}{coding}\"", since.as_nanos(), self.length)
    }

    /// RFC 9110 §8.8.2.1: "An origin server with a clock MUST NOT generate a Last-Modified date that is later
    /// than the server's time of message origination (Date)."
    fn last_modified(&self, now: SystemTime) -> String {
        httpdate::fmt_http_date(self.modified.min(now).max(UNIX_EPOCH))
    }
}

fn headers(stamp: &Stamp, description: &Description, now: SystemTime) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(CONTENT_TYPE, description.media_type.clone());
    headers.insert(CONTENT_LENGTH, stamp.length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::try_from(stamp.entity_tag(description.coding)) {
        headers.insert(ETAG, tag);
    }
    if let Ok(date) = HeaderValue::try_from(stamp.last_modified(now)) {
        headers.insert(LAST_MODIFIED, date);
    }
    if let Some(coding) = description.coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if description.varies {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers
}

/// The content, or `None` if the file changed meanwhile.
fn read_whole(mut file: &File, stamp: &Stamp) -> io::Result<Option<Bytes>> {
    let mut content = Vec::with_capacity(usize::try_from(stamp.length).unwrap_or_default());
    file.by_ref().take(stamp.length).read_to_end(&mut content)?;
    let is_whole = content.len() as u64 == stamp.length && Stamp::of(&file.metadata()?)? == *stamp;
    Ok(is_whole.then(|| content.into()))
}

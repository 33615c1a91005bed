//! A reply's body, from any source.

pub(crate) mod changed;
pub(crate) mod coded;
pub(crate) mod filled;
pub(crate) mod paced;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::application;
use crate::cache::shared_body;
use crate::files::FileStream;
use changed::ChangedBody;
use coded::CodedBody;
use filled::FilledBody;
use paced::PacedBody;

/// The reply's body broke off after its head was sent: the connection must not end cleanly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncompleteReply {
    #[error(transparent)]
    Fill(#[from] shared_body::IncompleteBody),
    #[error(transparent)]
    Origin(#[from] application::Failure),
    #[error("file: {0}")]
    File(#[from] std::io::Error),
    #[error("compression: {0}")]
    Coding(std::io::Error),
}

/// A reply's body.
pub(crate) enum ReplyBody {
    Empty,
    Whole(Bytes),
    /// A page that is being filled, shared with other requests.
    Growing(shared_body::Reader),
    /// The application's body, for this request alone.
    Origin(Box<application::Body>),
    File(Box<FileStream>),
    /// The part that a range names of a body that is still arriving.
    Part(Box<Part>),
    /// A body whose beginning was examined.
    Begun(Box<BegunBody>),
    /// A body that is coded as it arrives.
    Coded(Box<CodedBody>),
    /// A body that is changed as it arrives.
    Changed(Box<ChangedBody>),
    /// A page with holes, filled as it arrives.
    Filled(Box<FilledBody>),
    /// A body whose speed is limited.
    Paced(Box<PacedBody>),
}

/// Pieces that were read already, and the body that they began.
pub(crate) struct BegunBody {
    first: VecDeque<Bytes>,
    rest: ReplyBody,
}

impl BegunBody {
    pub(crate) fn new(first: VecDeque<Bytes>, rest: ReplyBody) -> Self {
        Self { first, rest }
    }
}

/// A part of a body: what precedes it is read and dropped.
pub(crate) struct Part {
    body: ReplyBody,
    skip: u64,
    left: u64,
}

impl Part {
    /// `length` bytes of the body, from `start` on.
    pub(crate) fn of(body: ReplyBody, start: u64, length: u64) -> Self {
        Self { body, skip: start, left: length }
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The body that it is a part of.
    pub(crate) fn whole(&mut self) -> &mut ReplyBody {
        &mut self.body
    }

    async fn next(&mut self) -> Option<Result<Bytes, IncompleteReply>> {
        while self.left > 0 {
            // Boxed, as a body that holds another of its kind.
            let mut chunk = match Box::pin(self.body.next()).await? {
                Ok(chunk) => chunk,
                Err(broken) => return Some(Err(broken)),
            };
            let before = self.skip.min(chunk.len() as u64);
            self.skip -= before;
            let _ = chunk.split_to(before as usize);
            chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= chunk.len() as u64;
            if !chunk.is_empty() {
                return Some(Ok(chunk));
            }
        }
        None
    }
}

impl ReplyBody {
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncompleteReply>> {
        self.next_of(usize::MAX).await
    }

    /// The next piece. No more than this is read at once of what can be read in any pieces.
    pub(crate) async fn next_of(&mut self, most: usize) -> Option<Result<Bytes, IncompleteReply>> {
        match self {
            Self::Empty => None,
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                (!bytes.is_empty()).then_some(Ok(bytes))
            }
            Self::Growing(reader) => reader.next().await.map(|chunk| chunk.map_err(IncompleteReply::from)),
            Self::Origin(body) => body.next().await.map(|chunk| chunk.map_err(IncompleteReply::from)),
            Self::File(file) => file.next(most).await.map(|chunk| chunk.map_err(IncompleteReply::from)),
            Self::Part(part) => part.next().await,
            Self::Begun(begun) => match begun.first.pop_front() {
                Some(chunk) => Some(Ok(chunk)),
                None => Box::pin(begun.rest.next()).await,
            },
            Self::Coded(coded) => Box::pin(coded.next()).await,
            Self::Changed(changed) => Box::pin(changed.next()).await,
            Self::Filled(filled) => Box::pin(filled.next()).await,
            Self::Paced(paced) => Box::pin(paced.next()).await,
        }
    }

    /// What has arrived whole is not waited for any more.
    pub(crate) fn settle(&mut self) {
        if let Self::Origin(body) = self
            && let Some(whole) = body.take_whole()
        {
            *self = Self::Whole(whole);
        }
    }

    /// The next piece may take long to arrive.
    pub(crate) fn is_arriving(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) | Self::File(_) => false,
            Self::Growing(_) | Self::Origin(_) | Self::Part(_) | Self::Paced(_) => true,
            Self::Begun(begun) => begun.rest.is_arriving(),
            Self::Coded(coded) => coded.body().is_arriving(),
            Self::Changed(changed) => changed.body().is_arriving(),
            Self::Filled(filled) => filled.body().is_arriving(),
        }
    }

    /// The page that is being filled and nothing of which was read, if it is one.
    pub(crate) fn growing(&self) -> Option<&shared_body::Reader> {
        match self {
            Self::Growing(reader) => Some(reader),
            Self::Filled(filled) => filled.body().growing(),
            _ => None,
        }
    }

    /// The client will not read on for a while: the application's server is not kept waiting for that.
    pub(crate) fn go_on(&mut self) {
        match self {
            Self::Origin(body) => body.go_on(),
            Self::Part(part) => part.body.go_on(),
            Self::Begun(begun) => begun.rest.go_on(),
            Self::Coded(coded) => coded.body_mut().go_on(),
            Self::Changed(changed) => changed.body_mut().go_on(),
            Self::Filled(filled) => filled.body_mut().go_on(),
            Self::Paced(paced) => paced.body_mut().go_on(),
            _ => {}
        }
    }
}

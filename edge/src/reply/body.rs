//! A reply's body, from any source.

use bytes::Bytes;

use crate::application;
use crate::cache::shared_body;
use crate::files::FileStream;

/// The reply's body broke off after its head was sent: the connection must not end cleanly.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Fill(#[from] shared_body::BrokenOff),
    #[error(transparent)]
    Origin(#[from] application::Failure),
    #[error("file: {0}")]
    File(#[from] std::io::Error),
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
}

impl ReplyBody {
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        match self {
            Self::Empty => None,
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                (!bytes.is_empty()).then_some(Ok(bytes))
            }
            Self::Growing(reader) => reader.next().await.map(|chunk| chunk.map_err(Broken::from)),
            Self::Origin(body) => body.next().await.map(|chunk| chunk.map_err(Broken::from)),
            Self::File(file) => file.next().await.map(|chunk| chunk.map_err(Broken::from)),
        }
    }

    /// The client will not read on for a while: the application's server is not kept waiting for that.
    pub(crate) fn go_on(&mut self) {
        if let Self::Origin(body) = self {
            body.go_on();
        }
    }
}

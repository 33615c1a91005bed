//! A request's body in a temporary file, for applications that want its name: `$request_body_file`.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::request::body::{BodyFault, RequestBody};
use crate::settings::BodyFiles;
use crate::variables::body_copy::BodyFile;

/// Bytes that are read from a file at once.
const PIECE: usize = 64 * 1024;

/// Why a body is not at hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFileError {
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Takes the whole body. One that is longer than `most`, or each if `files` says so, goes to a file.
pub(crate) async fn take(
    mut body: RequestBody,
    most: u64,
    files: BodyFiles,
) -> Result<(RequestBody, Option<BodyFile>), BodyFileError> {
    let most = if files == BodyFiles::Long { most } else { 0 };
    let mut held = BytesMut::new();
    let mut written: Option<(File, BodyFile)> = None;
    let mut length: u64 = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        length += chunk.len() as u64;
        if written.is_none() && length > most {
            let mut made = create(files).await?;
            made.0.write_all(&std::mem::take(&mut held)).await?;
            written = Some(made);
        }
        match &mut written {
            Some((file, _)) => file.write_all(&chunk).await?,
            None => held.extend_from_slice(&chunk),
        }
    }
    let Some((mut file, named)) = written else { return Ok((RequestBody::text(held.freeze()), None)) };
    file.flush().await?;
    file.rewind().await?;
    Ok((read(file, length), Some(named)))
}

async fn create(files: BodyFiles) -> io::Result<(File, BodyFile)> {
    let path = std::env::temp_dir().join(format!("weir-body-{:032x}", rand::random::<u128>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).await?;
    Ok((file, BodyFile::new(path, files == BodyFiles::Keep)))
}

/// The body, as it is read from its file.
fn read(mut file: File, length: u64) -> RequestBody {
    let (body, pump) = RequestBody::pumped(Some(length));
    tokio::spawn(async move {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE);
            let next: Result<Bytes, BodyFault> = match file.read_buf(&mut piece).await {
                Ok(0) => return,
                Ok(_) => Ok(piece.freeze()),
                Err(_) => Err(BodyFault::CutOff),
            };
            let failed = next.is_err();
            if pump.chunks.send(next).await.is_err() || failed {
                return;
            }
        }
    });
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn whole(mut body: RequestBody) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(chunk) = body.next().await {
            all.extend_from_slice(&chunk.unwrap());
        }
        all
    }

    #[tokio::test]
    async fn a_long_body_is_in_a_file_while_the_request_is() {
        let text = || RequestBody::text(Bytes::from_static(b"0123456789"));
        let (body, file) = take(text(), 10, BodyFiles::Long).await.unwrap();
        assert!(file.is_none());
        assert_eq!(whole(body).await, b"0123456789");
        for (most, files) in [(9, BodyFiles::Long), (10, BodyFiles::All), (10, BodyFiles::Keep)] {
            let (body, file) = take(text(), most, files).await.unwrap();
            let file = file.unwrap();
            let path = file.path().to_owned();
            assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
            assert_eq!((body.length(), whole(body).await), (Some(10), b"0123456789".to_vec()));
            drop(file);
            assert_eq!(path.exists(), files == BodyFiles::Keep);
            let _ = std::fs::remove_file(path);
        }
    }
}

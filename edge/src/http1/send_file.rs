//! A large file to a plain TCP client: the kernel moves it to the socket, and nobody copies it. The bytes
//! sent equal those of `write.rs`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::connection::pace::ClientPace;
use crate::connection::stream::Stream;
use crate::files::FileStream;
use crate::http1::write;
use crate::http1::write::WriteManner;
use crate::reply::Reply;
use crate::reply::body::ReplyBody;
use crate::reply::delivery::Delivery;

/// A shorter file is sent in one piece with its head, which costs less.
const AT_ONCE: u64 = 128 * 1024;
const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Whether `send` can send this reply.
pub(crate) fn suits(enabled: bool, stream: &Stream, reply: &Reply, manner: WriteManner) -> bool {
    let ReplyBody::File(file) = &reply.body else { return false };
    if !enabled || !matches!(stream, Stream::Plain(_)) || manner.head_only {
        return false;
    }
    file.is_plain() && file.remaining() > AT_ONCE && reply.length == Some(file.remaining())
}

/// Sends the reply. It breaks off if the client does not keep this pace.
pub(crate) async fn send(
    stream: &mut Stream,
    mut reply: Reply,
    manner: WriteManner,
    mut pace: ClientPace,
) -> (Delivery, Reply) {
    let keep_alive = manner.keep_alive && !reply.close;
    let mut head = Vec::with_capacity(1024);
    write::whole_head(&mut head, &reply, WriteManner { keep_alive, ..manner });
    let mut sent = Delivery { head: head.len() as u64, ..Delivery::default() };
    let sending = async {
        stream.write_rest(head.into(), Bytes::new(), &mut pace).await?;
        let ReplyBody::File(file) = &mut reply.body else { return Ok(()) };
        let socket = Arc::new(stream.tcp()?.as_fd().try_clone_to_owned()?);
        while file.remaining() > 0 {
            sent.body += piece(stream, &socket, file, &mut pace).await?;
        }
        Ok::<_, io::Error>(())
    };
    match sending.await {
        Ok(()) => sent.reusable = keep_alive,
        Err(_) => sent.broken = true,
    }
    (sent, reply)
}

/// Sends the next piece of the file and returns its length.
async fn piece(
    stream: &mut Stream,
    socket: &Arc<OwnedFd>,
    file: &mut FileStream,
    pace: &mut ClientPace,
) -> io::Result<u64> {
    pace.wait(takes_more(stream.tcp()?)).await?;
    match file.send_to(socket.clone()).await {
        // The kernel cannot send from this file system.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let Some(chunk) = file.next(pace.piece()).await.transpose()? else { return Ok(0) };
            let length = chunk.len() as u64;
            stream.write_rest(chunk, Bytes::new(), pace).await?;
            Ok(length)
        }
        sent => {
            pace.took(usize::try_from(*sent.as_ref().unwrap_or(&0)).unwrap_or(usize::MAX))?;
            sent
        }
    }
}

/// Resolves when the socket has room. The runtime does not see what is sent past it, so this asks the socket
/// itself, in a way that lets the runtime notice when there is room again.
async fn takes_more(tcp: &TcpStream) -> io::Result<()> {
    tcp.async_io(Interest::WRITABLE, || {
        if has_room(tcp.as_fd())? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    })
    .await
}

fn has_room(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
    // An error of the socket counts as room: the sender then gets the error.
    Ok(poll(&mut polled, Some(&NO_TIME))? > 0)
}

#[cfg(test)]
mod tests;

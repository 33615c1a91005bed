//! A client's socket, which the runtime learns of when it first has to wait for it. A client whose request
//! has come already, and which wants one page that is here, is answered and gone before that.

use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) struct ClientSocket(SocketState);

enum SocketState {
    /// Nobody has read from it yet. What has come is read at once.
    Unread(net::TcpStream),
    /// Read from once. Its next reading is the runtime's, so that a client that never pauses has its turns
    /// like all others.
    Read(net::TcpStream),
    Known(TcpStream),
    /// The runtime could not take it.
    Lost,
}

impl ClientSocket {
    /// `tcp`: does not block, as accepted by us.
    pub(crate) fn new(tcp: net::TcpStream) -> Self {
        Self(SocketState::Unread(tcp))
    }

    /// The socket as the runtime knows it, from now on.
    pub(crate) fn known(&mut self) -> io::Result<&mut TcpStream> {
        if let SocketState::Unread(_) | SocketState::Read(_) = self.0
            && let SocketState::Unread(tcp) | SocketState::Read(tcp) =
                mem::replace(&mut self.0, SocketState::Lost)
        {
            self.0 = SocketState::Known(TcpStream::from_std(tcp)?);
        }
        match &mut self.0 {
            SocketState::Known(tcp) => Ok(tcp),
            _ => Err(lost()),
        }
    }

    pub(crate) fn into_known(mut self) -> io::Result<TcpStream> {
        self.known()?;
        match self.0 {
            SocketState::Known(tcp) => Ok(tcp),
            _ => Err(lost()),
        }
    }

    /// Without the runtime.
    pub(crate) fn into_std(self) -> io::Result<net::TcpStream> {
        match self.0 {
            SocketState::Unread(tcp) | SocketState::Read(tcp) => Ok(tcp),
            SocketState::Known(tcp) => tcp.into_std(),
            SocketState::Lost => Err(lost()),
        }
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            SocketState::Unread(tcp) | SocketState::Read(tcp) => tcp.peer_addr(),
            SocketState::Known(tcp) => tcp.peer_addr(),
            SocketState::Lost => Err(lost()),
        }
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            SocketState::Unread(tcp) | SocketState::Read(tcp) => tcp.local_addr(),
            SocketState::Known(tcp) => tcp.local_addr(),
            SocketState::Lost => Err(lost()),
        }
    }

    /// Writes what the client takes without waiting; `WouldBlock`: nothing. Uses `send`, which is cheaper
    /// than `writev`, for a single piece.
    pub(crate) fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&self.0, parts) {
            (SocketState::Unread(tcp) | SocketState::Read(tcp), [all]) => (&mut &*tcp).write(all),
            (SocketState::Unread(tcp) | SocketState::Read(tcp), _) => (&mut &*tcp).write_vectored(parts),
            (SocketState::Known(tcp), [all]) => tcp.try_write(all),
            (SocketState::Known(tcp), _) => tcp.try_write_vectored(parts),
            (SocketState::Lost, _) => Err(lost()),
        }
    }
}

impl From<TcpStream> for ClientSocket {
    fn from(tcp: TcpStream) -> Self {
        Self(SocketState::Known(tcp))
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let SocketState::Unread(tcp) = &mut this.0 {
            match tcp.read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    if let SocketState::Unread(tcp) = mem::replace(&mut this.0, SocketState::Lost) {
                        this.0 = SocketState::Read(tcp);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(this.known()?).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().known()?).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().known()?).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().known()?).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A client, and its connection as it is accepted.
    async fn connected() -> (TcpStream, ClientSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = listener.accept().await.unwrap().0.into_std().unwrap();
        (client, ClientSocket::new(accepted))
    }

    fn is_known(socket: &ClientSocket) -> bool {
        matches!(socket.0, SocketState::Known(_))
    }

    #[tokio::test]
    async fn one_request_that_has_come_is_read_and_answered_without_the_runtime() {
        let (mut client, mut socket) = connected().await;
        client.write_all(b"first").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(socket.read(&mut buffer).await.unwrap(), 5);
        for parts in [&[IoSlice::new(b"one")][..], &[IoSlice::new(b"t"), IoSlice::new(b"wo")]] {
            assert_eq!(socket.try_write(parts).unwrap(), 3);
        }
        assert!(!is_known(&socket));
        drop(socket);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "onetwo");
    }

    #[tokio::test]
    async fn a_second_reading_is_the_runtime_s_even_if_bytes_have_come() {
        let (mut client, mut socket) = connected().await;
        client.write_all(b"ab").await.unwrap();
        assert_eq!((socket.read_u8().await.unwrap(), is_known(&socket)), (b'a', false));
        assert_eq!((socket.read_u8().await.unwrap(), is_known(&socket)), (b'b', true));
        drop(client);
        assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn who_says_nothing_yet_is_waited_for() {
        let (mut client, mut socket) = connected().await;
        let mut buffer = [0; 16];
        let (read, ()) = tokio::join!(socket.read(&mut buffer), async {
            tokio::task::yield_now().await;
            client.write_all(b"late").await.unwrap();
        });
        assert_eq!((read.unwrap(), is_known(&socket)), (4, true));
        let std = socket.into_std().unwrap();
        let mut parked = ClientSocket::new(std);
        client.write_all(b"again").await.unwrap();
        assert_eq!((parked.read(&mut buffer).await.unwrap(), is_known(&parked)), (5, false));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_waited_for() {
        let (client, mut socket) = connected().await;
        let much = vec![0; 64 * 1024];
        let refused = (0..1_000).find_map(|_| socket.try_write(&[IoSlice::new(&much)]).err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(client);
        assert!(socket.write_all(&much).await.is_err());
        assert!(is_known(&socket));
    }
}

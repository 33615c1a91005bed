//! TLS over TCP by rustls without its buffers: records are read, opened and sealed in buffers of the thread.
//! A connection holds bytes only while a record is incomplete, or while its client takes less than is sent.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes read at once.
const INPUT: usize = 16 * 1024;
/// The most bytes of a client that may wait for the end of what they belong to: a record (RFC 8446 section
/// 5.2), or in a handshake a message, as rustls bounds it where it has the buffer.
const MAX_RECORD: usize = 5 + (1 << 14) + 2048;
pub(crate) const MAX_HANDSHAKE: usize = 0xffff;
/// Plaintext that is sealed for one write.
const SEALED_AT_ONCE: usize = 64 * 1024;
/// Plaintext of a record, and what sealing adds to it at most.
const PLAIN_RECORD: usize = 16 * 1024;
const OVERHEAD: usize = 64;

pub(crate) struct TlsStream {
    tcp: TcpStream,
    state: Box<TlsState>,
}

type TrafficWriter<'a> = WriteTraffic<'a, ServerConnectionData>;

/// A connection without its socket.
pub(crate) struct TlsState {
    tls: UnbufferedServerConnection,
    /// The beginning of what has not come whole.
    incoming: Vec<u8>,
    /// Plaintext that nobody has taken yet.
    plain: Vec<u8>,
    /// Records that the client has not taken yet.
    outgoing: Vec<u8>,
    client_closed: bool,
    said_close: bool,
}

/// Buffers of a thread; never held across a wait.
#[derive(Default)]
struct TlsBuffers {
    input: Vec<u8>,
    /// Pieces of plaintext, one behind the other.
    plain: Vec<u8>,
    records: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<TlsBuffers> = RefCell::default();
}

impl TlsStream {
    /// A connection whose handshake begins with these bytes, which have come already.
    pub(crate) fn new(tcp: TcpStream, config: Arc<ServerConfig>, begun: Vec<u8>) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let state = TlsState {
            tls,
            incoming: begun,
            plain: Vec::new(),
            outgoing: Vec::new(),
            client_closed: false,
            said_close: false,
        };
        Ok(Self { tcp, state: Box::new(state) })
    }

    /// Completes the handshake.
    pub(crate) async fn shake(&mut self) -> io::Result<()> {
        let mut begun = std::mem::take(&mut self.state.incoming);
        self.take(&mut begun)?;
        loop {
            poll_fn(|context| self.poll_send(context)).await?;
            if !self.state.tls.is_handshaking() {
                return Ok(());
            }
            if self.state.client_closed || !poll_fn(|context| self.poll_receive(context)).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Nothing waits in it, in either direction.
    pub(crate) fn is_silent(&self) -> bool {
        let TlsState { incoming, plain, outgoing, client_closed, said_close, .. } = &*self.state;
        incoming.is_empty() && plain.is_empty() && outgoing.is_empty() && !client_closed && !said_close
    }

    pub(crate) fn into_parts(self) -> (TcpStream, Box<TlsState>) {
        (self.tcp, self.state)
    }

    pub(crate) fn of_parts(tcp: TcpStream, state: Box<TlsState>) -> Self {
        Self { tcp, state }
    }

    /// Says, as far as the socket takes it at once, that nothing more is sent.
    pub(crate) fn say_end(&mut self) {
        if let Ok(alert) = self.state.last_alert() {
            let _ = self.tcp.try_write(alert);
        }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub(crate) fn tls(&self) -> &UnbufferedServerConnection {
        &self.state.tls
    }

    /// Takes what has come of the client. What an alert of ours says is sent as far as the socket takes it.
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let taken = self.state.take(bytes);
        if taken.is_err() {
            let _ = self.tcp.try_write(&self.state.outgoing);
        }
        taken
    }

    /// Reads once, and takes what has come. False: the client has ended the connection below TLS.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        BUFFERS.with_borrow_mut(|TlsBuffers { input, .. }| {
            let begun = self.state.incoming.len();
            if input.len() < begun + INPUT {
                input.resize(begun + INPUT, 0);
            }
            let mut read = ReadBuf::new(input.get_mut(begun..begun + INPUT).unwrap_or_default());
            ready!(Pin::new(&mut self.tcp).poll_read(context, &mut read))?;
            let end = begun + read.filled().len();
            if end == begun {
                return Poll::Ready(Ok(false));
            }
            let all = input.get_mut(..end).unwrap_or_default();
            let (before, _) = all.split_at_mut(begun);
            before.copy_from_slice(&std::mem::take(&mut self.state.incoming));
            Poll::Ready(self.take(all).map(|()| true))
        })
    }

    /// Sends what the client has not taken yet.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outgoing = &mut self.state.outgoing;
        while !outgoing.is_empty() {
            match ready!(Pin::new(&mut self.tcp).poll_write(context, outgoing))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent if sent == outgoing.len() => *outgoing = Vec::new(),
                sent => drop(outgoing.drain(..sent)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Seals plaintext, and sends of it what the client takes now; the rest waits.
    fn poll_seal(&mut self, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        BUFFERS.with_borrow_mut(|TlsBuffers { plain, records, .. }| {
            plain.clear();
            for part in parts {
                let room = SEALED_AT_ONCE - plain.len();
                plain.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
            }
            let most = plain.len() + (plain.len() / PLAIN_RECORD + 1) * OVERHEAD;
            if records.len() < most {
                records.resize(most, 0);
            }
            let mut sealed = Err(EncryptError::EncryptExhausted);
            self.state.write(&mut |mut traffic| {
                sealed = match traffic.encrypt(plain, records) {
                    // TLS adds something of its own, such as an update of keys.
                    Err(EncryptError::InsufficientSize(size)) => {
                        records.resize(size.required_size, 0);
                        traffic.encrypt(plain, records)
                    }
                    sealed => sealed,
                };
            })?;
            let mut sealed = records.get(..sealed.map_err(invalid)?).unwrap_or_default();
            // What TLS itself has to say goes first.
            if self.poll_send(context)?.is_ready() {
                while !sealed.is_empty() {
                    match Pin::new(&mut self.tcp).poll_write(context, sealed)? {
                        Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        Poll::Ready(sent) => sealed = sealed.get(sent..).unwrap_or_default(),
                        Poll::Pending => break,
                    }
                }
            }
            self.state.outgoing.extend_from_slice(sealed);
            Poll::Ready(Ok(plain.len()))
        })
    }
}

impl TlsState {
    /// Opens the records in these bytes, and keeps what does not end in them.
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let used = self.turn(bytes, &mut |_| {})?;
        let rest = bytes.get(used..).unwrap_or_default();
        let most = if self.tls.is_handshaking() { MAX_HANDSHAKE } else { MAX_RECORD };
        if rest.len() > most {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.incoming = rest.to_vec();
        Ok(())
    }

    /// Lets `write` seal. TLS sees again what is incomplete, because it remembers how far it has read in it.
    fn write(&mut self, write: &mut dyn FnMut(TrafficWriter<'_>)) -> io::Result<()> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let used = self.turn(&mut incoming, write)?;
        incoming.drain(..used.min(incoming.len()));
        self.incoming = incoming;
        Ok(())
    }

    /// Lets TLS do what it can with these bytes until it needs more, and tells how many it is done with.
    /// `write` may then seal, if the handshake is over. What is to be sent is in `outgoing`.
    fn turn(&mut self, bytes: &mut [u8], write: &mut dyn FnMut(TrafficWriter<'_>)) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let left = bytes.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state, .. } = self.tls.process_tls_records(left);
            let mut is_done = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        self.plain.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |room| match data.encode(room) {
                        Err(EncodeError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                        written => written.map(Ok).map_err(invalid),
                    })?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    write(traffic);
                    is_done = true;
                }
                Ok(ConnectionState::PeerClosed) => self.client_closed = true,
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => is_done = true,
                Ok(_) => return Err(io::ErrorKind::Unsupported.into()),
                Err(error) => {
                    self.last_words(bytes.get_mut(used + discard..).unwrap_or_default());
                    return Err(invalid(error));
                }
            }
            used += discard;
            if is_done {
                return Ok(used);
            }
        }
    }

    /// Appends the alert that says why the connection fails.
    fn last_words(&mut self, bytes: &mut [u8]) {
        while let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(mut data)), .. } =
            self.tls.process_tls_records(bytes)
        {
            let written = append(&mut self.outgoing, |room| match data.encode(room) {
                Err(EncodeError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                written => written.map(Ok).map_err(invalid),
            });
            if written.is_err() {
                return;
            }
        }
    }

    /// What the client is told last, behind what it has not taken yet.
    pub(crate) fn last_alert(&mut self) -> io::Result<&[u8]> {
        self.say_close()?;
        Ok(&self.outgoing)
    }

    /// Says, once, that nothing more will be sent.
    fn say_close(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.said_close, true) {
            return Ok(());
        }
        let mut alert = Vec::new();
        let mut said = Ok(());
        self.write(&mut |mut traffic| {
            said = append(&mut alert, |room| match traffic.queue_close_notify(room) {
                Err(EncryptError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                written => written.map(Ok).map_err(invalid),
            });
        })?;
        said?;
        self.outgoing.extend_from_slice(&alert);
        Ok(())
    }
}

/// Appends what `write` puts into the room behind; it tells how much that is, or how much room it needs.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> io::Result<Result<usize, usize>>,
) -> io::Result<()> {
    let begun = out.len();
    let mut room = 0;
    for _ in 0..2 {
        out.resize(begun + room, 0);
        match write(out.get_mut(begun..).unwrap_or_default())? {
            Ok(written) => {
                out.truncate(begun + written);
                return Ok(());
            }
            Err(required) => room = required,
        }
    }
    out.truncate(begun);
    Err(io::ErrorKind::InvalidData.into())
}

pub(crate) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.state.plain.is_empty() {
            if this.state.client_closed {
                return Poll::Ready(Ok(()));
            }
            // RFC 8446 section 6.1: without the alert, it is not known that all has come.
            if !ready!(this.poll_receive(context))? {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            // Answers of TLS itself, such as to an update of keys.
            if let Poll::Ready(Err(error)) = this.poll_send(context) {
                return Poll::Ready(Err(error));
            }
        }
        let plain = &mut this.state.plain;
        let taken = plain.len().min(buffer.remaining());
        buffer.put_slice(plain.get(..taken).unwrap_or_default());
        match taken == plain.len() {
            true => *plain = Vec::new(),
            false => drop(plain.drain(..taken)),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        if this.state.said_close {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if parts.iter().all(|part| part.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        this.poll_seal(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.state.say_close()?;
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;

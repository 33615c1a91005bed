//! An HTTP/1.1 client, plain or over TLS, that controls every byte it sends, and says exactly what came back.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::response::{Fields, Response};
use crate::{PATIENCE, certificate};

const READ: usize = 64 * 1024;

pub struct Client {
    stream: Wire,
    /// Received and not looked at yet.
    buffer: Vec<u8>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self { stream: Wire::Plain(Self::tcp(address)), buffer: Vec::new() }
    }

    /// Connects from this address of the machine, such as any of 127.0.0.0/8.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((source, 0).into()).unwrap();
            socket.connect(address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Self { stream: Wire::Plain(Self::patient(stream)), buffer: Vec::new() }
    }

    /// Over TLS, asking for the certificate of `name`; fails if the handshake does.
    pub fn over_tls(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let stream = certificate::secure(config, name, Self::tcp(address))?;
        Ok(Self { stream: Wire::Tls(Box::new(stream)), buffer: Vec::new() })
    }

    /// The session under a TLS client.
    pub fn session(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => Some(&tls.conn),
        }
    }

    fn tcp(address: SocketAddr) -> TcpStream {
        Self::patient(TcpStream::connect(address).unwrap())
    }

    fn patient(stream: TcpStream) -> TcpStream {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Wire::Plain(tcp) => tcp,
            Wire::Tls(tls) => &tls.sock,
        }
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends these bytes if the other side still takes them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Wire::Plain(tcp) => tcp.write_all(bytes.as_ref()),
            Wire::Tls(tls) => tls.write_all(bytes.as_ref()).and_then(|()| tls.flush()),
        }
    }

    /// Sends no more; still reads.
    pub fn finish_sending(&self) {
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Sends a request with these fields besides Host, and reads the response.
    #[track_caller]
    pub fn ask(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Response {
        self.send(head(method, target, fields));
        self.send(body);
        self.response(method)
    }

    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, &[], b"")
    }

    /// The next final response, to a request of this method.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Response {
        let mut response = self.head();
        while (100..200).contains(&response.status) {
            response = self.head();
        }
        self.body(&mut response, method);
        response
    }

    /// The next final response, or `None` if the connection ended instead.
    pub fn try_response(&mut self, method: &str) -> Option<Response> {
        let mut response = self.try_head()?;
        while (100..200).contains(&response.status) {
            response = self.try_head()?;
        }
        self.body(&mut response, method);
        Some(response)
    }

    /// The next response head, also an interim one; its body is still to come.
    #[track_caller]
    pub fn head(&mut self) -> Response {
        self.try_head().unwrap_or_else(|| panic!("the connection ended after {:?}", text(&self.buffer)))
    }

    pub fn try_head(&mut self) -> Option<Response> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            self.fill().ok().filter(|more| *more > 0)?;
        };
        let head = text(&self.buffer[..end]);
        self.buffer.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a field: {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Some(Response { version, status, fields: Fields(fields.collect()), body: Vec::new(), whole: false })
    }

    /// Reads the body that belongs to this head, of a response to a request of this method.
    #[track_caller]
    pub fn body(&mut self, response: &mut Response, method: &str) {
        let length = response.field("content-length").map(|length| length.parse::<usize>().unwrap());
        if method == "HEAD" || matches!(response.status, 204 | 304) {
            response.whole = true;
        } else if response.field("transfer-encoding") == Some("chunked") {
            assert!(length.is_none(), "both lengths: {:?}", response.fields);
            loop {
                match self.chunk() {
                    Some(chunk) if chunk.is_empty() => break response.whole = true,
                    Some(chunk) => response.body.extend(chunk),
                    None => break,
                }
            }
        } else if let Some(length) = length {
            response.body = self.take(length);
            response.whole = response.body.len() == length;
        } else {
            // Ends with the connection; a reset is no end.
            response.whole = loop {
                match self.fill() {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(_) => break false,
                }
            };
            response.body = std::mem::take(&mut self.buffer);
        }
    }

    /// The next chunk, empty for the last. `None`: the connection ended before it was whole.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                break end;
            }
            self.fill().ok().filter(|more| *more > 0)?;
        };
        let line = text(&self.buffer[..end]);
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("not a chunk size: {line:?}"));
        self.buffer.drain(..end + 2);
        let mut chunk = self.take(size + 2);
        if chunk.len() < size + 2 {
            return None;
        }
        assert_eq!(chunk.split_off(size), b"\r\n", "behind a chunk");
        Some(chunk)
    }

    /// The next `length` bytes; fewer if the connection ends before.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.fill().is_ok_and(|more| more > 0) {}
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Everything until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        self.take(usize::MAX)
    }

    /// Waits for the other side to close; panics if it sends something, or stays.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        assert!(self.buffer.is_empty(), "there is more: {:?}", text(&self.buffer));
        match self.fill() {
            Ok(0) => {}
            Ok(_) => panic!("there is more: {:?}", text(&self.buffer)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection is not closed: {error}"),
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; READ];
        let length = match &mut self.stream {
            Wire::Plain(tcp) => tcp.read(&mut piece)?,
            Wire::Tls(tls) => tls.read(&mut piece)?,
        };
        self.buffer.extend_from_slice(&piece[..length]);
        Ok(length)
    }
}

/// A request head for localhost.
fn head(method: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// As latin-1: no byte is lost.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

//! An answer that goes on, read line by line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{MISDIRECTED, connect, left, status_of};

/// A silent stream sends an empty line more often than this.
const SILENCE: Duration = Duration::from_secs(20);
const MAX_HEAD: u64 = 16 * 1024;
/// Bytes of a line, and of a refusal.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// The lines of an answer, without the empty ones.
#[derive(Debug)]
pub struct Lines(BufReader<TcpStream>);

/// What came instead of lines.
#[derive(Debug, thiserror::Error)]
pub enum LinesRefusal {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer's status and text.
    #[error("{1}")]
    Status(u16, String),
}

/// GET of an answer that goes on.
pub fn lines(
    address: &str,
    path: &str,
    token: Option<&str>,
    patience: Duration,
) -> Result<Lines, LinesRefusal> {
    let until = Instant::now() + patience;
    match begin(address, address, path, token, until) {
        Err(LinesRefusal::Status(MISDIRECTED, _)) => {
            let literal = connect(address, until)?.peer_addr()?.to_string();
            begin(address, &literal, path, token, until)
        }
        begun => begun,
    }
}

fn begin(
    address: &str,
    host: &str,
    path: &str,
    token: Option<&str>,
    until: Instant,
) -> Result<Lines, LinesRefusal> {
    let mut stream = connect(address, until)?;
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    stream.set_write_timeout(Some(left(until)?))?;
    // HTTP/1.0: the end of the connection is the end of the answer, and there are no chunks to put together.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {host}\r\n{token}\r\n").as_bytes())?;
    stream.set_read_timeout(Some(left(until)?))?;
    let mut reader = BufReader::new(stream);
    let mut status = None;
    let mut head = (&mut reader).take(MAX_HEAD);
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        status = status.or_else(|| status_of(&line));
        if line.trim_end().is_empty() {
            break;
        }
    }
    match status {
        Some(200) => {
            reader.get_ref().set_read_timeout(Some(SILENCE))?;
            Ok(Lines(reader))
        }
        status => {
            let mut text = String::new();
            // What has come so far says enough.
            let _ = reader.take(MAX_LINE).read_to_string(&mut text);
            Err(LinesRefusal::Status(status.unwrap_or_default(), text.trim_end().to_owned()))
        }
    }
}

impl Iterator for Lines {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut line = Vec::new();
            match (&mut self.0).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

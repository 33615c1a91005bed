//! Whether an application server answers: one HEAD request over its socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The first page may be slow; whoever waits asks again.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn answers(socket: &Path, uwsgi: bool, host: &str) -> bool {
    ask(socket, uwsgi, host).unwrap_or(false)
}

/// Whether it answers within twice the usual patience. A server that takes no connections holds up whoever
/// connects, for as long as it lives.
pub(super) fn answers_in_time(socket: PathBuf, uwsgi: bool, host: String) -> bool {
    let (answer, answered) = channel();
    let asking = thread::Builder::new().name("asking".into());
    let asked = asking.spawn(move || answer.send(answers(&socket, uwsgi, &host)));
    asked.is_ok() && answered.recv_timeout(2 * PATIENCE).unwrap_or(false)
}

fn ask(socket: &Path, uwsgi: bool, host: &str) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = match uwsgi {
        true => packet(host),
        false => format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes(),
    };
    stream.write_all(&request)?;
    let mut first = [0; 5];
    stream.read_exact(&mut first)?;
    Ok(&first == b"HTTP/")
}

/// A request of uwsgi.
fn packet(host: &str) -> Vec<u8> {
    let variables = [
        ("REQUEST_METHOD", "HEAD"),
        ("REQUEST_URI", "/"),
        ("PATH_INFO", "/"),
        ("SCRIPT_NAME", ""),
        ("QUERY_STRING", ""),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", host),
        ("SERVER_PORT", "80"),
        ("HTTP_HOST", host),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("wsgi.url_scheme", "http"),
    ];
    let mut block = Vec::new();
    for text in variables.iter().flat_map(|(name, value)| [name, value]) {
        block.extend(length(text.len()));
        block.extend(text.as_bytes());
    }
    let [low, high] = length(block.len());
    [&[0, low, high, 0], block.as_slice()].concat()
}

/// A host has at most 255 bytes, so all lengths fit.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes()
}

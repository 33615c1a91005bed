//! The other end of the listener, for command lines and probes: one request, blocking, with a limit on time
//! and size.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

mod lines;

pub use lines::{Lines, LinesRefusal, lines};

const MAX_REPLY: usize = 4 << 20;
/// RFC 9110 section 15.5.20.
const MISDIRECTED: u16 = 421;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// None: it was not HTTP.
    pub status: Option<u16>,
    pub body: String,
}

/// GET at the admin listener of `address`, as in the settings ("127.0.0.1:9900").
pub fn get(address: &str, path: &str, patience: Duration) -> io::Result<Reply> {
    exchange(address, &format!("GET {path}"), "", None, patience)
}

/// GET with the token of someone who may see more.
pub fn get_as(address: &str, path: &str, token: Option<&str>, patience: Duration) -> io::Result<Reply> {
    exchange(address, &format!("GET {path}"), "", token, patience)
}

/// POST of a JSON text.
pub fn post(address: &str, path: &str, json: &str, patience: Duration) -> io::Result<Reply> {
    exchange(address, &format!("POST {path}"), json, None, patience)
}

/// Posts with the token of someone who is allowed to change something.
pub fn post_as(
    address: &str,
    path: &str,
    json: &str,
    token: Option<&str>,
    patience: Duration,
) -> io::Result<Reply> {
    exchange(address, &format!("POST {path}"), json, token, patience)
}

/// Any method and target, with the token of someone who is allowed to.
pub fn ask(
    address: &str,
    (method, target): (&str, &str),
    json: &str,
    token: Option<&str>,
    patience: Duration,
) -> io::Result<Reply> {
    exchange(address, &format!("{method} {target}"), json, token, patience)
}

fn exchange(
    address: &str,
    request: &str,
    body: &str,
    token: Option<&str>,
    patience: Duration,
) -> io::Result<Reply> {
    let until = Instant::now() + patience;
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let rest = match body {
        "" => "\r\n".to_owned(),
        body => format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"),
    };
    let text =
        |host: &str| format!("{request} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{token}{rest}");
    let stream = connect(address, until)?;
    let literal = stream.peer_addr()?.to_string();
    let reply = send(stream, &text(address), until)?;
    if reply.status != Some(MISDIRECTED) {
        return Ok(reply);
    }
    // The listener does not know this name. Its address is as good: the name came from a person, not from a
    // page.
    send(connect(address, until)?, &text(&literal), until)
}

/// Sends this request and reads what comes, to the end of the connection.
fn send(mut stream: TcpStream, request: &str, until: Instant) -> io::Result<Reply> {
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(request.as_bytes())?;
    let mut reply = Vec::new();
    let mut piece = [0; 4096];
    while reply.len() < MAX_REPLY {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => reply.extend(piece.iter().take(count)),
        }
    }
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    Ok(Reply { status: status_of(head), body: body.to_owned() })
}

/// The status that a head begins with.
fn status_of(head: &str) -> Option<u16> {
    let rest = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "))?;
    rest.split(' ').next()?.trim_end().parse().ok()
}

/// As it is listened on: of several addresses behind a name the first that works, IPv4 before IPv6.
fn connect(address: &str, until: Instant) -> io::Result<TcpStream> {
    let mut addresses: Vec<SocketAddr> = address.to_socket_addrs()?.map(reachable).collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut last = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// "0.0.0.0:9900" is where it listens, not where it is reached.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => {}
        ip if ip.is_ipv4() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        _ => address.set_ip(Ipv6Addr::LOCALHOST.into()),
    }
    address
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

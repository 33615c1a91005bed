//! The other end of `/readyz`: the `healthcheck` of a container without a shell.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// Why an edge is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    #[error("nothing answers at {address}: {source}")]
    NoAnswer { address: String, source: std::io::Error },
    #[error("not ready: {0}")]
    NotReady(String),
    #[error("the settings have no admin listener to ask")]
    NoAdmin,
}

/// Asks the admin listener at `address` whether the edge is ready. Blocks, for some seconds at most.
pub fn healthcheck(address: &str) -> Result<(), Unready> {
    if address == "off" {
        return Err(Unready::NoAdmin);
    }
    let reply = ask(address).map_err(|source| Unready::NoAnswer { address: address.to_owned(), source })?;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    match head.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(Unready::NotReady(body.trim().replace('\n', "; "))),
    }
}

fn ask(address: &str) -> std::io::Result<String> {
    // "0.0.0.0:9900" is where it listens, not where it is reached.
    let address = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let unknown = || std::io::Error::other("the name has no address");
    let target = address.to_socket_addrs()?.next().ok_or_else(unknown)?;
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.take(64 * 1024).read_to_string(&mut reply)?;
    Ok(reply)
}

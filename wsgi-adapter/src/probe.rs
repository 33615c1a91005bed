//! Whether an application server can be used, for `weir doctor`: blocking, and without a call of the
//! application.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::address::{Endpoint, Protocol};
use crate::config::{Flavour, PoolConfig, ServerConfig};

/// How long it may take to connect, and then to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// uWSGI's own ping, which no application sees.
const PING: u8 = 100;
/// Bytes of a packet's head, of which two say how long the rest is, and of a variable's two lengths.
const HEADER: usize = 4;
const LENGTHS: usize = 4;

/// What is wrong with a server, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFault {
    pub what: String,
    pub remedy: String,
}

/// Asks a server of a pool. Where the address is looked up in DNS (SRV records), it is not asked.
pub fn probe(server: &ServerConfig, pool: &PoolConfig) -> Result<(), ServerFault> {
    let mut stream = match connect(server.address.endpoint()) {
        Ok(Some(stream)) => stream,
        Ok(None) => return Ok(()),
        Err(error) => return Err(unreachable(server, &error)),
    };
    if server.address.protocol() != Protocol::Uwsgi || pool.flavour != Flavour::Uwsgi {
        return Ok(());
    }
    let block = usize::try_from(pool.buffer_size.0).unwrap_or(usize::MAX).min(usize::from(u16::MAX));
    match ping(&mut stream, block) {
        Ok(Pong::Uwsgi) => Ok(()),
        Ok(Pong::Http) => Err(ServerFault {
            what: format!("{} is an HTTP server, and is spoken to by uwsgi", server.address.as_str()),
            remedy: format!("write \"http://{}\"", server.address.as_str()),
        }),
        Ok(Pong::Closed) => too_long(server, block),
        // Busy with other requests, or no server that knows the ping.
        Ok(Pong::Other) | Err(_) => Ok(()),
    }
}

fn unreachable(server: &ServerConfig, error: &io::Error) -> ServerFault {
    let remedy = match (error.kind(), server.address.endpoint()) {
        (ErrorKind::NotFound, Endpoint::Unix(path)) => {
            format!("start the application server, or correct the path; there is no {}", path.display())
        }
        (ErrorKind::PermissionDenied, Endpoint::Unix(path)) => {
            format!("let this user write to {} (uWSGI: chmod-socket, chown-socket)", path.display())
        }
        (ErrorKind::ConnectionRefused, _) => {
            "start the application server, or correct the address".to_owned()
        }
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => {
            "see whether a firewall is between, and whether the address is right".to_owned()
        }
        _ => "correct the address".to_owned(),
    };
    ServerFault { what: format!("{} cannot be reached: {error}", server.address.as_str()), remedy }
}

/// It has closed the connection: on a packet of this length, or on any.
fn too_long(server: &ServerConfig, block: usize) -> Result<(), ServerFault> {
    let small = connect(server.address.endpoint()).ok().flatten();
    let small = small.and_then(|mut stream| ping(&mut stream, LENGTHS).ok());
    if small != Some(Pong::Uwsgi) {
        return Ok(());
    }
    Err(ServerFault {
        what: format!(
            "{} takes less than the {block} bytes of the pool's buffer_size: it drops larger requests without a word",
            server.address.as_str()
        ),
        remedy: format!(
            "set uWSGI's `buffer-size = {block}`, or buffer_size to what uWSGI has (4096 by default)"
        ),
    })
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// `None`: it is not known where.
fn connect(endpoint: &Endpoint) -> io::Result<Option<Box<dyn Stream>>> {
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Some(Box::new(stream)))
        }
        Endpoint::Tcp { host, port } => {
            let mut last = io::Error::other("the name has no address");
            for address in (host.as_str(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(stream) => {
                        stream.set_read_timeout(Some(PATIENCE))?;
                        stream.set_write_timeout(Some(PATIENCE))?;
                        return Ok(Some(Box::new(stream)));
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Endpoint::Srv(_) => Ok(None),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pong {
    Uwsgi,
    Http,
    Closed,
    Other,
}

/// Sends a ping with a block of variables of this length.
fn ping(stream: &mut dyn Stream, block: usize) -> io::Result<Pong> {
    let mut packet = Vec::with_capacity(HEADER + block);
    let [low, high] = u16::try_from(block).unwrap_or(u16::MAX).to_le_bytes();
    packet.extend([PING, low, high, 0]);
    // One variable of one letter, whose value fills the block; in the smallest, its name is empty too.
    let name = block.saturating_sub(LENGTHS).min(1);
    let value = block.saturating_sub(LENGTHS + name);
    packet.extend(u16::try_from(name).unwrap_or_default().to_le_bytes());
    packet.extend(std::iter::repeat_n(b'P', name));
    packet.extend(u16::try_from(value).unwrap_or_default().to_le_bytes());
    packet.extend(std::iter::repeat_n(b'x', value));
    stream.write_all(&packet)?;
    let mut answer = [0; HEADER];
    match stream.read(&mut answer) {
        Ok(0) => Ok(Pong::Closed),
        Ok(_) if answer.starts_with(&[PING]) => Ok(Pong::Uwsgi),
        Ok(_) if answer.starts_with(b"HTTP") => Ok(Pong::Http),
        Ok(_) => Ok(Pong::Other),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Pong::Closed),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers each packet as uWSGI with this buffer-size, or with a text.
    fn server(buffer_size: usize, text: Option<&'static str>) -> ServerConfig {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(4) {
                let mut stream = stream.unwrap();
                let mut header = [0; HEADER];
                stream.read_exact(&mut header).unwrap();
                let block = usize::from(u16::from_le_bytes([header[1], header[2]]));
                if let Some(text) = text {
                    let _ = stream.write_all(text.as_bytes());
                } else if block <= buffer_size {
                    let mut rest = vec![0; block];
                    stream.read_exact(&mut rest).unwrap();
                    stream.write_all(&[PING, 0, 0, 1]).unwrap();
                }
            }
        });
        ServerConfig::new(address.to_string().parse().unwrap())
    }

    fn pool(buffer_size: u64) -> PoolConfig {
        PoolConfig { buffer_size: process::units::Size(buffer_size), ..PoolConfig::default() }
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(probe(&server(4096, None), &pool(4096)), Ok(()));
        let fault = probe(&server(4096, None), &pool(32768)).unwrap_err();
        assert!(fault.what.contains("takes less than the 32768 bytes"), "{fault:?}");
        assert!(fault.remedy.contains("buffer-size = 32768"), "{fault:?}");
        let fault = probe(&server(0, Some("HTTP/1.1 400 Bad Request\r\n\r\n")), &pool(4096)).unwrap_err();
        assert!(
            fault.what.contains("is an HTTP server") && fault.remedy.contains("http://127.0.0.1:"),
            "{fault:?}"
        );
        // Nobody knows what this one is.
        assert_eq!(probe(&server(0, Some("SSH-2.0")), &pool(4096)), Ok(()));
        let nobody = ServerConfig::new("127.0.0.1:1".parse().unwrap());
        let fault = probe(&nobody, &pool(4096)).unwrap_err();
        assert!(
            fault.what.contains("cannot be reached") && fault.remedy.contains("start the application"),
            "{fault:?}"
        );
        let missing = ServerConfig::new("unix:/nowhere/app.sock".parse().unwrap());
        assert!(probe(&missing, &pool(4096)).unwrap_err().remedy.contains("there is no /nowhere/app.sock"));
    }
}

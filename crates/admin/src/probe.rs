//! The other end of `/readyz`: the `healthcheck` of a container without a shell.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// For the whole of it but the name lookup, which the system limits.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_REPLY: usize = 64 * 1024;

/// Why a process is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    #[error("nothing answers at {address}: {source}")]
    NoAnswer { address: String, source: io::Error },
    #[error("not ready: {0}")]
    NotReady(String),
    #[error("the settings have no admin listener to ask")]
    NoAdmin,
}

/// Asks the admin listener at `address`, as in the settings ("127.0.0.1:9900"), whether its process is ready. Blocks.
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

fn ask(address: &str) -> io::Result<String> {
    let until = Instant::now() + PATIENCE;
    let mut stream = connect(address, until)?;
    stream.set_write_timeout(Some(left(until)?))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
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
    Ok(String::from_utf8_lossy(&reply).into_owned())
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is said of a peer that takes one request and replies with these pieces, the pause before each.
    fn of_peer(reply: Vec<(Duration, &'static str)>) -> Result<(), Unready> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("0.0.0.0:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 1024]).unwrap();
            assert!(read > 0);
            for (pause, piece) in reply {
                std::thread::sleep(pause);
                let _ = stream.write_all(piece.as_bytes());
            }
        });
        healthcheck(&address)
    }

    #[test]
    fn only_200_is_ready() {
        let now = Duration::ZERO;
        for (reply, said) in [
            ("HTTP/1.1 200 OK\r\n\r\nok\n", None),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n", Some("not ready: draining")),
            ("HTTP/1.1 2000\r\n\r\n", Some("not ready: ")),
            ("220 mail\r\n", Some("not ready: ")),
            ("", Some("not ready: ")),
        ] {
            let unready = of_peer(vec![(now, reply)]).err().map(|unready| unready.to_string());
            assert_eq!(unready.as_deref(), said, "{reply:?}");
        }
    }

    #[test]
    fn a_peer_that_drips_is_not_waited_for() {
        let begun = Instant::now();
        let drip = std::iter::repeat_n((PATIENCE / 4, "x"), 20).collect();
        assert!(matches!(of_peer(drip), Err(Unready::NoAnswer { .. })));
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
    }

    #[test]
    fn says_why_nobody_can_be_asked() {
        assert!(matches!(healthcheck("off"), Err(Unready::NoAdmin)));
        // Bound and not listened on, so that nobody else takes it.
        let bound = tokio::net::TcpSocket::new_v4().unwrap();
        bound.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = bound.local_addr().unwrap().to_string();
        for address in [address.as_str(), "9900", ""] {
            let said = healthcheck(address).unwrap_err().to_string();
            assert!(said.starts_with(&format!("nothing answers at {address}: ")), "{said}");
        }
    }
}

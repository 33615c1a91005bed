//! The other end of `/readyz`: the `healthcheck` of a container without a shell.

use std::io;
use std::time::Duration;

use crate::client;

const PATIENCE: Duration = Duration::from_secs(2);

/// Why a process is not ready.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    #[error("nothing answers at {address}: {source}")]
    NoAnswer { address: String, source: io::Error },
    #[error("not ready: {0}")]
    NotReady(String),
    #[error("the settings have no admin listener to ask")]
    NoAdmin,
}

/// Asks the admin listener at `address`, as in the settings ("127.0.0.1:9900"), whether its process is ready.
/// Blocks.
pub fn healthcheck(address: &str) -> Result<(), ProbeFailure> {
    if address == "off" {
        return Err(ProbeFailure::NoAdmin);
    }
    let reply = client::get(address, "/readyz", PATIENCE)
        .map_err(|source| ProbeFailure::NoAnswer { address: address.to_owned(), source })?;
    match reply.status {
        Some(200) => Ok(()),
        _ => Err(ProbeFailure::NotReady(reply.body.trim().replace('\n', "; "))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::time::Instant;

    use super::*;

    /// What is said of a peer that takes one request and replies with these pieces, the pause before each.
    fn of_peer(reply: Vec<(Duration, &'static str)>) -> Result<(), ProbeFailure> {
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
        assert!(matches!(of_peer(drip), Err(ProbeFailure::NoAnswer { .. })));
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
    }

    #[test]
    fn says_why_nobody_can_be_asked() {
        assert!(matches!(healthcheck("off"), Err(ProbeFailure::NoAdmin)));
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

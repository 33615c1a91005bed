//! Lines as datagrams to a syslog server (RFC 3164). Never waits: what the socket does not take is lost, and
//! counted.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::settings::syslog::{Syslog, SyslogServer};

/// The longest datagram; the rest of a line is cut off.
const LONGEST: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct SyslogOutput {
    to: Syslog,
    host: String,
    socket: Option<LogSocket>,
}

#[derive(Debug)]
enum LogSocket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl SyslogOutput {
    pub(super) fn new(to: Syslog) -> Self {
        Self { to, host: process::host_name(), socket: None }
    }

    /// Sends each line; returns how many were lost, and the last error.
    pub(super) fn send(&mut self, lines: &[u8]) -> (u64, Option<io::Error>) {
        let (mut lost, mut last) = (0, None);
        let front = self.front(SystemTime::now());
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mut datagram = front.clone().into_bytes();
            datagram.extend_from_slice(line);
            datagram.truncate(LONGEST);
            if let Err(error) = self.send_one(&datagram) {
                // A server that was started again has another socket.
                self.socket = None;
                if let Err(again) = self.send_one(&datagram) {
                    lost += 1;
                    last = Some(if error.kind() == again.kind() { error } else { again });
                }
            }
        }
        (lost, last)
    }

    fn send_one(&mut self, datagram: &[u8]) -> io::Result<()> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(LogSocket::open(&self.to.server)?),
        };
        match socket {
            LogSocket::Udp(socket) => socket.send(datagram).map(drop),
            LogSocket::Unix(socket) => socket.send(datagram).map(drop),
        }
    }

    /// `<190>Nov 22 13:55:36 host weir: `
    fn front(&self, now: SystemTime) -> String {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // "Sun, 22 Nov 2026 13:55:36 GMT"
        let date = httpdate::fmt_http_date(UNIX_EPOCH + seconds);
        let mut words = date.split(' ').skip(1);
        let mut word = || words.next().unwrap_or_default();
        let (day, month, _, time) = (word(), word(), word(), word());
        let day = day.strip_prefix('0').map_or_else(|| day.to_owned(), |day| format!(" {day}"));
        let host = if self.to.host { format!("{} ", self.host) } else { String::new() };
        format!("<{}>{month} {day} {time} {host}{}: ", self.to.priority, self.to.tag)
    }
}

impl LogSocket {
    fn open(server: &SyslogServer) -> io::Result<Self> {
        match server {
            SyslogServer::Udp(address) => {
                let any: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(socket))
            }
            SyslogServer::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Unix(socket))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_line_is_a_datagram() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let at = server.local_addr().unwrap();
        let to = Syslog::parse(&format!("server={at},tag=site,nohostname,severity=notice")).unwrap();
        let (lost, error) = SyslogOutput::new(to).send(b"one\ntwo\n");
        assert_eq!((lost, error.is_none()), (0, true));
        let mut buffer = [0; 200];
        for line in ["one", "two"] {
            let length = server.recv(&mut buffer).unwrap();
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            assert!(text.starts_with("<189>") && text.ends_with(&format!(" site: {line}")), "{text}");
        }
    }

    #[test]
    fn lines_to_nobody_are_lost_and_counted() {
        let to = Syslog::parse("server=unix:/no/such/socket").unwrap();
        let (lost, error) = SyslogOutput::new(to).send(b"one\ntwo\n");
        assert_eq!((lost, error.is_some()), (2, true));
    }

    #[test]
    fn the_day_has_two_places() {
        let output = SyslogOutput::new(Syslog::parse("server=127.0.0.1,nohostname").unwrap());
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(output.front(at(951_827_696)), "<190>Feb 29 12:34:56 weir: ");
        assert_eq!(output.front(at(0)), "<190>Jan  1 00:00:00 weir: ");
    }
}

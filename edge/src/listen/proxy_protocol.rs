//! The PROXY protocol, versions 1 and 2: a proxy that passes on bytes, and not requests, says before the
//! first of them whose they are.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

pub(crate) mod fuzzed;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::connection::proxied::ProxyAddresses;

/// Version 1: "the longest line is 107 characters", CRLF included.
const LONGEST_LINE: usize = 107;
/// The head of version 2 with addresses and extensions. A longer one is refused.
const LONGEST_HEAD: usize = 4096;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, command, family and length.
const FIXED: usize = 16;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxiedSource {
    Client(ProxyAddresses),
    /// The proxy's own, for example to look whether we are there, or it does not know.
    Unknown,
}

/// What the bytes so far say.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    /// Up to these more belong to the header.
    Wants(usize),
    Whole(ProxiedSource),
    Malformed,
}

/// Reads the header and nothing behind it.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<ProxiedSource> {
    let (mut header, mut buffer) = (Vec::new(), [0; 512]);
    loop {
        let wanted = match examine(&header) {
            Header::Whole(source) => return Ok(source),
            Header::Malformed => return Err(io::ErrorKind::InvalidData.into()),
            Header::Wants(wanted) => wanted.min(buffer.len()),
        };
        let seen = stream.peek(buffer.get_mut(..wanted).unwrap_or_default()).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let seen = buffer.get(..seen).unwrap_or_default();
        // A line of version 1 ends before what follows it.
        let ours = match header.is_empty() && seen.starts_with(b"\r") || header.starts_with(b"\r") {
            true => seen.len(),
            false => seen.iter().position(|byte| *byte == b'\n').map_or(seen.len(), |at| at + 1),
        };
        let begun = header.len();
        header.resize(begun + ours, 0);
        stream.read_exact(header.get_mut(begun..).unwrap_or_default()).await?;
    }
}

fn examine(header: &[u8]) -> Header {
    match header.first() {
        // Long enough to tell the versions apart, and no longer than the shortest header that is longer.
        None => return Header::Wants(FIXED),
        Some(b'\r') => return examine_binary(header),
        Some(_) => {}
    }
    let (line, ended) = match header.strip_suffix(b"\n") {
        Some(line) => (line, true),
        None => (header, false),
    };
    let begins = line.len().min(b"PROXY ".len());
    if line.get(..begins) != b"PROXY ".get(..begins) || header.len() >= LONGEST_LINE && !ended {
        return Header::Malformed;
    }
    if !ended {
        return Header::Wants(LONGEST_LINE - header.len());
    }
    let source = line.strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok()).and_then(of_line);
    source.map_or(Header::Malformed, Header::Whole)
}

/// "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443".
fn of_line(line: &str) -> Option<ProxiedSource> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(ProxiedSource::Unknown),
        ["PROXY", family, source, destination, port, other_port] => {
            let source: IpAddr = source.parse().ok()?;
            let destination: IpAddr = destination.parse().ok()?;
            let fits = |address: IpAddr| match family {
                "TCP4" => address.is_ipv4(),
                "TCP6" => address.is_ipv6(),
                _ => false,
            };
            let number = |port: &str| {
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                port.parse::<u16>().ok().filter(|_| digits)
            };
            let proxied = ProxyAddresses {
                source: (source, number(port)?).into(),
                destination: (destination, number(other_port)?).into(),
            };
            (fits(source) && fits(destination)).then_some(ProxiedSource::Client(proxied))
        }
        _ => None,
    }
}

fn examine_binary(header: &[u8]) -> Header {
    let begun = header.len().min(SIGNATURE.len());
    if header.get(..begun) != SIGNATURE.get(..begun) {
        return Header::Malformed;
    }
    let (Some(&[command, family]), Some(&length)) =
        (header.get(12..14).and_then(<[u8]>::first_chunk), header.get(14..).and_then(<[u8]>::first_chunk))
    else {
        return Header::Wants(FIXED - header.len());
    };
    let whole = FIXED + usize::from(u16::from_be_bytes(length));
    // "Version 2": the upper half; "LOCAL" 0 and "PROXY" 1: the lower.
    if !matches!(command, 0x20 | 0x21) || whole > LONGEST_HEAD {
        return Header::Malformed;
    }
    if header.len() < whole {
        return Header::Wants(whole - header.len());
    }
    if command == 0x20 {
        return Header::Whole(ProxiedSource::Unknown);
    }
    let body = header.get(FIXED..whole).unwrap_or_default();
    let port = |at: usize| body.get(at..)?.first_chunk::<2>().map(|port| u16::from_be_bytes(*port));
    let client = match family {
        // TCP over IPv4 or IPv6: two addresses, two ports.
        0x11 if body.len() >= 12 => ends([0, 4].map(|at| v4(body.get(at..))), [port(8), port(10)]),
        0x21 if body.len() >= 36 => ends([0, 16].map(|at| v6(body.get(at..))), [port(32), port(34)]),
        0x11 | 0x21 => None,
        // "AF_UNSPEC … the receiver should ignore address information"; the same for unix sockets and UDP.
        _ => return Header::Whole(ProxiedSource::Unknown),
    };
    client.map_or(Header::Malformed, |client| Header::Whole(ProxiedSource::Client(client)))
}

fn v4(bytes: Option<&[u8]>) -> Option<IpAddr> {
    bytes?.first_chunk::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(*bytes)))
}

fn v6(bytes: Option<&[u8]>) -> Option<IpAddr> {
    bytes?.first_chunk::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes)))
}

/// Source and destination.
fn ends(addresses: [Option<IpAddr>; 2], ports: [Option<u16>; 2]) -> Option<ProxyAddresses> {
    let ([source, destination], [port, other_port]) = (addresses, ports);
    Some(ProxyAddresses { source: (source?, port?).into(), destination: (destination?, other_port?).into() })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[command, family], &(body.len() as u16).to_be_bytes(), body].concat()
    }

    fn v4() -> Vec<u8> {
        [&[192, 0, 2, 1, 198, 51, 100, 1][..], &56324_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
    }

    fn valid() -> Vec<(Vec<u8>, ProxiedSource)> {
        let client = |source: &str, destination: &str| {
            let [source, destination] = [source, destination].map(|text| text.parse().unwrap());
            ProxiedSource::Client(ProxyAddresses { source, destination })
        };
        let v4_client = || client("192.0.2.1:56324", "198.51.100.1:443");
        let mut v6 = [0; 36];
        v6[15] = 1;
        v6[32..34].copy_from_slice(&7_u16.to_be_bytes());
        vec![
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(), v4_client()),
            (b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n".to_vec(), client("[2001:db8::1]:1", "[::1]:65535")),
            (b"PROXY UNKNOWN\r\n".to_vec(), ProxiedSource::Unknown),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), ProxiedSource::Unknown),
            (binary(0x21, 0x11, &v4()), v4_client()),
            (binary(0x21, 0x11, &[v4(), vec![4, 0, 1, 0]].concat()), v4_client()),
            (binary(0x21, 0x21, &v6), client("[::1]:7", "[::]:0")),
            (binary(0x20, 0x00, &[]), ProxiedSource::Unknown),
            (binary(0x20, 0x11, &v4()), ProxiedSource::Unknown),
            (binary(0x21, 0x00, b"anything"), ProxiedSource::Unknown),
            (binary(0x21, 0x31, &[0; 216]), ProxiedSource::Unknown),
            (binary(0x21, 0x11, &[v4(), vec![0; 4000]].concat()), v4_client()),
        ]
    }

    #[test]
    fn headers_cut_anywhere() {
        for (header, source) in valid() {
            for end in 0..header.len() {
                let wants = examine(&header[..end]);
                assert!(matches!(wants, Header::Wants(more) if more > 0), "{header:?} {end}: {wants:?}");
            }
            assert_eq!(examine(&header), Header::Whole(source), "{header:?}");
        }
    }

    #[test]
    fn what_is_none() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 100]].concat();
        for wrong in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.1 198.51.100.1 1 443\r\n".to_vec(),
            b"PROXY TCP5 192.0.2.1 198.51.100.1 1 443\r\n".to_vec(),
            b"PROXY UNKNOWN\n".to_vec(),
            b"proxy UNKNOWN\r\n".to_vec(),
            long,
            binary(0x11, 0x11, &v4()),
            binary(0x22, 0x11, &v4()),
            binary(0x21, 0x11, &v4()[..11]),
            binary(0x21, 0x11, &[0; LONGEST_HEAD]),
            b"\r\n\r\n\0\r\nQUIX\n".to_vec(),
        ] {
            let found = (0..=wrong.len()).map(|end| examine(&wrong[..end]));
            assert!(found.into_iter().any(|header| header == Header::Malformed), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn what_follows_stays_in_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for (header, source) in valid() {
            for cut in [1, header.len() / 2, header.len()] {
                let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (mut server, _) = listener.accept().await.unwrap();
                let (first, rest) = header.split_at(cut);
                client.write_all(first).await.unwrap();
                let reading = tokio::spawn(async move { (read(&mut server).await, server) });
                tokio::task::yield_now().await;
                client.write_all(&[rest, b"\x16\x03\n\r\nrest"].concat()).await.unwrap();
                let (read, mut server) = reading.await.unwrap();
                assert_eq!(read.unwrap(), source);
                drop(client);
                let mut after = Vec::new();
                server.read_to_end(&mut after).await.unwrap();
                assert_eq!(after, b"\x16\x03\n\r\nrest");
            }
        }
    }
}

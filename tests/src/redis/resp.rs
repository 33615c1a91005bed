//! Commands to a Redis server and its replies, as far as tests need them: one connection each.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Number(i64),
    Nothing,
    List(Vec<Self>),
    Error(String),
}

impl Reply {
    /// The text of a text or a number.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Error(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub fn list(self) -> Vec<Self> {
        match self {
            Self::List(list) => list,
            other => panic!("no list: {other:?}"),
        }
    }
}

/// A server that is not there, or does not answer, is an error.
pub(super) fn ask(address: SocketAddr, password: Option<&str>, words: &[&str]) -> Reply {
    try_ask(address, password, words).unwrap_or_else(|error| Reply::Error(error.to_string()))
}

fn try_ask(address: SocketAddr, password: Option<&str>, words: &[&str]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    if let Some(password) = password {
        stream.write_all(&command(&["AUTH", password]))?;
        read(&mut replies)?;
    }
    stream.write_all(&command(words))?;
    read(&mut replies)
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    command.into_bytes()
}

fn read(replies: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    if replies.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at(1);
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(number()?),
        "$" => match usize::try_from(number()?) {
            Err(_) => Reply::Nothing,
            Ok(length) => {
                let mut text = vec![0; length + 2];
                replies.read_exact(&mut text)?;
                text.truncate(length);
                Reply::Text(String::from_utf8_lossy(&text).into_owned())
            }
        },
        "*" => Reply::List((0..number()?).map(|_| read(replies)).collect::<io::Result<_>>()?),
        _ => return Err(io::Error::other(format!("no reply of Redis: {line}"))),
    })
}

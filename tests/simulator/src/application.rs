//! The site: an HTTP server whose pages say what they are, for whom and of which version they were made, and
//! which counts its calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::clock;

/// A head that is longer is none of ours.
const MAX_HEAD: usize = 64 * 1024;
/// What a page says of itself is shorter.
const MAX_BEGINNING: usize = 200;

/// What is uploaded: no part of it is like another.
pub static UPLOAD: [u8; 40_000] = upload();

const fn upload() -> [u8; 40_000] {
    let mut bytes = [0; 40_000];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at * at / 97 % 251) as u8;
        at += 1;
    }
    bytes
}

/// How the site does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// Answers all with 500.
    Failing,
    /// Breaks each reply off in its middle.
    Breaking,
}

/// One request that reached the site.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub began: Duration,
    pub ended: Option<Duration>,
    pub version: u64,
    /// Who asked, as far as the site was told.
    pub visitor: String,
    pub language: String,
    pub is_good: bool,
}

/// What the site remembers.
#[derive(Debug, Default)]
pub struct Memory {
    pub calls: Vec<Call>,
    versions: BTreeMap<String, u64>,
    pub mood: Mood,
    /// How long a page takes to make.
    pub takes: Duration,
}

/// Cheap to clone; all clones are the same site.
#[derive(Clone, Debug, Default)]
pub struct Application(Arc<Mutex<Memory>>);

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub url: String,
    pub visitor: String,
    pub language: String,
    pub version: u64,
    pub call: usize,
}

impl Page {
    /// The text of a page, long enough to come in pieces. No part of it is like another, or like that of
    /// another call.
    pub fn text(&self) -> String {
        let Self { url, visitor, language, version, call } = self;
        let mut text = format!("{url} {visitor} {language} {version} {call} ");
        let (mut left, mut from) = (padding(url), call * 101 % LETTERS.len());
        while left > 0 {
            let letters = &LETTERS[from..LETTERS.len().min(from + left)];
            text.push_str(std::str::from_utf8(letters).unwrap_or_default());
            (left, from) = (left - letters.len(), 0);
        }
        text.push_str(" end");
        text
    }

    /// `None`: the text is not all of a page, and nothing else.
    pub fn read(text: &[u8]) -> Option<Self> {
        Self::of_beginning(text).filter(|page| page.text().as_bytes() == text)
    }

    /// Whether this may be all that has come of a page.
    pub fn begins(url: &str, text: &[u8]) -> bool {
        match Self::of_beginning(text) {
            Some(page) => page.url == url && page.text().as_bytes().starts_with(text),
            None => text.len() < MAX_BEGINNING,
        }
    }

    fn of_beginning(text: &[u8]) -> Option<Self> {
        let beginning = String::from_utf8_lossy(&text[..text.len().min(MAX_BEGINNING)]);
        let parts: Vec<&str> = beginning.splitn(6, ' ').collect();
        let &[url, visitor, language, version, call, _] = parts.as_slice() else { return None };
        let (version, call) = (version.parse().ok()?, call.parse().ok()?);
        let [url, visitor, language] = [url, visitor, language].map(str::to_owned);
        Some(Self { url, visitor, language, version, call })
    }
}

/// Letters that say nothing, of a prime number, so that no piece of a network's is like the next.
static LETTERS: [u8; 4_999] = letters();

const fn letters() -> [u8; 4_999] {
    let mut letters = [0; 4_999];
    let mut at = 0;
    while at < letters.len() {
        letters[at] = b'a' + ((at * at / 97 + at) % 26) as u8;
        at += 1;
    }
    letters
}

/// How much of a page's text says nothing.
fn padding(url: &str) -> usize {
    match url {
        // More than sockets and pipes between the application and a visitor hold.
        url if is_long(url) => 2_000_000,
        // Beyond 64 KiB the adapter would put it into a file, by another thread.
        url if url.ends_with("/big") => 50_000,
        _ => 200,
    }
}

/// Whether the page is longer than what an edge keeps of a page for which there is no room.
pub fn is_long(url: &str) -> bool {
    url.starts_with("/p/long/")
}

impl Application {
    pub fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock())
    }

    /// The page is another one from now on. Returns its version.
    pub fn change(&self, path: &str) -> u64 {
        self.with(|memory| {
            let version = memory.versions.entry(path.to_owned()).or_default();
            *version += 1;
            *version
        })
    }

    /// Serves for ever.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let this = self.clone();
            tokio::spawn(async move {
                // The connection is over; whoever it was asks again.
                let _ = this.answer(stream).await;
            });
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut input = BytesMut::new();
        loop {
            let end = loop {
                if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
                    break at + 4;
                }
                if input.len() > MAX_HEAD || stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
            };
            let head = String::from_utf8_lossy(&input.split_to(end)).into_owned();
            let length = field(&head, "content-length").and_then(|length| length.parse().ok());
            let length = length.unwrap_or_default();
            while input.len() < length {
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
            }
            let body = input.split_to(length);
            let (call, mut page) = self.begin(&head);
            if !body.is_empty() && *body != UPLOAD {
                // It is no page then.
                page.url.push_str(" damaged");
            }
            let (mood, takes) = self.with(|memory| (memory.mood, memory.takes));
            sleep(takes).await;
            let reply = reply(mood, &page);
            let is_broken = mood == Mood::Breaking;
            let sent = if is_broken { &reply.as_bytes()[..reply.len() / 2] } else { reply.as_bytes() };
            let written = stream.write_all(sent).await;
            self.with(|memory| {
                if let Some(call) = memory.calls.get_mut(call) {
                    call.ended = Some(clock::now());
                    call.is_good = mood == Mood::Well && written.is_ok();
                }
            });
            if is_broken {
                return Ok(());
            }
            written?;
        }
    }

    fn begin(&self, head: &str) -> (usize, Page) {
        let mut lines = head.split("\r\n");
        let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let cookie = field(head, "cookie").and_then(|cookie| cookie.strip_prefix("sessionid="));
        let visitor = cookie.unwrap_or("-").to_owned();
        let language = field(head, "accept-language").unwrap_or("-").to_owned();
        self.with(|memory| {
            let version = memory.versions.get(&path).copied().unwrap_or_default();
            memory.calls.push(Call {
                path: path.clone(),
                began: clock::now(),
                ended: None,
                version,
                visitor: visitor.clone(),
                language: language.clone(),
                is_good: false,
            });
            let call = memory.calls.len() - 1;
            (call, Page { url: path, visitor, language, version, call })
        })
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn reply(mood: Mood, page: &Page) -> String {
    let text = page.text();
    let (status, cache) = match mood {
        Mood::Failing => ("500 Broken", "Cache-Control: no-store\r\n"),
        _ if page.url.starts_with("/me/") => ("200 OK", "Cache-Control: private\r\n"),
        _ if page.url.starts_with("/lang/") => ("200 OK", "Vary: Accept-Language\r\n"),
        // Others may read it before it is whole: it is not searched for what is one visitor's own.
        _ if page.url.starts_with("/open/") => ("200 OK", "Cache-Control: public\r\n"),
        _ => ("200 OK", ""),
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{cache}\r\n{text}", text.len())
}

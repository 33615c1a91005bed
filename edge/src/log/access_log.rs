//! The access log: one line per request, made where the request ends, written by a thread of its own. A
//! request never waits for it: lines that do not fit are dropped and counted.

mod combined;
mod error;
mod json;
mod own;
mod shards;
mod stamp;
mod syslog;
mod writer;

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::metrics::CacheResult;
use crate::settings::logs::LogFormatConfig;
use crate::settings::syslog::Syslog;
use crate::variables::Facts;
use crate::variables::application_work::ApplicationWork;
use shards::Shards;
use stamp::Stamps;
use writer::{Output, Writer};

/// The longest part of a field that is logged, in bytes before escaping: nginx's default limit for one header
/// line.
const MAX_FIELD: usize = 8 * 1024;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Off,
    Stdout,
    Stderr,
    File(PathBuf),
    Syslog(Syslog),
}

impl From<&str> for Destination {
    /// The destination as in the settings: "off", "stdout", "stderr", "syslog:…" or a path.
    fn from(name: &str) -> Self {
        match name {
            "off" => Self::Off,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            name => match name.strip_prefix("syslog:").map(Syslog::parse) {
                Some(Ok(syslog)) => Self::Syslog(syslog),
                _ => Self::File(name.into()),
            },
        }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// nginx's `combined`, in UTC.
    Combined,
    /// One JSON object per line.
    Json,
}

/// One answered request. Texts are as the client sent them.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    /// When the answer ended.
    pub time: SystemTime,
    pub client: IpAddr,
    /// Method, target and protocol. If the head was too broken to separate them, method and protocol are
    /// empty, and the target holds what there was of the request line.
    pub method: &'a str,
    pub target: &'a [u8],
    /// "HTTP/1.1", "HTTP/2.0".
    pub protocol: &'a str,
    pub status: u16,
    /// Body bytes sent.
    pub bytes: u64,
    pub duration: Duration,
    /// How long the application took; `None` if it was not asked.
    pub upstream: Option<Duration>,
    /// What the application says of its work.
    pub work: ApplicationWork<'a>,
    pub cache: Option<CacheResult>,
    pub host: &'a str,
    pub site: &'a str,
    /// `Authorization` as it was sent.
    pub authorization: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    pub user_agent: Option<&'a [u8]>,
    pub trace_id: Option<&'a str>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot open the access log {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot write the access log to {name}: {source}")]
    Standard { name: &'static str, source: io::Error },
    #[error("cannot start the access log's thread: {0}")]
    Thread(io::Error),
}

/// An open access log. When dropped, it writes what it still holds, for at most two seconds.
#[derive(Debug)]
pub(crate) struct AccessLog(Option<OpenLog>);

#[derive(Debug)]
struct OpenLog {
    format: Format,
    shards: Arc<Shards>,
    writer: Writer,
}

impl AccessLog {
    /// Opens the destination, creates a missing file, and starts the writer.
    pub(crate) fn open(destination: &Destination, format: Format) -> Result<Self, OpenError> {
        let output = match destination {
            Destination::Off => return Ok(Self(None)),
            Destination::Stdout => standard("stdout", &io::stdout())?,
            Destination::Stderr => standard("stderr", &io::stderr())?,
            Destination::Syslog(to) => Output::syslog(to.clone()),
            Destination::File(path) => {
                Output::file(path.clone()).map_err(|source| OpenError::File { path: path.clone(), source })?
            }
        };
        Self::start(output, format)
    }

    fn start(output: Output, format: Format) -> Result<Self, OpenError> {
        let shards = Arc::new(Shards::new());
        let writer = Writer::start(Arc::clone(&shards), output).map_err(OpenError::Thread)?;
        Ok(Self(Some(OpenLog { format, shards, writer })))
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Hands one line to the writer. Does no I/O and waits for nothing except a lock held for a buffer's
    /// swap.
    pub(crate) fn log(&self, record: &Record<'_>) {
        if let Some(open) = &self.0 {
            self.log_as(open.format, record);
        }
    }

    /// Hands one line over, in another format than the log's own.
    pub(crate) fn log_as(&self, format: Format, record: &Record<'_>) {
        self.line(|buffer, stamps| match format {
            Format::Combined => combined::format(buffer, stamps, record),
            Format::Json => json::format(buffer, stamps, record),
        });
    }

    /// Hands one line over, in a format of the settings' own.
    pub(crate) fn log_own(&self, format: &LogFormatConfig, facts: &Facts<'_>) {
        self.line(|buffer, stamps| own::format(buffer, stamps, format, facts));
    }

    /// Hands one line of an error log over, as nginx writes it.
    pub(crate) fn log_error(&self, time: SystemTime, level: &str, parts: &[&str]) {
        self.line(|buffer, stamps| error::format(buffer, stamps.error(time), level, parts));
    }

    fn line(&self, format: impl FnOnce(&mut Vec<u8>, &mut Stamps)) {
        let Some(open) = &self.0 else { return };
        if open.shards.append(format) {
            open.writer.wake();
        }
    }

    /// Reopens the file, for log rotation. Earlier lines go to the old file. If it cannot be opened, the old
    /// one stays in use.
    pub(crate) fn reopen(&self) {
        if let Some(open) = &self.0 {
            open.writer.reopen();
        }
    }

    /// Lines lost since the start: there was no room, or they could not be written.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |open| open.shards.dropped())
    }
}

/// A separate handle, so that a blocked write holds no lock that `println!` or a panic message needs.
fn standard(name: &'static str, stream: &impl AsFd) -> Result<Output, OpenError> {
    let handle =
        stream.as_fd().try_clone_to_owned().map_err(|source| OpenError::Standard { name, source })?;
    Ok(Output::stream(File::from(handle)))
}

/// The part of a field that is logged.
fn cut(field: &[u8]) -> &[u8] {
    field.get(..MAX_FIELD).unwrap_or(field)
}

#[cfg(test)]
mod tests;

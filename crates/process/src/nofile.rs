//! The limit on open files, which is the limit on connections, and who may have descriptors when they become
//! few.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this a traffic spike meets the limit before it meets ours.
const LOW: u64 = 10_000;

/// Raises the soft limit to the hard one. Returns the limit now; `u64::MAX` where there is none. Logs one
/// that is low.
pub fn raise_nofile() -> u64 {
    let found = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: found.maximum, maximum: found.maximum };
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => found.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit on open files cannot be raised");
            found.current
        }
    };
    let limit = limit.unwrap_or(u64::MAX);
    if limit < LOW {
        tracing::warn!(
            limit,
            "few files can be open at once, so few connections too; raise it by `ulimit -n` or LimitNOFILE"
        );
    }
    limit
}

/// The limit as it was last read, so that not each request at the application reads it; 0 before.
static LAST_READ: AtomicU64 = AtomicU64::new(0);

/// How many files may be open at once; `u64::MAX` where there is no limit.
pub fn limit() -> u64 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    LAST_READ.store(limit, Ordering::Relaxed);
    limit
}

/// How many files a process may let itself have open at once; `u64::MAX` where there is no limit.
pub fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Descriptors for the admin listener's connections, listeners, logs, timers and links between services.
const OWN: u64 = 192;

/// What a descriptor is for. When there are few, those that come first here are refused first.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// A client's connection.
    Client,
    /// What lasts as long as a client likes: a tunnel, a temporary file, a file that is sent.
    Lasting,
    /// A request at the application.
    Request,
}

/// How many clients may have a connection at once. A quarter of the descriptors is for what their requests
/// need.
pub fn clients() -> u64 {
    part(Purpose::Client, limit())
}

/// How many of what lasts one client may have open at once.
pub fn share() -> u64 {
    (part(Purpose::Lasting, limit()) / 8).max(1)
}

/// Fails, as if there were none left, where a new descriptor is one too many for what it is for. The system
/// gives the lowest number that is free, so that the number tells how many are in use.
pub fn may_have(descriptor: impl AsFd, purpose: Purpose) -> io::Result<()> {
    let number = u64::try_from(descriptor.as_fd().as_raw_fd()).unwrap_or(0);
    let is_within = |files: u64| number < part(purpose, files).saturating_add(own(files) / 2);
    if is_within(LAST_READ.load(Ordering::Relaxed)) || is_within(limit()) { Ok(()) } else { Err(out()) }
}

/// The error of whoever gets no descriptor.
pub fn out() -> io::Error {
    Errno::MFILE.into()
}

/// No descriptor is left, or none for this purpose.
pub fn is_out(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn own(files: u64) -> u64 {
    OWN.min(files / 4)
}

fn part(purpose: Purpose, files: u64) -> u64 {
    let left = files - own(files);
    match purpose {
        Purpose::Client => left / 4 * 3,
        Purpose::Lasting => left / 8 * 7,
        Purpose::Request => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_descriptors_for_the_rest() {
        let cases = [(1024, [624, 728, 832]), (64, [36, 42, 48]), (0, [0, 0, 0])];
        for (files, expected) in cases {
            let parts = [Purpose::Client, Purpose::Lasting, Purpose::Request].map(|p| part(p, files));
            assert_eq!(parts, expected, "{files}");
        }
        assert!(part(Purpose::Client, u64::MAX) > 1 << 62, "no limit");
        let file = std::fs::File::open("/dev/null").unwrap();
        for purpose in [Purpose::Client, Purpose::Lasting, Purpose::Request] {
            may_have(&file, purpose).unwrap();
        }
    }

    #[test]
    fn raises_the_soft_limit_to_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: hard }).unwrap();
        assert_eq!(raise_nofile(), hard.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
    }
}

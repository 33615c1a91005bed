//! The state directory: account, certificates with their keys, failures, and answers to challenges. Only the
//! owner reads it. Several edges may share it: a lock decides which of them orders, and all read what it
//! gets.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const PRIVATE_DIRECTORY: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
/// A certificate with its chain and key has some kilobytes.
const LARGEST_FILE: u64 = 1 << 20;
/// RFC 8555 section 8.1: a token has at least 128 bits in base64url.
const LONGEST_TOKEN: usize = 256;
/// Longer than an attempt is ever put off.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 86_400);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct StateDirectory {
    challenges: PathBuf,
    authority: PathBuf,
}

/// The last attempts that failed, one after the other. All edges know them, also after a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failures {
    /// How often the authority was away since it last refused something.
    pub(super) away: u32,
    /// How often it has refused something.
    pub(super) refused: u32,
    /// Seconds since 1970: no attempt before.
    until: u64,
    pub(super) why: String,
}

impl Failures {
    /// After this, wait for that long.
    pub(super) fn new((away, refused): (u32, u32), wait: Duration, why: String) -> Self {
        let until = (SystemTime::now() + wait).duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { away, refused, until: until.as_secs(), why }
    }

    pub(super) fn until(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.until)
    }

    /// Whether no attempt is due yet. One that seems to be due in days was noted by a clock that was wrong.
    pub(super) fn is_waited_for(&self, now: SystemTime) -> bool {
        self.until().duration_since(now).is_ok_and(|left| !left.is_zero() && left <= LONGEST_PAUSE)
    }
}

impl StateDirectory {
    /// Makes what is not there yet. What belongs to one authority is apart from that of others.
    pub(super) fn open(state: &Path, directory: &str) -> Result<Self, String> {
        let url = directory.strip_prefix("https://").unwrap_or(directory);
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = url.trim_end_matches('/').chars().map(safe).collect();
        let this = Self {
            challenges: state.join("challenges"),
            authority: state.join(name.trim_start_matches('.')),
        };
        for path in [&this.challenges, &this.authority.join("certificates")] {
            let made = DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path);
            made.map_err(|error| format!("`{}` cannot be made: {error}", path.display()))?;
        }
        Ok(this)
    }

    /// What belongs to this authority is known by it.
    pub(super) fn authority(&self) -> &str {
        self.authority.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(super) fn account(&self) -> PathBuf {
        self.authority.join("account.json")
    }

    /// Key and chain of a name.
    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.of_name(name, "pem")
    }

    pub(super) fn http_answer(&self, token: &str) -> Option<PathBuf> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let safe = !token.is_empty() && token.len() <= LONGEST_TOKEN && token.bytes().all(known);
        safe.then(|| self.challenges.join(token))
    }

    /// Key and certificate that answer a challenge for this name in a handshake.
    pub(super) fn alpn_answer(&self, name: &str) -> PathBuf {
        self.challenges.join(format!("{name}.alpn"))
    }

    /// The path of what is kept of a name. It was checked to have no slash.
    fn of_name(&self, name: &str, kind: &str) -> PathBuf {
        self.authority.join("certificates").join(format!("{}.{kind}", name.replace('*', "_")))
    }

    pub(super) fn failures(&self, name: &str) -> Option<Failures> {
        serde_json::from_slice(&read(&self.of_name(name, "failed")).ok()?).ok()
    }

    pub(super) fn set_failures(&self, name: &str, failures: Option<&Failures>) -> io::Result<()> {
        let file = self.of_name(name, "failed");
        match failures {
            Some(failures) => write(&file, &serde_json::to_vec(failures)?),
            None => remove(&file),
        }
    }

    /// The right to order for this name, held until it is dropped. `None`: another edge has it.
    pub(super) fn lock(&self, name: &str) -> io::Result<Option<File>> {
        lock(&self.of_name(name, "lock"))
    }

    /// The right to make an account.
    pub(super) fn lock_account(&self) -> io::Result<Option<File>> {
        lock(&self.authority.join("account.lock"))
    }
}

fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).append(true).mode(PRIVATE_FILE).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if size > LARGEST_FILE {
        return Err(io::Error::other(format!("`{}` is too large", path.display())));
    }
    fs::read(path)
}

/// In one step: whoever reads it finds the old or the new one, whole, also after a power cut.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let next = path.with_added_extension(format!("{}.next", std::process::id()));
    let mut file = File::options().create(true).write(true).truncate(true).mode(PRIVATE_FILE).open(&next)?;
    file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&next, path)).inspect_err(
        |_| {
            let _ = fs::remove_file(&next);
        },
    )
}

/// It may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn only_the_owner_reads_it_and_one_at_a_time_orders() {
        let root = TempDir::new().unwrap();
        let open = || StateDirectory::open(&root.path().join("a/b"), "https://ca.example:1/dir").unwrap();
        let (one, other) = (open(), open());
        write(&one.certificate("*.example.com"), b"secret").unwrap();
        let path = root.path().join("a/b/ca.example-1-dir/certificates/_.example.com.pem");
        assert_eq!(read(&path).unwrap(), b"secret");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let held = one.lock("example.com").unwrap();
        assert!(held.is_some() && other.lock("example.com").unwrap().is_none());
        assert!(other.lock("www.example.com").unwrap().is_some(), "another name");
        drop(held);
        assert!(other.lock("example.com").unwrap().is_some());
        one.set_failures("a.b", Some(&Failures::new((2, 3), Duration::from_secs(60), "no".into()))).unwrap();
        assert_eq!(other.failures("a.b").map(|failures| (failures.away, failures.refused)), Some((2, 3)));
        let failures = |seconds| Failures::new((0, 1), Duration::from_secs(seconds), String::new());
        let now = SystemTime::now();
        assert!(failures(60).is_waited_for(now) && failures(86_400).is_waited_for(now));
        assert!(!failures(0).is_waited_for(now + Duration::from_secs(2)));
        assert!(!failures(60).is_waited_for(now - Duration::from_secs(365 * 86_400)), "the clock was wrong");
        one.set_failures("a.b", None).unwrap();
        one.set_failures("a.b", None).unwrap();
        assert!(other.failures("a.b").is_none());
    }

    #[test]
    fn a_token_names_no_other_file() {
        let root = TempDir::new().unwrap();
        let state = StateDirectory::open(root.path(), "https://ca.example/").unwrap();
        for token in ["", ".", "../account.json", "a/b", "a.alpn", "a%2f", &"a".repeat(257)] {
            assert!(state.http_answer(token).is_none(), "{token}");
        }
        assert!(state.http_answer("abc-DEF_123").is_some());
    }
}

//! A file of users and password hashes, as `htpasswd` and `openssl passwd` write it. It is read again when it
//! has changed.

pub(crate) mod fuzzed;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;
use argon2::{Argon2, PasswordVerifier};
use base64::prelude::{BASE64_STANDARD, Engine};
use process::wait::within;
use ring::digest;
use subtle::ConstantTimeEq;
use tokio::task::spawn_blocking;

/// How long the file is used without a look at it.
const CHECK_AFTER: Duration = Duration::from_secs(1);
const DISK_DEADLINE: Duration = Duration::from_secs(10);
/// A longer file is not read.
const MOST_BYTES: u64 = 16 << 20;
const SHA1: usize = digest::SHA1_OUTPUT_LEN;

#[derive(Debug)]
pub(super) struct PasswordFile {
    path: PathBuf,
    loaded: ArcSwapOption<FileCheck>,
}

#[derive(Debug)]
struct FileCheck {
    checked: Instant,
    /// `None`: there is no such file.
    file: Option<(FileStamp, Arc<Users>)>,
}

type FileStamp = (Option<SystemTime>, u64);

/// The users at the moment.
pub(super) enum FileUsers {
    Users(Arc<Users>),
    Missing,
    Unreadable,
}

#[derive(Debug, Default)]
pub(super) struct Users(HashMap<Box<str>, Arc<PasswordHash>>);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PasswordHash {
    /// `$2y$…`, `$apr1$…`, `$5$…` or `$6$…`.
    Crypt(Box<str>),
    /// `$1$…`, of MD5, and the two letters of salt and eleven more of DES.
    OldCrypt(Box<str>),
    /// `$argon2id$…`
    Argon2(Box<str>),
    /// `{SHA}` or `{SSHA}`: the digest and its salt, in base64.
    Sha1(Box<str>, [u8; SHA1], Box<[u8]>),
    /// `{PLAIN}`: the password itself.
    Plain(Box<str>),
}

impl PasswordFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, loaded: ArcSwapOption::empty() }
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// What is wrong with it now.
    pub(super) fn mistakes(&self) -> Vec<String> {
        match read(&self.path) {
            Ok((_, text)) => Users::parse(&text).1,
            Err(error) => vec![format!("{} cannot be read: {error}", self.path.display())],
        }
    }

    pub(super) async fn current(&self) -> FileUsers {
        let loaded = self.loaded.load_full();
        if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.checked.elapsed() < CHECK_AFTER) {
            return loaded.current();
        }
        let path = self.path.clone();
        let checking = spawn_blocking(move || look(&path, loaded.as_deref()));
        match within(DISK_DEADLINE, checking).await {
            Ok(Ok(Ok(loaded))) => {
                let loaded = Arc::new(loaded);
                self.loaded.store(Some(loaded.clone()));
                loaded.current()
            }
            Ok(Ok(Err(error))) => {
                tracing::error!(file = %self.path.display(), %error, "cannot read the passwords");
                FileUsers::Unreadable
            }
            _ => FileUsers::Unreadable,
        }
    }
}

impl FileCheck {
    fn current(&self) -> FileUsers {
        self.file.as_ref().map_or(FileUsers::Missing, |(_, users)| FileUsers::Users(users.clone()))
    }
}

/// Looks whether the file has changed, and reads it if so.
fn look(path: &Path, known: Option<&FileCheck>) -> io::Result<FileCheck> {
    let checked = Instant::now();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(FileCheck { checked, file: None });
        }
        Err(error) => return Err(error),
    };
    let stamp = (metadata.modified().ok(), metadata.len());
    if let Some((known, users)) = known.and_then(|known| known.file.as_ref())
        && *known == stamp
        && !changed_just_now(stamp)
    {
        return Ok(FileCheck { checked, file: Some((stamp, users.clone())) });
    }
    let (stamp, text) = read(path)?;
    let (users, mistakes) = Users::parse(&text);
    for mistake in mistakes {
        tracing::warn!(file = %path.display(), "{mistake}");
    }
    Ok(FileCheck { checked, file: Some((stamp, Arc::new(users))) })
}

/// A second change soon after could have the same time and length.
fn changed_just_now((modified, _): FileStamp) -> bool {
    let age = modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_none_or(|age| age < Duration::from_secs(2))
}

fn read(path: &Path) -> io::Result<(FileStamp, Vec<u8>)> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(io::Error::other("it is not a file of at most 16 MiB"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(((metadata.modified().ok(), metadata.len()), bytes))
}

impl Users {
    /// `name:hash`, and perhaps `:comment`, in each line. Lines that cannot be used are left out and named.
    fn parse(text: &[u8]) -> (Self, Vec<String>) {
        let (mut users, mut mistakes) = (HashMap::new(), Vec::new());
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii_end();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let mut parts = line.split(|byte| *byte == b':');
            let (Some(name), Some(hash)) = (parts.next(), parts.next()) else {
                mistakes.push(format!("line {number} is not `name:hash`"));
                continue;
            };
            let (Ok(name), Ok(hash)) = (std::str::from_utf8(name), std::str::from_utf8(hash)) else {
                mistakes.push(format!("line {number} is not UTF-8, in which clients send names"));
                continue;
            };
            match PasswordHash::parse(hash) {
                // The first line of a name counts, as in nginx.
                Some(hash) => {
                    users.entry(name.into()).or_insert_with(|| Arc::new(hash));
                }
                None => mistakes.push(format!(
                    "line {number}: the hash of `{name}` is of a kind that is not supported; make one with \
                     `htpasswd -B` or `openssl passwd -6`"
                )),
            }
        }
        (Self(users), mistakes)
    }

    /// Whether there is this user, and its hash or, to spend the same time, another one's.
    pub(super) fn hash(&self, user: &str) -> (bool, Option<Arc<PasswordHash>>) {
        match self.0.get(user) {
            Some(hash) => (true, Some(hash.clone())),
            None => (false, self.0.values().next().cloned()),
        }
    }
}

impl PasswordHash {
    fn parse(text: &str) -> Option<Self> {
        if let Some(encoded) = text.strip_prefix("{SHA}") {
            return Self::sha1(text, encoded)
                .filter(|hash| matches!(hash, Self::Sha1(.., salt) if salt.is_empty()));
        }
        if let Some(encoded) = text.strip_prefix("{SSHA}") {
            return Self::sha1(text, encoded);
        }
        if let Some(plain) = text.strip_prefix("{PLAIN}") {
            return Some(Self::Plain(plain.into()));
        }
        if text.starts_with("$argon2") {
            return Some(Self::Argon2(text.into()));
        }
        if text.starts_with("$1$") || is_of_des(text) {
            return Some(Self::OldCrypt(text.into()));
        }
        htauth::detect_algorithm(text).map(|_| Self::Crypt(text.into()))
    }

    fn sha1(text: &str, encoded: &str) -> Option<Self> {
        let decoded = BASE64_STANDARD.decode(encoded).ok()?;
        let (digest, salt) = decoded.split_first_chunk::<SHA1>()?;
        Some(Self::Sha1(text.into(), *digest, salt.into()))
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Crypt(text)
            | Self::OldCrypt(text)
            | Self::Argon2(text)
            | Self::Sha1(text, ..)
            | Self::Plain(text) => text,
        }
    }

    /// May take a long time.
    pub(super) fn verifies(&self, password: &str) -> bool {
        match self {
            Self::Crypt(hash) => htauth::verify_password(password, hash).unwrap_or(false),
            Self::OldCrypt(hash) => pwhash::unix::verify(password, hash),
            Self::Argon2(hash) => Argon2::default().verify_password(password.as_bytes(), &**hash).is_ok(),
            Self::Sha1(_, digest, salt) => {
                let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
                context.update(password.as_bytes());
                context.update(salt);
                same(context.finish().as_ref(), digest)
            }
            Self::Plain(plain) => same(password.as_bytes(), plain.as_bytes()),
        }
    }
}

/// Thirteen letters, as `htpasswd -d` writes them.
fn is_of_des(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    text.len() == 13 && text.bytes().all(is_letter)
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of "secret" as `htpasswd`, `openssl passwd` and glibc's crypt make them.
    const HASHES: [&str; 10] = [
        "saHW9GdxihkGQ",
        "$1$salt$ez2vlPGdaLYkJam5pWs/Y1",
        "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0",
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==",
        "{PLAIN}secret",
    ];
    /// "password", from the tests of argon2's reference implementation.
    const ARGON2: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    #[test]
    fn hashes_of_all_kinds() {
        for hash in HASHES {
            let parsed = PasswordHash::parse(hash).unwrap_or_else(|| panic!("{hash} is not known"));
            assert!(parsed.verifies("secret"), "{hash}");
            for wrong in ["", "Secret", "secret ", "secre"] {
                assert!(!parsed.verifies(wrong), "{hash}: {wrong:?}");
            }
        }
        let argon2 = PasswordHash::parse(ARGON2).unwrap();
        assert!(argon2.verifies("password") && !argon2.verifies("secret"));
    }

    #[test]
    fn lines() {
        let (users, mistakes) = Users::parse(
            b"# Andr\xe9's\n\nann:{PLAIN}a:Andr\xe9's\nann:{PLAIN}b\nbob:plain\n:{PLAIN}nobody\nnoise\neve:$y$j9T$x\r\n\
              andr\xe9:{PLAIN}x\nandr\xc3\xa9:{PLAIN}y",
        );
        assert_eq!(users.hash("ann"), (true, Some(Arc::new(PasswordHash::Plain("a".into())))));
        assert!(!users.hash("bob").0 && users.hash("bob").1.is_some() && !users.hash("eve").0);
        let numbers: Vec<_> = mistakes.iter().map(|text| text.split([' ', ':']).nth(1).unwrap()).collect();
        assert_eq!(numbers, ["5", "7", "8", "9"], "{mistakes:?}");
        assert!(users.hash("andr\u{e9}").0, "the lines behind are there");
    }
}

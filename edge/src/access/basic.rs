//! `auth_basic`: the password that a client sends, compared with the hash in a file. Slow hashes are computed
//! beside the connections' threads, a bounded number at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::prelude::Engine;
use http::HeaderValue;
use parking_lot::Mutex;
use process::wait::within;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::access::htpasswd::{FileUsers, PasswordFile, Users};
use crate::access::password_memory::PasswordMemory;
use crate::variables::basic_credentials::BASE64;
use crate::variables::{Facts, Template};

/// How long a request waits for its turn to have its password checked.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer credentials are wrong: no hash is computed of them.
const MOST_CREDENTIALS: usize = 1024;

/// Passwords that are hashed at the same time, over all locations.
static HASHING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new(cores))
});

/// So many files of one location are known, where their name depends on the request.
const MOST_FILES: usize = 64;

#[derive(Debug)]
pub(crate) struct Basic {
    /// A realm of "off" asks for no password.
    realm: Template,
    path: Template,
    /// Where paths begin that are not whole.
    directory: Option<PathBuf>,
    files: Mutex<Vec<Arc<PasswordFile>>>,
    remembered: PasswordMemory,
    /// The application gets the credentials too.
    pub(crate) pass: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PasswordCheck {
    Right,
    /// The realm says that no password is needed.
    NotAsked,
    /// Ends with 401 and this WWW-Authenticate.
    Wrong(HeaderValue),
    /// There is no file, so there are no users.
    NoFile,
    /// Too many passwords are being checked, or the disk fails.
    Busy,
}

impl Basic {
    /// The error is for the settings checker.
    pub(crate) fn new(realm: Template, path: Template, pass: bool) -> Result<Self, String> {
        if let Some(realm) = realm.constant() {
            challenge(realm.as_bytes())
                .ok_or_else(|| format!("{realm:?} has characters that a header field cannot hold"))?;
        }
        let (files, remembered) = (Mutex::default(), PasswordMemory::new());
        Ok(Self { realm, path, directory: None, files, remembered, pass })
    }

    pub(crate) fn within(self, directory: Option<PathBuf>) -> Self {
        Self { directory, ..self }
    }

    /// Everything in the file that cannot be used, for the settings checker.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let path = self.path.constant();
        path.map(|path| self.file(&self.whole(Path::new(path))).mistakes()).unwrap_or_default()
    }

    pub(super) async fn check(
        &self,
        authorization: Option<&HeaderValue>,
        facts: &Facts<'_>,
    ) -> PasswordCheck {
        let realm = self.realm.value(facts);
        if *realm == b"off"[..] {
            return PasswordCheck::NotAsked;
        }
        let Some(challenge) = challenge(&realm) else { return PasswordCheck::Busy };
        // As in nginx, a client without a name and password is asked for them, whatever the file is.
        if authorization.and_then(credentials).is_none() {
            return PasswordCheck::Wrong(challenge);
        }
        let Some(path) = self.path_of(facts) else { return PasswordCheck::NoFile };
        match self.file(&path).current().await {
            FileUsers::Users(users) => match self.is_right(&users, authorization).await {
                Some(true) => PasswordCheck::Right,
                Some(false) => PasswordCheck::Wrong(challenge),
                None => PasswordCheck::Busy,
            },
            FileUsers::Missing => PasswordCheck::NoFile,
            FileUsers::Unreadable => PasswordCheck::Busy,
        }
    }

    /// `None`: that cannot be said now.
    async fn is_right(&self, users: &Users, authorization: Option<&HeaderValue>) -> Option<bool> {
        let Some((user, password)) = authorization.and_then(credentials) else { return Some(false) };
        // A name that does not exist takes as long as one that does.
        let (known, Some(hash)) = users.hash(&user) else { return Some(false) };
        let proof = self.remembered.proof(&user, &password, hash.text());
        if let Some(right) = self.remembered.get(&proof) {
            return Some(right && known);
        }
        let Ok(Ok(place)) = within(PATIENCE, HASHING.clone().acquire_owned()).await else { return None };
        if let Some(right) = self.remembered.get(&proof) {
            // Another request of the same page has had it checked meanwhile.
            return Some(right && known);
        }
        let verified = spawn_blocking(move || {
            let _place = place;
            hash.verifies(&password)
        });
        let Ok(right) = verified.await else { return None };
        self.remembered.put(proof, right);
        Some(right && known)
    }

    /// The file for this request. What a visitor says cannot lead out of the directory that the settings
    /// name.
    fn path_of(&self, facts: &Facts<'_>) -> Option<PathBuf> {
        let path = String::from_utf8(self.path.value(facts).into_owned()).ok()?;
        let leads_out = self.path.constant().is_none() && path.split('/').any(|part| part == "..");
        (!leads_out && !path.contains('\0')).then(|| self.whole(Path::new(&path)))
    }

    fn whole(&self, path: &Path) -> PathBuf {
        self.directory.as_ref().map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    fn file(&self, path: &Path) -> Arc<PasswordFile> {
        let mut files = self.files.lock();
        if let Some(known) = files.iter().find(|known| known.is_at(path)) {
            return known.clone();
        }
        if files.len() >= MOST_FILES {
            files.clear();
        }
        let file = Arc::new(PasswordFile::new(path.to_owned()));
        files.push(file.clone());
        file
    }
}

/// `WWW-Authenticate` for a realm; `None`: a field cannot hold it.
fn challenge(realm: &[u8]) -> Option<HeaderValue> {
    let realm = std::str::from_utf8(realm).ok()?;
    // RFC 7617 section 2.1: the only charset is UTF-8.
    let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::from_str(&format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"")).ok()
}

/// User and password of `Authorization: Basic …`.
fn credentials(field: &HeaderValue) -> Option<(String, String)> {
    let text = field.to_str().ok().filter(|text| text.len() <= MOST_CREDENTIALS)?;
    let (scheme, encoded) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':').filter(|(user, _)| !user.is_empty())?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use http::HeaderMap;

    use super::*;
    use crate::variables::facts::tests::facts_of;

    const SECRET: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    const NEW: &str = "$2y$04$abcdefghijklmnopqrstuusf96eeUQLgQWR72RBesvIE8CjOJNM9O";

    fn sent(user: &str, password: &str) -> HeaderValue {
        let encoded = BASE64.encode(format!("{user}:{password}"));
        HeaderValue::from_str(&format!("Basic {encoded}")).unwrap()
    }

    #[test]
    fn credentials_as_sent() {
        let cases = [
            ("Basic YW5uOnNlY3JldA==", Some(("ann", "secret"))),
            ("bAsIc   YW5uOnNlY3JldA==", Some(("ann", "secret"))),
            ("Basic YW5uOmE6Yg==", Some(("ann", "a:b"))),
            ("Basic YW5uOg==", Some(("ann", ""))),
            ("Basic YW5u", None),
            ("Basic !!!!", None),
            ("Basic", None),
            ("Bearer YW5uOnNlY3JldA==", None),
            ("", None),
        ];
        for (field, expected) in cases {
            let expected = expected.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(credentials(&HeaderValue::from_static(field)), expected, "{field}");
        }
        assert_eq!(credentials(&sent("ann", &"x".repeat(MOST_CREDENTIALS))), None);
    }

    fn wrong() -> PasswordCheck {
        PasswordCheck::Wrong(HeaderValue::from_static("Basic realm=\"a \\\"b\\\"\", charset=\"UTF-8\""))
    }

    #[tokio::test]
    async fn realm_and_file_may_depend_on_the_request() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("one"), "ann:{PLAIN}secret\n").unwrap();
        let path = Template::parse(&format!("{}/$arg_f", directory.path().display())).unwrap();
        let basic = Basic::new(Template::parse("$arg_r").unwrap(), path, false).unwrap();
        let headers = HeaderMap::new();
        let sent = sent("ann", "secret");
        for (target, expected) in [
            ("/?f=one&r=x", "Right"),
            ("/?f=two&r=x", "NoFile"),
            ("/?f=../one&r=x", "NoFile"),
            ("/?f=two&r=off", "NotAsked"),
        ] {
            let check = basic.check(Some(&sent), &facts_of(target, &headers)).await;
            assert_eq!(format!("{check:?}"), expected, "{target}");
        }
        let check = basic.check(None, &facts_of("/?f=one&r=x", &headers)).await;
        assert!(matches!(check, PasswordCheck::Wrong(_)), "{check:?}");

        let named = Basic::new(Template::literal("x"), Template::parse("$arg_f").unwrap(), false).unwrap();
        let named = named.within(Some(directory.path().to_owned()));
        let whole = format!("/?f={}/one", directory.path().display());
        for (target, expected) in [("/?f=one", "Right"), (&whole, "Right"), ("/?f=../one", "NoFile")] {
            let check = named.check(Some(&sent), &facts_of(target, &headers)).await;
            assert_eq!(format!("{check:?}"), expected, "{target}");
        }
    }

    #[tokio::test]
    async fn a_slow_hash_is_computed_once_and_a_changed_file_counts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("htpasswd");
        fs::write(&file, format!("ann:{SECRET}\n")).unwrap();
        let path = Template::literal(file.to_str().unwrap());
        let basic = Basic::new(Template::literal("a \"b\""), path, false).unwrap();
        let headers = HeaderMap::new();
        let facts = facts_of("/", &headers);
        assert_eq!(basic.check(None, &facts).await, wrong());
        assert_eq!(basic.check(Some(&sent("ann", "wrong")), &facts).await, wrong());
        assert_eq!(basic.check(Some(&sent("bob", "secret")), &facts).await, wrong());
        let begun = Instant::now();
        assert_eq!(basic.check(Some(&sent("ann", "secret")), &facts).await, PasswordCheck::Right);
        let first = begun.elapsed();
        // A busy machine may hold up some of the tens.
        let mut fastest = Duration::MAX;
        for _ in 0..10 {
            let begun = Instant::now();
            for _ in 0..10 {
                assert_eq!(basic.check(Some(&sent("ann", "secret")), &facts).await, PasswordCheck::Right);
            }
            fastest = fastest.min(begun.elapsed());
        }
        assert!(fastest < first, "{fastest:?} for ten, {first:?} for the first");

        fs::write(&file, format!("# others\nann:{NEW}\nbob:{SECRET}\n")).unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(basic.check(Some(&sent("ann", "secret")), &facts).await, wrong());
        assert_eq!(basic.check(Some(&sent("ann", "new")), &facts).await, PasswordCheck::Right);
        assert_eq!(basic.check(Some(&sent("bob", "secret")), &facts).await, PasswordCheck::Right);
        fs::remove_file(&file).unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(basic.check(Some(&sent("ann", "new")), &facts).await, PasswordCheck::NoFile);
    }
}

//! `auth_basic`: the password that a client sends, compared with the hash in a file. Slow hashes are computed
//! beside the connections' threads, a bounded number at a time.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::HeaderValue;
use process::wait::within;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::access::htpasswd::{Current, PasswordFile};
use crate::access::remembered::Remembered;

/// How long a request waits for its turn to have its password checked.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer credentials are wrong: no hash is computed of them.
const MOST_CREDENTIALS: usize = 1024;

/// Passwords that are hashed at the same time, over all locations.
static HASHING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new(cores))
});

#[derive(Debug)]
pub(crate) struct Basic {
    challenge: HeaderValue,
    file: PasswordFile,
    remembered: Remembered,
    /// The application gets the credentials too.
    pub(crate) pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordCheck {
    Right,
    Wrong,
    /// There is no file, so there are no users.
    NoFile,
    /// Too many passwords are being checked, or the disk fails.
    Busy,
}

impl Basic {
    /// The error is for the settings checker.
    pub(crate) fn new(realm: &str, file: PathBuf, pass: bool) -> Result<Self, String> {
        // RFC 7617 section 2.1: the only charset is UTF-8.
        let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = HeaderValue::from_str(&format!("Basic realm=\"{quoted}\", charset=\"UTF-8\""))
            .map_err(|_| format!("{realm:?} has characters that a header field cannot hold"))?;
        Ok(Self { challenge, file: PasswordFile::new(file), remembered: Remembered::new(), pass })
    }

    /// Everything in the file that cannot be used, for the settings checker.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        self.file.mistakes()
    }

    pub(super) fn challenge(&self) -> &HeaderValue {
        &self.challenge
    }

    pub(super) async fn check(&self, authorization: Option<&HeaderValue>) -> PasswordCheck {
        let users = match self.file.current().await {
            Current::Users(users) => users,
            Current::Missing => return PasswordCheck::NoFile,
            Current::Unreadable => return PasswordCheck::Busy,
        };
        let Some((user, password)) = authorization.and_then(credentials) else { return PasswordCheck::Wrong };
        // A name that does not exist takes as long as one that does.
        let (known, Some(hash)) = users.hash(&user) else { return PasswordCheck::Wrong };
        let proof = self.remembered.proof(&user, &password, hash.text());
        if let Some(right) = self.remembered.get(&proof) {
            return answer(right && known);
        }
        let Ok(Ok(place)) = within(PATIENCE, HASHING.clone().acquire_owned()).await else {
            return PasswordCheck::Busy;
        };
        if let Some(right) = self.remembered.get(&proof) {
            // Another request of the same page has had it checked meanwhile.
            return answer(right && known);
        }
        let verified = spawn_blocking(move || {
            let _place = place;
            hash.verifies(&password)
        });
        let Ok(right) = verified.await else { return PasswordCheck::Busy };
        self.remembered.put(proof, right);
        answer(right && known)
    }
}

fn answer(right: bool) -> PasswordCheck {
    if right { PasswordCheck::Right } else { PasswordCheck::Wrong }
}

/// User and password of `Authorization: Basic …`.
fn credentials(field: &HeaderValue) -> Option<(String, String)> {
    let text = field.to_str().ok().filter(|text| text.len() <= MOST_CREDENTIALS)?;
    let (scheme, encoded) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::*;

    const SECRET: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    const NEW: &str = "$2y$04$abcdefghijklmnopqrstuusf96eeUQLgQWR72RBesvIE8CjOJNM9O";

    fn sent(user: &str, password: &str) -> HeaderValue {
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
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

    #[tokio::test]
    async fn a_slow_hash_is_computed_once_and_a_changed_file_counts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("htpasswd");
        fs::write(&file, format!("ann:{SECRET}\n")).unwrap();
        let basic = Basic::new("a \"b\"", file.clone(), false).unwrap();
        assert_eq!(basic.challenge(), "Basic realm=\"a \\\"b\\\"\", charset=\"UTF-8\"");
        assert_eq!(basic.check(None).await, PasswordCheck::Wrong);
        assert_eq!(basic.check(Some(&sent("ann", "wrong"))).await, PasswordCheck::Wrong);
        assert_eq!(basic.check(Some(&sent("bob", "secret"))).await, PasswordCheck::Wrong);
        let begun = Instant::now();
        assert_eq!(basic.check(Some(&sent("ann", "secret"))).await, PasswordCheck::Right);
        let first = begun.elapsed();
        // A busy machine may hold up some of the tens.
        let mut fastest = Duration::MAX;
        for _ in 0..10 {
            let begun = Instant::now();
            for _ in 0..10 {
                assert_eq!(basic.check(Some(&sent("ann", "secret"))).await, PasswordCheck::Right);
            }
            fastest = fastest.min(begun.elapsed());
        }
        assert!(fastest < first, "{fastest:?} for ten, {first:?} for the first");

        fs::write(&file, format!("# others\nann:{NEW}\nbob:{SECRET}\n")).unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(basic.check(Some(&sent("ann", "secret"))).await, PasswordCheck::Wrong);
        assert_eq!(basic.check(Some(&sent("ann", "new"))).await, PasswordCheck::Right);
        assert_eq!(basic.check(Some(&sent("bob", "secret"))).await, PasswordCheck::Right);
        fs::remove_file(&file).unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(basic.check(Some(&sent("ann", "new"))).await, PasswordCheck::NoFile);
    }
}

//! The seal on what edges share: nobody without the key of `share_key_file` reads it, or makes another one.

use std::fs;
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

/// A shorter key can be guessed.
const SHORTEST: usize = 32;
/// What is sealed in another way will begin with another byte.
const WAY: u8 = 1;

pub(super) struct Seal(LessSafeKey);

impl Seal {
    /// Takes its key from what this file holds, as `openssl rand -base64 32` writes it.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        let secret = text.trim_ascii();
        if secret.len() < SHORTEST {
            let hint = "write one with `openssl rand -base64 32`";
            return Err(format!("`{}` holds fewer than {SHORTEST} bytes; {hint}", file.display()));
        }
        Self::of(secret).ok_or_else(|| "this key cannot be used".to_owned())
    }

    fn of(secret: &[u8]) -> Option<Self> {
        // The file may serve for something else too: this key is for nothing but this.
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"weir edge.acme 1");
        UnboundKey::new(&AES_256_GCM, key.as_ref()).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// It can be opened under this name alone.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut text = plain.to_vec();
        let sealed = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(name.as_bytes()),
            &mut text,
        );
        match sealed {
            Ok(()) => [&[WAY][..], &nonce, &text].concat(),
            // A text of gigabytes, which nobody has.
            Err(_) => Vec::new(),
        }
    }

    /// `None`: it was sealed by another key, for another name, or was changed.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.strip_prefix(&[WAY])?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).ok()?.len();
        text.truncate(plain);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_it_under_the_same_name() {
        let (seal, other) = (Seal::of(b"one secret").unwrap(), Seal::of(b"another secret").unwrap());
        let sealed = seal.seal("a", b"text");
        assert_eq!(seal.open("a", &sealed).as_deref(), Some(&b"text"[..]));
        assert_ne!(seal.seal("a", b"text"), sealed, "nobody sees that it is the same");
        assert_eq!(seal.open("b", &sealed), None);
        assert_eq!(other.open("a", &sealed), None);
        for length in 0..sealed.len() {
            assert_eq!(seal.open("a", &sealed[..length]), None);
            let mut changed = sealed.clone();
            changed[length] ^= 1;
            assert_eq!(seal.open("a", &changed), None);
        }
    }

    #[test]
    fn a_key_is_long_enough() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "too short\n").unwrap();
        assert!(Seal::read(file.path()).err().unwrap().contains("fewer than 32 bytes"));
        fs::write(file.path(), "k".repeat(32) + "\n").unwrap();
        assert!(Seal::read(file.path()).is_ok());
        assert!(Seal::read(Path::new("/nowhere")).err().unwrap().contains("No such file"));
    }
}

//! What the fuzz target of this file calls: each line is a user, a comment or a mistake, and a hash that
//! makes no sense fits no password.

use super::{PasswordHash, Users};

/// Reads the file, and tries a password at the hashes that cost little.
#[doc(hidden)]
pub fn read_passwords(text: &[u8]) {
    let (users, mistakes) = Users::parse(text);
    assert!(users.0.len() + mistakes.len() <= text.split(|byte| *byte == b'\n').count());
    for hash in users.0.values() {
        match &**hash {
            PasswordHash::Plain(plain) => assert!(hash.verifies(plain)),
            PasswordHash::OldCrypt(_) | PasswordHash::Sha1(..) => drop(hash.verifies("password")),
            // Whoever writes the file says how long these take.
            PasswordHash::Crypt(_) | PasswordHash::Argon2(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_anywhere() {
        let text = include_bytes!("../../../../fuzz/seeds/htpasswd/all");
        (0..text.len()).for_each(|end| read_passwords(&text[..end]));
    }
}

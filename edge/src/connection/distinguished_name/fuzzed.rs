//! What the fuzz target of names in certificates calls: a name becomes one line of ASCII, or nothing.

use super::{of_der, text};

/// Reads the bytes as a name, with its outermost SEQUENCE and without.
#[doc(hidden)]
pub fn read_name(bytes: &[u8]) {
    for name in [of_der(bytes), text(bytes)].into_iter().flatten() {
        assert!(name.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_damaged_anywhere() {
        let name = include_bytes!("../../../../fuzz/seeds/distinguished_name/usual");
        assert!(of_der(name).is_some());
        for at in 0..name.len() {
            read_name(&name[..at]);
            for bit in 0..8 {
                let mut damaged = name.to_vec();
                damaged[at] ^= 1 << bit;
                read_name(&damaged);
            }
        }
    }
}

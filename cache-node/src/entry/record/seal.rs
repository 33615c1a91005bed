//! What stands before a record: a checksum, which finds damage, or a MAC, which only who has the key can
//! make.

use bytes::{BufMut, Bytes};
use ring::hmac;
use xxhash_rust::xxh3::xxh3_64;

/// The versions of the format, changed with every change of it: others read as a miss.
const CHECKED: u8 = 2;
const SIGNED: u8 = 3;

const CHECKSUM: usize = 1 + size_of::<u64>();
/// HMAC-SHA256 has 32 bytes.
const SIGNATURE: usize = 1 + 32;

/// How records are told from what others have written.
pub(crate) enum Seal {
    /// `2 (1) | xxh3-64 of the rest (8, big endian) | rest`
    Checksum,
    /// `3 (1) | HMAC-SHA256 of the rest (32) | rest`. By the previous key, records are only read.
    Mac(Box<MacKeys>),
}

pub(crate) struct MacKeys {
    key: hmac::Key,
    previous: Option<hmac::Key>,
}

impl Seal {
    pub(crate) fn keyed(key: &[u8], previous: Option<&[u8]>) -> Self {
        Self::Mac(Box::new(MacKeys { key: derived(key), previous: previous.map(derived) }))
    }

    pub(super) fn seal(&self, record: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIGNATURE + record.len());
        match self {
            Self::Checksum => {
                bytes.put_u8(CHECKED);
                bytes.put_u64(xxh3_64(record));
            }
            Self::Mac(keys) => {
                bytes.put_u8(SIGNED);
                bytes.put_slice(hmac::sign(&keys.key, record).as_ref());
            }
        }
        bytes.put_slice(record);
        bytes
    }

    /// The record, if it is whole and has this seal.
    pub(super) fn open(&self, mut bytes: Bytes) -> Option<Bytes> {
        match self {
            Self::Checksum => {
                let (&[version, ref sum @ ..], record) = bytes.split_first_chunk::<CHECKSUM>()?;
                let right = version == CHECKED && *sum == xxh3_64(record).to_be_bytes();
                right.then(|| bytes.split_off(CHECKSUM))
            }
            Self::Mac(keys) => {
                let (&[version, ref mac @ ..], record) = bytes.split_first_chunk::<SIGNATURE>()?;
                let mut keys = [Some(&keys.key), keys.previous.as_ref()].into_iter().flatten();
                let right = version == SIGNED && keys.any(|key| hmac::verify(key, record, mac).is_ok());
                right.then(|| bytes.split_off(SIGNATURE))
            }
        }
    }
}

/// The key for this version and for nothing else.
fn derived(key: &[u8]) -> hmac::Key {
    let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"weir: record, version 3");
    hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())
}

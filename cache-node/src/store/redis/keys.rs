//! The keys by which records are signed, from the files that the settings name.

use std::fs;
use std::path::Path;

use crate::config::{RedisConfig, WrongSetting};
use crate::entry::record::seal::Seal;

/// A shorter key can be guessed from one record.
const SHORTEST: usize = 16;

/// What stands before records.
pub(super) fn seal(config: &RedisConfig) -> Result<Seal, WrongSetting> {
    let key = config.record_key_file.as_deref().map(|file| read("record_key_file", file)).transpose()?;
    let previous = config.previous_record_key_file.as_deref();
    let previous = previous.map(|file| read("previous_record_key_file", file)).transpose()?;
    match (key, previous) {
        (Some(key), previous) => Ok(Seal::keyed(&key, previous.as_deref())),
        (None, None) => Ok(Seal::Checksum),
        (None, Some(_)) => Err(WrongSetting {
            setting: "record_key_file",
            text: "is needed too: records are only read by `previous_record_key_file`".to_owned(),
        }),
    }
}

fn read(setting: &'static str, file: &Path) -> Result<Vec<u8>, WrongSetting> {
    let wrong = |text| WrongSetting { setting, text };
    let text = fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let key = text.trim_ascii();
    if key.len() < SHORTEST {
        return Err(wrong(format!("holds fewer than {SHORTEST} bytes")));
    }
    Ok(key.to_vec())
}

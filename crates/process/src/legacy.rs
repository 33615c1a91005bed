//! What a process leaves to the one that replaces it: a file that it writes before it starts the other, and
//! that it removes when it hands over, if what is in it still holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Names the file, in the environment of the new process.
pub(crate) const LEGACY: &str = "WEIR_LEGACY";
/// How long the new process waits for the word that what it has read still holds.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What is left, and whether it still holds when the other process serves.
pub trait Legacy {
    /// Writes it. Called before the other process is started.
    fn write(&mut self, to: &mut dyn Write) -> io::Result<()>;

    /// Whether nothing has happened since that makes a part of it wrong.
    fn still_holds(&mut self) -> bool;
}

/// The file as the new process has it.
#[derive(Debug)]
pub struct LegacyFile(PathBuf);

impl LegacyFile {
    /// What the process that this one replaces has left.
    pub fn of_this_process() -> Option<Self> {
        std::env::var_os(LEGACY).map(|file| Self(file.into())).filter(|file| file.0.exists())
    }

    pub fn open(&self) -> io::Result<File> {
        File::open(&self.0)
    }

    /// Whether it still holds, once this process has taken over. The file is gone then.
    pub async fn holds(self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !self.0.exists() {
                return true;
            }
            sleep(LOOK_EVERY).await;
        }
        let _ = fs::remove_file(&self.0);
        false
    }
}

/// Writes what is left into a file that only this user can read.
pub(crate) fn write(legacy: &mut dyn Legacy) -> io::Result<PathBuf> {
    let file = std::env::temp_dir().join(format!("weir-legacy-{:016x}", rand::random::<u64>()));
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
    let mut to = BufWriter::new(open);
    let written = legacy.write(&mut to).and_then(|()| to.flush());
    written.inspect_err(|_| drop(fs::remove_file(&file)))?;
    Ok(file)
}

/// When this process began: what was left for it was written before.
static BEGUN: OnceLock<std::time::Instant> = OnceLock::new();

/// Call it first of all.
pub fn begin() {
    BEGUN.get_or_init(std::time::Instant::now);
}

/// How long ago this process began. It is no time of day, which may be set.
pub fn since_begin() -> Duration {
    BEGUN.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words(bool);

    impl Legacy for Words {
        fn write(&mut self, to: &mut dyn Write) -> io::Result<()> {
            if self.0 { to.write_all(b"words") } else { Err(io::ErrorKind::StorageFull.into()) }
        }

        fn still_holds(&mut self) -> bool {
            self.0
        }
    }

    #[tokio::test]
    async fn what_is_left_holds_when_its_file_is_gone() {
        let file = write(&mut Words(true)).unwrap();
        let left = LegacyFile(file.clone());
        assert_eq!(io::read_to_string(left.open().unwrap()).unwrap(), "words");
        fs::remove_file(&file).unwrap();
        assert!(left.holds().await);
        assert!(write(&mut Words(false)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_confirmed_does_not_hold() {
        let file = write(&mut Words(true)).unwrap();
        assert!(!LegacyFile(file.clone()).holds().await);
        assert!(!file.exists());
    }
}

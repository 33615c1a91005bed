//! Notices that a file has changed, by looking at its content: where a ConfigMap is mounted it is a link that
//! is put elsewhere, and no watch on the file itself would tell.

use std::path::PathBuf;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A file that is looked at every two seconds, or none.
#[derive(Debug)]
pub struct Watch {
    file: Option<PathBuf>,
    /// `None`: it could not be read.
    known: Option<Vec<u8>>,
}

impl Watch {
    pub fn new(file: Option<PathBuf>) -> Self {
        let known = file.as_ref().and_then(|file| std::fs::read(file).ok());
        Self { file, known }
    }

    /// Resolves when the file holds something else than before. While it cannot be read it has not changed.
    /// Without a file: never.
    pub async fn changed(&mut self) {
        let Some(file) = &self.file else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let read = tokio::fs::read(file).await.ok();
            if read.is_some() && read != self.known {
                self.known = read;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn sees_a_link_that_is_put_elsewhere_and_nothing_else() {
        let directory = tempfile::TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("first")).unwrap();
        fs::create_dir(at("second")).unwrap();
        fs::write(at("first/weir.toml"), "a").unwrap();
        fs::write(at("second/weir.toml"), "b").unwrap();
        symlink(at("first"), at("..data")).unwrap();
        let mut watch = Watch::new(Some(at("..data/weir.toml")));
        timeout(LONG, watch.changed()).await.unwrap_err();

        fs::remove_file(at("..data")).unwrap();
        timeout(LONG, watch.changed()).await.unwrap_err();
        symlink(at("second"), at("..data")).unwrap();
        timeout(LONG, watch.changed()).await.unwrap();
        timeout(LONG, watch.changed()).await.unwrap_err();
        timeout(LONG, Watch::new(None).changed()).await.unwrap_err();
    }
}

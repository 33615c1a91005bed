//! A pool's servers, kept over restarts: written whole at each change, and in place of the settings' servers
//! once it is there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::Entry;

/// The adapter cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("wsgi_adapter.pool \"{pool}\": state_file {file}: {why}")]
    State { pool: String, file: String, why: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    servers: Vec<Entry>,
}

/// `None`: there is no such file yet.
pub(super) fn read(file: &Path) -> io::Result<Option<Vec<Entry>>> {
    match fs::read(file) {
        Ok(bytes) => {
            let content: Content = serde_json::from_slice(&bytes)?;
            Ok(Some(content.servers))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whoever reads it meanwhile, or after a crash, finds the old list or the new one.
pub(super) async fn write(file: &Path, entries: &[Entry]) -> io::Result<()> {
    let (file, content) = (file.to_owned(), Content { servers: entries.to_vec() });
    let written = tokio::task::spawn_blocking(move || {
        let bytes = serde_json::to_vec_pretty(&content)?;
        let directory =
            file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut beside = tempfile::NamedTempFile::new_in(directory)?;
        beside.write_all(&bytes)?;
        beside.as_file().sync_all()?;
        beside.persist(&file)?;
        File::open(directory)?.sync_all()
    });
    written.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerConfig;
    use crate::pool::member::ServerId;

    #[tokio::test]
    async fn is_read_as_it_was_written() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("pool.json");
        assert!(read(&file).unwrap().is_none());
        let server = ServerConfig { weight: 3, drain: true, ..ServerConfig::new("unix:/a".parse().unwrap()) };
        for entries in [vec![Entry { id: ServerId(7), server }], Vec::new()] {
            write(&file, &entries).await.unwrap();
            let read = read(&file).unwrap().unwrap();
            let plain = |entries: &[Entry]| {
                entries.iter().map(|entry| (entry.id, entry.server.clone())).collect::<Vec<_>>()
            };
            assert_eq!(plain(&read), plain(&entries));
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        fs::write(&file, "{\"servers\": [{\"id\": 1, \"server\": {\"address\": \"nonsense\"}}]}").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("not a host and a port"));
    }
}

//! Files that are being sent: however many replies send the same file, it is open once, and a client has a
//! part of the descriptors for them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use process::client_key::ClientKey;
use process::nofile::{self, Purpose};

/// Entries of files that nobody sends any more are looked for at this number, and then at twice what is left.
const SWEEP: usize = 64;

/// Identified by device and inode, which no other file gets while this one is open.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: Mutex<HandleTable>,
    clients: FilesByClient,
}

#[derive(Debug, Default)]
struct HandleTable {
    files: HashMap<(u64, u64), Weak<SharedFile>>,
    sweep_at: usize,
}

type FilesByClient = Arc<Mutex<HashMap<ClientKey, u64>>>;

/// A file that is sent. The client for which it was opened has it, until the last reply with it has ended.
#[derive(Debug)]
pub(super) struct SharedFile {
    file: File,
    _client: Option<ClientFile>,
}

/// Counts an open file of a client while it exists.
#[derive(Debug)]
struct ClientFile {
    clients: FilesByClient,
    key: ClientKey,
}

impl Handles {
    /// The open file, to be sent for as long as its client likes. Fails where descriptors are few, or the
    /// client has its part of them.
    pub(super) fn share(&self, file: File, client: Option<ClientKey>) -> io::Result<Arc<SharedFile>> {
        let place = identity(&file.metadata()?);
        let mut table = self.open.lock();
        if let Some(known) = table.files.get(&place).and_then(Weak::upgrade) {
            return Ok(known);
        }
        nofile::may_have(&file, Purpose::Lasting)?;
        let client = client.map(|key| ClientFile::one_more(&self.clients, key)).transpose()?;
        let file = Arc::new(SharedFile { file, _client: client });
        table.files.insert(place, Arc::downgrade(&file));
        if table.files.len() > table.sweep_at.max(SWEEP) {
            table.files.retain(|_, file| file.strong_count() > 0);
            table.sweep_at = 2 * table.files.len();
        }
        Ok(file)
    }
}

impl From<File> for SharedFile {
    fn from(file: File) -> Self {
        Self { file, _client: None }
    }
}

impl Deref for SharedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl ClientFile {
    fn one_more(clients: &FilesByClient, key: ClientKey) -> io::Result<Self> {
        let mut held = clients.lock();
        let number = held.entry(key).or_insert(0);
        if *number >= nofile::share() {
            return Err(nofile::out());
        }
        *number += 1;
        Ok(Self { clients: clients.clone(), key })
    }
}

impl Drop for ClientFile {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.clients.lock().entry(self.key) {
            *held.get_mut() = held.get().saturating_sub(1);
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_once_and_its_successor_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| File::open(directory.path().join(name)).unwrap();
        std::fs::write(directory.path().join("a"), "old").unwrap();
        let handles = Handles::default();
        let first = handles.share(open("a"), None).unwrap();
        assert!(Arc::ptr_eq(&first, &handles.share(open("a"), None).unwrap()));
        std::fs::write(directory.path().join("b"), "new").unwrap();
        std::fs::rename(directory.path().join("b"), directory.path().join("a")).unwrap();
        assert!(!Arc::ptr_eq(&first, &handles.share(open("a"), None).unwrap()));
        for n in 0..500 {
            std::fs::write(directory.path().join(n.to_string()), "").unwrap();
            handles.share(open(&n.to_string()), None).unwrap();
        }
        assert!(handles.open.lock().files.len() <= SWEEP + 2);
    }

    #[test]
    fn a_client_has_a_part() {
        let directory = tempfile::tempdir().unwrap();
        let handles = Handles::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| {
            let address: std::net::IpAddr = address.parse().unwrap();
            ClientKey::from(address)
        });
        let open = |n: u64, client| {
            let path = directory.path().join(n.to_string());
            std::fs::write(&path, "").unwrap();
            handles.share(File::open(path).unwrap(), Some(client))
        };
        handles.clients.lock().insert(one, nofile::share() - 1);
        let held = open(0, one).unwrap();
        assert!(open(1, one).is_err());
        assert!(Arc::ptr_eq(&held, &open(0, one).unwrap()), "it is open already");
        assert!(open(1, other).is_ok());
        drop(held);
        assert!(open(1, one).is_ok());
    }
}

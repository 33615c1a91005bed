//! Pages in memory that a node leaves to the one that takes its place on the same machine, so that the
//! application does not feel it. Only a node without Redis has any: there, the next one finds them anyway.
//!
//! Pages belong to the purge log of their node, which ends with it. They are handed on only if no purge came
//! between their writing and the moment when the next node serves.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use process::legacy::{Legacy, LegacyFile, since_begin};
use purge::Position;
use tokio::time::Instant;

use crate::entry::record::RecordFormat;
use crate::entry::record::seal::Seal;
use crate::entry::{Entry, millis};
use crate::node::NodeState;

/// The beginning of the file, with the version of what follows: records, each behind its length.
const MAGIC: &[u8; 8] = b"weirpg01";
/// Stands in place of a length behind the last record, before the milliseconds that the writing has taken.
const END: u64 = u64::MAX;
/// How records are written: as for Redis, but whole, and sealed against damage only.
const FORMAT: RecordFormat = RecordFormat { seal: Seal::Checksum, compress_from: usize::MAX, max_body: 0 };

/// The pages of a node, for the one that takes its place.
pub(crate) struct Pages {
    node: Arc<NodeState>,
    /// Where the purge log stood when they were written.
    written_at: Option<Position>,
}

impl Pages {
    pub(crate) fn of(node: Arc<NodeState>) -> Self {
        Self { node, written_at: None }
    }
}

impl Legacy for Pages {
    fn write(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.written_at = Some(self.node.purges.position());
        to.write_all(MAGIC)?;
        let begun = Instant::now();
        for entry in self.node.exchanges.memory().entries() {
            let Some(record) = FORMAT.encode(&entry, begun) else { continue };
            to.write_all(&(record.len() as u64).to_be_bytes())?;
            to.write_all(&record)?;
        }
        to.write_all(&END.to_be_bytes())?;
        to.write_all(&millis(begun.elapsed()).to_be_bytes())
    }

    fn still_holds(&mut self) -> bool {
        self.written_at == Some(self.node.purges.position())
    }
}

/// Takes over what another node has left, once it is certain that it holds. `most` bounds the bytes that are
/// read.
pub(crate) async fn inherit(node: Arc<NodeState>, file: LegacyFile, most: u64) {
    let (grant, path) = (node.purges.grant(), file.open());
    let read = tokio::task::spawn_blocking(move || {
        let (records, writing) = read(&mut BufReader::new(path?), most)?;
        // Rather too old than too young: what was written first has waited as long as all of it took.
        let resident = writing + since_begin();
        let adopt = |record: Vec<u8>| FORMAT.adopt(record.into(), resident, grant, Instant::now()).ok();
        Ok::<Vec<Arc<Entry>>, io::Error>(records.into_iter().filter_map(adopt).map(Arc::new).collect())
    });
    let entries = match read.await {
        Ok(Ok(entries)) => entries,
        Ok(Err(error)) => return tracing::warn!(%error, "the pages of the process before cannot be read"),
        Err(error) => return tracing::warn!(%error, "the pages of the process before cannot be read"),
    };
    tokio::spawn(async move {
        if !file.holds().await {
            return tracing::info!(
                "the pages of the process before are not used: there was a purge meanwhile"
            );
        }
        tracing::info!(pages = entries.len(), "took over the pages of the process before");
        let memory = node.exchanges.memory();
        // What was made here meanwhile is newer.
        let is_new = |entry: &&Arc<Entry>| !memory.has(entry.slot());
        entries.iter().filter(is_new).for_each(|entry| memory.keep(entry.slot(), entry));
    });
}

/// All records, and how long their writing took. A file without an end says nothing.
fn read(from: &mut impl Read, most: u64) -> io::Result<(Vec<Vec<u8>>, Duration)> {
    let wrong = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(wrong("written by another version"));
    }
    let (mut records, mut bytes) = (Vec::new(), 0u64);
    loop {
        let length = number(from)?;
        if length == END {
            return Ok((records, Duration::from_millis(number(from)?)));
        }
        bytes = bytes.saturating_add(length);
        if bytes > most {
            return Err(wrong("more than there is memory for"));
        }
        let mut record = Vec::new();
        if from.take(length).read_to_end(&mut record)? as u64 != length {
            return Err(wrong("cut off"));
        }
        records.push(record);
    }
}

fn number(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[&[u8]], end: bool) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        for record in records {
            file.extend((record.len() as u64).to_be_bytes());
            file.extend(*record);
        }
        if end {
            file.extend(END.to_be_bytes());
            file.extend(7u64.to_be_bytes());
        }
        file
    }

    #[test]
    fn a_whole_file_is_read_and_any_other_is_not() {
        let whole = file(&[b"one", b"", b"three"], true);
        let (records, writing) = read(&mut &whole[..], 100).unwrap();
        assert_eq!(records, [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
        assert_eq!(writing, Duration::from_millis(7));
        for end in 0..whole.len() {
            assert!(read(&mut &whole[..end], 100).is_err(), "cut at {end}");
        }
        assert!(read(&mut &file(&[b"one"], false)[..], 100).is_err());
        assert!(read(&mut &whole[..], 7).is_err(), "more than there is room for");
        assert!(read(&mut &b"weirpg99"[..], 100).is_err());
        let endless = [MAGIC.as_slice(), &(END - 1).to_be_bytes()].concat();
        assert!(read(&mut &endless[..], u64::MAX).is_err());
    }
}

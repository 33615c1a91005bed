//! The fields that a client has told to keep (RFC 7541 section 2.3.2).

use std::collections::VecDeque;

use super::static_table::ENTRIES;

/// RFC 7541 section 4.1: the overhead that each entry counts besides its bytes.
const OVERHEAD: usize = 32;
/// RFC 9113 section 6.5.2: the initial value of SETTINGS_HEADER_TABLE_SIZE, which the edge leaves as it is.
const LARGEST: usize = 4096;

pub(super) struct DynamicTable {
    /// The newest is first.
    entries: VecDeque<Entry>,
    size: usize,
    /// What the client keeps to.
    most: usize,
}

struct Entry {
    text: Box<[u8]>,
    /// How much of the text is the name.
    name: usize,
}

impl Entry {
    fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }
}

impl Default for DynamicTable {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, most: LARGEST }
    }
}

impl DynamicTable {
    /// Name and value of this index, static entries first (RFC 7541 section 2.3.3). `None`: there is none,
    /// and index 0 "MUST be treated as a decoding error" (section 6.1).
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = ENTRIES.get(index) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let entry = self.entries.get(index - ENTRIES.len())?;
        entry.text.split_at_checked(entry.name)
    }

    /// RFC 7541 section 6.3: "The new maximum size MUST be lower than or equal to the limit". `None`: it is
    /// not.
    pub(super) fn resize(&mut self, most: usize) -> Option<()> {
        self.most = (most <= LARGEST).then_some(most)?;
        self.evict(0);
        Some(())
    }

    /// RFC 7541 section 4.4: what is larger than the table empties it, and "is not an error".
    pub(super) fn insert(&mut self, text: &[u8], name: usize) {
        let size = text.len() + OVERHEAD;
        self.evict(size);
        if size <= self.most {
            self.size += size;
            self.entries.push_front(Entry { text: text.into(), name });
        }
    }

    /// Makes room for an entry of this size.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

//! The fields of a head as they come out of HPACK, in one buffer that is used again and again.

/// RFC 9113 section 6.5.2: a field counts as its bytes and an overhead of 32.
const OVERHEAD: usize = 32;
/// A buffer that grew beyond this for one head is given back.
const KEPT: usize = 64 * 1024;

/// At most `limit` bytes of fields, by the rule of SETTINGS_MAX_HEADER_LIST_SIZE.
#[derive(Debug, Default)]
pub struct FieldList {
    bytes: Vec<u8>,
    spans: Vec<FieldSpan>,
    size: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct FieldSpan {
    start: usize,
    /// Where the name ends, and the value begins.
    middle: usize,
    end: usize,
}

impl FieldList {
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Names and values, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| {
            let part = |from, to| self.bytes.get(from..to).unwrap_or_default();
            (part(span.start, span.middle), part(span.middle, span.end))
        })
    }

    /// There were more than the limit allows; those beyond it are gone.
    pub fn is_over(&self) -> bool {
        self.size > self.limit
    }

    pub(crate) fn begin(&mut self, limit: usize) {
        self.limit = limit;
        self.bytes.clear();
        self.spans.clear();
        self.size = 0;
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }

    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.size = self.size.saturating_add(name.len() + value.len() + OVERHEAD);
        if self.is_over() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.spans.push(FieldSpan { start, middle: start + name.len(), end: self.bytes.len() });
    }

    /// Adds a field that `write` appends, name before value; it gives the length of the name.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<usize>) -> Option<()> {
        let start = self.bytes.len();
        let name = write(&mut self.bytes)?;
        let end = self.bytes.len();
        self.size = self.size.saturating_add(end - start + OVERHEAD);
        if self.is_over() {
            self.bytes.truncate(start);
        } else {
            self.spans.push(FieldSpan { start, middle: start + name, end });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_limit_is_dropped() {
        let mut fields = FieldList::new(80);
        fields.push(b"a", b"1");
        assert!(!fields.is_over());
        fields.add(|out| {
            out.extend_from_slice(b"name-value");
            Some(4)
        });
        assert!(!fields.is_over());
        let seen: Vec<_> = fields.iter().collect();
        assert_eq!(seen, [(&b"a"[..], &b"1"[..]), (b"name", b"-value")]);
        fields.push(b"", b"");
        assert!(fields.is_over());
        fields.add(|out| {
            out.extend_from_slice(&[0; 1000]);
            Some(4)
        });
        assert_eq!((fields.iter().count(), fields.bytes.len()), (2, 12));
        fields.begin(80);
        assert!(!fields.is_over() && fields.iter().next().is_none());
    }
}

//! An entry as bytes for a store outside this process: versioned, checked, and bound to its slot.
//!
//! A seal ([`seal`]), then `Record` (protobuf). Lengths of time are relative: the store counts what is left
//! of the record's life, and the age follows from that.

mod compression;
pub(crate) mod fuzzed;
pub(crate) mod seal;

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use purge::{LogId, Position, Seq};
use tokio::time::Instant;
use weir_proto::cache::EntryHead;

use self::seal::Seal;
use super::{Entry, Grant, Terms, is_sound, millis};
use crate::slot::{Rule, Slot};

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    variant: Bytes,
    /// `age_ms` is the age when the record was written.
    #[prost(message, optional, tag = "3")]
    head: Option<EntryHead>,
    /// What was left of the record's life when it was written.
    #[prost(uint64, tag = "4")]
    kept_ms: u64,
    /// As it is, or packed.
    #[prost(bytes = "bytes", tag = "5")]
    body: Bytes,
    /// How long a packed body is. 0: it is not packed.
    #[prost(uint64, tag = "7")]
    unpacked: u64,
    /// The purge log in which it was granted, and where that stood then. Purges that stand later reach it.
    #[prost(bytes = "bytes", tag = "8")]
    log: Bytes,
    #[prost(uint64, tag = "9")]
    seq: u64,
}

/// The record is damaged, of another version, without our seal, of another slot, or nothing that an edge
/// stores: a miss.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("record is damaged, of another version or seal, or of another page")]
pub(crate) struct UnusableRecord;

/// How entries become records, and how they are read.
pub(crate) struct RecordFormat {
    pub(crate) seal: Seal,
    /// Bodies of so many bytes and more are packed, where that makes them smaller.
    pub(crate) compress_from: usize,
    /// No longer body is unpacked.
    pub(crate) max_body: usize,
}

impl RecordFormat {
    /// `None`: the entry was made out of touch with the purge log, and is nobody else's business.
    pub(crate) fn encode(&self, entry: &Entry, now: Instant) -> Option<Vec<u8>> {
        let Grant::Logged(Position { log, seq }) = entry.grant else { return None };
        let packed = compression::pack(&entry.body, &entry.head.fields, self.compress_from);
        let unpacked = if packed.is_some() { entry.body.len() as u64 } else { 0 };
        let record = Record {
            key: entry.slot.key().clone(),
            variant: entry.slot.variant().clone(),
            head: Some(entry.head_at(now)),
            kept_ms: millis(entry.keep_for(now)),
            body: packed.unwrap_or_else(|| entry.body.clone()),
            unpacked,
            log: log.to_bytes().to_vec().into(),
            seq: seq.get(),
        };
        Some(self.seal.seal(&record.encode_to_vec()))
    }

    /// Reads a record of any slot, written by a process of this machine `resident` ago. It belongs to no
    /// purge log any more, and gets the grant of this one.
    pub(crate) fn adopt(
        &self,
        bytes: Bytes,
        resident: Duration,
        grant: Grant,
        now: Instant,
    ) -> Result<Entry, UnusableRecord> {
        let record = self.seal.open(bytes.clone()).ok_or(UnusableRecord)?;
        let record = Record::decode(record).map_err(|_| UnusableRecord)?;
        let rule = record.head.as_ref().map(|head| Rule::new(&head.vary)).ok_or(UnusableRecord)?;
        let slot = Slot::of_record(record.key, rule.map_err(|_| UnusableRecord)?, record.variant);
        let left = Duration::from_millis(record.kept_ms).saturating_sub(resident);
        let entry = self.decode(bytes, &slot, left, now)?;
        Ok(Entry { grant, ..entry })
    }

    /// `left` is what the store says is left of the record's life.
    pub(crate) fn decode(
        &self,
        bytes: Bytes,
        slot: &Slot,
        left: Duration,
        now: Instant,
    ) -> Result<Entry, UnusableRecord> {
        let record = self.seal.open(bytes).ok_or(UnusableRecord)?;
        let record = Record::decode(record).map_err(|_| UnusableRecord)?;
        let head = record.head.filter(is_sound).ok_or(UnusableRecord)?;
        if record.key != *slot.key() || record.variant != *slot.variant() || head.vary != slot.rule().names()
        {
            return Err(UnusableRecord);
        }
        let body = match usize::try_from(record.unpacked).map_err(|_| UnusableRecord)? {
            0 => record.body,
            length if length > self.max_body => return Err(UnusableRecord),
            length => compression::unpack(&record.body, length).ok_or(UnusableRecord)?,
        };
        let resident = Duration::from_millis(record.kept_ms).saturating_sub(left);
        let head = EntryHead { age_ms: head.age_ms.saturating_add(millis(resident)), ..head };
        let log = LogId::from_bytes(&record.log).ok_or(UnusableRecord)?;
        let grant = Grant::Logged(Position { log, seq: Seq::new(record.seq) });
        Ok(Entry::new(slot.clone(), head, body, Terms { since: now, max_lifetime: left, grant }))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use weir_proto::cache::Use;
    use weir_proto::origin::Field;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn slot(key: &'static str, language: &'static str) -> Slot {
        let mut fields = HeaderMap::new();
        fields.insert("accept-language", language.parse().unwrap());
        let rule = Rule::new(["accept-language"]).unwrap();
        Slot::new(Bytes::from_static(key.as_bytes()), rule, &fields)
    }

    /// Larger than any body: nothing is packed.
    const NEVER: usize = usize::MAX;

    fn format(compress_from: usize, max_body: usize) -> RecordFormat {
        RecordFormat { seal: Seal::Checksum, compress_from, max_body }
    }

    fn encode(entry: &Entry, now: Instant, compress_from: usize) -> Option<Vec<u8>> {
        format(compress_from, NEVER).encode(entry, now)
    }

    fn decode(
        bytes: Bytes,
        slot: &Slot,
        left: Duration,
        now: Instant,
        max_body: usize,
    ) -> Result<Entry, UnusableRecord> {
        format(NEVER, max_body).decode(bytes, slot, left, now)
    }

    fn entry(now: Instant) -> Entry {
        entry_of(Bytes::from_static(b"<p>page</p>"), now)
    }

    fn entry_of(body: Bytes, now: Instant) -> Entry {
        let head = EntryHead {
            status: 200,
            fields: vec![Field { name: "content-type".into(), value: "text/html".into() }],
            age_ms: 100,
            ttl_ms: 1000,
            stale_while_revalidate_ms: 5000,
            vary: vec!["accept-language".to_owned()],
            shared: true,
            tags: vec!["news".into()],
            ..EntryHead::default()
        };
        let grant = Grant::Logged(Position { log: LogId::new(7), seq: Seq::new(42) });
        Entry::new(slot("k", "en"), head, body, Terms { since: now, max_lifetime: DAY, grant })
    }

    #[test]
    fn comes_back_as_it_was_with_the_age_it_has_now() {
        let now = Instant::now();
        let entry = entry(now);
        let left = entry.keep_for(now) - Duration::from_millis(1500);
        let bytes = encode(&entry, now, NEVER).unwrap().into();
        let read = decode(bytes, &slot("k", "en"), left, now, NEVER).unwrap();
        assert_eq!(read.body(), entry.body());
        assert_eq!(read.head_at(now), EntryHead { age_ms: 1600, ..entry.head_at(now) });
        assert_eq!(read.use_at(now), Some(Use::Stale));
        assert_eq!(read.keep_for(now), left);
        assert_eq!(read.grant(), entry.grant());
    }

    #[test]
    fn any_damage_other_version_or_other_slot_is_a_miss() {
        let now = Instant::now();
        let read = |bytes: &[u8], slot: &Slot| decode(Bytes::copy_from_slice(bytes), slot, DAY, now, NEVER);
        let right = slot("k", "en");
        let long = entry_of(Bytes::from("<p>page</p>".repeat(50)), now);
        for bytes in [encode(&entry(now), now, NEVER), encode(&long, now, 1)].map(Option::unwrap) {
            assert!(read(&bytes, &right).is_ok());
            for end in 0..bytes.len() {
                assert!(read(&bytes[..end], &right).is_err(), "cut at {end}");
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert!(read(&damaged, &right).is_err(), "bit flipped at {at}");
            }
            assert!(read(&bytes, &slot("other", "en")).is_err());
            assert!(read(&bytes, &slot("k", "de")).is_err());
            let ruleless = Slot::new(Bytes::from_static(b"k"), Rule::default(), &HeaderMap::new());
            assert!(read(&bytes, &ruleless).is_err());
        }
    }

    #[test]
    fn a_long_body_is_packed_and_comes_back() {
        let now = Instant::now();
        let body = Bytes::from("<p>page</p>".repeat(5000));
        let entry = entry_of(body.clone(), now);
        let packed = encode(&entry, now, body.len()).unwrap();
        assert!(packed.len() < body.len() / 10, "{}", packed.len());
        assert!(encode(&entry, now, body.len() + 1).unwrap().len() > body.len());
        let read = |max_body| decode(packed.clone().into(), &slot("k", "en"), DAY, now, max_body);
        assert_eq!(read(body.len()).unwrap().body(), &body);
        assert!(read(body.len() - 1).is_err(), "no more is unpacked than may be");
    }

    #[test]
    fn a_record_that_lies_about_its_body_is_a_miss() {
        let now = Instant::now();
        let entry = entry(now);
        for (body, unpacked) in
            [(&b"page"[..], 1), (b"", 5), (b"\x10a\x01\x00", u64::MAX), (b"\xff", 1 << 40)]
        {
            let record = Record {
                key: entry.slot.key().clone(),
                variant: entry.slot.variant().clone(),
                head: Some(entry.head_at(now)),
                kept_ms: 1000,
                body: Bytes::copy_from_slice(body),
                unpacked,
                log: LogId::new(7).to_bytes().to_vec().into(),
                seq: 0,
            }
            .encode_to_vec();
            let bytes = Seal::Checksum.seal(&record);
            assert!(decode(bytes.into(), &slot("k", "en"), DAY, now, 1000).is_err(), "{unpacked}");
        }
    }

    #[test]
    fn what_no_edge_stores_is_a_miss() {
        let now = Instant::now();
        let read = |status, (name, value): (&'static str, &'static str)| {
            let mut entry = entry(now);
            entry.head.status = status;
            entry.head.fields.push(Field { name: name.into(), value: value.into() });
            decode(encode(&entry, now, NEVER).unwrap().into(), &slot("k", "en"), DAY, now, NEVER)
        };
        assert!(read(200, ("etag", "a")).is_ok() && read(404, ("x-a", "")).is_ok());
        for status in [0, 100, 101, 206, 304, 600, 999, 1 << 20] {
            assert!(read(status, ("etag", "a")).is_err(), "{status}");
        }
        for field in [("set-cookie", "a=b"), ("connection", "close"), ("a b", "c"), ("x-a", "b\r\nc: d")] {
            assert!(read(200, field).is_err(), "{field:?}");
        }
    }

    #[test]
    fn with_a_key_only_records_by_it_or_by_the_one_before_are_read() {
        let (now, right) = (Instant::now(), slot("k", "en"));
        let by = |seal| RecordFormat { seal, ..format(NEVER, NEVER) };
        let formats = [
            by(Seal::Checksum),
            by(Seal::keyed(b"first key", None)),
            by(Seal::keyed(b"second key", Some(b"first key"))),
            by(Seal::keyed(b"third key", Some(b"second key"))),
        ];
        for (writer, written) in formats.iter().enumerate() {
            let bytes = Bytes::from(written.encode(&entry(now), now).unwrap());
            for (reader, read) in formats.iter().enumerate() {
                let found = read.decode(bytes.clone(), &right, DAY, now);
                let expected = writer == reader || writer > 0 && reader == writer + 1;
                assert_eq!(found.is_ok(), expected, "written by {writer}, read by {reader}");
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.to_vec();
                damaged[at] ^= 1;
                assert!(written.decode(damaged.into(), &right, DAY, now).is_err(), "{writer}, {at}");
                assert!(written.decode(bytes.slice(..at), &right, DAY, now).is_err(), "{writer}, {at}");
            }
        }
    }
}

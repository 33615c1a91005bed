//! Bodies made smaller for the way to Redis and back: which are worth it, and LZ4 itself.
//!
//! LZ4, as each look-up unpacks a page: gigabytes per second, and a text still shrinks to a third. `lz4_flex`
//! is it in safe Rust, fuzzed, and kept.

use bytes::Bytes;
use weir_proto::origin::Field;

/// Compressed by their own nature, by how their media type begins.
const COMPACT: &[&str] = &[
    "image/",
    "video/",
    "audio/",
    "font/woff",
    "application/font-woff",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/x-gzip",
    "application/x-bzip",
    "application/x-xz",
    "application/zstd",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-rar",
    "application/java-archive",
    "application/epub+zip",
    "application/vnd.openxmlformats-officedocument",
    "application/vnd.oasis.opendocument",
];
/// But these are text, or plain pixels.
const PLAIN: &[&str] = &["image/svg", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon"];
/// What is saved must be worth unpacking it: an eighth.
const WORTH: usize = 8;

/// The body made smaller, where that is worth it.
pub(super) fn pack(body: &Bytes, fields: &[Field], from: usize) -> Option<Bytes> {
    if body.len() < from.max(1) || is_compact(fields) {
        return None;
    }
    let packed = lz4_flex::block::compress(body);
    (packed.len() <= body.len() - body.len() / WORTH).then(|| packed.into())
}

/// `None`: damaged, or not of this length.
pub(super) fn unpack(packed: &[u8], length: usize) -> Option<Bytes> {
    let body = lz4_flex::block::decompress(packed, length).ok()?;
    (body.len() == length).then(|| body.into())
}

fn is_compact(fields: &[Field]) -> bool {
    let values = |name: &'static [u8]| {
        fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| &field.value)
    };
    if values(b"content-encoding").any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return true;
    }
    values(b"content-type").any(|media_type| {
        let begins = |with: &&str| {
            media_type.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
        };
        COMPACT.iter().any(begins) && !PLAIN.iter().any(begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<Field> {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        fields.iter().map(|(name, value)| Field { name: copy(name), value: copy(value) }).collect()
    }

    #[test]
    fn text_is_packed_and_comes_back() {
        let body = Bytes::from("<p>a page with words, and the same words again</p>\n".repeat(200));
        let packed = pack(&body, &[], 1).unwrap();
        assert!(packed.len() < body.len() / 3, "{} of {}", packed.len(), body.len());
        assert_eq!(unpack(&packed, body.len()), Some(body));
    }

    #[test]
    fn what_is_small_or_compact_is_left_alone() {
        let body = Bytes::from("a page ".repeat(1000));
        let packs = |list: &[(&str, &str)]| pack(&body, &fields(list), 1).is_some();
        assert!(pack(&body, &[], body.len()).is_some());
        assert!(pack(&body, &[], body.len() + 1).is_none());
        for (name, value, packed) in [
            ("Content-Type", "text/html; charset=utf-8", true),
            ("content-type", "application/json", true),
            ("content-type", "image/svg+xml", true),
            ("content-type", "Image/SVG+xml", true),
            ("content-type", "", true),
            ("content-type", "image/png", false),
            ("content-type", "IMAGE/JPEG", false),
            ("content-type", "video/mp4", false),
            ("content-type", "application/zip", false),
            (
                "content-type",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                false,
            ),
            ("Content-Encoding", "gzip", false),
            ("content-encoding", "br", false),
            ("content-encoding", "identity", true),
        ] {
            assert_eq!(packs(&[(name, value)]), packed, "{name}: {value}");
        }
        assert!(!packs(&[("content-type", "text/html"), ("content-encoding", "gzip")]));
        let noise: Vec<u8> = (0..20_000).map(|_| rand::random()).collect();
        assert!(pack(&noise.into(), &[], 1).is_none(), "it does not get smaller");
        assert!(pack(&Bytes::new(), &[], 0).is_none());
    }

    #[test]
    fn damage_and_other_lengths_are_seen_and_never_more_is_unpacked() {
        let body = Bytes::from("a page with words ".repeat(500));
        let packed = pack(&body, &[], 1).unwrap();
        for length in [0, 1, body.len() - 1, body.len() + 1] {
            assert_eq!(unpack(&packed, length), None, "{length}");
        }
        for end in 0..packed.len() {
            assert_eq!(unpack(&packed[..end], body.len()), None, "cut at {end}");
        }
        for _ in 0..2000 {
            let mut damaged = packed.to_vec();
            let at = rand::random_range(0..damaged.len());
            damaged[at] = rand::random();
            let unpacked = unpack(&damaged, body.len());
            assert!(unpacked.is_none_or(|body| body.len() == 9000));
        }
    }
}

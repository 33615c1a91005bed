//! W3C trace context as a value, and the decision which traces are recorded. Makes no span and knows no
//! exporter.

use std::fmt;

use rand::RngCore;

mod sampler;

pub use sampler::Sampler;

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// Which trace a request belongs to, and which span of it is its parent: the content of a `traceparent`
/// field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
    begun_here: bool,
}

impl TraceContext {
    /// Reads a `traceparent` field value. `None` for anything that must be ignored; the request then begins a
    /// trace of its own.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        // Trace Context §3.2.2: "Vendors MUST ignore the traceparent when the parent-id is invalid (for
        // example, if it contains non-lowercase hex characters)."; version ff is invalid; all-zero ids are
        // invalid.
        let [version] = hex(text.get(..2)?)?;
        // §3.2.4: "If a higher version is detected, the implementation SHOULD try to parse it": the known
        // fields in front must be as in version 00, and either the end or a dash follows them.
        let rest = text.get(LENGTH..)?;
        let known_end = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        if !known_end || !dashes {
            return None;
        }
        let trace_id: [u8; 16] = hex(text.get(3..35)?)?;
        let span_id: [u8; 8] = hex(text.get(36..52)?)?;
        let [flags] = hex(text.get(53..55)?)?;
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        // §3.2.2.5.2: "The behavior of other flags, such as (00000100) is not defined and is reserved for
        // future use. Vendors MUST set those to zero."
        Some(Self { trace_id, span_id, sampled: flags & 1 == 1, begun_here: false })
    }

    /// A new trace whose first span is ours. `random` is 24 bytes that nobody else drew.
    pub fn begin(random: [u8; 24], sampled: bool) -> Self {
        let mut trace_id = [0; 16];
        let mut span_id = [0; 8];
        let (first, last) = random.split_at(16);
        trace_id.copy_from_slice(first);
        span_id.copy_from_slice(last);
        // All zeros would be invalid.
        trace_id[15] |= u8::from(trace_id == [0; 16]);
        span_id[7] |= u8::from(span_id == [0; 8]);
        Self { trace_id, span_id, sampled, begun_here: true }
    }

    /// The `traceparent` field value.
    pub fn to_header(&self) -> String {
        let mut text = [b'-'; LENGTH];
        text[..2].copy_from_slice(b"00");
        write_hex(&mut text[3..35], &self.trace_id);
        write_hex(&mut text[36..52], &self.span_id);
        text[53..].copy_from_slice(if self.sampled { b"01" } else { b"00" });
        str::from_utf8(&text).unwrap_or_default().to_owned()
    }

    /// Whether whoever handed this on records the trace.
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether the span that `span_id` names is one of ours that is still to be made.
    pub(crate) fn begun_here(&self) -> bool {
        self.begun_here
    }

    pub(crate) fn of_span(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Self {
        Self { trace_id, span_id, sampled, begun_here: false }
    }
}

/// As in a `traceparent` field.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_header())
    }
}

fn write_hex(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for ([high, low], byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        (*high, *low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
    }
}

/// `N` bytes from twice as many lowercase hexadecimal digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_what_the_specification_allows_and_nothing_else() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let span = "00f067aa0ba902b7";
        let cases: &[(String, Option<&str>)] = &[
            (PARENT.to_owned(), Some(PARENT)),
            (
                format!("00-{trace}-{span}-00"),
                Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
            ),
            // Flags that are not known are not handed on.
            (format!("00-{trace}-{span}-ff"), Some(PARENT)),
            (
                format!("00-{trace}-{span}-02"),
                Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
            ),
            // A later version.
            (format!("cc-{trace}-{span}-01"), Some(PARENT)),
            (format!("cc-{trace}-{span}-01-what-follows"), Some(PARENT)),
            (format!("cc-{trace}-{span}-01."), None),
            (format!("cc-{trace}-{span}-0"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{trace}-{span}-01-"), None),
            (format!("00-{trace}-{span}-01 "), None),
            (format!(" 00-{trace}-{span}-01"), None),
            (format!("00-{trace}-{span}-1"), None),
            (format!("00-{trace}-{span}-0x"), None),
            (format!("0-{trace}-{span}-01"), None),
            (format!("00_{trace}-{span}-01"), None),
            (format!("00-{trace}_{span}-01"), None),
            (format!("00-{trace}-{span}_01"), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{trace}-{span}-é"), None),
            (String::new(), None),
        ];
        for (text, read) in cases {
            let header = TraceContext::parse(text).map(|context| context.to_header());
            assert_eq!(header.as_deref(), *read, "{text}");
        }
        for end in 0..PARENT.len() {
            assert_eq!(TraceContext::parse(&PARENT[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn what_is_begun_can_be_read() {
        for random in [[0; 24], [0xab; 24]] {
            let begun = TraceContext::begin(random, true);
            let read = TraceContext::parse(&begun.to_header()).unwrap();
            assert_eq!(
                (read.trace_id(), read.span_id(), true),
                (begun.trace_id(), begun.span_id(), read.sampled())
            );
        }
    }
}

//! What a request for a shared page keeps of the visitor's fields although its key does not hold it: the
//! marks of the adapters that it has been through, so that one which goes round is recognised.

use http::{HeaderMap, HeaderValue};
use weir_proto::passes::{FIELD, marks};

/// More make no difference.
const MOST: usize = 16;

pub(crate) fn passes(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(FIELD).iter().peekable();
    values.peek()?;
    let marks: Vec<&[u8]> = marks(values.map(HeaderValue::as_bytes)).take(MOST).collect();
    if marks.is_empty() { None } else { HeaderValue::from_bytes(&marks.join(&b", "[..])).ok() }
}

#[cfg(test)]
mod tests {
    use weir_proto::passes::mark;

    use super::*;

    #[test]
    fn marks_alone_are_kept() {
        let mut headers = HeaderMap::new();
        assert_eq!(passes(&headers), None);
        headers.append(FIELD, HeaderValue::from_static("cloudflare, <script>"));
        assert_eq!(passes(&headers), None, "nothing that a page could show");
        let (one, two) = (mark(1), mark(2));
        headers.append(FIELD, HeaderValue::from_str(&format!("a, {one}, b")).unwrap());
        headers.append(FIELD, HeaderValue::from_str(&two).unwrap());
        assert_eq!(passes(&headers).unwrap(), format!("{one}, {two}").as_str());
    }
}

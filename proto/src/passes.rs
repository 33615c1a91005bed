//! The marks by which a wsgi-adapter knows a request that has been through it before, because the server of a
//! pool leads back to it: elements of `CDN-Loop` (RFC 8586), which proxies on the way pass on. Nobody else
//! knows an adapter's mark, so no client can make a request look like one that goes round.

pub const FIELD: &str = "cdn-loop";
const BEGIN: &[u8] = b"weir;id=";
const DIGITS: usize = 16;

/// An adapter's own mark.
pub fn mark(id: u64) -> String {
    format!("weir;id={id:0DIGITS$x}")
}

/// The marks in the values of the field; what others have written there is passed over.
pub fn marks<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    let elements = values.flat_map(|value| value.split(|&byte| byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| is_mark(element))
}

fn is_mark(element: &[u8]) -> bool {
    let digits = element.strip_prefix(BEGIN).unwrap_or_default();
    digits.len() == DIGITS && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_are_found() {
        let (own, other) = (mark(7), mark(u64::MAX));
        let values = [format!("cloudflare; loops=1, {own},weir"), format!(" {other} , {own}x, weir;id=7")];
        let found: Vec<_> = marks(values.iter().map(String::as_bytes)).collect();
        assert_eq!(found, [own.as_bytes(), other.as_bytes()]);
        assert_eq!(own, "weir;id=0000000000000007");
    }
}

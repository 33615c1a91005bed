//! What a client says of content codings: Accept-Encoding (RFC 9110 section 12.5.3).

/// A weight of 1, in thousandths.
const FULL: u16 = 1000;

/// The weights that a client gives to some codings, in thousandths. 0: it does not accept the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights<const N: usize> {
    /// In the order in which the codings were asked for.
    pub codings: [u16; N],
    /// The weight of a body as it is, if the client names one.
    pub identity: u16,
}

impl<const N: usize> Default for Weights<N> {
    fn default() -> Self {
        Self { codings: [0; N], identity: 0 }
    }
}

/// Reads the lines of the field, for these codings. Without the field none is accepted: only the body itself
/// suits every client. Of what is named twice the greater weight counts, in whatever order.
pub fn weights<'a, const N: usize>(lines: impl Iterator<Item = &'a [u8]>, codings: [&str; N]) -> Weights<N> {
    let (mut weights, mut identity, mut any) = ([None; N], None, None);
    for item in lines.filter(|line| line.is_ascii()).flat_map(|line| line.split(|byte| *byte == b',')) {
        let (name, weight) = split_weight(item);
        // RFC 9110 section 8.4.1.3: "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"."
        let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
        if let Some(at) = codings.iter().position(|coding| name.eq_ignore_ascii_case(coding.as_bytes())) {
            weights[at] = weights[at].max(Some(weight));
        } else if name == b"*" {
            any = any.max(Some(weight));
        } else if name.eq_ignore_ascii_case(b"identity") {
            identity = identity.max(Some(weight));
        }
    }
    // "The asterisk "*" symbol in an Accept-Encoding field matches any available content coding not
    // explicitly listed in the field."
    let codings = weights.map(|weight| weight.or(any).unwrap_or(0));
    Weights { codings, identity: identity.unwrap_or(0) }
}

/// The name and its weight. An invalid weight counts as zero: not accepted is the safe side.
fn split_weight(item: &[u8]) -> (&[u8], u16) {
    let Some(at) = item.iter().position(|byte| *byte == b';') else { return (item.trim_ascii(), FULL) };
    let (name, parameters) = item.split_at(at);
    (name.trim_ascii(), weight(parameters.get(1..).unwrap_or_default().trim_ascii()).unwrap_or(0))
}

/// `q=0.5`, in thousandths. `None`: it is no weight.
fn weight(parameter: &[u8]) -> Option<u16> {
    if parameter.is_empty() {
        return Some(FULL);
    }
    let value = parameter.strip_prefix(b"q").or_else(|| parameter.strip_prefix(b"Q"))?.trim_ascii_start();
    let value = value.strip_prefix(b"=")?.trim_ascii();
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(point) => (&value[..point], &value[point + 1..]),
        None => (value, &b""[..]),
    };
    if value.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    if whole.iter().any(|digit| *digit != b'0') {
        return Some(FULL);
    }
    let thousandths =
        fraction.iter().take(3).zip([100, 10, 1]).map(|(digit, place)| u16::from(digit - b'0') * place);
    let weight = thousandths.sum();
    // A weight that is not zero is accepted, however small.
    Some(if weight == 0 && fraction.iter().any(|digit| *digit != b'0') { 1 } else { weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> ([u16; 3], u16) {
        let weights = weights(lines.iter().map(|line| line.as_bytes()), ["br", "zstd", "gzip"]);
        (weights.codings, weights.identity)
    }

    #[test]
    fn accepted() {
        let cases: &[(&[&str], [u16; 3], u16)] = &[
            (&[], [0, 0, 0], 0),
            (&[""], [0, 0, 0], 0),
            (&["identity"], [0, 0, 0], 1000),
            (&["gzip"], [0, 0, 1000], 0),
            (&["gzip, deflate, br, zstd"], [1000, 1000, 1000], 0),
            (&["gzip", "br"], [1000, 0, 1000], 0),
            (&["GZip , x-gzip;q=0.5"], [0, 0, 1000], 0),
            (&["br;q=0, gzip;q=0.001"], [0, 0, 1], 0),
            (&["br; q=0.0 , gzip ;Q=1"], [0, 0, 1000], 0),
            (&["br ; q = 0.25"], [250, 0, 0], 0),
            (&["*"], [1000, 1000, 1000], 0),
            (&["*;q=0.5, br;q=0"], [0, 500, 500], 0),
            (&["*;q=0, gzip"], [0, 0, 1000], 0),
            (&["*;q=0", "*"], [1000, 1000, 1000], 0),
            (&["*", "*;q=0"], [1000, 1000, 1000], 0),
            (&["identity;q=0.5, identity;q=0.2"], [0, 0, 0], 500),
            (&["gzip;q=x, br;level=3, zstd;q="], [0, 0, 0], 0),
            (&["gzip;q=NaN, br;q=1e3, zstd;q=-1"], [0, 0, 0], 0),
            (&["gzip;q=7, br;q=1.000, zstd;q=.5"], [1000, 500, 1000], 0),
            (&["gzip;q=0.0001, br;q=0.9999"], [999, 0, 1], 0),
            (&["gzipped, bro, br2"], [0, 0, 0], 0),
            (&[",,;,gzip;"], [0, 0, 1000], 0),
            (&["identity;q=0.5, gzip\u{e9}", "br"], [1000, 0, 0], 0),
        ];
        for (lines, codings, identity) in cases {
            assert_eq!(read(lines), (*codings, *identity), "{lines:?}");
        }
    }
}

//! Converts HTTP field lines between `http::HeaderMap` and the contract's `Field`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::origin::Field;

/// A field line that is not valid HTTP. The sender is to blame, and nothing of it is used.
#[derive(Debug, thiserror::Error)]
#[error("field line is not valid HTTP")]
pub struct InvalidField;

/// Field lines in order, repeats kept. All are copied into one piece of memory.
pub fn from_headers(headers: &HeaderMap) -> Vec<Field> {
    let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut memory = Vec::with_capacity(length);
    for (name, value) in headers {
        memory.extend_from_slice(name.as_str().as_bytes());
        memory.extend_from_slice(value.as_bytes());
    }
    let (memory, mut at) = (Bytes::from(memory), 0);
    let mut take = |length: usize| {
        at += length;
        memory.slice(at - length..at)
    };
    let mut fields = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        fields.push(Field { name: take(name.as_str().len()), value: take(value.len()) });
    }
    fields
}

/// Makes a map from the field lines, and checks each name and value.
pub fn to_headers(fields: &[Field]) -> Result<HeaderMap, InvalidField> {
    into_headers(fields.to_vec())
}

/// Makes such a map where nobody else needs the field lines.
pub fn into_headers(fields: Vec<Field>) -> Result<HeaderMap, InvalidField> {
    // More than a map can hold is no head.
    let mut headers = HeaderMap::try_with_capacity(fields.len()).map_err(|_| InvalidField)?;
    for Field { name, value } in fields {
        let name = HeaderName::from_bytes(&name).map_err(|_| InvalidField)?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| InvalidField)?;
        headers.try_append(name, value).map_err(|_| InvalidField)?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_repeats_and_bytes() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        assert_eq!(to_headers(&from_headers(&headers)).unwrap(), headers);
    }

    #[test]
    fn refuses_more_fields_than_a_map_holds() {
        let field = |n: usize| Field { name: format!("x-{n}").into_bytes().into(), value: "1".into() };
        for (count, fits) in [(10_000, true), (25_000, false), (100_000, false)] {
            let fields: Vec<_> = (0..count).map(field).collect();
            assert_eq!(to_headers(&fields).is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_field() {
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\r\ny: z"), ("a", "x\0")] {
            let field =
                Field { name: name.as_bytes().to_vec().into(), value: value.as_bytes().to_vec().into() };
            assert!(to_headers(&[field]).is_err(), "{name:?}: {value:?}");
        }
    }
}

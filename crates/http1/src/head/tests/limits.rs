//! Heads that are longer than they may be, and what reading them costs.

use super::*;

#[test]
fn limits() {
    let limits = Limits { head: 120, target: 20, fields: 3, ..Limits::default() };
    let long_name = format!("GET / HTTP/1.1\r\nHost: a\r\n{}: y\r\n\r\n", "x".repeat(257));
    let wide = Limits { head: 1000, ..limits };
    let cases: &[(&str, &Limits, Verdict)] = &[
        ("GET /34567890123456789012 HTTP/1.1\r\nHost: a\r\n\r\n", &limits, Err(Refusal::RequestLineTooLong)),
        ("GET /3456789012345678901 HTTP/1.1\r\nHost: a\r\n\r\n", &limits, Ok(Some(46))),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: a\r\nB: b\r\n\r\n", &limits, Ok(Some(39))),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: a\r\nB: b\r\nC: c\r\n\r\n", &limits, Err(Refusal::TooManyFields)),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nA_: a\r\nB_: b\r\nC_: c\r\n\r\n",
            &limits,
            Err(Refusal::TooManyFields),
        ),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(88)), &limits, Ok(Some(120))),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(89)),
            &limits,
            Err(Refusal::HeadTooLarge),
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200)),
            &limits,
            Err(Refusal::HeadTooLarge),
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\0", "x".repeat(200)),
            &limits,
            Err(Refusal::HeadTooLarge),
        ),
        (&format!("GET /{}", "x".repeat(200)), &limits, Err(Refusal::RequestLineTooLong)),
        (&"G".repeat(200), &limits, Err(Refusal::RequestLineTooLong)),
        (&long_name, &wide, Err(Refusal::FieldNameTooLong)),
    ];
    for (head, limits, expected) in cases {
        assert_verdict("limit", head.as_bytes(), limits, *expected);
    }
}

/// Every refusal has a client error or "not implemented" to its name, and a reason of its own.
/// One connection cannot make us read more than its head's length once per line, however it sends.
#[test]
fn bytes_one_by_one_are_read_once_per_line() {
    let limits = Limits::default();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", "x".repeat(20_000));
    let mut progress = Progress::default();
    let reads =
        (1..=head.len()).filter(|&end| progress.worth_reading(&head.as_bytes()[..end], &limits)).count();
    assert_eq!(reads, 3 + 4, "the first three bytes and the four line ends");
}

//! What is taken and what is refused, each case whole and cut at every byte; then random heads against
//! `httparse`.

mod against_httparse;
mod limits;
mod refused;
mod taken;

use super::*;

/// The answer to `bytes` without borrows: the refusal, or what was consumed, or that more is needed.
type Verdict = Result<Option<usize>, Refusal>;

fn verdict(bytes: &[u8], limits: &Limits) -> Verdict {
    let mut spans = Vec::new();
    Ok(read(bytes, limits, &mut spans)?.map(|(_, consumed)| consumed))
}

/// The answer if `bytes` come in pieces that end at `cuts`, and after each piece only what [`Progress`] says
/// is read.
fn verdict_in_pieces(bytes: &[u8], cuts: impl Iterator<Item = usize>, limits: &Limits) -> Verdict {
    let mut progress = Progress::default();
    for cut in cuts.chain([bytes.len()]) {
        let came = &bytes[..cut];
        if progress.worth_reading(came, limits) {
            let verdict = verdict(came, limits)?;
            if verdict.is_some() {
                return Ok(verdict);
            }
        }
    }
    Ok(None)
}

/// Asserts that the verdict is the same whole, in two pieces cut anywhere, and byte by byte; and that none of
/// the beginnings, read without [`Progress`], gets another.
fn assert_verdict(name: &str, bytes: &[u8], limits: &Limits, expected: Verdict) {
    let shown = bytes.escape_ascii();
    assert_eq!(verdict(bytes, limits), expected, "{name}: {shown}");
    assert_eq!(verdict_in_pieces(bytes, 1..bytes.len(), limits), expected, "{name}, byte by byte: {shown}");
    for cut in 0..bytes.len() {
        assert_eq!(
            verdict_in_pieces(bytes, [cut].into_iter(), limits),
            expected,
            "{name}, cut at {cut}: {shown}"
        );
        let beginning = verdict(&bytes[..cut], limits);
        assert!(
            beginning == Ok(None) || beginning == expected,
            "{name}, first {cut}: {beginning:?}: {shown}"
        );
    }
}

/// A reader of one head at a time that fails the test if the head is refused or not whole.
fn with_head<T>(bytes: &[u8], look: impl FnOnce(Head<'_>) -> T) -> T {
    let mut spans = Vec::new();
    match read(bytes, &Limits::default(), &mut spans) {
        Ok(Some((head, _))) => look(head),
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}

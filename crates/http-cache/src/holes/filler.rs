//! Replaces the marks in a page by values while it streams by. Copies nothing but what a cut between two
//! chunks goes through.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use memchr::memmem;

use super::Mark;
use super::token::LENGTH;

pub struct Filler {
    fills: Vec<Fill>,
    /// The end of the last chunk, if a mark may begin there.
    held: Bytes,
}

struct Fill {
    mark: Mark,
    finder: memmem::Finder<'static>,
    value: Bytes,
}

impl Filler {
    pub fn new(fills: impl IntoIterator<Item = (Mark, Bytes)>) -> Self {
        let fills = fills.into_iter().map(|(mark, value)| {
            let finder = memmem::Finder::new(mark.as_bytes()).into_owned();
            Fill { mark, finder, value }
        });
        Self { fills: fills.collect(), held: Bytes::new() }
    }

    /// Adds the pieces of a chunk to `out`.
    pub fn feed(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) {
        let mut rest = self.over_the_cut(chunk, out);
        while let Some((at, value)) = self.first_in(&rest) {
            push(rest.split_to(at), out);
            out.push_back(value);
            rest.advance(LENGTH);
        }
        let begun = self.begun_in(&rest);
        push(rest.split_to(rest.len() - begun), out);
        self.held = rest;
    }

    /// The page is complete.
    pub fn end(&mut self, out: &mut VecDeque<Bytes>) {
        push(std::mem::take(&mut self.held), out);
    }

    /// Settles what was held back of the chunk before. Returns what is left to read.
    fn over_the_cut(&mut self, mut chunk: Bytes, out: &mut VecDeque<Bytes>) -> Bytes {
        if self.held.is_empty() {
            return chunk;
        }
        let held = std::mem::take(&mut self.held);
        // A mark that begins in what is held ends within this.
        let more = chunk.get(..LENGTH - 1).unwrap_or(&chunk);
        let joined = Bytes::from([&held, more].concat());
        if more.len() == chunk.len() {
            return joined;
        }
        match self.first_in(&joined) {
            Some((at, value)) => {
                push(joined.slice(..at), out);
                out.push_back(value);
                chunk.advance(at + LENGTH - held.len());
            }
            None => out.push_back(held),
        }
        chunk
    }

    fn first_in(&self, bytes: &[u8]) -> Option<(usize, Bytes)> {
        let found = self.fills.iter().filter_map(|fill| Some((fill.finder.find(bytes)?, fill)));
        found.min_by_key(|(at, _)| *at).map(|(at, fill)| (at, fill.value.clone()))
    }

    /// How many bytes at the end may be the beginning of a mark.
    fn begun_in(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(LENGTH - 1);
        let begins = |length: &usize| {
            let end = bytes.get(bytes.len() - length..).unwrap_or_default();
            self.fills.iter().any(|fill| fill.mark.as_bytes().starts_with(end))
        };
        (1..=most).rev().find(begins).unwrap_or(0)
    }
}

fn push(piece: Bytes, out: &mut VecDeque<Bytes>) {
    if !piece.is_empty() {
        out.push_back(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> Mark {
        Mark::new(text).unwrap()
    }

    /// Begins as it goes on, so that a search that does not go back misses some.
    const ONE: &str = "aabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaabaaac";
    const TWO: &str = "aabZZZ789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ01234";

    fn filler() -> Filler {
        Filler::new([(mark(ONE), Bytes::from_static(b"<1>")), (mark(TWO), Bytes::from_static(b"<2>"))])
    }

    fn filled(chunks: &[&[u8]]) -> String {
        let (mut filler, mut out) = (filler(), VecDeque::new());
        for chunk in chunks {
            filler.feed(Bytes::copy_from_slice(chunk), &mut out);
        }
        filler.end(&mut out);
        String::from_utf8(out.iter().flatten().copied().collect()).unwrap()
    }

    fn pages() -> Vec<(String, String)> {
        let part = &ONE[..63];
        [
            ("", ""),
            ("plain", "plain"),
            ("{1}", "<1>"),
            ("a{1}b{2}c", "a<1>b<2>c"),
            ("{1}{1}{2}{2}", "<1><1><2><2>"),
            ("aab{1}aab", "aab<1>aab"),
            ("{part}{1}{part}", "{part}<1>{part}"),
            ("{part}{part}x{2}", "{part}{part}x<2>"),
            ("aabaab{2}aabZZZ7", "aabaab<2>aabZZZ7"),
            ("a long beginning, {1} a long middle that says nothing of interest to anybody at all, {2} end", "a long beginning, <1> a long middle that says nothing of interest to anybody at all, <2> end"),
        ]
        .iter()
        .map(|(page, expected)| {
            let with = |text: &str| text.replace("{1}", ONE).replace("{2}", TWO).replace("{part}", part);
            (with(page), with(expected))
        })
        .collect()
    }

    #[test]
    fn marks_are_found_wherever_the_page_is_cut() {
        for (page, expected) in pages() {
            let bytes = page.as_bytes();
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(filled(&[head, tail]), expected, "cut at {cut}");
                for second in (0..=tail.len()).step_by(7) {
                    let (middle, end) = tail.split_at(second);
                    assert_eq!(filled(&[head, middle, end]), expected, "cut at {cut} and {second}");
                }
            }
            for size in 1..70 {
                let chunks: Vec<_> = bytes.chunks(size).collect();
                assert_eq!(filled(&chunks), expected, "pieces of {size}");
            }
        }
    }

    #[test]
    fn a_page_is_not_copied() {
        let page = Bytes::from(format!("{}{ONE}{}", "x".repeat(1000), "y".repeat(1000)));
        let mut out = VecDeque::new();
        filler().feed(page.clone(), &mut out);
        assert_eq!(out.len(), 3);
        assert_eq!(out[0].as_ptr(), page.as_ptr());
        assert_eq!(out[2].as_ptr(), page[1064..].as_ptr());
    }

    #[test]
    fn what_has_arrived_is_not_held_back_longer_than_a_mark_could_begin() {
        let (mut filler, mut out) = (filler(), VecDeque::new());
        filler.feed(Bytes::from_static(b"first aab"), &mut out);
        assert_eq!(out, ["first "]);
        filler.feed(Bytes::from_static(b"x"), &mut out);
        assert_eq!(out.pop_back().unwrap(), "aabx");
    }
}

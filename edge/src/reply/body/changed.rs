//! A body that is changed as it arrives: texts in it are replaced (nginx's `sub_filter`), its bytes are
//! written in another charset (`charset_map`), or it is decompressed (`gunzip`).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::coding::gunzip::Gunzip;
use crate::reply::body::{IncompleteReply, ReplyBody};
use crate::route::recode::RecodeTable;

/// A wait for the next piece may be dropped at any time: nothing is lost.
pub(crate) struct ChangedBody {
    body: ReplyBody,
    change: BodyChange,
    /// Pieces that are ready.
    ready: VecDeque<Bytes>,
    ended: bool,
}

pub(crate) enum BodyChange {
    Replace(Box<Replacer>),
    Recode(Arc<RecodeTable>),
    Gunzip(Box<Gunzip>),
}

impl ChangedBody {
    pub(crate) fn new(body: ReplyBody, change: BodyChange) -> Self {
        Self { body, change, ready: VecDeque::new(), ended: false }
    }

    pub(crate) fn body(&self) -> &ReplyBody {
        &self.body
    }

    pub(crate) fn body_mut(&mut self) -> &mut ReplyBody {
        &mut self.body
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncompleteReply>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if let BodyChange::Gunzip(gunzip) = &mut self.change
                && gunzip.has_more()
            {
                match gunzip.decoded() {
                    Ok(piece) => self.put(piece),
                    Err(broken) => return Some(Err(self.broken(broken))),
                }
                continue;
            }
            if self.ended {
                return None;
            }
            // Boxed, as a body that holds another of its kind.
            match Box::pin(self.body.next()).await {
                Some(Ok(chunk)) => {
                    let piece = match &mut self.change {
                        BodyChange::Replace(replacer) => replacer.feed(&chunk),
                        BodyChange::Recode(table) => table.recoded(&chunk),
                        BodyChange::Gunzip(gunzip) => gunzip.take(chunk),
                    };
                    self.put(piece);
                }
                Some(Err(broken)) => return Some(Err(broken)),
                None => {
                    self.ended = true;
                    let last = match &mut self.change {
                        BodyChange::Replace(replacer) => Ok(replacer.end()),
                        BodyChange::Recode(_) => Ok(Bytes::new()),
                        BodyChange::Gunzip(gunzip) => gunzip.end(),
                    };
                    match last {
                        Ok(piece) => self.put(piece),
                        Err(broken) => return Some(Err(self.broken(broken))),
                    }
                }
            }
        }
    }

    fn put(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.ready.push_back(piece);
        }
    }

    /// Nothing follows what cannot be decompressed.
    fn broken(&mut self, broken: io::Error) -> IncompleteReply {
        self.ended = true;
        self.change = BodyChange::Gunzip(Box::default());
        IncompleteReply::Coding(broken)
    }
}

/// Replaces texts, whatever their case, each once or wherever it stands.
pub(crate) struct Replacer {
    /// In lower case, and what takes its place. One that was to be replaced once is gone.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    once: bool,
    /// The end of what came, which may be the beginning of a text.
    held: Vec<u8>,
    /// Whether a byte is the first of some text.
    begins: [bool; 256],
}

impl Replacer {
    /// Empty texts are left out.
    pub(crate) fn new(pairs: Vec<(Vec<u8>, Vec<u8>)>, once: bool) -> Self {
        let pairs = pairs.into_iter().filter(|(from, _)| !from.is_empty());
        let pairs: Vec<_> = pairs.map(|(from, to)| (from.to_ascii_lowercase(), to)).collect();
        let mut replacer = Self { pairs, once, held: Vec::new(), begins: [false; 256] };
        replacer.look_for();
        replacer
    }

    fn look_for(&mut self) {
        self.begins = [false; 256];
        for first in self.pairs.iter().filter_map(|(from, _)| from.first()) {
            for byte in [first.to_ascii_lowercase(), first.to_ascii_uppercase()] {
                self.begins[usize::from(byte)] = true;
            }
        }
    }

    fn feed(&mut self, chunk: &Bytes) -> Bytes {
        if self.pairs.is_empty() && self.held.is_empty() {
            return chunk.clone();
        }
        self.held.extend_from_slice(chunk);
        self.replaced(false)
    }

    fn end(&mut self) -> Bytes {
        self.replaced(true)
    }

    /// What can be sent of what is held: all of it at the end.
    fn replaced(&mut self, is_end: bool) -> Bytes {
        let text = std::mem::take(&mut self.held);
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            if !self.begins[usize::from(*byte)] {
                out.push(*byte);
                at += 1;
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            let begins = |(from, _): &(Vec<u8>, Vec<u8>)| {
                rest.get(..from.len()).is_some_and(|front| front.eq_ignore_ascii_case(from))
            };
            if let Some(found) = self.pairs.iter().position(begins) {
                let length = self.pairs.get(found).map_or(0, |(from, _)| from.len());
                if let Some((_, to)) = self.pairs.get(found) {
                    out.extend_from_slice(to);
                }
                at += length;
                if self.once {
                    self.pairs.remove(found);
                    self.look_for();
                }
                continue;
            }
            let may_begin = |(from, _): &(Vec<u8>, Vec<u8>)| {
                from.get(..rest.len()).is_some_and(|front| front.eq_ignore_ascii_case(rest))
            };
            if !is_end && self.pairs.iter().any(may_begin) {
                self.held = rest.to_vec();
                break;
            }
            out.push(*byte);
            at += 1;
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts and what takes their place, whether once, a body, and what becomes of it.
    type Case = (&'static [(&'static str, &'static str)], bool, &'static str, &'static str);

    #[test]
    fn texts_are_replaced_wherever_a_body_is_cut() {
        let cases: [Case; 6] = [
            (&[("foo", "bar")], false, "a Foo fo foofoo", "a bar fo barbar"),
            (&[("foo", "bar")], true, "a Foo fo foofoo", "a bar fo foofoo"),
            (&[("aab", "x")], false, "aaab aab", "ax x"),
            (&[("a", "1"), ("ab", "2")], false, "abab", "1b1b"),
            (&[("</head>", "<x></head>"), ("t", "")], true, "<HEAD>t</HEAD>t", "<HEAD><x></head>t"),
            (&[("", "x")], false, "abc", "abc"),
        ];
        for (pairs, once, text, expected) in cases {
            for cut in 0..=text.len() {
                let pairs = pairs.iter().map(|(from, to)| (from.as_bytes().to_vec(), to.as_bytes().to_vec()));
                let mut replacer = Replacer::new(pairs.collect(), once);
                let (front, back) = text.split_at(cut);
                let mut out = replacer.feed(&Bytes::copy_from_slice(front.as_bytes())).to_vec();
                out.extend(replacer.feed(&Bytes::copy_from_slice(back.as_bytes())));
                out.extend(replacer.end());
                assert_eq!(String::from_utf8_lossy(&out), expected, "{text} cut at {cut}");
            }
        }
    }
}

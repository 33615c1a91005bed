//! Draws requests from a feature's words: wild in path, query and fields, and the same for the same seed.

use std::time::Duration;

use side_by_side::Probe;

use crate::feature::Words;

/// What a path may get at some place.
const BITS: &[&str] = &[
    "/", "//", "/./", "/../", ".", "..", "%2e", "%2E%2e/", "%2f", "%2F", "%61", "%20", "%25", "%c3%a9",
    "%C3%89", "+", ";a=b", ":", "~", "$", "&", "=", "@", "!", "'", "(", ")", "*", ",", "%3f", "%23", "%26",
    "%3d", "%7e", "%5c", "%22", "x", "X", "0", "-", "_",
];
/// Parts of a query.
const PARTS: &[&str] = &[
    "a=1",
    "b=2",
    "a=",
    "a",
    "=1",
    "a=1&a=2",
    "A=1",
    "q=%20x",
    "q=a+b",
    "q=%c3%a9",
    "x=%2F",
    "&",
    "&&",
    "n=1;m=2",
    "u=http://a.example/?b",
    "b=%26",
    "?",
    "a=b=c",
    "empty=&last",
];
const LONG: usize = 1_500;
/// How long a program may take until it has counted the requests that are in progress.
const SEEN: Duration = Duration::from_millis(20);
/// Requests in progress while another is asked.
const MOST_HELD: usize = 4;

/// Numbers that are the same for the same seed (splitmix64).
pub(crate) struct Dice(u64);

/// Requests that have the same `<round>`: what counts begins anew before much time has passed.
const ROUND: usize = 30;

impl Dice {
    pub(crate) fn new(seed: usize, name: &str) -> Self {
        let hash = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed as u64, hash))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    /// True once in so many throws.
    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a>(&mut self, all: &'a [impl AsRef<str>]) -> &'a str {
        all[self.below(all.len())].as_ref()
    }
}

/// A request with its body.
#[derive(Clone)]
pub(crate) struct DrawnRequest {
    pub(crate) probe: Probe,
    pub(crate) body: Vec<u8>,
    /// What stands before it on its connection.
    pub(crate) preamble: Option<String>,
    /// What is in progress meanwhile.
    pub(crate) held: Vec<String>,
    /// How long that is waited for.
    pub(crate) patience: Duration,
    /// What the client shows.
    pub(crate) certificate: String,
}

impl DrawnRequest {
    /// Puts its number where it wants one.
    pub(crate) fn numbered(&self, number: &str) -> Self {
        let mut request = self.clone();
        let texts = request.held.iter_mut().chain([&mut request.probe.target]);
        let texts = texts.chain(request.probe.fields.iter_mut().map(|(_, value)| value));
        texts.for_each(|text| *text = text.replace("<number>", number));
        request
    }
}

/// The next request, of this number.
pub(crate) fn request(words: &Words, dice: &mut Dice, number: usize) -> DrawnRequest {
    let round = (number / ROUND).to_string();
    let method: &str = dice.pick(&words.methods);
    let target = format!("{}{}", path(words, dice), query(words, dice));
    let random = format!("{:x}", dice.below(1 << 20));
    let target = target.replace("<round>", &round).replace("<random>", &random);
    let mut fields = fields(words, dice);
    fields.iter_mut().for_each(|(_, value)| *value = value.replace("<round>", &round));
    let mut body = Vec::new();
    if !matches!(method, "GET" | "HEAD" | "OPTIONS") {
        body = dice.pick(&words.bodies).as_bytes().to_vec();
        fields.push(("Content-Length".to_owned(), body.len().to_string()));
    }
    let probe = Probe {
        listen: String::new(),
        secure: false,
        method: method.to_owned(),
        host: dice.pick(&words.hosts).to_owned(),
        target,
        fields,
    };
    let preamble = (!words.preambles.is_empty()).then(|| dice.pick(&words.preambles).to_owned());
    let held = if words.held.is_empty() { 0 } else { dice.below(MOST_HELD + 1) };
    let held = (0..held).map(|_| dice.pick(&words.held).to_owned()).collect();
    let certificate = match words.certificates.is_empty() {
        true => "none".to_owned(),
        false => dice.pick(&words.certificates).to_owned(),
    };
    DrawnRequest { probe, body, preamble, held, patience: SEEN, certificate }
}

/// A path of the words; half of them changed.
fn path(words: &Words, dice: &mut Dice) -> String {
    let known = dice.pick(&words.paths);
    if words.wild == 0 || dice.one_in(2) {
        return known.to_owned();
    }
    let end = known.find('?').unwrap_or(known.len());
    let mut path = known[..end].to_owned();
    for _ in 0..=dice.below(words.wild) {
        // Behind the first slash, and not within an escape.
        let at = 1 + dice.below(path.len());
        let at = (at..=path.len()).find(|&at| {
            let before = path.as_bytes()[at.saturating_sub(2)..at].to_vec();
            path.is_char_boundary(at) && !before.contains(&b'%')
        });
        let Some(at) = at else { continue };
        match dice.below(6) {
            0 if at < path.len() && path.as_bytes()[at].is_ascii_alphanumeric() => {
                let letter = path.remove(at);
                let other = if letter.is_ascii_lowercase() {
                    letter.to_ascii_uppercase()
                } else {
                    letter.to_ascii_lowercase()
                };
                path.insert(at, other);
            }
            1 => path.truncate(at),
            _ => path.insert_str(at, dice.pick(BITS)),
        }
    }
    path + &known[end..]
}

fn query(words: &Words, dice: &mut Dice) -> String {
    let known = dice.pick(&words.queries);
    if words.wild == 0 || !dice.one_in(3) {
        return known.to_owned();
    }
    let mut query = format!("{}{}", if known.is_empty() { "?" } else { known }, dice.pick(PARTS));
    while dice.one_in(2) {
        query.push('&');
        query.push_str(dice.pick(PARTS));
    }
    query
}

/// Each field is there or not, sometimes twice, sometimes with its name in other letters.
fn fields(words: &Words, dice: &mut Dice) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, values) in &words.fields {
        while dice.one_in(2) {
            let spelt = match dice.below(4) {
                0 => name.to_ascii_uppercase(),
                1 => name.to_ascii_lowercase(),
                _ => name.clone(),
            };
            let random = format!("{:x}", dice.below(1 << 20));
            let value: &str = dice.pick(values);
            fields.push((spelt, value.replace("<long>", &"l".repeat(LONG)).replace("<random>", &random)));
            if !words.repeats || !dice.one_in(4) || is_single(name) {
                break;
            }
        }
    }
    fields
}

/// Fields of which both servers take one alone.
fn is_single(name: &str) -> bool {
    ["host", "content-length", "content-type", "authorization", "if-modified-since", "if-range", "range"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

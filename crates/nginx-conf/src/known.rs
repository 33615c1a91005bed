//! Every directive of nginx 1.31 with its standard modules: where it may stand, and with how many arguments.

use std::collections::HashMap;
use std::sync::OnceLock;

/// One line for each form of a directive: its name; its arguments, with `{}` if it has a block, and with what
/// its value is if nginx checks that; the contexts.
const TABLE: &str = include_str!("directives.txt");

/// A set of contexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contexts(u16);

/// The contexts by name, in the order of their bits.
const NAMES: [&str; 14] = [
    "main",
    "events",
    "http",
    "server",
    "location",
    "upstream",
    "server-if",
    "location-if",
    "limit_except",
    "stream",
    "stream-server",
    "stream-upstream",
    "mail",
    "mail-server",
];

impl Contexts {
    pub const MAIN: Self = Self(1);
    pub const EVENTS: Self = Self(1 << 1);
    pub const HTTP: Self = Self(1 << 2);
    pub const SERVER: Self = Self(1 << 3);
    pub const LOCATION: Self = Self(1 << 4);
    pub const UPSTREAM: Self = Self(1 << 5);
    pub const SERVER_IF: Self = Self(1 << 6);
    pub const LOCATION_IF: Self = Self(1 << 7);
    pub const LIMIT_EXCEPT: Self = Self(1 << 8);
    pub const STREAM: Self = Self(1 << 9);
    pub const STREAM_SERVER: Self = Self(1 << 10);
    pub const STREAM_UPSTREAM: Self = Self(1 << 11);
    pub const MAIL: Self = Self(1 << 12);
    pub const MAIL_SERVER: Self = Self(1 << 13);
    const ANY: Self = Self(u16::MAX);

    pub fn holds(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The context of what stands in the block of `name`, where the block itself stands in `self`. `None`:
    /// the block's lines are no directives.
    pub(crate) fn inside(self, name: &str) -> Option<Self> {
        let inside = match name {
            "events" => Self::EVENTS,
            "http" => Self::HTTP,
            "stream" => Self::STREAM,
            "mail" => Self::MAIL,
            "location" => Self::LOCATION,
            "limit_except" => Self::LIMIT_EXCEPT,
            "server" if self == Self::STREAM => Self::STREAM_SERVER,
            "server" if self == Self::MAIL => Self::MAIL_SERVER,
            "server" => Self::SERVER,
            "upstream" if self == Self::STREAM => Self::STREAM_UPSTREAM,
            "upstream" => Self::UPSTREAM,
            "if" if self == Self::LOCATION => Self::LOCATION_IF,
            "if" => Self::SERVER_IF,
            _ => return None,
        };
        Some(inside)
    }

    fn parse(name: &str) -> Self {
        match NAMES.iter().position(|known| *known == name) {
            Some(bit) => Self(1 << bit),
            None => Self::ANY,
        }
    }

    /// The names of the blocks in which a directive may stand.
    pub(crate) fn listed(self) -> String {
        if self == Self::ANY {
            return "any block".to_owned();
        }
        let bits = NAMES.iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        let names = bits.map(|(_, name)| match *name {
            "server-if" => "if in server",
            "location-if" => "if in location",
            "stream-server" => "server in stream",
            "stream-upstream" => "upstream in stream",
            "mail-server" => "server in mail",
            name => name,
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

/// What nginx asks of the value, each of them at most once in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, and it may be repeated as far as the table knows.
    Free,
    Once,
    Flag,
    Number,
    Time,
    Seconds,
    Size,
    Offset,
    Buffers,
}

/// One form of a directive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) contexts: Contexts,
    /// How many arguments it takes, from and to.
    pub(crate) arguments: (usize, usize),
    pub(crate) is_block: bool,
    pub(crate) kind: Kind,
}

/// Whether a module of nginx's own has this directive.
pub fn is_known(name: &str) -> bool {
    !forms(name).is_empty()
}

/// All forms of a directive; none if nginx does not know it.
pub(crate) fn forms(name: &str) -> &'static [Form] {
    table().get(name).map(Vec::as_slice).unwrap_or_default()
}

/// The known name that is most like this one.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let likeness = |known: &&'static str| strsim::normalized_damerau_levenshtein(name, known);
    let alike = table().keys().copied().map(|known| (likeness(&known), known));
    let best = alike.filter(|(likeness, _)| *likeness >= 0.7);
    // Names alike to the same degree: the first by the alphabet, so that two runs say the same.
    best.max_by(|(a, one), (b, other)| a.total_cmp(b).then(other.cmp(one))).map(|(_, known)| known)
}

fn table() -> &'static HashMap<&'static str, Vec<Form>> {
    static TABLE_BY_NAME: OnceLock<HashMap<&'static str, Vec<Form>>> = OnceLock::new();
    TABLE_BY_NAME.get_or_init(|| {
        let mut table: HashMap<&'static str, Vec<Form>> = HashMap::new();
        for line in TABLE.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(arguments)) = (words.next(), words.next()) else { continue };
            let contexts = words.map(Contexts::parse).fold(0, |all, one| all | one.0);
            let (counts, kind) = arguments.split_once(':').unwrap_or((arguments, ""));
            let plain = counts.trim_end_matches("{}");
            let form = |arguments| Form {
                contexts: Contexts(contexts),
                arguments,
                is_block: plain.len() < counts.len(),
                kind: if plain == "flag" { Kind::Flag } else { kind_of(kind) },
            };
            table.entry(name).or_default().extend(plain.split(',').map(|range| form(range_of(range))));
        }
        table
    })
}

/// `2`, `1-3`, `1+` or `flag`.
fn range_of(text: &str) -> (usize, usize) {
    let number = |text: &str| text.parse().unwrap_or(1);
    match (text.split_once('-'), text.strip_suffix('+')) {
        (Some((from, to)), _) => (number(from), number(to)),
        (None, Some(from)) => (number(from), usize::MAX),
        (None, None) => (number(text), number(text)),
    }
}

fn kind_of(name: &str) -> Kind {
    match name {
        "once" => Kind::Once,
        "number" => Kind::Number,
        "time" => Kind::Time,
        "seconds" => Kind::Seconds,
        "size" => Kind::Size,
        "offset" => Kind::Offset,
        "buffers" => Kind::Buffers,
        _ => Kind::Free,
    }
}

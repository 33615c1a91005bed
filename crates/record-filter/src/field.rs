//! What a filter can ask of a record.

/// One table: the word, the field, and what it is.
macro_rules! fields {
    ($type:ident: $($name:ident = $word:literal $(| $other:literal)*;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($name,)* }

        impl $type {
            pub const ALL: &[(&str, Self)] = &[$(($word, Self::$name) $(, ($other, Self::$name))*),*];

            pub(crate) fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, field)| *field)
            }
        }
    };
}

fields! { TextField:
    Method = "method";
    Host = "host";
    Path = "path";
    Query = "query";
    Target = "target" | "url";
    Protocol = "protocol";
    Client = "client";
    Site = "site";
    Location = "location";
    Cache = "cache";
    Reason = "reason";
    Pool = "pool";
    Server = "server";
    View = "view";
    Agent = "agent";
    Referer = "referer";
}

fields! { NumberField:
    Status = "status";
    Bytes = "bytes";
    Time = "time" | "duration";
    Application = "application" | "app";
    Connect = "connect";
    Queries = "queries";
    Sql = "sql";
    Tries = "tries";
}

impl NumberField {
    /// Whether its numbers are seconds.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Time | Self::Application | Self::Connect | Self::Sql)
    }
}

/// The words of all fields, for mistakes.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    let texts = TextField::ALL.iter().map(|(word, _)| *word);
    texts.chain(NumberField::ALL.iter().map(|(word, _)| *word))
}

//! Settings that may be written in two forms, without the loss of error messages that `#[serde(untagged)]`
//! brings.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{I64Deserializer, MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// One text, or a list of them: `servers = "a"`, `servers = ["a", "b"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("text, or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
    }
}

/// Reads a `T` written as a text or a bare number (any `Text` that can be read from one), or as a table.
/// `expecting` says what both look like: "an address such as \"0.0.0.0:8080\", or a table".
pub fn text_or_table<'de, D, Text, Table, T>(
    deserializer: D,
    expecting: &'static str,
    from_text: impl FnOnce(Text) -> T,
    from_table: impl FnOnce(Table) -> T,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    Text: Deserialize<'de>,
    Table: Deserialize<'de>,
{
    deserializer.deserialize_any(TextOrTable { expecting, from_text, from_table, forms: PhantomData })
}

struct TextOrTable<FromText, FromTable, Text, Table> {
    expecting: &'static str,
    from_text: FromText,
    from_table: FromTable,
    forms: PhantomData<(Text, Table)>,
}

impl<'de, FromText, FromTable, Text, Table, T> Visitor<'de> for TextOrTable<FromText, FromTable, Text, Table>
where
    FromText: FnOnce(Text) -> T,
    FromTable: FnOnce(Table) -> T,
    Text: Deserialize<'de>,
    Table: Deserialize<'de>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Text::deserialize(StrDeserializer::new(text)).map(self.from_text)
    }

    /// A bare number, where `Text` takes one: seconds, bytes.
    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        let read = Text::deserialize(I64Deserializer::<E>::new(number));
        read.map(self.from_text).map_err(|_| E::invalid_type(Unexpected::Signed(number), &self.expecting))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(table)).map(self.from_table)
    }
}

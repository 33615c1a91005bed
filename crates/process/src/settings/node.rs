//! The merged tree as something to deserialise from: knows each value's path, and passes over what is known
//! to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use config::{Value, ValueKind};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use super::nearest;
use children::Children;

mod children;

/// What one reading of a section needs to know.
pub(super) struct Walk<'a> {
    /// The text of each variable by its name.
    pub(super) variables: &'a BTreeMap<String, String>,
    /// The paths of values to pass over.
    pub(super) dropped: &'a BTreeSet<String>,
}

/// One value.
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
    pub(super) walk: &'a Walk<'a>,
}

impl<'a> Node<'a> {
    fn unexpected(&self) -> Unexpected<'a> {
        match &self.value.kind {
            ValueKind::Nil => Unexpected::Unit,
            ValueKind::Boolean(value) => Unexpected::Bool(*value),
            ValueKind::I64(number) => Unexpected::Signed(*number),
            ValueKind::U64(number) => Unexpected::Unsigned(*number),
            ValueKind::Float(number) => Unexpected::Float(*number),
            ValueKind::I128(_) | ValueKind::U128(_) => Unexpected::Other("a number as large as this"),
            ValueKind::String(text) => Unexpected::Str(text),
            ValueKind::Table(_) => Unexpected::Map,
            ValueKind::Array(_) => Unexpected::Seq,
        }
    }

    /// A variable's text where text is asked for, though it looks like a number or a truth value.
    fn as_text(&self) -> Option<&'a str> {
        match &self.value.kind {
            ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::Float(_) => {
                let text = self.walk.variables.get(self.value.origin()?)?;
                let is_whole = !text.starts_with(['[', '{']);
                is_whole.then_some(text)
            }
            _ => None,
        }
    }

    fn read<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(value) => visitor.visit_bool(*value),
            ValueKind::I64(number) => visitor.visit_i64(*number),
            ValueKind::I128(number) => visitor.visit_i128(*number),
            ValueKind::U64(number) => visitor.visit_u64(*number),
            ValueKind::U128(number) => visitor.visit_u128(*number),
            ValueKind::Float(number) => visitor.visit_f64(*number),
            ValueKind::String(text) => visitor.visit_borrowed_str(text),
            ValueKind::Table(_) => visitor.visit_map(Children::of(&self)),
            ValueKind::Array(_) => visitor.visit_seq(Children::of(&self)),
        }
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let path = self.path.clone();
        self.read(visitor).map_err(|fault| fault.at(&path))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.as_text() {
            Some(text) => visitor.visit_borrowed_str(text).map_err(|fault: Fault| fault.at(&self.path)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let path = self.path.clone();
        visitor.visit_newtype_struct(self).map_err(|fault| fault.at(&path))
    }

    /// serde would take a list for the values of a struct in their order; in settings only a table is one.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value.kind {
            ValueKind::Array(_) => Err(Fault::invalid_type(Unexpected::Seq, &"a table").at(&self.path)),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A variant is a word, or a table with one key.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let path = self.path.clone();
        let read = match &self.value.kind {
            ValueKind::String(word) => visitor.visit_enum(StrDeserializer::<Fault>::new(word)),
            ValueKind::Table(table) if table.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Children::of(&self)))
            }
            _ => Err(Fault::invalid_type(self.unexpected(), &nearest::listed(variants, '"', "or").as_str())),
        };
        read.map_err(|fault| fault.at(&path))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map
        identifier ignored_any
    }
}

//! What a table or a list holds, without the values that are known to be wrong.

use config::{Value, ValueKind};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Node, Walk};
use crate::settings::fault::Fault;
use crate::settings::path;

pub(super) struct Children<'a> {
    rest: std::vec::IntoIter<Child<'a>>,
    /// The value whose key was given out last.
    value: Option<Node<'a>>,
}

struct Child<'a> {
    /// "" in a list.
    key: &'a str,
    node: Node<'a>,
}

impl<'a> Children<'a> {
    pub(super) fn of(node: &Node<'a>) -> Self {
        let walk: &'a Walk<'a> = node.walk;
        let child = |key, path, value: &'a Value| Child { key, node: Node { value, path, walk } };
        let mut children: Vec<Child<'a>> = match &node.value.kind {
            ValueKind::Table(table) => table
                .iter()
                .map(|(key, value)| child(key.as_str(), path::key(&node.path, key), value))
                .collect(),
            ValueKind::Array(list) => {
                let elements = list.iter().enumerate();
                elements.map(|(index, value)| child("", path::element(&node.path, index), value)).collect()
            }
            _ => Vec::new(),
        };
        children.retain(|child| !walk.dropped.contains(&child.node.path));
        Self { rest: children.into_iter(), value: None }
    }
}

impl<'de> SeqAccess<'de> for Children<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(child) = self.rest.next() else { return Ok(None) };
        let path = child.node.path.clone();
        seed.deserialize(child.node).map(Some).map_err(|fault| fault.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

impl<'de> MapAccess<'de> for Children<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(Child { key, node }) = self.rest.next() else { return Ok(None) };
        let read = seed.deserialize(Key(key)).map(Some).map_err(|fault| fault.at(&node.path));
        self.value = Some(node);
        read
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some(node) = self.value.take() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        let path = node.path.clone();
        seed.deserialize(node).map_err(|fault| fault.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A key: text, or a number where one is asked for (`{ 200 = "1s" }`).
struct Key<'a>(&'a str);

impl<'de> Key<'de> {
    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.parse::<i64>() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => visitor.visit_borrowed_str(self.0),
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.number(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.0)
    }

    numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(StrDeserializer::<Fault>::new(self.0))
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

//! Reads header blocks, and keeps the table that they share.

use super::dynamic_table::DynamicTable;
use super::{huffman, integer};
use crate::FieldList;

/// A block that cannot be read. RFC 9113 section 4.3: it "MUST be treated as a connection error of type
/// COMPRESSION_ERROR", because both sides' tables differ from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionError;

#[derive(Default)]
pub struct Decoder {
    table: DynamicTable,
}

impl Decoder {
    /// Reads a whole block. Fields beyond what `fields` may hold are dropped there, but the table takes them.
    pub fn decode(&mut self, block: &[u8], fields: &mut FieldList) -> Result<(), CompressionError> {
        self.read(block, fields).ok_or(CompressionError)
    }

    fn read(&mut self, mut block: &[u8], fields: &mut FieldList) -> Option<()> {
        // RFC 7541 section 4.2: a change of the table's size "MUST occur at the beginning of the first header
        // block following the change".
        while let Some(0x20..=0x3f) = block.first() {
            self.table.resize(integer::read(&mut block, 5)?)?;
        }
        while let Some(first) = block.first() {
            match first {
                // Section 6.1: an indexed field.
                0x80.. => {
                    let (name, value) = self.table.get(integer::read(&mut block, 7)?)?;
                    fields.push(name, value);
                }
                // Section 6.2.1: a literal that is kept.
                0x40.. => self.literal(&mut block, 6, true, fields)?,
                0x20.. => return None,
                // Sections 6.2.2 and 6.2.3: a literal that is not kept, or never.
                _ => self.literal(&mut block, 4, false, fields)?,
            }
        }
        Some(())
    }

    fn literal(
        &mut self,
        block: &mut &[u8],
        prefix: u32,
        is_kept: bool,
        fields: &mut FieldList,
    ) -> Option<()> {
        let table = &mut self.table;
        fields.add(|out| {
            let start = out.len();
            match integer::read(block, prefix)? {
                0 => string(block, out)?,
                index => out.extend_from_slice(table.get(index)?.0),
            }
            let name = out.len() - start;
            string(block, out)?;
            if is_kept {
                table.insert(out.get(start..)?, name);
            }
            Some(name)
        })
    }

    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }
}

/// Appends a string literal (RFC 7541 section 5.2).
fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let is_huffman = block.first()? & 0x80 != 0;
    let length = integer::read(block, 7)?;
    let (text, rest) = block.split_at_checked(length)?;
    *block = rest;
    if is_huffman {
        return huffman::decode(text, out);
    }
    out.extend_from_slice(text);
    Some(())
}

#[cfg(test)]
mod tests;

//! What a file holds: directives, their words, and where each of them stands.

/// The number of a file in [`crate::SyntaxTree::files`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Where a word begins. Lines and columns count from 1; columns count bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub file: FileId,
    pub line: u32,
    pub column: u32,
}

/// One word of a directive, without its quotes and with its escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub place: Place,
    /// Whether it stood in quotes, so that it may be empty or hold spaces.
    pub quoted: bool,
}

/// A directive: its name, its arguments, and its block if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Never empty: the first word is the name.
    pub name: Word,
    pub args: Vec<Word>,
    pub block: Option<Vec<Self>>,
    /// The line of the `;` or `{` that ends the words: nginx names this line in its messages.
    pub end_line: u32,
    /// Its number in the order of reading, over all files.
    pub order: u32,
}

impl Directive {
    pub fn name(&self) -> &str {
        &self.name.text
    }

    pub fn place(&self) -> Place {
        self.name.place
    }

    /// An argument, counted from 0.
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args.get(index).map(|word| word.text.as_str())
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|word| word.text.as_str())
    }

    /// What stands in its block; nothing for a directive without one.
    pub fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

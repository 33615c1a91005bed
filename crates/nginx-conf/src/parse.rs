//! From texts to a tree of directives: blocks, and `include` through a function of the caller.

use crate::lexer::{LexError, Lexer, Token};
use crate::lua;
use crate::mistake::Mistake;
use crate::tree::{Directive, FileId, Word};

/// Blocks within blocks, and files that include files: more of either is a mistake.
pub const MOST_DEPTH: usize = 64;
/// All files together: a file that includes itself twice must end too.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: usize = 256 << 20;

/// What a caller's function gives for an `include`: names and texts of the files, in order. For a pattern
/// with `*`, `?` or `[` they may be none. The error is nginx's words: `open() "/x" failed (2: No such file or
/// directory)`.
pub type IncludeResult = Result<Vec<(String, Vec<u8>)>, String>;

/// What the texts hold. After a mistake of the language nothing more is read; the rest is as far as it came.
#[derive(Clone, Debug, Default)]
pub struct SyntaxTree {
    pub directives: Vec<Directive>,
    /// Names and texts of all files as they were opened; the text of `-g` has no name.
    pub files: Vec<(String, Vec<u8>)>,
    pub mistakes: Vec<Mistake>,
}

impl SyntaxTree {
    /// The name of the file in which a place is.
    pub fn file(&self, id: FileId) -> Option<&str> {
        let index = usize::try_from(id.0).ok()?;
        self.files.get(index).map(|(name, _)| name.as_str()).filter(|name| !name.is_empty())
    }
}

/// Reads a file. `include` gets the argument of each `include` and opens what it names.
pub fn parse(name: &str, text: &[u8], include: &mut dyn FnMut(&str) -> IncludeResult) -> SyntaxTree {
    parse_with(b"", name, text, include)
}

/// Reads the text of `-g` first: directives of the main context, without blocks. They stand before those of
/// the file.
pub fn parse_with(
    globals: &[u8],
    name: &str,
    text: &[u8],
    include: &mut dyn FnMut(&str) -> IncludeResult,
) -> SyntaxTree {
    let mut parser = Parser { parsed: SyntaxTree::default(), include, bytes: 0, order: 0, broken: false };
    let mut directives = Vec::new();
    if !globals.is_empty() {
        directives = parser.file(String::new(), globals.to_vec(), 0, true);
    }
    directives.extend(parser.file(name.to_owned(), text.to_vec(), 0, true));
    parser.parsed.directives = directives;
    parser.parsed
}

struct Parser<'a> {
    parsed: SyntaxTree,
    include: &'a mut dyn FnMut(&str) -> IncludeResult,
    bytes: usize,
    order: u32,
    /// The language was broken: nothing more is read.
    broken: bool,
}

/// A block that is not closed yet: its directive, and what it holds so far.
struct OpenBlock {
    directive: Directive,
    held: Vec<Directive>,
}

impl Parser<'_> {
    /// `includes`: whether `include` means something where this file stands.
    fn file(&mut self, name: String, text: Vec<u8>, depth: usize, includes: bool) -> Vec<Directive> {
        let id = FileId(u32::try_from(self.parsed.files.len()).unwrap_or(u32::MAX));
        self.bytes = self.bytes.saturating_add(text.len());
        let is_parameter = name.is_empty();
        self.parsed.files.push((name, text.clone()));
        let mut lexer = Lexer::new(&text, id, is_parameter);
        let mut top = Vec::new();
        let mut open: Vec<OpenBlock> = Vec::new();
        while !self.broken {
            let token = match lexer.next() {
                Ok(token) => token,
                Err(unreadable) => {
                    self.stop(id, unreadable);
                    break;
                }
            };
            let line = lexer.line();
            let fault = match token {
                Token::Simple(words) => {
                    let takes_includes =
                        open.last().map_or(includes, |open| holds_includes(open.directive.name()));
                    let depth = takes_includes.then_some(depth + open.len());
                    let held = open.last_mut().map_or(&mut top, |open| &mut open.held);
                    self.simple(words, line, held, depth);
                    continue;
                }
                Token::BlockStart(_) if is_parameter => {
                    Some("block directives are not supported in -g option")
                }
                Token::BlockStart(_) if depth + open.len() >= MOST_DEPTH => Some("too many nested blocks"),
                Token::BlockStart(words) if words.first().is_some_and(|name| lua::holds_lua(&name.text)) => {
                    let ends = lexer.skip_lua();
                    let code = self
                        .directive(words, lexer.line())
                        .map(|directive| Directive { block: Some(Vec::new()), ..directive });
                    open.last_mut().map_or(&mut top, |open| &mut open.held).extend(code);
                    if ends {
                        continue;
                    }
                    Some("unexpected end of file, expecting \"}\"")
                }
                Token::BlockStart(words) => {
                    open.extend(
                        self.directive(words, line)
                            .map(|directive| OpenBlock { directive, held: Vec::new() }),
                    );
                    continue;
                }
                Token::BlockEnd => match open.pop() {
                    Some(closed) => {
                        let held = open.last_mut().map_or(&mut top, |open| &mut open.held);
                        held.push(Directive { block: Some(closed.held), ..closed.directive });
                        continue;
                    }
                    None => Some("unexpected \"}\""),
                },
                Token::End if open.is_empty() => None,
                Token::End => Some("unexpected end of file, expecting \"}\""),
            };
            if let Some(text) = fault {
                self.stop(id, LexError { text: text.into(), line, column: 0 });
                self.hint_unclosed(open.last());
            }
            break;
        }
        // What was read before a mistake is kept, so that it can be checked too.
        while let Some(unclosed) = open.pop() {
            let held = open.last_mut().map_or(&mut top, |open| &mut open.held);
            held.push(Directive { block: Some(unclosed.held), ..unclosed.directive });
        }
        top
    }

    /// Adds a directive and, for an `include` at this depth, what its files hold.
    fn simple(&mut self, words: Vec<Word>, line: u32, held: &mut Vec<Directive>, depth: Option<usize>) {
        let Some(directive) = self.directive(words, line) else { return };
        let path = match (directive.name(), depth, directive.args.as_slice()) {
            ("include", Some(depth), [path]) => Some((path.text.clone(), depth)),
            _ => None,
        };
        let (place, order) = (directive.place(), directive.order);
        held.push(directive);
        let Some((path, depth)) = path else { return };
        let includes_here =
            depth < MOST_DEPTH && self.parsed.files.len() < MOST_FILES && self.bytes < MOST_BYTES;
        let found = if includes_here {
            (self.include)(&path)
        } else {
            self.broken = true;
            Err(format!("too many files are included, \"{path}\" is one more"))
        };
        match found {
            Ok(files) => {
                for (name, text) in files {
                    if self.broken {
                        return;
                    }
                    held.extend(self.file(name, text, depth + 1, true));
                }
            }
            Err(text) => {
                let file = self.parsed.file(place.file).map(str::to_owned);
                let column = place.column;
                self.parsed.mistakes.push(Mistake { file, line, column, text, hint: None, order });
            }
        }
    }

    fn directive(&mut self, words: Vec<Word>, end_line: u32) -> Option<Directive> {
        let mut words = words.into_iter();
        let name = words.next()?;
        self.order = self.order.saturating_add(1);
        Some(Directive { name, args: words.collect(), block: None, end_line, order: self.order })
    }

    fn stop(&mut self, id: FileId, LexError { text, line, column }: LexError) {
        self.broken = true;
        let file = self.parsed.file(id).map(str::to_owned);
        let order = self.order.saturating_add(1);
        self.parsed.mistakes.push(Mistake { file, line, column, text, hint: None, order });
    }

    fn hint_unclosed(&mut self, open: Option<&OpenBlock>) {
        let (Some(open), Some(mistake)) = (open, self.parsed.mistakes.last_mut()) else { return };
        let directive = &open.directive;
        mistake.hint = Some(format!(
            "the block of `{}` in line {} is not closed",
            directive.name(),
            directive.place().line
        ));
    }
}

/// Whether `include` is read in this block: nginx gives the lines of some blocks to a function that does not
/// know it.
fn holds_includes(block: &str) -> bool {
    !matches!(block, "split_clients" | "charset_map")
}

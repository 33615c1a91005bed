//! The keys of `weir top`, and what they have chosen.

use super::table::{SortKey, TableKind};

/// A key as terminals send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    /// Ctrl-C, Ctrl-D, or a terminal that is gone.
    Quit,
}

/// What terminals send for keys that are no letters.
const SEQUENCES: [(&[u8], Key); 14] = [
    (b"\x1b[A", Key::Up),
    (b"\x1bOA", Key::Up),
    (b"\x1b[B", Key::Down),
    (b"\x1bOB", Key::Down),
    (b"\x1b[C", Key::Right),
    (b"\x1bOC", Key::Right),
    (b"\x1b[D", Key::Left),
    (b"\x1bOD", Key::Left),
    (b"\x1b[Z", Key::BackTab),
    (b"\x1b[5~", Key::PageUp),
    (b"\x1b[6~", Key::PageDown),
    (b"\x1b[H", Key::Home),
    (b"\x1b[1~", Key::Home),
    (b"\x1bOH", Key::Home),
];

impl Key {
    /// What these bytes stand for; sequences that nobody knows are passed over.
    pub(super) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut keys = Vec::new();
        while let Some(first) = bytes.first() {
            let known =
                SEQUENCES.iter().find_map(|(sequence, key)| Some((bytes.strip_prefix(*sequence)?, *key)));
            let (rest, key) = match (known, first) {
                (Some((rest, key)), _) => (rest, Some(key)),
                (None, b'\x1b') if bytes.starts_with(b"\x1b[") || bytes.starts_with(b"\x1bO") => {
                    let end =
                        bytes.iter().skip(2).position(|byte| byte.is_ascii_alphabetic() || *byte == b'~');
                    (bytes.get(end.map_or(bytes.len(), |end| end + 3)..).unwrap_or_default(), None)
                }
                (None, b'\x1b') => (bytes.get(1..).unwrap_or_default(), Some(Self::Escape)),
                (None, b'\r' | b'\n') => (bytes.get(1..).unwrap_or_default(), Some(Self::Enter)),
                (None, b'\t') => (bytes.get(1..).unwrap_or_default(), Some(Self::Tab)),
                (None, 0x7f | 0x08) => (bytes.get(1..).unwrap_or_default(), Some(Self::Backspace)),
                (None, 0x03 | 0x04) => (bytes.get(1..).unwrap_or_default(), Some(Self::Quit)),
                (None, 0x20..0x7f) => {
                    (bytes.get(1..).unwrap_or_default(), Some(Self::Char(char::from(*first))))
                }
                (None, _) => (bytes.get(1..).unwrap_or_default(), None),
            };
            keys.extend(key);
            bytes = rest;
        }
        keys
    }
}

/// What the screen shows.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) table: TableKind,
    pub(super) sort: SortKey,
    pub(super) reversed: bool,
    pub(super) filter: String,
    /// The filter is being written.
    pub(super) is_writing: bool,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    /// The first row that is shown.
    pub(super) first: usize,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            table: TableKind::default(),
            sort: SortKey::Usual,
            reversed: false,
            filter: String::new(),
            is_writing: false,
            is_paused: false,
            shows_help: false,
            first: 0,
        }
    }
}

/// Rows of one page.
const PAGE: usize = 10;
/// Characters of a filter.
const LONGEST: usize = 100;

impl Control {
    /// True: it is time to end.
    pub(super) fn press(&mut self, key: Key) -> bool {
        if key == Key::Quit {
            return true;
        }
        if self.is_writing {
            self.write(key);
            return false;
        }
        match key {
            Key::Char('q') => return true,
            Key::Escape if self.shows_help => self.shows_help = false,
            Key::Escape if self.filter.is_empty() => return true,
            Key::Escape => self.filter.clear(),
            Key::Char('?' | 'h') => self.shows_help = !self.shows_help,
            Key::Char('/' | 'f') => self.is_writing = true,
            Key::Char('p' | ' ') => self.is_paused = !self.is_paused,
            Key::Char('s') => self.sort = self.sort.next(),
            Key::Char('r') => self.reversed = !self.reversed,
            Key::Char(digit @ '1'..='9') => self.choose(digit as usize - '1' as usize),
            Key::Tab | Key::Right => self.choose(self.number() + 1),
            Key::BackTab | Key::Left => self.choose(self.number() + TableKind::ALL.len() - 1),
            Key::Down | Key::Char('j') => self.first = self.first.saturating_add(1),
            Key::Up | Key::Char('k') => self.first = self.first.saturating_sub(1),
            Key::PageDown => self.first = self.first.saturating_add(PAGE),
            Key::PageUp => self.first = self.first.saturating_sub(PAGE),
            Key::Home => self.first = 0,
            _ => {}
        }
        false
    }

    fn write(&mut self, key: Key) {
        self.first = 0;
        match key {
            Key::Enter => self.is_writing = false,
            Key::Escape => {
                self.is_writing = false;
                self.filter.clear();
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(letter) if self.filter.chars().count() < LONGEST => self.filter.push(letter),
            _ => {}
        }
    }

    fn number(&self) -> usize {
        TableKind::ALL.iter().position(|(kind, _)| *kind == self.table).unwrap_or_default()
    }

    fn choose(&mut self, number: usize) {
        self.first = 0;
        if let Some((kind, _)) = TableKind::ALL.get(number % TableKind::ALL.len()) {
            self.table = *kind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(control: &mut Control, keys: &[Key]) -> bool {
        keys.iter().fold(false, |_, key| control.press(*key))
    }

    #[test]
    fn keys_choose_sort_and_filter() {
        let mut control = Control::default();
        assert!(!press(&mut control, &[Key::Char('2'), Key::Tab, Key::Down, Key::Char('s')]));
        assert_eq!(
            (control.table, control.first, control.sort),
            (TableKind::Expensive, 1, SortKey::Requests)
        );
        press(&mut control, &[Key::BackTab, Key::BackTab, Key::BackTab]);
        assert_eq!((control.table, control.first), (TableKind::Errors, 0));
        // While a filter is written, letters are letters.
        press(&mut control, &[Key::Char('/'), Key::Char('q'), Key::Char('x'), Key::Backspace]);
        assert_eq!((control.filter.as_str(), control.is_writing), ("q", true));
        assert!(!press(&mut control, &[Key::Enter, Key::Escape]));
        assert_eq!(control.filter, "");
        for last in [Key::Escape, Key::Char('q'), Key::Quit] {
            assert!(Control::default().press(last), "{last:?}");
        }
    }

    #[test]
    fn bytes_are_keys() {
        for (bytes, keys) in [
            (&b"a1"[..], &[Key::Char('a'), Key::Char('1')][..]),
            (b"\x1b[A\x1bOB", &[Key::Up, Key::Down]),
            (b"\x1b", &[Key::Escape]),
            (b"\x1b[5~\x1b[Z\t", &[Key::PageUp, Key::BackTab, Key::Tab]),
            (b"\x1b[15~q", &[Key::Char('q')]),
            (b"\x1b[<0;1;1", &[]),
            (b"\x03", &[Key::Quit]),
            (b"\xc3\xa4\x7f\r", &[Key::Backspace, Key::Enter]),
        ] {
            assert_eq!(Key::all(bytes), keys, "{bytes:?}");
        }
    }
}

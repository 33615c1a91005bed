//! `weir top` on the screen: lines that are as long as it is wide, and as many as it is high.

use super::keys::Control;
use super::plain;
use super::table::{SortKey, TableKind, TextTable, table};
use super::view::View;

/// Edges that have a line of their own.
const MOST_EDGES: usize = 4;
const BOLD: &str = "\x1b[1m";
const REVERSED: &str = "\x1b[7m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";
const HELP: [&str; 7] = [
    "1-9, Tab, arrows  another table",
    "s                 sort by the next column",
    "r                 the other way round",
    "/                 show only names that contain a text",
    "p, space          pause",
    "up, down          scroll",
    "q, Esc            quit",
];

/// All lines.
pub(super) fn lines(view: &View, control: &mut Control, (width, height): (usize, usize)) -> Vec<String> {
    let mut lines = edges(view, width);
    lines.push(styled(BOLD, &plain::figures(view), width));
    lines.push(String::new());
    lines.push(titles(control, width));
    let room = height.saturating_sub(lines.len() + 2);
    match control.shows_help {
        true => lines.extend(HELP.iter().map(|line| clipped(line, width))),
        false => lines.extend(rows(view, control, width, room)),
    }
    lines.truncate(height.saturating_sub(1));
    while lines.len() + 1 < height {
        lines.push(String::new());
    }
    lines.push(styled(DIM, &footer(view, control), width));
    lines.truncate(height);
    lines
}

fn edges(view: &View, width: usize) -> Vec<String> {
    let texts = plain::edges(view);
    let shown = if texts.len() > MOST_EDGES { MOST_EDGES - 1 } else { texts.len() };
    let lines = view.edges.iter().zip(&texts).take(shown);
    let mut lines: Vec<_> = lines
        .map(|(edge, text)| styled(if edge.silent.is_some() { RED } else { GREEN }, text, width))
        .collect();
    if texts.len() > shown {
        lines.push(clipped(&format!("and {} more", texts.len() - shown), width));
    }
    lines
}

/// The names of the tables, the chosen one marked; as far as they fit.
fn titles(control: &Control, width: usize) -> String {
    let (mut line, mut left) = (String::new(), width);
    for (number, (kind, title)) in (1..).zip(TableKind::ALL) {
        let title = format!(" {number} {title} ");
        if title.len() > left {
            break;
        }
        left -= title.len();
        match kind == control.table {
            true => line.push_str(&format!("{REVERSED}{title}{PLAIN}")),
            false => line.push_str(&title),
        }
    }
    line
}

fn rows(view: &View, control: &mut Control, width: usize, room: usize) -> Vec<String> {
    let table = table(view, control.table, control.sort, control.reversed, &control.filter);
    control.first = control.first.min(table.rows.len().saturating_sub(1));
    let TextTable { header, rows } = table;
    let rows = rows.into_iter().skip(control.first).take(room.saturating_sub(1)).collect();
    let text = plain::aligned(&TextTable { header, rows });
    let lines = text.lines().enumerate();
    lines
        .map(|(number, line)| if number == 0 { styled(CYAN, line, width) } else { clipped(line, width) })
        .collect()
}

fn footer(view: &View, control: &Control) -> String {
    if control.is_writing {
        return format!("names that contain: {}_   (Enter: done, Esc: all)", control.filter);
    }
    let sort = SortKey::ALL.iter().find(|(key, _)| *key == control.sort).map_or("", |(_, title)| title);
    let mut text = format!("? keys   the last {:.0} s   sorted by {sort}", view.seconds);
    if !control.filter.is_empty() {
        text.push_str(&format!("   names with {:?}", control.filter));
    }
    if view.lost > 0 {
        text.push_str(&format!("   {} requests are not in the tables", view.lost));
    }
    if control.is_paused {
        text.push_str("   PAUSED");
    }
    text
}

fn styled(style: &str, text: &str, width: usize) -> String {
    format!("{style}{}{PLAIN}", clipped(text, width))
}

fn clipped(text: &str, width: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::view::{EdgeView, TopRow};

    fn view() -> View {
        let edge = |address: &str, silent| EdgeView {
            address: address.into(),
            version: "1".into(),
            state: "ready".into(),
            silent,
        };
        let row = |n: usize| TopRow { name: format!("example.com/{n}"), requests: 1, ..TopRow::default() };
        View {
            edges: vec![edge("127.0.0.1:9900", None), edge("127.0.0.1:9901", Some("has ended".into()))],
            urls: (0..100).map(row).collect(),
            hit_rate: Some(0.987),
            ..View::default()
        }
    }

    #[test]
    fn the_screen_shows_edges_figures_and_a_table() {
        let mut control = Control::default();
        let text = lines(&view(), &mut control, (120, 20)).join("\n");
        for part in [
            "127.0.0.1:9900 ready",
            "127.0.0.1:9901: has ended",
            "cached 98.7%",
            "1 hottest URLs",
            "example.com/0",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        control.first = 50;
        assert!(lines(&view(), &mut control, (120, 20)).join("\n").contains("example.com/50"));
        control.shows_help = true;
        assert!(lines(&view(), &mut control, (120, 20)).join("\n").contains("sort by the next column"));
    }

    #[test]
    fn no_size_of_a_terminal_is_too_small_and_no_line_too_long() {
        for (width, height) in [(1, 1), (20, 3), (80, 5), (300, 2), (40, 200)] {
            let mut control = Control { first: 1000, ..Control::default() };
            let lines = lines(&view(), &mut control, (width, height));
            assert_eq!(lines.len(), height);
            for line in &lines {
                let visible = line.replace("\x1b[0m", "");
                let visible = [BOLD, REVERSED, DIM, RED, GREEN, CYAN]
                    .iter()
                    .fold(visible, |line, style| line.replace(style, ""));
                assert!(visible.chars().count() <= width, "{width}: {line:?}");
            }
        }
    }
}

//! `weir top`: what happens now, at one edge or at all of them: live in the terminal, or once for scripts.

mod keys;
mod plain;
mod reading;
mod screen;
mod table;
mod terminal;
mod view;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::TopArgs;
use crate::edges::{self, EdgeLine, EdgeLines, EdgeMessage};
use crate::plane::Plane;
use keys::Control;
use reading::Readings;
use terminal::Terminal;
use view::View;

/// How often the screen is drawn, at least.
const DRAW: Duration = Duration::from_millis(250);
/// Lines taken between two drawings.
const MOST_LINES: usize = 1000;

pub(crate) fn top(args: &TopArgs) -> Result<ExitCode> {
    let edges = edges::find(&args.edges)?;
    let lines = edges::stream_with_pools(&edges, "/api/v1/top?seconds=1")?;
    if args.once {
        return once(args, &edges, &lines);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        anyhow::bail!("this is no terminal; write `weir top --once`, with --json for programs");
    }
    live(&edges, &lines).map(|()| ExitCode::SUCCESS)
}

fn live(edges: &[Plane], lines: &EdgeLines) -> Result<()> {
    let terminal = Terminal::enter()?;
    let mut readings = Readings::new(edges, reading::WINDOW);
    let mut control = Control::default();
    let mut view = View::of(&readings);
    loop {
        let until = Instant::now() + DRAW;
        for _ in 0..MOST_LINES {
            let Some(line) = lines.next_until(Some(Instant::now())) else { break };
            take(&mut readings, line);
        }
        if !control.is_paused {
            view = View::of(&readings);
        }
        terminal.draw(&screen::lines(&view, &mut control, terminal.size()))?;
        for key in terminal.keys(until)? {
            if control.press(key) {
                return Ok(());
            }
        }
    }
}

/// Waits until each edge has told of the time asked for, and prints that.
fn once(args: &TopArgs, edges: &[Plane], lines: &EdgeLines) -> Result<ExitCode> {
    let window = args.time.map_or(reading::WINDOW, |time| time.0);
    let mut readings = Readings::new(edges, window);
    // The first line is the beginning, not a part of the time.
    let until = Instant::now() + window + Duration::from_secs(3);
    while !readings.are_full()
        && let Some(line) = lines.next_until(Some(until))
    {
        take(&mut readings, line);
    }
    let view = View::of(&readings);
    let text = match args.json {
        true => serde_json::to_string_pretty(&view)? + "\n",
        false => plain::text(&view),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if view.edges_silent() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn take(readings: &mut Readings, EdgeLine { edge, message }: EdgeLine) {
    match message {
        EdgeMessage::Line(line) => readings.line(edge, &line),
        EdgeMessage::Pools(text) => readings.pools(edge, &text),
        EdgeMessage::Gone(why) => readings.gone(edge, why),
    }
}

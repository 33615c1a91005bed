//! All edges, as the command line finds them: those that flags or the settings file name, each address that
//! a name has, and those that the cache-nodes of one of them know.

use std::net::ToSocketAddrs;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use admin::client::{Lines, LinesRefusal};
use anyhow::{Result, bail};
use serde::Deserialize;

use crate::cli::EdgesArgs;
use crate::plane::{Flags, Plane};

/// How long an edge may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to reach an edge that has gone.
const PAUSE: Duration = Duration::from_secs(1);
/// Lines on their way from the edges to whoever prints them. While it is full, the edges wait, and lose
/// records rather than memory.
const UNDER_WAY: usize = 256;
/// Edges that are watched.
const MOST: usize = 256;

#[derive(Deserialize)]
struct EdgeList {
    edges: Vec<KnownEdge>,
}

#[derive(Deserialize)]
struct KnownEdge {
    admin: String,
}

/// What comes from one of the edges.
pub(crate) struct EdgeLine {
    /// The number of the edge.
    pub(crate) edge: usize,
    pub(crate) message: EdgeMessage,
}

pub(crate) enum EdgeMessage {
    Line(String),
    /// Its pools, as `/api/v1/pools` shows them.
    Pools(String),
    /// It is gone, and is tried again.
    Gone(String),
}

/// Finds all edges. At least one of them has answered.
pub(crate) fn find(args: &EdgesArgs) -> Result<Vec<Plane>> {
    let named = |admin| {
        let (token_file, config) = (args.token_file.as_deref(), args.config.as_deref());
        Plane::find(&Flags { admin, token_file, config })
    };
    let mut found: Vec<Plane> = Vec::new();
    let first = match args.admin.as_slice() {
        [] => vec![named(None)?],
        admins => admins.iter().map(|admin| named(Some(admin.as_str()))).collect::<Result<_>>()?,
    };
    for plane in first {
        for address in addresses(&plane.address) {
            add(&mut found, plane.at(address));
        }
    }
    let mut last = None;
    let mut answered = false;
    for plane in found.clone() {
        match plane.get("/api/v1/edges", PATIENCE) {
            Ok(reply) if reply.status == Some(200) => {
                answered = true;
                let list: EdgeList =
                    serde_json::from_str(&reply.body).unwrap_or(EdgeList { edges: Vec::new() });
                if !args.only {
                    list.edges.into_iter().for_each(|edge| add(&mut found, plane.at(edge.admin)));
                }
            }
            Ok(reply) => last = Some(format!("{}: {}", plane.address, reply.body.trim())),
            Err(error) => last = Some(format!("{error:#}")),
        }
    }
    match last {
        Some(error) if !answered => bail!("{error}"),
        Some(error) => eprintln!("weir: {error}"),
        None => {}
    }
    Ok(found)
}

fn add(found: &mut Vec<Plane>, plane: Plane) {
    if found.len() < MOST && found.iter().all(|known| known.address != plane.address) {
        found.push(plane);
    }
}

/// Each address that a name has, as a name of a service stands for all edges behind it. The name itself if
/// there is only one, as with localhost.
fn addresses(address: &str) -> Vec<String> {
    let resolved: Vec<_> = address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let is_local = resolved.iter().all(|address| address.ip().is_loopback());
    match resolved.len() {
        0 | 1 => vec![address.to_owned()],
        _ if is_local => vec![address.to_owned()],
        _ => resolved.iter().map(ToString::to_string).collect(),
    }
}

/// Reads an answer that goes on from all of the edges at once, and asks again where it ends.
pub(crate) fn stream(edges: &[Plane], path: &str) -> Result<EdgeLines> {
    let (sender, receiver) = sync_channel(UNDER_WAY);
    begin(edges, path, &sender)?;
    Ok(EdgeLines(receiver))
}

/// Also asks each of them for its pools, again and again; there are none where the adapters run elsewhere.
pub(crate) fn stream_with_pools(edges: &[Plane], path: &str) -> Result<EdgeLines> {
    let (sender, receiver) = sync_channel(UNDER_WAY);
    begin(edges, path, &sender)?;
    for (edge, plane) in edges.iter().cloned().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || {
            loop {
                let reply =
                    plane.get("/api/v1/pools", PATIENCE).ok().filter(|reply| reply.status == Some(200));
                let pools = EdgeMessage::Pools(reply.map(|reply| reply.body).unwrap_or_default());
                if sender.send(EdgeLine { edge, message: pools }).is_err() {
                    return;
                }
                thread::sleep(PAUSE);
            }
        });
    }
    Ok(EdgeLines(receiver))
}

fn begin(edges: &[Plane], path: &str, sender: &SyncSender<EdgeLine>) -> Result<()> {
    let mut began = 0;
    let mut refusals = Vec::new();
    for (edge, plane) in edges.iter().enumerate() {
        let lines = match plane.lines(path, PATIENCE) {
            Ok(lines) => Some(lines),
            Err(refusal) => {
                refusals.push(format!("{}: {refusal}", plane.address));
                None
            }
        };
        // Wrong there, wrong everywhere: a filter.
        if let (None, Some(refusal)) = (&lines, refusals.last())
            && edges.len() == 1
        {
            bail!("{refusal}");
        }
        began += usize::from(lines.is_some());
        let (plane, path, sender) = (plane.clone(), path.to_owned(), sender.clone());
        thread::spawn(move || follow(edge, &plane, &path, lines, &sender));
    }
    if began == 0 {
        bail!("{}", refusals.join("\n"));
    }
    Ok(())
}

fn follow(edge: usize, plane: &Plane, path: &str, first: Option<Lines>, sender: &SyncSender<EdgeLine>) {
    let mut lines = first.ok_or_else(|| "does not answer".to_owned());
    loop {
        let why = match &mut lines {
            Ok(lines) => loop {
                match lines.next() {
                    Some(Ok(line)) => {
                        if sender.send(EdgeLine { edge, message: EdgeMessage::Line(line) }).is_err() {
                            return;
                        }
                    }
                    Some(Err(error)) => break error.to_string(),
                    None => break "has ended".to_owned(),
                }
            },
            Err(why) => why.clone(),
        };
        if sender.send(EdgeLine { edge, message: EdgeMessage::Gone(why) }).is_err() {
            return;
        }
        lines = loop {
            thread::sleep(PAUSE);
            match plane.lines(path, PATIENCE) {
                Ok(lines) => break Ok(lines),
                Err(LinesRefusal::Io(_)) => {}
                Err(refusal) => break Err(refusal.to_string()),
            }
        };
    }
}

/// What comes from the edges, in the order in which it comes.
pub(crate) struct EdgeLines(Receiver<EdgeLine>);

impl EdgeLines {
    /// `None`: nothing came until then.
    pub(crate) fn next_until(&self, until: Option<Instant>) -> Option<EdgeLine> {
        match until {
            None => self.0.recv().ok(),
            Some(until) => self.0.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        }
    }
}

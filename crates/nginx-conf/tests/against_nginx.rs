//! What `nginx -t` stops at is the first mistake that is said here, over files with random damage.
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::path::Path;
use std::process::{Command, Stdio};

use nginx_conf::{Contexts, check, parse};

const WHOLE: &str = include_str!("whole.conf");
/// What stands in a damaged place.
const DAMAGE: &[&str] = &[
    "",
    ";",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "$",
    "#",
    "\n",
    " ",
    "x",
    "${",
    "on",
    "server {",
    "gzip on;",
    "\"a\"b",
    "root /a; root /b;",
    "sendfile yes;",
    "\\\"",
    "\t\r\n",
    ")",
    "index a b c;",
    "pid x;",
    "location {",
];
/// What nginx says only after it has looked at the meaning of a directive, which is not the language.
const LANGUAGE: &[&str] = &[
    "unexpected",
    "unknown directive",
    "is not allowed here",
    "invalid number of arguments",
    "is not terminated by",
    "has no opening",
    "too long parameter",
    "it must be \"on\" or \"off\"",
];

/// The first message of `nginx -t`, without its level.
fn nginx_says(directory: &Path) -> Option<String> {
    let program = std::env::var("WEIR_NGINX").ok().filter(|name| !name.is_empty());
    let program = program.unwrap_or_else(|| "/usr/sbin/nginx".to_owned());
    let mut command = Command::new(program);
    command.arg("-t").arg("-p").arg(directory).args(["-c", "nginx.conf", "-e", "error.log"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines().find_map(|line| line.strip_prefix("nginx: [emerg] ").map(str::to_owned))
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

#[test]
fn the_first_mistake_is_the_one_nginx_stops_at() {
    let directory = std::env::temp_dir().join(format!("nginx-conf-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("logs")).unwrap();
    let file = directory.join("nginx.conf");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut compared, mut differ) = (0, Vec::new());
    for _ in 0..600 {
        let mut text = WHOLE.to_owned();
        for _ in 0..=random.below(2) {
            let at = random.below(text.len());
            let taken = random.below(4).min(text.len() - at);
            text.replace_range(at..at + taken, DAMAGE[random.below(DAMAGE.len())]);
        }
        std::fs::write(&file, &text).unwrap();
        let parsed = parse(file.to_str().unwrap(), text.as_bytes(), &mut |path| {
            Err(format!(
                "open() \"{}\" failed (2: No such file or directory)",
                directory.join(path).display()
            ))
        });
        let ours = check(&parsed, Contexts::MAIN, &|_| false).first().map(ToString::to_string);
        let theirs = nginx_says(&directory);
        let of_the_language = |said: &String| LANGUAGE.iter().any(|words| said.contains(words));
        if !theirs.as_ref().is_some_and(of_the_language) && ours.is_some() && theirs.is_some() {
            continue; // nginx stopped earlier, at a meaning
        }
        compared += 1;
        if ours != theirs.filter(of_the_language) {
            differ.push((ours, nginx_says(&directory), text));
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(compared > 300, "{compared} compared");
    if let Some((ours, theirs, text)) = differ.first() {
        panic!("{} of {compared} differ; ours {ours:?}, nginx {theirs:?}\n{text}", differ.len());
    }
}

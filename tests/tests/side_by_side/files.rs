//! The directory that both programs serve.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Sunday, 1 June 2025, 12:00:00 GMT.
const MODIFIED: u64 = 1_748_779_200;

/// Files, each with its own name as content where nothing else is said.
const FILES: &[&str] = &[
    "index.html",
    "a.txt",
    "a b.txt",
    "caf\u{e9}.txt",
    "A.TXT",
    "plus+.txt",
    "semi;colon.txt",
    "50x.html",
    "404.html",
    "dir/index.html",
    "dir/x.txt",
    "dir/y.css",
    "dir/z.js",
    "dir/image.png",
    "dir/vector.svg",
    "dir/feed.xml",
    "dir/data.json",
    "dir/archive.tar.gz",
    "dir/page.HTML",
    "dir/unknown.qqq",
    "dir/noext",
    "dir/app.wasm",
    "dir/font.woff2",
    "dir/notes.md",
    "bare/deep.txt",
    "bare/deeper/x.txt",
    "php/a.php",
    "images/logo.png",
    "images/big/logo.png",
    "user/42/photo.png",
    "spa/index.html",
    "spa/assets/app.js",
    "site/a.txt",
    "site/index.htm",
    "files/report.pdf",
    "files/a%20b.txt",
    "de/index.html",
    "en/index.html",
];

/// Writes them all, with a date of long ago.
pub(crate) fn write(directory: &Path) {
    for name in FILES {
        content(directory, name, format!("file {name}\n").as_bytes());
    }
    content(directory, "empty.txt", b"");
    content(directory, "long.txt", long(40_000).as_bytes());
    content(directory, "dir/long.html", format!("<html>{}</html>", long(9_000)).as_bytes());
    content(directory, "dir/long.json", format!("[\"{}\"]", long(5_000).replace('\n', " ")).as_bytes());
    content(directory, "dir/long.png", long(5_000).as_bytes());
    content(directory, "big.bin", long(400_000).as_bytes());
    content(directory, "htpasswd", HTPASSWD);
    content(directory, "php/show.php", SHOW_PHP);
    content(directory, "php/index.php", SHOW_PHP);
}

/// The password of each is the name backwards, but for bob's, who has his name.
const HTPASSWD: &[u8] = b"alice:{PLAIN}ecila\nbob:$apr1$salt1234$/1rhLLfwhzu7tkXp2qhn1.\n\
    carol:{SHA}DHsclwLrkhpE7rHl4/980kSJSyM=\n\
    dave:$6$saltsalt$o7YvvvUsCz1W.jQvBm45o0ud/xAnic.MFqiEwvnqlDOhNXqOSoTmArcC8CGoS5hCGPc1MS/ZFbVsWV6OHmdz//\n\
    eve:{SSHA}nQ0a6srQDZwNCpGgV88K1Af9N+tzYWx0\nfrank:$1$saltsalt$7tJRvKVVObT3O6nPYedl71\n\
    grace:$5$saltsalt$4jwQqqxu9i7SjTiydD70uICweCYT.x3kcpxeonSjfyB\n\
    heidi:$2b$04$abcdefghijklmnopqrstuubGGiT4wla2XvuSApLwBDHr/Sae9/77C\nivan:absgVQPLllmdo\n";

/// Shows what it is told.
const SHOW_PHP: &[u8] = br#"<?php
header('Content-Type: text/plain');
header('X-Script: ' . basename(__FILE__));
if (isset($_GET['status'])) http_response_code((int) $_GET['status']);
$names = ['SCRIPT_FILENAME', 'SCRIPT_NAME', 'PATH_INFO', 'QUERY_STRING', 'REQUEST_URI', 'DOCUMENT_URI',
    'DOCUMENT_ROOT', 'REQUEST_METHOD', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'SERVER_NAME', 'HTTPS', 'REQUEST_SCHEME',
    'HTTP_HOST', 'HTTP_X_A', 'HTTP_COOKIE', 'GATEWAY_INTERFACE', 'REDIRECT_STATUS', 'X_OWN', 'PHP_SELF'];
foreach ($names as $name) echo $name, '=[', $_SERVER[$name] ?? '', "]\n";
echo 'post ', json_encode($_POST), ' body ', file_get_contents('php://input'), "\n";
"#;

fn content(directory: &Path, name: &str, bytes: &[u8]) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED);
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
}

/// Lines with numbers, this long in all.
fn long(length: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text.push_str(&format!("line {number} of a long file\n"));
    }
    text.truncate(length);
    text
}

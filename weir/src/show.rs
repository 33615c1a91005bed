//! `weir show`: the built-in lists, as people read them.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use http_cache::policy::{cookies, fields};
use http_cache::{CookieClass, FieldClass};

use crate::cli::{NameKind, ShowArgs};

/// Prints the lists of one kind of names: each class with what it means, and its names.
pub(crate) fn lists(args: &ShowArgs) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    match args.what {
        NameKind::Fields => {
            for (class, names) in fields::defaults::LISTS {
                print(&mut out, of_field(*class), names)?;
            }
        }
        NameKind::Cookies => {
            for (class, names) in cookies::defaults::LISTS {
                print(&mut out, of_cookie(*class), names)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn of_field(class: FieldClass) -> &'static str {
    match class {
        FieldClass::Personal => {
            "personal: the request goes straight to the application (so does one with a field that no list knows)"
        }
        FieldClass::Split => "split: part of the key, one variant of the page per value",
        FieldClass::Vary => "vary: the application sees it, and names it in Vary if the page depends on it",
        FieldClass::Ignore => "ignored: the application does not see it while it makes a shared page",
    }
}

fn of_cookie(class: CookieClass) -> &'static str {
    match class {
        CookieClass::Personal => {
            "personal: its visitor gets only pages that say they may be shared (so does one with a cookie that no \
             list knows)"
        }
        CookieClass::Split => "split: part of the key, one variant of the page per value",
        CookieClass::Ignore => "ignored: the application does not see it while it makes a shared page",
    }
}

fn print(out: &mut impl Write, meaning: &str, names: &[&str]) -> io::Result<()> {
    writeln!(out, "{meaning}")?;
    for name in names {
        writeln!(out, "  {name}")?;
    }
    Ok(())
}

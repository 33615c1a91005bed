//! Reading nginx.conf and what it includes.

use std::fs;
use std::path::Path;

use nginx_conf::{Contexts, Mistake, SyntaxTree};
use nginx_front::{Options, is_foreign, is_fragment};

use super::arguments::Arguments;
use super::glob;
use super::stock;

const PREFIX: &str = "/etc/nginx/";
const FILE: &str = "/etc/nginx/nginx.conf";
/// Lists of addresses may be long; reading a device or a log by accident ends here.
const LARGEST: u64 = 64 << 20;

/// A file that was read, and everything that is wrong with its language.
pub(super) struct Configuration {
    /// The file's name as nginx writes it.
    pub(super) file: String,
    pub(super) parsed: SyntaxTree,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) options: Options,
}

/// Reads the file that the command line names. The error is nginx's line, without its level.
pub(super) fn read(arguments: &Arguments) -> Result<Configuration, String> {
    let options = options(arguments);
    let file = arguments.file.as_deref().map_or_else(|| FILE.to_owned(), |file| below(&options.prefix, file));
    let text = text_of(&file, arguments.envsubst)?;
    let directory = options.conf_prefix.clone();
    let mut include = |path: &str| {
        let path = below(&directory, path);
        let files = if glob::is_pattern(&path) {
            glob::files(&path).into_iter().map(|path| path.display().to_string()).collect()
        } else {
            vec![path]
        };
        let text = |name: &String| match stock::text_of(name).filter(|_| !Path::new(name).exists()) {
            Some(text) => Ok(text.into_bytes()),
            None => text_of(name, arguments.envsubst),
        };
        files.into_iter().map(|name| Ok((name.clone(), text(&name)?))).collect()
    };
    let globals = arguments.globals.as_deref().unwrap_or_default();
    let parsed = nginx_conf::parse_with(globals.as_bytes(), &file, &text, &mut include);
    let context = if is_fragment(&parsed) { Contexts::HTTP } else { Contexts::MAIN };
    let mistakes = nginx_conf::check(&parsed, context, &is_foreign);
    Ok(Configuration { file, parsed, mistakes, options })
}

/// The name of the file that the command line names.
pub(super) fn name(arguments: &Arguments) -> String {
    let prefix = options(arguments).prefix;
    arguments.file.as_deref().map_or_else(|| FILE.to_owned(), |file| below(&prefix, file))
}

fn options(arguments: &Arguments) -> Options {
    let here = std::env::current_dir().unwrap_or_default().display().to_string();
    let prefix = arguments.prefix.as_deref().unwrap_or(PREFIX);
    let mut prefix = below(&format!("{here}/"), prefix);
    if !prefix.ends_with('/') {
        prefix.push('/');
    }
    let file = arguments.file.as_deref().map_or_else(|| FILE.to_owned(), |file| below(&prefix, file));
    let conf_prefix =
        file.rsplit_once('/').map_or_else(|| prefix.clone(), |(directory, _)| format!("{directory}/"));
    Options {
        prefix,
        conf_prefix,
        hostname: process::host_name(),
        microcache: arguments.microcache.clone(),
        has_default_root: true,
        is_root: rustix::process::geteuid().is_root(),
    }
}

/// A path, completed where it is relative.
fn below(directory: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{directory}{path}") }
}

fn text_of(file: &str, envsubst: bool) -> Result<Vec<u8>, String> {
    let failed = |call: &str, error: &std::io::Error| {
        let code = error.raw_os_error().unwrap_or_default();
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        format!("{call}() \"{file}\" failed ({code}: {text})")
    };
    let length = fs::metadata(Path::new(file)).map_err(|error| failed("open", &error))?.len();
    if length > LARGEST {
        return Err(format!("\"{file}\" is larger than 64 MiB"));
    }
    let text = fs::read(file).map_err(|error| failed("open", &error))?;
    Ok(if envsubst { substituted(&text, &|name| std::env::var(name).ok()) } else { text })
}

/// `${NAME}` and `$NAME` replaced where such a variable is set, as nginx's container does with its templates:
/// a name that is not set stays, because most of these are nginx's own.
fn substituted(text: &[u8], variable: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut filled = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let (before, from) = rest.split_at(at);
        filled.extend_from_slice(before);
        let braced = from.get(1) == Some(&b'{');
        let name_at = if braced { 2 } else { 1 };
        let name: Vec<u8> = from.iter().skip(name_at).copied().take_while(|byte| is_name(*byte)).collect();
        let end = name_at + name.len() + usize::from(braced);
        let closed = !braced || from.get(end - 1) == Some(&b'}');
        let name = String::from_utf8(name).unwrap_or_default();
        let value = (closed && !name.is_empty()).then(|| variable(&name)).flatten();
        let (taken, after) = match value {
            Some(value) => {
                filled.extend_from_slice(value.as_bytes());
                (&[][..], from.get(end..).unwrap_or_default())
            }
            None => from.split_at(1),
        };
        filled.extend_from_slice(taken);
        rest = after;
    }
    filled.extend_from_slice(rest);
    filled
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_set_are_filled() {
        let variable = |name: &str| (name == "HOST").then(|| "example.com".to_owned());
        let filled = |text: &str| String::from_utf8(substituted(text.as_bytes(), &variable)).unwrap();
        assert_eq!(filled("server_name ${HOST};"), "server_name example.com;");
        assert_eq!(filled("a $HOST$uri ${uri} $"), "a example.com$uri ${uri} $");
        assert_eq!(filled("${HOST ${HOST"), "${HOST ${HOST");
        assert_eq!(filled("$1 $$HOST"), "$1 $example.com");
    }
}

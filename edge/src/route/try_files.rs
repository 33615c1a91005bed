//! nginx's `try_files`: the first of these files that exists, or what stands last.

use std::sync::Arc;

use http::StatusCode;
use process::settings::Mistakes;

use crate::variables::{Template, VariableNames};

#[derive(Clone, Debug)]
pub(crate) struct TryFiles {
    pub(crate) files: Vec<TryFile>,
    pub(crate) last: TryLast,
}

#[derive(Clone, Debug)]
pub(crate) struct TryFile {
    /// Without the slash at its end that asks for a directory.
    pub(crate) path: Template,
    pub(crate) is_directory: bool,
}

/// What answers if there is none of the files.
#[derive(Clone, Debug)]
pub(crate) enum TryLast {
    /// Another page of this site, by its path and query.
    Page(Template),
    /// A named location.
    Named(Arc<str>),
    Status(StatusCode),
}

impl TryFiles {
    pub(crate) fn new(
        path: &str,
        settings: &[Template],
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let Some((last, files)) = settings.split_last().filter(|(_, files)| !files.is_empty()) else {
            let text = "needs a file and what answers if it is missing: `[\"$uri\", \"@app\"]`, `[\"$uri\", \"=404\"]`";
            mistakes.push(path, text);
            return None;
        };
        for (index, template) in settings.iter().enumerate() {
            template.check(&format!("{path}[{index}]"), names, mistakes);
        }
        let mut parsed = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            match TryFile::new(file) {
                Ok(file) => parsed.push(file),
                Err(text) => mistakes.push(format!("{path}[{index}]"), text),
            }
        }
        match TryLast::new(last) {
            Ok(last) => Some(Self { files: parsed, last }),
            Err(text) => {
                mistakes.push(format!("{path}[{}]", files.len()), text);
                None
            }
        }
    }

    /// The named location that it needs.
    pub(crate) fn name(&self) -> Option<&str> {
        if let TryLast::Named(name) = &self.last { Some(name) } else { None }
    }
}

impl TryFile {
    fn new(setting: &Template) -> Result<Self, String> {
        let source = setting.source();
        if source.starts_with('@') || source.starts_with('=') {
            return Err(format!("`{source}` may only stand last"));
        }
        if source.is_empty() {
            return Err("is empty; write a path such as `$uri`".into());
        }
        match source.strip_suffix('/') {
            Some(path) => Ok(Self { path: Template::parse(path)?, is_directory: true }),
            None => Ok(Self { path: setting.clone(), is_directory: false }),
        }
    }
}

impl TryLast {
    fn new(setting: &Template) -> Result<Self, String> {
        let source = setting.source();
        if let Some(code) = source.strip_prefix('=') {
            let status = code.trim().parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
            let status = status.filter(|status| (200..600).contains(&status.as_u16()));
            return status
                .map(Self::Status)
                .ok_or_else(|| format!("`{source}`: write a status from 200 to 599, such as `=404`"));
        }
        if source.starts_with('@') {
            return Ok(Self::Named(source.into()));
        }
        if !source.starts_with(['/', '$']) {
            return Err(format!("`{source}` is none of `/page`, `@name`, `=404`"));
        }
        Ok(Self::Page(setting.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[&str]) -> Result<String, String> {
        let settings: Vec<_> = settings.iter().map(|text| Template::parse(text).unwrap()).collect();
        let mut mistakes = Mistakes::default();
        let parsed = TryFiles::new("try_files", &settings, &VariableNames::default(), &mut mistakes);
        match parsed.filter(|_| mistakes.is_empty()) {
            Some(TryFiles { files, last }) => {
                let files = files.iter().map(|file| format!("{:?} {}, ", file.path, file.is_directory));
                Ok(format!("{}{last:?}", files.collect::<String>()))
            }
            None => Err(mistakes.to_string()),
        }
    }

    #[test]
    fn forms_of_nginx() {
        let cases: &[(&[&str], &str)] = &[
            (&["$uri", "@app"], "\"$uri\" false, Named(\"@app\")"),
            (&["$uri", "$uri/", "=404"], "\"$uri\" false, \"$uri\" true, Status(404)"),
            (&["$uri", "/index.php$is_args$args"], "\"$uri\" false, Page(\"/index.php$is_args$args\")"),
            (&["static/x", "$uri"], "\"static/x\" false, Page(\"$uri\")"),
        ];
        for (settings, expected) in cases {
            assert_eq!(parse(settings).as_deref(), Ok(*expected));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let cases: &[(&[&str], &str)] = &[
            (&[], "needs a file and what answers"),
            (&["$uri"], "needs a file and what answers"),
            (&["@a", "@b"], "`@a` may only stand last"),
            (&["=404", "@b"], "`=404` may only stand last"),
            (&["$uri", "=9"], "`=9`: write a status"),
            (&["$uri", "page"], "`page` is none of"),
            (&["$nobody", "=404"], "there is no variable `$nobody`"),
        ];
        for (settings, said) in cases {
            let error = parse(settings).unwrap_err();
            assert!(error.contains(said), "{settings:?}: {error}");
        }
    }
}

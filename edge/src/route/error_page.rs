//! nginx's `error_page`: what answers instead of an error, by status.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use process::settings::Mistakes;

use crate::variables::{Template, VariableNames};

/// The pages of one location.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorPages {
    exact: Vec<(u16, ErrorPage)>,
    /// Under the first digit: `4xx`.
    classes: Vec<(u16, ErrorPage)>,
}

#[derive(Clone, Debug)]
pub(crate) struct ErrorPage {
    pub(crate) status: PageStatus,
    pub(crate) to: ErrorTarget,
}

/// The status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageStatus {
    /// The error's.
    Kept,
    /// Whatever the page has: `=`.
    OfPage,
    /// `=200`
    Changed(StatusCode),
}

#[derive(Clone, Debug)]
pub(crate) enum ErrorTarget {
    Named(Arc<str>),
    /// As in nginx, its value is a page if it begins with a slash, as `$uri` does. Any other is the URL of a
    /// redirect.
    Written(Template),
}

impl ErrorPages {
    /// Reads `{ "404" = "/404.html", "5xx" = "=503 @maintenance" }`.
    pub(crate) fn new(
        path: &str,
        pages: &BTreeMap<String, Template>,
        names: &VariableNames,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut all = Self::default();
        for (statuses, setting) in pages {
            let path = format!("{path}.{statuses}");
            let page = match ErrorPage::parse(setting.source()) {
                Ok(page) => page,
                Err(text) => {
                    mistakes.push(path, text);
                    continue;
                }
            };
            if let ErrorTarget::Written(template) = &page.to {
                template.check(&path, names, mistakes);
            }
            for status in statuses.split([' ', ',']).filter(|status| !status.is_empty()) {
                let class = status.strip_suffix("xx").and_then(|digit| digit.parse::<u16>().ok());
                let exact = status.parse::<u16>().ok();
                match (class, exact) {
                    (Some(class @ 3..=5), _) => all.classes.push((class, page.clone())),
                    (None, Some(status @ 300..=599)) if status != super::returns::HANG_UP => {
                        all.exact.push((status, page.clone()));
                    }
                    _ => mistakes.push(
                        &path,
                        format!("`{status}` is no status of an error; write one from 300 to 599, or `5xx`"),
                    ),
                }
            }
        }
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.classes.is_empty()
    }

    /// What answers instead of this status.
    pub(crate) fn of(&self, status: StatusCode) -> Option<&ErrorPage> {
        let status = status.as_u16();
        let find =
            |list: &'_ [(u16, ErrorPage)], wanted: u16| list.iter().position(|(known, _)| *known == wanted);
        if let Some(at) = find(&self.exact, status) {
            return self.exact.get(at).map(|(_, page)| page);
        }
        let at = find(&self.classes, status / 100)?;
        self.classes.get(at).map(|(_, page)| page)
    }

    /// The named locations that it needs.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().chain(&self.classes).filter_map(|(_, page)| match &page.to {
            ErrorTarget::Named(name) => Some(&**name),
            _ => None,
        })
    }
}

impl ErrorPage {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (status, target) = match text.strip_prefix('=') {
            None => (PageStatus::Kept, text),
            Some(rest) => {
                let (code, target) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let status = match code {
                    "" => PageStatus::OfPage,
                    code => code
                        .parse()
                        .ok()
                        .and_then(|code: u16| StatusCode::from_u16(code).ok())
                        .filter(|status| (200..600).contains(&status.as_u16()))
                        .map(PageStatus::Changed)
                        .ok_or_else(|| format!("`={code}`: write a status from 200 to 599"))?,
                };
                (status, target.trim_start())
            }
        };
        let to = match target {
            "" => return Err("names no page; write `/page.html`, `@name` or a URL".into()),
            name if name.starts_with('@') => ErrorTarget::Named(name.into()),
            page if page.starts_with(['/', '$']) || page.contains("://") => {
                ErrorTarget::Written(Template::parse(page)?)
            }
            other => {
                // nginx writes it without the dot, and takes a page that lacks its slash for the same.
                let beside = other.strip_prefix("./").ok_or_else(|| {
                    format!("`{other}` is no page: write `/{other}`, `@name` or a URL such as `https://example.com/`")
                })?;
                ErrorTarget::Written(Template::parse(beside)?)
            }
        };
        Ok(Self { status, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(settings: &[(&str, &str)]) -> Result<ErrorPages, String> {
        let settings = settings.iter().map(|(status, page)| ((*status).to_owned(), Template::literal(page)));
        let mut mistakes = Mistakes::default();
        let pages =
            ErrorPages::new("error_page", &settings.collect(), &VariableNames::default(), &mut mistakes);
        if mistakes.is_empty() { Ok(pages) } else { Err(mistakes.to_string()) }
    }

    #[test]
    fn the_exact_status_comes_first() {
        let pages = pages(&[
            ("404", "/404.html"),
            ("500 502,503", "= @down"),
            ("5xx", "=200 /50x.html?code"),
            ("403", "https://example.com/"),
            ("405", "./404.html"),
        ])
        .unwrap();
        let of = |status| {
            let page = pages.of(StatusCode::from_u16(status).unwrap());
            page.map(|page| format!("{:?} {:?}", page.status, page.to))
        };
        assert_eq!(of(404).as_deref(), Some("Kept Written(\"/404.html\")"));
        assert_eq!(of(502).as_deref(), Some("OfPage Named(\"@down\")"));
        assert_eq!(of(504).as_deref(), Some("Changed(200) Written(\"/50x.html?code\")"));
        assert_eq!(of(403).as_deref(), Some("Kept Written(\"https://example.com/\")"));
        assert_eq!(of(405).as_deref(), Some("Kept Written(\"404.html\")"));
        assert_eq!(of(401), None);
        assert_eq!(pages.names().collect::<Vec<_>>(), ["@down"; 3]);
    }

    #[test]
    fn says_what_is_wrong() {
        for (status, page, said) in [
            ("200", "/x", "`200` is no status of an error"),
            ("444", "/x", "`444` is no status of an error"),
            ("2xx", "/x", "`2xx` is no status of an error"),
            ("404", "", "names no page"),
            ("404", "=200", "names no page"),
            ("404", "=99 /x", "`=99`"),
            ("404", "404.html", "write `/404.html`"),
            ("404", "/$nobody", "there is no variable `$nobody`"),
        ] {
            let error = pages(&[(status, page)]).unwrap_err();
            assert!(error.contains(said), "{status} {page}: {error}");
        }
    }
}

//! nginx's `return`: a status, a status with a text or a URL, or a URL alone.

use http::StatusCode;
use process::settings::Mistakes;

use crate::variables::{Template, VariableNames};

/// nginx's code for an end of the connection without an answer.
pub(crate) const HANG_UP: u16 = 444;

#[derive(Clone, Debug)]
pub(crate) struct Return {
    pub(crate) status: StatusCode,
    pub(crate) content: ReturnContent,
}

#[derive(Clone, Debug)]
pub(crate) enum ReturnContent {
    /// The page of the status.
    Page,
    Text(Template),
    /// Where a redirect leads.
    Location(Template),
}

impl Return {
    /// Parses `404`, `"200 text"`, `"301 https://$host$request_uri"`, `"https://example.com/"`.
    pub(crate) fn parse(setting: &Template) -> Result<Self, String> {
        let source = setting.source().trim_start();
        let (first, rest) = source.split_once(char::is_whitespace).unwrap_or((source, ""));
        let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            let is_url =
                ["http://", "https://", "$scheme", "/"].iter().any(|begin| source.starts_with(begin));
            if !is_url {
                let source = source.trim_end();
                return Err(format!(
                    "`{source}` begins neither with a status nor as a URL; write `\"200 text\"` or `\"301 https://…\"`"
                ));
            }
            let location = ReturnContent::Location(Template::parse(source.trim_end())?);
            return Ok(Self { status: StatusCode::FOUND, content: location });
        }
        let status = first.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
        let Some(status) = status.filter(|status| (200..600).contains(&status.as_u16())) else {
            return Err(format!("`{first}` is no status; write one from 200 to 599"));
        };
        // A text is sent as it stands, with the line end that many have.
        let is_blank = rest.trim().is_empty() && !rest.contains('\n');
        let rest = if is_blank { "" } else { rest };
        let redirects = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let content = match rest {
            "" if redirects => return Err(format!("{first} needs a URL: `\"{first} https://…\"`")),
            "" => ReturnContent::Page,
            url if redirects => ReturnContent::Location(Template::parse(url.trim())?),
            text => ReturnContent::Text(Template::parse(text)?),
        };
        Ok(Self { status, content })
    }

    pub(crate) fn check(&self, path: &str, names: &VariableNames, mistakes: &mut Mistakes) {
        match &self.content {
            ReturnContent::Page => {}
            ReturnContent::Text(template) | ReturnContent::Location(template) => {
                template.check(path, names, mistakes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_nginx() {
        let cases = [
            ("404", "404 Page"),
            ("444", "444 Page"),
            ("204", "204 Page"),
            ("200 all is well", "200 Text(\"all is well\")"),
            ("200 User-agent: *\nAllow: /\n", "200 Text(\"User-agent: *\\nAllow: /\\n\")"),
            ("200 \n", "200 Text(\"\\n\")"),
            ("200  two", "200 Text(\" two\")"),
            (" 404 ", "404 Page"),
            ("404\n", "404 Page"),
            ("301 /new\n", "301 Location(\"/new\")"),
            ("404 $uri is not here", "404 Text(\"$uri is not here\")"),
            ("301 https://$host$request_uri", "301 Location(\"https://$host$request_uri\")"),
            ("308 /new", "308 Location(\"/new\")"),
            ("https://example.com/", "302 Location(\"https://example.com/\")"),
            ("$scheme://example.com$uri", "302 Location(\"$scheme://example.com$uri\")"),
        ];
        for (text, expected) in cases {
            let parsed = Return::parse(&Template::literal(text)).unwrap();
            assert_eq!(format!("{} {:?}", parsed.status.as_u16(), parsed.content), expected);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, said) in [
            ("", "begins neither with a status"),
            ("gone", "begins neither with a status"),
            ("99", "`99` is no status"),
            ("600", "`600` is no status"),
            ("12345", "`12345` is no status"),
            ("101 x", "`101` is no status"),
            ("301", "301 needs a URL"),
            ("200 a $ b", "`$` needs the name of a variable"),
        ] {
            let error = Return::parse(&Template::literal(text)).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}

//! Filters as tables: what fits, and what is said of mistakes.

use std::borrow::Cow;

use super::*;

/// A request for an API that failed slowly.
struct SlowFailure;

impl RequestRecord for SlowFailure {
    fn text(&self, field: TextField) -> Cow<'_, str> {
        Cow::Borrowed(match field {
            TextField::Method => "GET",
            TextField::Host => "example.com",
            TextField::Path => "/api/users",
            TextField::Query => "page=2",
            TextField::Target => "/api/users?page=2",
            TextField::Protocol => "HTTP/1.1",
            TextField::Client => "192.0.2.7",
            TextField::Site => "example.com",
            TextField::Location => "/api/",
            TextField::Cache => "miss",
            TextField::Reason => "set-cookie",
            TextField::Pool => "django",
            TextField::Server => "127.0.0.1:29000",
            TextField::View => "shop.views.users",
            TextField::Agent => "Mozilla \"5.0\"",
            TextField::Referer => "",
        })
    }

    fn number(&self, field: NumberField) -> Option<f64> {
        match field {
            NumberField::Status => Some(502.0),
            NumberField::Bytes => Some(2048.0),
            NumberField::Time => Some(0.3),
            NumberField::Application => Some(0.25),
            NumberField::Connect => None,
            NumberField::Queries => Some(12.0),
            NumberField::Sql => Some(0.0034),
            NumberField::Tries => Some(2.0),
        }
    }
}

#[test]
fn what_fits() {
    for (filter, fits) in [
        ("", true),
        ("  ", true),
        ("status >= 500 and path ~ \"^/api\"", true),
        ("status >= 500 && path ~ '^/api'", true),
        ("status=502", true),
        ("view ~ \"^shop\" and queries > 10 and sql < 5ms", true),
        ("queries < 12", false),
        ("status == 502", true),
        ("status != 502", false),
        ("status == 5xx", true),
        ("status != 5xx", false),
        ("status in (500, 502)", true),
        ("status in (4xx, 5xx)", true),
        ("status in (500)", false),
        ("status > 502", false),
        ("status < 502 or method == GET", true),
        ("status<502 and method == GET or cache == miss", true),
        ("status < 502 and (method == GET or cache == miss)", false),
        ("not status == 502", false),
        ("!(status == 502)", false),
        ("not not status == 502", true),
        ("time > 250ms and app >= 0.25 and application < 1s", true),
        ("duration > 300ms", false),
        ("time > 0.005m", false),
        ("bytes == 2KiB", true),
        ("bytes > 2k", false),
        ("connect > 0", false),
        ("not connect > 0", true),
        ("tries > 1", true),
        ("cache in (miss, pass)", true),
        ("cache in (hit)", false),
        ("path ~ API", false),
        ("path ~* API", true),
        ("path !~ api", false),
        ("path !~* API", false),
        ("url == '/api/users?page=2'", true),
        ("client == 192.0.2.7", true),
        ("server == 127.0.0.1:29000", true),
        ("location == /api/", true),
        (r#"agent ~ "\"5\.0\"""#, true),
        ("referer == ''", true),
        ("reason == set-cookie and pool == django and site == example.com and query ~ page", true),
    ] {
        let parsed = Filter::parse(filter).unwrap_or_else(|mistake| panic!("{mistake}"));
        assert_eq!(parsed.fits(&SlowFailure), fits, "{filter}");
    }
}

#[test]
fn what_is_said_of_mistakes() {
    for (filter, column, said) in [
        ("status", 6, "how to compare `status` is missing"),
        ("status >=", 9, "a number to compare `status` with is missing"),
        ("status >= abc", 10, "`status` is a number, such as 500 or 5xx, not `abc`"),
        ("time > 5kg", 7, "such as 250ms or 1.5s, not `5kg`"),
        ("statsu >= 500", 0, "there is no field `statsu`; known are method, host"),
        ("path > 5", 5, "`path` is a text: compare it by"),
        ("status ~ 5", 7, "`status` is a number: compare it by"),
        ("path ~ \"(\"", 7, "invalid regular expression: unclosed group"),
        ("path ~ \"x", 7, "this text has no end"),
        ("status == 500 path == /", 14, "write `and` or `or`"),
        ("(status == 500", 14, "a bracket is not closed"),
        ("status == 500)", 13, "never opened"),
        ("status == 500 and", 17, "a condition is missing here"),
        ("and status == 500", 0, "a condition begins with a field"),
        ("status in 500", 10, "write a list in brackets"),
        ("status in (500", 14, "a comma or a closing bracket"),
        ("status in ()", 11, "a number to compare"),
        ("status ; 500", 7, "`;` means nothing here"),
        ("path == ü and statsu == 1", 14, "there is no field `statsu`"),
    ] {
        let mistake = Filter::parse(filter).expect_err(filter);
        assert!(mistake.text().contains(said), "{filter}: {mistake}");
        let caret = mistake.to_string().lines().last().unwrap().chars().position(|c| c == '^');
        assert_eq!(caret, Some(column), "{mistake}");
    }
    assert_eq!(
        Filter::parse("status >= abc").unwrap_err().to_string(),
        "status >= abc\n          ^ `status` is a number, such as 500 or 5xx, not `abc`"
    );
}

#[test]
fn a_filter_is_bounded() {
    let deep = format!("{}status == 1{}", "(".repeat(500), ")".repeat(500));
    assert!(Filter::parse(&deep).unwrap_err().text().contains("too many brackets"));
    assert!(Filter::parse(&"x".repeat(5000)).unwrap_err().text().contains("at most"));
    assert!(
        Filter::parse("path ~ '(a{1000}){1000}'").unwrap_err().text().contains("invalid regular expression")
    );
    for at in 0..40 {
        // Whatever is cut off, it is a mistake or a filter, never a panic.
        let whole = "not (status in (5xx, 404) or path ~ \"ä\")";
        let _ = Filter::parse(whole.get(..at).unwrap_or_default());
    }
}

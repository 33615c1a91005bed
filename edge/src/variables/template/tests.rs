//! Texts with variables as they are parsed and checked.

use super::*;

fn variable(name: &str) -> TemplatePart {
    TemplatePart::Variable(Variable::named(name))
}

fn text(text: &str) -> TemplatePart {
    TemplatePart::Text(text.into())
}

#[test]
fn a_text_is_cut_at_its_variables() {
    let cases: &[(&str, &[TemplatePart])] = &[
        ("", &[]),
        ("plain", &[text("plain")]),
        ("$host", &[variable("host")]),
        ("https://$host$request_uri", &[text("https://"), variable("host"), variable("request_uri")]),
        ("${host}x", &[variable("host"), text("x")]),
        ("$host-x", &[variable("host"), text("-x")]),
        ("$10", &[variable("1"), text("0")]),
        ("/$1.zip", &[text("/"), variable("1"), text(".zip")]),
        ("5 $$ or $$$host", &[text("5 $ or $"), variable("host")]),
        ("$request_id_x", &[variable("request_id_x")]),
    ];
    for (source, parts) in cases {
        assert_eq!(Template::parse(source).unwrap().parts(), *parts, "{source}");
    }
}

#[test]
fn a_dollar_without_a_name_is_a_mistake() {
    for source in ["$", "a$", "$-", "${", "${}", "${host", "${a-b}", "x $ y"] {
        let mistake = Template::parse(source).unwrap_err();
        assert!(mistake.contains("needs the name of a variable"), "{source}: {mistake}");
    }
}

#[test]
fn unknown_names_are_reported_under_the_settings_path() {
    let template = Template::parse("$host $no_such_thing").unwrap();
    let mut mistakes = Mistakes::default();
    template.check("edge.site[0].x", &VariableNames::default(), &mut mistakes);
    assert!(mistakes.to_string().starts_with("edge.site[0].x: there is no variable `$no_such_thing`"));
    let mut none = Mistakes::default();
    Template::parse("$host").unwrap().check("x", &VariableNames::default(), &mut none);
    assert!(none.is_empty());
}

#[test]
fn a_constant_is_known_as_one() {
    assert_eq!(Template::parse("a $$").unwrap().constant(), Some("a $"));
    assert_eq!(Template::parse("").unwrap().constant(), Some(""));
    assert_eq!(Template::parse("a$host").unwrap().constant(), None);
}

#[test]
fn is_read_from_texts_and_numbers() {
    let read = |json: &str| serde_json::from_str::<Template>(json);
    assert_eq!(read("\"$host\"").unwrap().source(), "$host");
    assert_eq!(read("5").unwrap().constant(), Some("5"));
    assert!(read("\"$\"").is_err());
    assert!(read("true").is_err());
}

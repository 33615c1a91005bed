//! One condition of a rule's `when`.

use std::net::IpAddr;

use http::HeaderName;
use ipnet::IpNet;
use process::settings::Mistakes;

use crate::settings::WhenConfig;
use crate::variables::expression::{self, EndlessSearch, Expression};
use crate::variables::{Facts, Template, Values, Variable, VariableNames};

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// Neither empty nor "0", or one of both.
    Is(Template, bool),
    /// A value, and what it is compared with.
    Text(Template, Tests),
    Address {
        networks: Vec<IpNet>,
        within: bool,
    },
    /// What is at a path of this machine.
    File {
        path: Template,
        kind: FileKind,
        exists: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Directory,
    Any,
}

/// None of the first must hold, and one of the second, if there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tests {
    not: Vec<Test>,
    any: Vec<Test>,
}

#[derive(Clone, Debug)]
enum Test {
    Equal(Template),
    Regex(Expression),
}

const KEYS: &str = "method, host, scheme, path, query, header, cookie, address, file, directory, exists, \
                    or a text with variables such as \"$http_user_agent\"";

impl Condition {
    /// The conditions that one key of `when` stands for.
    pub(crate) fn new(key: &str, wanted: &WhenConfig) -> Result<Vec<Self>, String> {
        let value = match key {
            "method" => "$request_method",
            "host" => "$host",
            "scheme" => "$scheme",
            "path" => "$uri",
            "query" | "header" | "cookie" => return named(key, wanted),
            "address" => return Ok(vec![address(texts(wanted)?)?]),
            "file" => return files(texts(wanted)?, FileKind::File),
            "directory" => return files(texts(wanted)?, FileKind::Directory),
            "exists" => return files(texts(wanted)?, FileKind::Any),
            text if text.contains('$') => text,
            other => return Err(format!("`{other}` is none of {KEYS}")),
        };
        Ok(vec![of_value(Template::parse(value)?, wanted)?])
    }

    pub(crate) fn check(&self, path: &str, names: &VariableNames, mistakes: &mut Mistakes) {
        match self {
            Self::Is(value, _) | Self::File { path: value, .. } => value.check(path, names, mistakes),
            Self::Text(value, tests) => {
                value.check(path, names, mistakes);
                for test in tests.not.iter().chain(&tests.any) {
                    if let Test::Equal(text) = test {
                        text.check(path, names, mistakes);
                    }
                }
            }
            Self::Address { .. } => {}
        }
    }

    /// The names of the groups in its regular expressions.
    pub(crate) fn group_names(&self) -> Vec<String> {
        let Self::Text(_, tests) = self else { return Vec::new() };
        let regexes = tests.any.iter().filter_map(|test| match test {
            Test::Regex(regex) => Some(regex),
            Test::Equal(_) => None,
        });
        regexes.flat_map(|regex| regex.names().map(str::to_owned)).collect()
    }
}

impl Tests {
    fn new(texts: &[String]) -> Result<Self, String> {
        let mut tests = Self::default();
        for text in texts {
            match text.strip_prefix('!') {
                Some(text) => tests.not.push(Test::new(text)?),
                None => tests.any.push(Test::new(text)?),
            }
        }
        Ok(tests)
    }

    /// Whether they hold for a value. Captures go to `values`.
    pub(crate) fn hold(
        &self,
        value: &[u8],
        facts: &Facts<'_>,
        values: &mut Values,
    ) -> Result<bool, EndlessSearch> {
        for test in &self.not {
            if test.holds(value, facts, &mut Values::default())? {
                return Ok(false);
            }
        }
        for test in &self.any {
            if test.holds(value, facts, values)? {
                return Ok(true);
            }
        }
        Ok(self.any.is_empty())
    }
}

impl Test {
    fn new(text: &str) -> Result<Self, String> {
        match expression::parse(text) {
            Some(regex) => regex.map(Self::Regex),
            None => Template::parse(text).map(Self::Equal),
        }
    }

    fn holds(&self, value: &[u8], facts: &Facts<'_>, values: &mut Values) -> Result<bool, EndlessSearch> {
        match self {
            Self::Equal(text) => Ok(*text.value(facts) == *value),
            Self::Regex(regex) => values.matches(regex, value),
        }
    }
}

pub(crate) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

fn texts(wanted: &WhenConfig) -> Result<&[String], String> {
    match wanted {
        WhenConfig::Texts(texts) if !texts.is_empty() => Ok(texts),
        _ => Err("write a text, or a list of texts".into()),
    }
}

fn of_value(value: Template, wanted: &WhenConfig) -> Result<Condition, String> {
    match wanted {
        WhenConfig::Is(is) => Ok(Condition::Is(value, *is)),
        wanted => Ok(Condition::Text(value, Tests::new(texts(wanted)?)?)),
    }
}

/// The variable that has the value. Names of cookies and parameters may hold what those of variables may not.
fn variable(key: &str, name: &str) -> Result<Variable, String> {
    let lower = name.to_ascii_lowercase();
    match key {
        _ if name.is_empty() => Err(format!("a name in `{key}` is empty")),
        "query" => Ok(Variable::Argument(lower.into())),
        "cookie" => Ok(Variable::Cookie(lower.into())),
        _ => {
            let field = HeaderName::from_bytes(lower.replace('_', "-").as_bytes());
            field.map(Variable::RequestField).map_err(|_| format!("`{name}` is not the name of a field"))
        }
    }
}

/// `header = { User-Agent = "~* bot" }`
fn named(key: &str, wanted: &WhenConfig) -> Result<Vec<Condition>, String> {
    match wanted {
        WhenConfig::Named(names) => {
            let each = names.iter().map(|(name, texts)| {
                let value = Template::of_variable(name, variable(key, name)?);
                Ok(Condition::Text(value, Tests::new(texts)?))
            });
            each.collect()
        }
        wanted if key == "query" => Ok(vec![of_value(Template::parse("$args")?, wanted)?]),
        _ => Err(format!("write a table of names: `{key} = {{ NAME = \"value\" }}`")),
    }
}

fn address(texts: &[String]) -> Result<Condition, String> {
    let excluded = texts.iter().filter(|text| text.starts_with('!')).count();
    if excluded != 0 && excluded != texts.len() {
        return Err("either all networks begin with `!`, or none".into());
    }
    let network = |text: &String| {
        let text = text.trim_start_matches('!');
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        parsed.map_err(|_| format!("`{text}` is neither an address nor a network such as 10.0.0.0/8"))
    };
    let networks = texts.iter().map(network).collect::<Result<_, _>>()?;
    Ok(Condition::Address { networks, within: excluded == 0 })
}

fn files(texts: &[String], kind: FileKind) -> Result<Vec<Condition>, String> {
    let file = |text: &String| {
        let (exists, path) = match text.strip_prefix('!') {
            Some(path) => (false, path),
            None => (true, text.as_str()),
        };
        if !path.starts_with(['/', '$']) {
            return Err(format!("`{path}` is no absolute path; begin with `/` or `$document_root`"));
        }
        Ok(Condition::File { path: Template::parse(path)?, kind, exists })
    };
    texts.iter().map(file).collect()
}

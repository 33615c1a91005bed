//! nginx's command line, read by nginx's rules: `-tq`, `-cFILE`, `-s reload`; and a few long flags of Weir's.

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) help: bool,
    pub(crate) version: bool,
    /// `-V`: the version with what it was built with.
    pub(crate) configure: bool,
    pub(crate) test: bool,
    /// `-T`: prints the files after the test.
    pub(crate) dump: bool,
    pub(crate) quiet: bool,
    pub(crate) signal: Option<Signal>,
    pub(crate) prefix: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) error_log: Option<String>,
    pub(crate) globals: Option<String>,
    /// `--lenient`: what is not done is a warning.
    pub(crate) lenient: bool,
    /// `--microcache TIME`
    pub(crate) microcache: Option<String>,
    /// `--envsubst`: `${NAME}` in the files is filled from the environment, as nginx's container does.
    pub(crate) envsubst: bool,
    /// `--compare`: asks nginx and Weir the same.
    pub(crate) compare: Option<CompareArguments>,
}

/// What belongs to `--compare`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CompareArguments {
    /// `--against URL`: an nginx that runs with the same file.
    pub(crate) against: Option<String>,
    /// `--nginx PROGRAM`: the nginx to start.
    pub(crate) nginx: Option<String>,
    /// `--requests FILE`: a list or an access log.
    pub(crate) requests: Option<String>,
    /// `--all-methods`: also those that may change something.
    pub(crate) all_methods: bool,
}

/// `-s`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Stop,
    Quit,
    Reopen,
    Reload,
}

pub(crate) const USAGE: &str = "\
Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]
             [-e filename] [-c filename] [-g directives]
             [--lenient] [--microcache time] [--envsubst]
             [--compare [--against URL | --nginx program] [--requests file] [--all-methods]]

Options:
  -?,-h         : this help
  -v            : show version and exit
  -V            : show version and configure options then exit
  -t            : test configuration and exit
  -T            : test configuration, dump it and exit
  -q            : suppress non-error messages during configuration testing
  -s signal     : send signal to a master process: stop, quit, reopen, reload
  -p prefix     : set prefix path (default: /etc/nginx/)
  -e filename   : set error log file (default: stderr)
  -c filename   : set configuration file (default: /etc/nginx/nginx.conf)
  -g directives : set global directives out of configuration file
  --lenient     : start although something is not done, with warnings
  --microcache t: keep pages of applications for this time, such as 1s
  --envsubst    : fill ${NAME} in the files from the environment
  --compare     : ask nginx and Weir the same, and print where their answers differ
  --against URL : with --compare: an nginx that runs with this file (default: one is started)
  --nginx prog  : with --compare: the nginx to start (default: nginx)
  --requests f  : with --compare: ask what this list or access log says (default: made from the file)
  --all-methods : with --compare: also POST, PUT and DELETE, which may change something
";

impl Arguments {
    /// The error is nginx's line, without `nginx: `.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if let Some(long) = argument.strip_prefix("--") {
                parsed.long(long, &mut rest)?;
                continue;
            }
            let Some(letters) = argument.strip_prefix('-') else {
                return Err(format!("invalid option: \"{argument}\""));
            };
            for (at, letter) in letters.char_indices() {
                match letter {
                    '?' | 'h' => {
                        parsed.version = true;
                        parsed.help = true;
                    }
                    'v' => parsed.version = true,
                    'V' => {
                        parsed.version = true;
                        parsed.configure = true;
                    }
                    't' => parsed.test = true,
                    'T' => {
                        parsed.test = true;
                        parsed.dump = true;
                    }
                    'q' => parsed.quiet = true,
                    'p' | 'c' | 'e' | 'g' | 's' => {
                        let own = letters.get(at + 1..).filter(|own| !own.is_empty());
                        let value = own.map(str::to_owned).or_else(|| rest.next().cloned());
                        parsed.with_value(letter, value)?;
                        break;
                    }
                    _ => return Err(format!("invalid option: \"{letter}\"")),
                }
            }
        }
        Ok(parsed)
    }

    fn with_value(&mut self, letter: char, value: Option<String>) -> Result<(), String> {
        let needs = match letter {
            'p' => "directory name",
            'c' | 'e' => "file name",
            _ => "parameter",
        };
        let value = value.ok_or_else(|| format!("option \"-{letter}\" requires {needs}"))?;
        match letter {
            'p' => self.prefix = Some(value),
            'c' => self.file = Some(value),
            'e' => self.error_log = Some(value),
            'g' => self.globals = Some(value),
            _ => {
                self.signal = Some(match value.as_str() {
                    "stop" => Signal::Stop,
                    "quit" => Signal::Quit,
                    "reopen" => Signal::Reopen,
                    "reload" => Signal::Reload,
                    _ => return Err(format!("invalid option: \"-s {value}\"")),
                });
            }
        }
        Ok(())
    }

    fn long(&mut self, long: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), String> {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        match name {
            "lenient" => self.lenient = true,
            "envsubst" => self.envsubst = true,
            "help" => {
                self.version = true;
                self.help = true;
            }
            "microcache" => {
                let value = value.map(str::to_owned).or_else(|| rest.next().cloned());
                let value = value.ok_or("option \"--microcache\" requires a time, such as 1s")?;
                self.microcache = Some(value);
            }
            "compare" => self.comparing(|_| {}),
            "all-methods" => self.comparing(|compare| compare.all_methods = true),
            "against" | "nginx" | "requests" => {
                let value = value.map(str::to_owned).or_else(|| rest.next().cloned());
                let value = value.ok_or_else(|| format!("option \"--{name}\" requires a value"))?;
                self.comparing(|compare| match name {
                    "against" => compare.against = Some(value),
                    "nginx" => compare.nginx = Some(value),
                    _ => compare.requests = Some(value),
                });
            }
            _ => return Err(format!("invalid option: \"--{name}\"")),
        }
        Ok(())
    }
}

impl Arguments {
    fn comparing(&mut self, set: impl FnOnce(&mut CompareArguments)) {
        set(self.compare.get_or_insert_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words)
    }

    #[test]
    fn letters_stand_together_and_values_behind_or_beside_them() {
        let parsed = parse("-tq -cnginx.conf -p /srv -e stderr -s reload --microcache=1s --lenient").unwrap();
        assert!(parsed.test && parsed.quiet && parsed.lenient && !parsed.dump);
        assert_eq!(parsed.file.as_deref(), Some("nginx.conf"));
        assert_eq!(parsed.prefix.as_deref(), Some("/srv"));
        assert_eq!(parsed.error_log.as_deref(), Some("stderr"));
        assert_eq!(parsed.signal, Some(Signal::Reload));
        assert_eq!(parsed.microcache.as_deref(), Some("1s"));
        assert!(parse("-T").unwrap().dump);
        assert!(parse("-h").unwrap().help);
    }

    #[test]
    fn mistakes_are_said_in_nginx_s_words() {
        let cases = [
            ("start", "invalid option: \"start\""),
            ("-x", "invalid option: \"x\""),
            ("-s restart", "invalid option: \"-s restart\""),
            ("-s", "option \"-s\" requires parameter"),
            ("-p", "option \"-p\" requires directory name"),
            ("-tc", "option \"-c\" requires file name"),
            ("--no", "invalid option: \"--no\""),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}

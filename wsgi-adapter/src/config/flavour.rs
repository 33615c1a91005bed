//! What servers of one protocol do differently.

use serde::Deserialize;

/// `flavour = "gunicorn"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// As nginx would speak to uWSGI; for FastCGI a WSGI application (flup).
    #[default]
    Uwsgi,
    /// gunicorn with `--protocol uwsgi`: decodes PATH_INFO once more, and takes no REMOTE_ADDR.
    Gunicorn,
    /// PHP-FPM: wants the file to run, SCRIPT_FILENAME.
    Php,
}

//! `weir nginx`: nginx's command line, over an nginx.conf as it is. `weir nginx-import` prints its settings.
//!
//! The file is read (`files`), its settings are Weir's own (`nginx-front`), and the process behaves as
//! nginx's does (`daemon`): its words, its exit codes, its signals.

mod arguments;
mod compare;
mod daemon;
mod files;
mod glob;
mod import;
mod lenient;
mod load;
mod stock;
mod user;
mod wording;

use std::process::ExitCode;

use arguments::{Arguments, Signal, USAGE};
use files::Configuration;

pub(crate) use import::print as import;

/// The version whose directives and words these are.
const VERSION: &str = "1.31.3";
/// What scripts look for in `-V`: modules that are compiled in beside the usual ones, and usual ones that are
/// not.
const CONFIGURE: &str = "--prefix=/etc/nginx --conf-path=/etc/nginx/nginx.conf --error-log-path=stderr \
     --pid-path=/run/nginx.pid --with-http_ssl_module --with-http_v2_module --with-http_realip_module \
     --with-http_gzip_static_module --with-http_auth_request_module --with-http_secure_link_module \
     --with-http_stub_status_module --with-http_sub_module --without-http_ssi_module --without-http_userid_module \
     --without-http_mirror_module --without-http_scgi_module --without-http_grpc_module \
     --without-http_memcached_module --without-http_empty_gif_module --without-http_browser_module";

/// Runs nginx's command line. Exit code 1 is nginx's for everything that is wrong.
pub(crate) fn command(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return Ok(failed(&error)),
    };
    if arguments.version {
        print_version(&arguments);
        return Ok(ExitCode::SUCCESS);
    }
    let configuration = match files::read(&arguments) {
        Ok(configuration) => configuration,
        Err(error) => {
            let code = failed(&format!("[emerg] {error}"));
            if arguments.test {
                let file = files::name(&arguments);
                eprintln!("nginx: configuration file {file} test failed");
            }
            return Ok(code);
        }
    };
    if let Some(signal) = arguments.signal {
        return Ok(send(signal, &configuration));
    }
    if arguments.test {
        return Ok(test(&arguments, &configuration));
    }
    if let Some(compare) = &arguments.compare {
        return Ok(compare::run(&arguments, compare, &configuration));
    }
    daemon::run(arguments, configuration)
}

fn failed(text: &str) -> ExitCode {
    eprintln!("nginx: {text}");
    ExitCode::FAILURE
}

fn print_version(arguments: &Arguments) {
    eprintln!("nginx version: nginx/{VERSION} (Weir {})", env!("CARGO_PKG_VERSION"));
    if arguments.configure {
        eprintln!("built with rustls\nTLS SNI support enabled\nconfigure arguments: {CONFIGURE}");
    }
    if arguments.help {
        eprint!("{USAGE}");
    }
}

/// `-t`: says everything that is wrong, and whether the file would run.
fn test(arguments: &Arguments, configuration: &Configuration) -> ExitCode {
    let file = &configuration.file;
    let result = load::settings(configuration, arguments.lenient);
    for line in result.lines() {
        eprintln!("nginx: {line}");
    }
    let is_read = configuration.mistakes.is_empty();
    if !arguments.quiet && is_read {
        eprintln!("nginx: the configuration file {file} syntax is ok");
    }
    if result.is_wrong() {
        return failed(&format!("configuration file {file} test failed"));
    }
    if !arguments.quiet {
        eprintln!("nginx: configuration file {file} test is successful");
        eprintln!("nginx: [notice] {}", result.count());
    }
    if arguments.dump {
        dump(configuration);
    }
    ExitCode::SUCCESS
}

/// `-T`: each file once, in the order in which they were opened.
fn dump(configuration: &Configuration) {
    use std::io::Write;
    let mut seen: Vec<&str> = Vec::new();
    let mut out = std::io::stdout().lock();
    for (name, text) in &configuration.parsed.files {
        if name.is_empty() || seen.contains(&name.as_str()) {
            continue;
        }
        seen.push(name);
        let _ = writeln!(out, "# configuration file {name}:")
            .and_then(|()| out.write_all(text))
            .and_then(|()| writeln!(out));
    }
}

/// `-s`: tells the running process by its pid file.
fn send(signal: Signal, configuration: &Configuration) -> ExitCode {
    let program = match load::settings(configuration, true).into_program() {
        Ok(program) => program,
        Err(line) => return failed(&line),
    };
    let file = daemon::pid_file(&program);
    let pid = match std::fs::read_to_string(&file) {
        Ok(text) => text.trim().parse::<i32>().ok().and_then(rustix::process::Pid::from_raw),
        Err(error) => {
            let code = error.raw_os_error().unwrap_or_default();
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            return failed(&format!("[error] open() \"{file}\" failed ({code}: {text})"));
        }
    };
    let Some(pid) = pid else {
        return failed(&format!("[error] invalid PID number \"\" in \"{file}\""));
    };
    let signal = match signal {
        Signal::Stop => rustix::process::Signal::TERM,
        Signal::Quit => rustix::process::Signal::QUIT,
        Signal::Reopen => rustix::process::Signal::USR1,
        Signal::Reload => rustix::process::Signal::HUP,
    };
    match rustix::process::kill_process(pid, signal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (pid, code) = (pid.as_raw_nonzero(), error.raw_os_error());
            failed(&format!("[alert] kill({pid}, {}) failed ({code}: {error})", signal.as_raw()))
        }
    }
}

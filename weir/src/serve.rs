//! `weir serve --app … --static …`: a user's own site without a settings file.

use std::process::ExitCode;

use edge::settings::{CacheConfig, Config, Expires, Listen, LocationConfig, SiteConfig, TtlConfig};
use process::settings::Mistakes;
use process::units::{Size, Time};
use wsgi_adapter::{PoolConfig, ServerConfig};

use crate::cli::ServeArgs;
use crate::run;
use crate::settings::Loaded;

const POOL: &str = "app";
/// Hashed names of static files change with their content; other files may change under their name.
const STATIC_EXPIRES: &str = "1h";

pub(crate) fn from_flags(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let loaded = loaded(args)?;
    let mut mistakes = Mistakes::default();
    loaded.check(&mut mistakes);
    if !mistakes.is_empty() {
        anyhow::bail!("{}", mistakes.to_string().trim_end());
    }
    run::run(loaded, None)
}

fn loaded(args: &ServeArgs) -> anyhow::Result<Loaded> {
    let ttl = Time::parse(&args.ttl)
        .ok_or_else(|| anyhow::anyhow!("--ttl {}: not a time; write a time such as 1s", args.ttl))?;
    let mut locations = Vec::new();
    for mapping in &args.statics {
        let Some((prefix, directory)) = mapping.split_once('=') else {
            anyhow::bail!("--static {mapping}: write PREFIX=DIRECTORY, such as /static/=./static");
        };
        if !std::path::Path::new(directory).is_dir() {
            anyhow::bail!("--static {mapping}: the directory {directory} does not exist");
        }
        let mut location = LocationConfig::new(prefix);
        location.alias = Some(directory.to_owned());
        location.expires = Some(Expires::parse(STATIC_EXPIRES).map_err(anyhow::Error::msg)?);
        locations.push(location);
    }
    let mut application = LocationConfig::new("/");
    application.pool = Some(POOL.into());
    application.cache = Some(CacheConfig { ttl: TtlConfig::Usual(ttl), ..CacheConfig::default() });
    locations.push(application);
    let servers: Result<Vec<_>, _> =
        args.app.iter().map(|address| address.parse().map(ServerConfig::new)).collect();
    let pool = PoolConfig {
        name: POOL.into(),
        servers: servers.map_err(|mistake| anyhow::anyhow!("--app: {mistake}"))?,
        buffer_size: Size(args.buffer_size),
        ..PoolConfig::default()
    };
    Ok(Loaded {
        edge: Config {
            listen: vec![Listen::plain(args.listen.to_string())],
            admin: args.admin.clone(),
            site: vec![SiteConfig { location: locations, ..SiteConfig::default() }],
            ..Config::default()
        },
        cache_node: cache_node::Config::default(),
        wsgi_adapter: wsgi_adapter::Config { pool: vec![pool], ..wsgi_adapter::Config::default() },
    })
}

//! Active health checks: each server is asked again and again, in its own protocol, whether it is well.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep, timeout};
use weir_proto::origin::RequestHead;

use super::Pool;
use super::member::Server;
use crate::config::CheckConfig;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::exchange::connect::connect;
use crate::exchange::idle::Connection;
use crate::exchange::{Exchange, Progress, Reply, ServerRequest};
use crate::replies::{self, ReplyReader};
use crate::request::BodyLength;
use crate::request::protocol::Dialect;
use crate::request::upload::Upload;

/// As much of a body is looked at, as in nginx.
const LOOKED_AT: usize = 256 * 1024;

/// Goes on until the server has left the pool, or the pool is gone. A check does not wait in the queue, nor
/// count there.
pub(super) async fn keep(pool: Weak<Pool>, server: Arc<Server>, settings: CheckConfig) {
    loop {
        {
            let Some(pool) = pool.upgrade().filter(|pool| pool.has(server.id)) else { return };
            let result = check(&pool, &server, &settings).await;
            pool.checked(&server, result);
        }
        sleep(settings.interval.0 + by_lot(settings.jitter.0)).await;
    }
}

/// Servers that were started together are not asked together for ever.
fn by_lot(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random::<f64>())
}

async fn check(pool: &Pool, server: &Server, settings: &CheckConfig) -> Result<(), String> {
    let checked = timeout(settings.timeout.0, async {
        let mut reply = ask(pool, server, settings).await.map_err(|error| error.to_string())?;
        if !settings.status.hold(reply.head.status) {
            return Err(format!("status {}", reply.head.status));
        }
        match &settings.body {
            Some(wanted) if !holds(&mut reply, wanted).await? => {
                Err("the body does not hold check.body".to_owned())
            }
            _ => Ok(()),
        }
    });
    checked.await.unwrap_or_else(|_| Err("no whole reply in time (check.timeout)".to_owned()))
}

async fn ask(pool: &Pool, server: &Server, settings: &CheckConfig) -> Result<Reply, Error> {
    let head = RequestHead {
        pool: pool.config.name.clone(),
        method: "GET".to_owned(),
        target: settings.path.clone().into(),
        scheme: "http".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        authority: settings.host.clone(),
        client_address: "127.0.0.1".to_owned(),
        server_name: settings.host.clone(),
        server_port: 80,
        content_length: Some(0),
        ..RequestHead::default()
    };
    let dialect = Dialect::of(&server.address, &pool.config);
    let outgoing = ServerRequest {
        dialect,
        opening: &dialect.opening(&head, BodyLength::Nothing, &pool.config)?,
        body: BodyLength::Nothing,
        head_only: false,
        idempotent: true,
        form: dialect.form(&head.upgrade),
    };
    let until = Instant::now() + settings.timeout.0;
    let (mut nothing, mut progress) = (Upload::empty(), Progress::Nothing);
    // Nobody is told of the reply but us, who want it.
    let (replies, _wanted) = replies::channel(ReplyReader::Here, 0, &pool.body_memory);
    let mut exchange = Exchange {
        upload: &mut nothing,
        replies: &replies,
        config: &pool.config,
        deadline: Deadline::in_millis(0),
        patience: pool.config.read_timeout.0,
        hints: false,
        progress: &mut progress,
    };
    let asking = async {
        let connection = Connection::new(connect(&server.address, &pool.means, until).await?);
        exchange.run(connection, outgoing).await
    };
    // A server that takes few connections is not ill because others are kept open.
    if dialect.keeps_connections() {
        pool.idle.beside(server.address.as_str(), asking).await
    } else {
        asking.await
    }
}

async fn holds(reply: &mut Reply, wanted: &str) -> Result<bool, String> {
    let mut body = Vec::new();
    while body.len() < LOOKED_AT
        && let Some(piece) = reply.next().await.map_err(|error| error.to_string())?
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(LOOKED_AT);
    Ok(body.windows(wanted.len()).any(|window| window == wanted.as_bytes()))
}

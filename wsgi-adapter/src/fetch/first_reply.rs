//! Says early what is likely where a server that has never replied stays silent: an HTTP server waits for the
//! end of a line that the uwsgi protocol does not have.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

use crate::error::{Error, ServerError};
use crate::exchange::Reply;
use crate::pool::{Pool, Server};
use crate::request::protocol::Dialect;

/// Longer than most applications need for a page.
const SILENCE: Duration = Duration::from_secs(3);

/// Waits for the exchange with a server that has never replied.
pub(super) async fn awaited(
    pool: &Pool,
    server: &Server,
    dialect: Dialect,
    exchange: impl Future<Output = Result<Reply, Error>>,
) -> Result<Reply, Error> {
    let mut exchange = pin!(exchange);
    let replied = tokio::select! {
        biased;
        replied = &mut exchange => replied,
        () = sleep(SILENCE), if !dialect.is_http() => {
            let server = server.address.as_str();
            if pool.repeated.happened(&format!("{server} is silent")).is_some() {
                warn!(
                    server,
                    "it has never replied yet, and is silent for {} s: if it speaks HTTP, as gunicorn, uvicorn \
                     and `manage.py runserver` do, write \"http://{server}\" in `servers`",
                    SILENCE.as_secs()
                );
            }
            exchange.await
        }
    };
    if let Err(Error::Server(ServerError::Closed | ServerError::Lost(_))) = &replied
        && dialect.is_http()
        && pool.repeated.happened(&format!("{} is mute", server.address)).is_some()
    {
        let server = server.address.as_str();
        warn!(
            server,
            "it has never replied yet, and closed the connection: if it speaks uwsgi, as uWSGI does at `socket`, \
             leave \"http://\" out in `servers`"
        );
    }
    replied
}

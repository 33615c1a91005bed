//! The listener: its connections and their bounds, up to the end of a drain.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Admin, Answer, Routes, answer};

/// Connections served at once; further ones wait to be accepted.
pub(crate) const MAX_CONNECTIONS: usize = 64;
/// Longest time for a request's head, also the first on an idle connection.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// Longest time for a request's body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's body.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// A connection this old is asked to end after the answer under way, and ended `LAST_ANSWER` later.
const MAX_AGE: Duration = Duration::from_secs(300);
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted: out of descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until a drain has ended, so that probes and scrapers see it to its end: until `draining`, then, no
/// longer ready, until `drained`. Must not itself be part of the work that the drain waits for.
pub async fn serve<R: Routes>(
    listener: TcpListener,
    admin: Admin<R>,
    draining: impl Future<Output = ()>,
    drained: impl Future,
) {
    let readiness = admin.readiness.clone();
    let admin = Arc::new(admin);
    let mut ended = pin!(async {
        draining.await;
        readiness.drain();
        drained.await;
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut ended => return,
            Some(_closed) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, admin.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn connection<R: Routes>(stream: TcpStream, admin: Arc<Admin<R>>) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(take(&admin, request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A client that breaks off or breaks the rules is no news here.
    if timeout(MAX_AGE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER, connection).await;
    }
}

/// Receives the request's body and answers.
async fn take<R: Routes>(admin: &Admin<R>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let received = timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match received {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n");
        }
        Ok(Err(_)) => return answer::text(StatusCode::BAD_REQUEST, "the body is malformed\n"),
        Err(_) => return answer::text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n"),
    };
    admin.answer(&Request::from_parts(head, body)).await
}

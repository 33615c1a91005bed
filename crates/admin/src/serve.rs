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
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::seats::{IdleSince, MAX_CONNECTIONS, Seats};
use crate::{Admin, Answer, Routes, answer, is_probe};

/// Requests answered at once that are no probes: these find room at all times.
pub(crate) const MAX_ASKED: usize = MAX_CONNECTIONS / 2;
/// Longest time for a request's head, also the first on an idle connection.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// Longest time for a request's body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's body.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// A connection this old is asked to end after the answer under way, and ended `LAST_ANSWER` later.
const MAX_AGE: Duration = Duration::from_secs(300);
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// A stream of lines ends after this long; whoever reads it asks again.
const LONGEST_STREAM: Duration = Duration::from_secs(24 * 3600);
/// How long requests that are being answered at the end may take, and how often to check whether any are.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(10);
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
    let shared = Arc::new(AdminServer { admin, asked: Semaphore::new(MAX_ASKED) });
    let mut ended = pin!(async {
        draining.await;
        readiness.drain();
        drained.await;
    });
    let (mut connections, mut seats) = (JoinSet::new(), Seats::default());
    loop {
        tokio::select! {
            () = &mut ended => break,
            Some(_closed) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if seats.make_room() => {
                    let idle = IdleSince::new();
                    seats.add(connections.spawn(connection(stream, shared.clone(), idle.clone())), idle);
                }
                // All are being answered; this client may come again.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // What is being answered may say how the end came about.
    let answering = async {
        while shared.asked.available_permits() < MAX_ASKED {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let _ = timeout(LAST_ANSWERS, answering).await;
}

/// What all connections share.
struct AdminServer<R> {
    admin: Admin<R>,
    asked: Semaphore,
}

async fn connection<R: Routes>(stream: TcpStream, shared: Arc<AdminServer<R>>, idle: IdleSince) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(take(&shared, &idle, request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A client that breaks off or breaks the rules is no news here.
    if timeout(MAX_AGE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        // Whoever makes a stream notices when its client has left.
        let last = if idle.is_stream() { LONGEST_STREAM } else { LAST_ANSWER };
        let _ = timeout(last, connection).await;
    }
}

/// Receives the request's body and answers.
async fn take<R: Routes>(shared: &AdminServer<R>, idle: &IdleSince, request: Request<Incoming>) -> Answer {
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
    let _asked = match shared.asked.try_acquire() {
        Ok(asked) => Some(asked),
        Err(_) if is_probe(head.uri.path()) => None,
        Err(_) => {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once; try again\n");
        }
    };
    idle.end();
    let answer = shared.admin.answer(&Request::from_parts(head, body)).await;
    idle.begin();
    if answer.body().is_stream() {
        idle.streams();
    }
    answer
}

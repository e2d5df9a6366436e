//! The admin listener: is this process alive, is it ready, what does it count, and how much does it log.

mod announced;
mod headers;
mod host;
mod lbz;
mod log_level;
mod page;
mod visits;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::debug;

use headers::with_headers;
use visits::Visits;

use crate::lifecycle::Lifecycle;
use crate::limits::ConnectionLimit;
use crate::metrics::Metrics;
use crate::status::Board;

/// A probe that has not sent its request by then is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// A whole connection, with as many requests as it likes.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS_TEXT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const PATHS: &str = "/           the status page, for people\n\
                     /livez      the process runs\n\
                     /readyz     all ports are bound\n\
                     /lbz        new connections are welcome: for load balancers; /lbz?cluster=NAME for one cluster\n\
                     /status     everything at once, as JSON\n\
                     /metrics    Prometheus text\n\
                     /log-level  the level of the log; PUT changes it\n";

/// What the endpoints tell about.
#[derive(Clone, Debug)]
pub struct AdminState {
    metrics: Arc<Metrics>,
    life: Lifecycle,
    board: Arc<Board>,
    limit: ConnectionLimit,
    /// Whose turn it is to have something written that takes a while.
    turn: Arc<Semaphore>,
}

impl AdminState {
    /// Of this process.
    pub fn new(
        metrics: Arc<Metrics>,
        life: Lifecycle,
        board: Arc<Board>,
        limit: ConnectionLimit,
    ) -> Self {
        AdminState {
            metrics,
            life,
            board,
            limit,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    fn status(&self) -> Result<String, String> {
        let limit = self.limit.most();
        let status = self.board.json(&self.metrics, &self.life, limit);
        status.map_err(|error| error.to_string())
    }

    fn metrics(&self) -> Result<String, String> {
        self.metrics.render().map_err(|error| error.to_string())
    }

    /// Why nobody should be sent here, and nobody who serves be replaced by this process.
    fn unready(&self) -> Option<String> {
        if !self.life.is_ready() {
            return Some("starting".to_owned());
        }
        let unread = self.board.unread()?;
        Some(format!("the Service {unread} was not read yet"))
    }
}

/// Serves until `shutdown` is ready.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: impl Future<Output = ()>) {
    let mut visits = Visits::default();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "admin accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = state.clone();
        visits
            .begin(|heard| async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    heard.request();
                    let state = state.clone();
                    async move { Ok::<_, Infallible>(with_headers(answer(request, state).await)) }
                });
                let announced = timeout(HEADER_TIMEOUT, announced::past_header(stream));
                let Ok(Ok(stream)) = announced.await else {
                    return;
                };
                let stream = std::pin::pin!(stream);
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                // How a probe's connection ends is of no interest.
                let _ = timeout(CONNECTION_TIMEOUT, connection).await;
            })
            .await;
    }
}

async fn answer(request: Request<Incoming>, state: AdminState) -> Response<Full<Bytes>> {
    if !host::is_for_everybody(request.uri().path())
        && let Some(name) = host::strange(&request, &state.board.in_force().config.admin_hosts)
    {
        let remedy = format!(
            "\"{name}\" is not known to be a name of this proxy, and a web page could have made it one: use an IP address, \
             or add the name to allowed_hosts in [admin]\n"
        );
        return text(StatusCode::MISDIRECTED_REQUEST, TEXT, remedy);
    }
    if request.uri().path() == log_level::PATH {
        return log_level::answer(request).await;
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => page::response(),
        "/livez" => text(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => ok_unless(state.unready()),
        "/lbz" => lbz::answer(request.uri().query(), &state),
        "/status" => written(state, JSON, AdminState::status).await,
        "/metrics" => written(state, METRICS_TEXT, AdminState::metrics).await,
        _ => text(StatusCode::NOT_FOUND, TEXT, PATHS),
    }
}

fn ok_unless(why: Option<String>) -> Response<Full<Bytes>> {
    match why {
        None => text(StatusCode::OK, TEXT, "ok\n"),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, why + "\n"),
    }
}

/// What has a line for every node takes its time: on another thread, so that nobody here waits for it, and one at a time, so
/// that whoever asks often takes no more than one core.
async fn written(
    state: AdminState,
    content_type: HeaderValue,
    write: fn(&AdminState) -> Result<String, String>,
) -> Response<Full<Bytes>> {
    // Nobody closes it.
    let turn = state.turn.clone().acquire_owned().await;
    let written = spawn_blocking(move || {
        let _turn = turn;
        write(&state)
    });
    match written.await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(body) => text(StatusCode::OK, content_type, body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error + "\n"),
    }
}

fn text(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Mutex, OnceLock};

    use tokio::task::yield_now;

    use super::*;
    use crate::config::{Config, ParseOptions};

    const CONFIG: &str = "[clusters.main]\nbootstrap_servers = [\"kafka:9092\"]\nadvertised_host = \"localhost\"\n\
                          [[clusters.main.nodes]]\nids = \"0\"\nport = 9093\n";

    static GATE: OnceLock<Mutex<Receiver<()>>> = OnceLock::new();

    fn waits(_: &AdminState) -> Result<String, String> {
        let gate = GATE.get().ok_or("no gate")?.lock();
        let gate = gate.map_err(|error| error.to_string())?;
        let opened = gate.recv_timeout(Duration::from_secs(30));
        opened.map(|()| String::new()).map_err(|e| e.to_string())
    }

    /// Nothing else runs on this thread than what is polled here: if it were written here, the gate would stay shut.
    #[tokio::test(flavor = "current_thread")]
    async fn what_takes_long_is_written_on_another_thread() {
        let config = Config::from_toml(CONFIG, &ParseOptions::default()).unwrap();
        let limit = ConnectionLimit::new(&config.limits, 2, 1);
        let metrics = Arc::new(Metrics::new(&[], &[], 1).unwrap());
        let board = Arc::new(Board::new(config, 1));
        let state = AdminState::new(metrics, Lifecycle::default(), board, limit);
        let (open, gate) = channel();
        GATE.set(Mutex::new(gate)).unwrap();
        let writing = tokio::spawn(written(state.clone(), TEXT, waits));
        let waiting = tokio::spawn(written(state, TEXT, AdminState::status));
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(
            !writing.is_finished() && !waiting.is_finished(),
            "one at a time"
        );
        open.send(()).unwrap();
        for written in [writing, waiting] {
            assert_eq!(written.await.unwrap().status(), StatusCode::OK);
        }
    }
}

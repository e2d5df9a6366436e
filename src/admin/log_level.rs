//! `/log-level`: tells the level of the log, and changes it until the next reload or start.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;
use tracing::info;

use super::{HEADER_TIMEOUT, TEXT, text};
use crate::config::LogLevel;
use crate::logging;

/// Where it is.
pub(super) const PATH: &str = "/log-level";

/// Bytes of a body: no level is nearly as long.
const LONGEST: usize = 64;

/// Does what a request wants.
pub(super) async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(before) = logging::level() else {
        let why = "something else in this process logs\n";
        return text(StatusCode::SERVICE_UNAVAILABLE, TEXT, why);
    };
    match *request.method() {
        Method::GET | Method::HEAD => text(StatusCode::OK, TEXT, format!("{}\n", word(before))),
        // Browsers say so, also where a name was made to lead here; people and programs do not.
        Method::PUT if request.headers().contains_key(ORIGIN) => {
            let why = "not from a web page\n";
            text(StatusCode::FORBIDDEN, TEXT, why)
        }
        Method::PUT => match timeout(HEADER_TIMEOUT, wanted(request.into_body())).await {
            Err(_) => text(StatusCode::REQUEST_TIMEOUT, TEXT, "no body came\n"),
            Ok(Some(level)) => {
                change(before, level);
                text(StatusCode::NO_CONTENT, TEXT, "")
            }
            Ok(None) => {
                let words = LogLevel::WORDS.map(|(word, _)| word).join(", ");
                let remedy = format!("the body must be one of {words}\n");
                text(StatusCode::BAD_REQUEST, TEXT, remedy)
            }
        },
        _ => {
            let only = "only GET, HEAD and PUT\n";
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, TEXT, only);
            let methods = HeaderValue::from_static("GET, HEAD, PUT");
            response.headers_mut().insert(ALLOW, methods);
            response
        }
    }
}

/// The level that a body names.
async fn wanted(body: Incoming) -> Option<LogLevel> {
    let body = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
    let mut words = LogLevel::WORDS.into_iter();
    let (_, level) = words.find(|(word, _)| word.as_bytes() == body.trim_ascii())?;
    Some(level)
}

fn change(before: LogLevel, level: LogLevel) {
    // Told at the level at which it is more likely seen.
    if level > before {
        logging::set_level(level);
    }
    info!(
        log_level = word(level),
        "the log level is changed, until the next reload or start"
    );
    logging::set_level(level);
}

fn word(level: LogLevel) -> &'static str {
    let mut words = LogLevel::WORDS.into_iter();
    words
        .find(|(_, known)| *known == level)
        .map_or("", |(word, _)| word)
}

//! The status page: one document with its style and script inside, and a policy under which nothing else is loaded or run.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");

/// One script in the end: `page.js`, which starts it, is the last.
const SCRIPT: &str = concat!(
    include_str!("page/format.js"),
    include_str!("page/dom.js"),
    include_str!("page/history.js"),
    include_str!("page/attention.js"),
    include_str!("page/cluster.js"),
    include_str!("page/page.js"),
);

static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

/// The page, which is the same for everybody: what it shows it asks `/status` for.
pub(super) fn response() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(PAGE.document.clone()));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, PAGE.policy.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

struct Page {
    document: Bytes,
    policy: HeaderValue,
}

impl Page {
    fn new() -> Self {
        let document = FRAME
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
            .replace("{{style}}", STYLE)
            .replace("{{script}}", SCRIPT);
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            source(STYLE),
            source(SCRIPT),
        );
        Page {
            document: document.into(),
            // It is ASCII. If it were not, nothing at all would be run.
            policy: HeaderValue::from_str(&policy)
                .unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }
}

/// How a policy names a text that stands in the document.
fn source(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_end_where_their_elements_do() {
        for text in [STYLE, SCRIPT] {
            let text = text.to_lowercase();
            assert!(!text.contains("</"), "it would end its element");
            assert!(!text.contains("<!--"), "it would change how it is read");
            assert!(!text.contains('\r'), "it would be hashed otherwise");
        }
    }

    #[test]
    fn every_placeholder_is_filled() {
        let document = String::from_utf8(PAGE.document.to_vec()).expect("it is text");
        for name in ["version", "style", "script"] {
            assert!(!document.contains(&format!("{{{{{name}}}}}")), "{name}");
        }
        assert!(document.contains(STYLE) && document.contains(SCRIPT));
    }

    #[test]
    fn the_script_makes_no_markup_of_data() {
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
        ] {
            assert!(!SCRIPT.contains(sink), "{sink}");
        }
    }
}

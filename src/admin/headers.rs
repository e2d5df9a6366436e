//! What every answer says to browsers: keep nothing, guess nothing, and show it to no other site's pages.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The same answer with these headers.
pub(super) fn with_headers(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    for (name, value) in [
        // What it was a minute ago is not what it is now, and is nothing for a proxy's or a disk's cache.
        (CACHE_CONTROL, "no-store"),
        // Names of clients and words of brokers stand in the answers: they are text, whatever they look like.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Another site's page may not take it in as a script or an image either.
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

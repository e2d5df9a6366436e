//! The page as it comes from the proxy, without a browser: its headers, and that the policy names what is in the document.

use std::io::{Read, Write};
use std::net::TcpStream;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::proxy::{PATIENCE, Proxy};
use crate::proxy;

#[test]
fn the_page_comes_with_strict_headers() {
    let (head, document) = request(&proxy(), "GET");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    for header in [
        "content-type: text/html; charset=utf-8",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
    }
    assert!(document.starts_with("<!doctype html>"), "{document}");
}

#[test]
fn the_policy_allows_the_style_and_the_script_of_the_document_and_nothing_else() {
    let proxy = proxy();
    let mut stream = connect(&proxy);
    let answer = exchange(&mut stream, "GET");
    let policy = answer
        .lines()
        .find_map(|line| line.strip_prefix("content-security-policy: "))
        .expect("a policy");
    let expected = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(between(&answer, "<style>", "</style>")),
        hash(between(&answer, "<script type=\"module\">", "</script>")),
    );
    assert_eq!(policy, expected);
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let (_, document) = request(&proxy(), "GET");
    for reference in [
        "src=\"",
        "@import",
        "url(",
        "<link rel=\"stylesheet\"",
        "//cdn",
    ] {
        assert!(!document.contains(reference), "{reference}");
    }
}

#[test]
fn head_is_answered_without_the_document() {
    let (head, document) = request(&proxy(), "HEAD");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncontent-security-policy: "), "{head}");
    assert_eq!(document, "");
}

/// The head in lower case, and the document.
fn request(proxy: &Proxy, method: &str) -> (String, String) {
    let answer = exchange(&mut connect(proxy), method);
    let (head, document) = answer.split_once("\r\n\r\n").expect("a head");
    (
        format!("{}\r\n", head.to_ascii_lowercase()),
        document.to_owned(),
    )
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.admin()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn exchange(stream: &mut TcpStream, method: &str) -> String {
    write!(
        stream,
        "{method} / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).expect("it begins");
    rest.split_once(end).expect("it ends").0
}

fn hash(text: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(digest(&SHA256, text.as_bytes()))
    )
}

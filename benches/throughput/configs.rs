//! The proxies' configurations: each as a user would write it for this purpose, with one thread.

use std::fmt::Write;
use std::path::Path;

use crate::front::Front;
use crate::tls::NAME;

/// Where distributions put nginx's stream module, unless it is built in.
const NGINX_MODULES: [&str; 3] = [
    "/usr/lib/nginx/modules/ngx_stream_module.so",
    "/usr/lib64/nginx/modules/ngx_stream_module.so",
    "/usr/local/lib/nginx/modules/ngx_stream_module.so",
];

/// When HAProxy splices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splice {
    Forced,
    Auto,
    Off,
}

pub fn portolan(front: &Front, splice: bool) -> String {
    let targets: Vec<&str> = front.pairs.iter().map(|pair| &*pair.target).collect();
    let mut text = format!(
        "[clusters.main]\nbootstrap_servers = {targets:?}\nadvertised_host = \"127.0.0.1\"\nlisten_address = \"127.0.0.1\"\n\
         bootstrap_port = {}\n",
        front.bootstrap
    );
    for pair in &front.pairs {
        let (node, port, target) = (pair.node, pair.port, &pair.target);
        let _ = writeln!(
            text,
            "[[clusters.main.nodes]]\nids = \"{node}\"\nport = {port}\naddress = {target:?}"
        );
    }
    if let Some(files) = &front.client_tls {
        let (certificate, key) = (&files.certificate, &files.key);
        let _ = writeln!(
            text,
            "[clusters.main.tls]\ncertificate = {certificate:?}\nkey = {key:?}"
        );
    }
    if let Some(files) = &front.broker_tls {
        let _ = writeln!(text, "[clusters.main.upstream_tls]\nca = {:?}", files.root);
    }
    let _ = writeln!(text, "[admin]\nlisten = \"127.0.0.1:{}\"", front.admin);
    if let Some(hosts) = &front.hosts_file {
        let _ = writeln!(text, "[dns]\nhosts_file = {hosts:?}");
    }
    text.push_str("[runtime]\nthreads = 1\n");
    if !splice {
        text.push_str("splice = false\n");
    }
    text
}

pub fn haproxy(front: &Front, splice: Splice) -> String {
    let (pipes, splice) = match splice {
        Splice::Forced => (
            "    tune.pipesize 262144\n",
            "    option splice-request\n    option splice-response\n",
        ),
        Splice::Auto => ("", "    option splice-auto\n"),
        Splice::Off => ("", ""),
    };
    let mut text = format!(
        "global\n    nbthread 1\n    maxconn 4096\n{pipes}\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 5m\n    timeout server 5m\n{splice}"
    );
    let bind = front.client_tls.as_ref();
    let bind = bind.map(|files| format!(" ssl crt {}", files.both.display()));
    let server = front.broker_tls.as_ref().map(|files| {
        let root = files.root.display();
        format!(" ssl ca-file {root} verify required verifyhost {NAME}")
    });
    let (bind, server) = (bind.unwrap_or_default(), server.unwrap_or_default());
    for pair in &front.pairs {
        let (node, port, target) = (pair.node, pair.port, &pair.target);
        let _ = write!(
            text,
            "frontend in-{node}\n    bind 127.0.0.1:{port}{bind}\n    default_backend out-{node}\n\
             backend out-{node}\n    server broker {target}{server}\n"
        );
    }
    text
}

pub fn nginx(front: &Front, pid: &Path) -> String {
    let mut text = String::new();
    if let Some(module) = NGINX_MODULES.iter().find(|path| Path::new(path).is_file()) {
        let _ = writeln!(text, "load_module {module};");
    }
    let _ = write!(
        text,
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {};\nerror_log stderr crit;\n\
         events {{ worker_connections 8192; }}\nstream {{\n    access_log off;\n",
        pid.display()
    );
    let mut listen = "";
    if let Some(files) = &front.client_tls {
        listen = " ssl";
        let _ = writeln!(
            text,
            "    ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.2 TLSv1.3;",
            files.certificate.display(),
            files.key.display()
        );
    }
    if let Some(files) = &front.broker_tls {
        let _ = writeln!(
            text,
            "    proxy_ssl on;\n    proxy_ssl_protocols TLSv1.2 TLSv1.3;\n    proxy_ssl_verify on;\n    \
             proxy_ssl_trusted_certificate {};\n    proxy_ssl_name {NAME};",
            files.root.display()
        );
    }
    for pair in &front.pairs {
        let (port, target) = (pair.port, &pair.target);
        let _ = writeln!(
            text,
            "    server {{ listen 127.0.0.1:{port}{listen}; proxy_pass {target}; }}"
        );
    }
    text.push_str("}\n");
    text
}

pub fn kafka_proxy(front: &Front) -> Vec<String> {
    let mut arguments = ["server", "--http-disable", "--log-level", "error"]
        .map(String::from)
        .to_vec();
    for pair in &front.pairs {
        let (port, target) = (pair.port, &pair.target);
        arguments.push("--bootstrap-server-mapping".to_owned());
        arguments.push(format!("{target},127.0.0.1:{port}"));
    }
    arguments
}

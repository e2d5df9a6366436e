//! The proxies' configurations: each as a user would write it for this purpose, with one thread.

use std::fmt::Write;
use std::path::Path;

use crate::routes::{Front, RouteId};

/// Where distributions put nginx's stream module, unless it is built in.
const NGINX_MODULES: [&str; 3] = [
    "/usr/lib/nginx/modules/ngx_stream_module.so",
    "/usr/lib64/nginx/modules/ngx_stream_module.so",
    "/usr/local/lib/nginx/modules/ngx_stream_module.so",
];

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

pub fn haproxy(front: &Front, id: RouteId) -> String {
    let (pipes, splice) = match id {
        RouteId::HaproxyForced => (
            "    tune.pipesize 262144\n",
            "    option splice-request\n    option splice-response\n",
        ),
        RouteId::HaproxyAuto => ("", "    option splice-auto\n"),
        _ => ("", ""),
    };
    let mut text = format!(
        "global\n    nbthread 1\n    maxconn 4096\n{pipes}\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 5m\n    timeout server 5m\n{splice}"
    );
    for pair in &front.pairs {
        let (node, port, target) = (pair.node, pair.port, &pair.target);
        let _ = write!(
            text,
            "frontend in-{node}\n    bind 127.0.0.1:{port}\n    default_backend out-{node}\n\
             backend out-{node}\n    server broker {target}\n"
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
    for pair in &front.pairs {
        let (port, target) = (pair.port, &pair.target);
        let _ = writeln!(
            text,
            "    server {{ listen 127.0.0.1:{port}; proxy_pass {target}; }}"
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

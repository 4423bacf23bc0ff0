//! What Headgate is compared with, tuned as well as we know.

use std::fmt::Write;

use clap::ValueEnum;
use serde::Serialize;

use super::load::Case;

/// Ports of loopback in the bed's namespace.
pub const BACKEND: u16 = 9000;
pub const HEADGATE: u16 = 8000;
pub const PEER: u16 = 8001;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    Nginx,
    Haproxy,
    /// Headgate against itself: what the method gives for equals.
    Headgate,
}

/// The head of an nginx configuration with one worker and its files in `home`.
fn nginx_head(home: &str, name: &str) -> String {
    let mut text = format!(
        "daemon off; user root; worker_processes 1; worker_rlimit_nofile 8192; pid {home}/{name}.pid; error_log {home}/{name}.log;\n\
         events {{ worker_connections 4096; multi_accept on; }}\nhttp {{ access_log off; keepalive_requests 1000000000; \
         keepalive_timeout 600; tcp_nodelay on; tcp_nopush on; sendfile on; client_body_buffer_size 128k; client_max_body_size 1g; \
         open_file_cache max=100 inactive=600s;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{kind}_temp_path {home}/{name}-{kind};").expect("a string takes all");
    }
    text
}

/// The server behind all candidates.
pub fn backend(home: &str) -> String {
    let head = nginx_head(home, "backend");
    format!(
        "{head}server {{ listen 127.0.0.1:{BACKEND} backlog=4096; root {home}/www; \
         location = /post {{ proxy_pass http://127.0.0.1:{BACKEND}/sink; }} location = /sink {{ return 200 \"{}\"; }} }} }}\n",
        "x".repeat(128)
    )
}

pub fn nginx(home: &str, case: Case) -> String {
    let head = nginx_head(home, "nginx");
    let listen = if case.is_tls() { "ssl" } else { "" };
    let tls = format!("ssl_certificate {home}/a.pem; ssl_certificate_key {home}/a.key; ssl_session_tickets off;");
    format!(
        "{head}upstream app {{ server 127.0.0.1:{BACKEND}; keepalive 1024; keepalive_requests 1000000000; }}\n\
         server {{ listen 127.0.0.1:{PEER} {listen} backlog=4096 deferred; {}\n\
         location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_buffers 32 64k; proxy_buffer_size 64k; \
         proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0; }} }} }}\n",
        if case.is_tls() { tls.as_str() } else { "" }
    )
}

pub fn haproxy(home: &str, case: Case) -> String {
    let listen = if case.is_tls() { format!("ssl crt {home}/both.pem no-tls-tickets") } else { String::new() };
    let splice = if case.is_download() { "option splice-response" } else { "" };
    format!(
        "global\n nbthread 1\n maxconn 8192\n tune.bufsize 65536\n tune.ssl.cachesize 0\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 600s\n timeout server 600s\n option forwardfor\n {splice}\n\
         http-reuse always\n\
         frontend f\n bind 127.0.0.1:{PEER} backlog 4096 defer-accept {listen}\n default_backend b\n\
         backend b\n server s 127.0.0.1:{BACKEND} pool-max-conn 1024\n"
    )
}

/// `port`: where it listens.
pub fn headgate(home: &str, case: Case, core: usize, port: u16) -> String {
    let tls = format!("tls = {{ certificates = [{{ cert = \"{home}/a.pem\", key = \"{home}/a.key\" }}] }}");
    format!(
        "[proxy]\nworkers = [{core}]\n[[upstream]]\nname = \"app\"\nkeepalive = 1024\n\
         [[upstream.server]]\naddress = \"127.0.0.1:{BACKEND}\"\n\
         [[listener]]\nname = \"http\"\naddress = [\"127.0.0.1:{port}\"]\n{}\n[[listener.route]]\nupstream = \"app\"\n",
        if case.is_tls() { tls.as_str() } else { "" }
    )
}

//! nginx as a server.

use std::net::{SocketAddr, TcpStream};

use headgate_testbed::{Namespace, Process, wait_for};

use super::PATIENCE;

/// `http`: what its `http` block has besides the settings of every test; it is ready when it listens at these.
pub fn nginx(ns: &Namespace, addresses: &[SocketAddr], http: &str) -> Process {
    let home = ns.directory().display().to_string();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {home}/nginx-{kind};\n"))
        .concat();
    let text = format!(
        "daemon off; master_process off; user root; pid {home}/nginx.pid; error_log {home}/nginx.log;\n\
         events {{}} http {{ access_log off;\n{temporary}{http} }}"
    );
    let file = format!("{home}/nginx.conf");
    std::fs::write(&file, text).unwrap();
    let process = ns.spawn(&["nginx", "-e", "/dev/null", "-c", &file]).unwrap();
    let listens = || addresses.iter().all(|address| ns.enter(|| TcpStream::connect(address)).unwrap().is_ok());
    wait_for(PATIENCE, "nginx listens", listens).unwrap();
    process
}

//! Endpoints that run as threads of this process with sockets in a namespace.

pub mod body;
mod echo;
mod http_backend;
mod http_client;
mod load;

pub use echo::{TcpEcho, UdpEcho, udp_ask};
pub use http_backend::HttpBackend;
pub use http_client::{HttpClient, Response, http_get};
pub use load::{Load, LoadReport, RunningLoad};

//! Moving bytes: the buffers they rest in and the sockets they come and go by.

pub mod buffer;
pub mod deadline;
pub mod moved;
#[cfg(target_os = "linux")]
pub mod pipe;
#[cfg(not(target_os = "linux"))]
#[path = "no_pipe.rs"]
pub mod pipe;
pub mod proxy_protocol;
pub mod stream;
pub mod tls;

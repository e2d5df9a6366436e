//! Moving bytes: the buffers they rest in and the sockets they come and go by.

pub mod buffer;
pub mod deadline;
pub mod stream;

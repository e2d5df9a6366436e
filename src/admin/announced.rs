//! Connections to the admin listener that begin with a PROXY protocol header. A Network Load Balancer that puts one before
//! clients' connections puts it before those of its health checks, too, and HAProxy can (`check-send-proxy`). Nothing is
//! believed of it, so it does not matter whose it is.

use std::io::{self, Cursor, ErrorKind};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::transport::proxy_protocol::{LONGEST, Parsed, parse};

/// The connection from behind the header on, once its first bytes came.
pub(super) async fn past_header(stream: TcpStream) -> io::Result<impl AsyncRead + AsyncWrite> {
    let (mut reader, writer) = stream.into_split();
    let mut first = Vec::new();
    loop {
        if reader.read_buf(&mut first).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let parsed =
            parse(&first).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        match parsed {
            Parsed::NeedMore if first.len() < LONGEST => {}
            Parsed::NeedMore => return Err(ErrorKind::InvalidData.into()),
            Parsed::Absent => break,
            Parsed::Header { bytes, .. } => {
                first.drain(..bytes);
                break;
            }
        }
    }
    Ok(tokio::io::join(Cursor::new(first).chain(reader), writer))
}

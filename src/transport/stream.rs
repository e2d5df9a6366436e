//! One leg of a session: a socket that two pumps of one task share, one reading and one writing.

use std::cell::{Cell, RefCell, RefMut};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::buffer::Buffer;
use super::moved;
use super::pipe::Pipe;
use super::tls::channel::Channel;

/// A connected byte stream. Reading and writing take `&self`, because both pumps of a session, which never run at the
/// same time, hold it.
#[derive(Debug)]
pub struct Stream {
    io: RefCell<Io>,
    /// What stands between the socket's bytes and those that are read and written here.
    tls: Option<RefCell<Box<Channel>>>,
    /// Whoever writes to it waits until it takes more.
    full: Cell<bool>,
}

#[derive(Debug)]
enum Io {
    /// Registered: the runtime wakes the session for it.
    Live(TcpStream),
    /// Not registered, see [`Stream::park`].
    Parked(std::net::TcpStream),
    /// The runtime refused to give it back or to take it.
    Lost,
}

impl Stream {
    /// Takes over a connected socket.
    pub fn new(socket: TcpStream) -> Self {
        Stream {
            io: RefCell::new(Io::Live(socket)),
            tls: None,
            full: Cell::new(false),
        }
    }

    /// Takes over a connected socket and the TLS connection over it.
    pub fn with_tls(socket: TcpStream, channel: Channel) -> Self {
        Stream {
            tls: Some(RefCell::new(Box::new(channel))),
            ..Stream::new(socket)
        }
    }

    /// Whether its bytes can go through a pipe, or be looked at while they are in the socket.
    pub fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Takes the socket away from the runtime until it is read from again. Each segment that arrives would wake the thread,
    /// for nothing as long as what came before it cannot be passed on. What is written goes out as ever; while that waits
    /// the socket stays where it is, for nobody else tells when it goes on.
    pub fn park(&self) {
        if self.full.get() {
            return;
        }
        let mut io = self.io.borrow_mut();
        if let Io::Live(_) = *io
            && let Io::Live(socket) = std::mem::replace(&mut *io, Io::Lost)
            && let Ok(socket) = socket.into_std()
        {
            *io = Io::Parked(socket);
        }
    }

    /// The socket, registered again if it was not.
    fn live(&self) -> io::Result<RefMut<'_, TcpStream>> {
        let mut io = self.io.borrow_mut();
        if let Io::Parked(_) = *io
            && let Io::Parked(socket) = std::mem::replace(&mut *io, Io::Lost)
        {
            *io = Io::Live(TcpStream::from_std(socket)?);
        }
        let live = RefMut::filter_map(io, |io| match io {
            Io::Live(socket) => Some(socket),
            Io::Parked(_) | Io::Lost => None,
        });
        live.map_err(|_| io::ErrorKind::NotConnected.into())
    }

    /// Tries what needs no waiting while the socket is not registered. `None`: it is, or it must be waited for.
    fn try_parked<T>(
        &self,
        attempt: impl FnOnce(&std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let io = self.io.borrow();
        let Io::Parked(socket) = &*io else {
            return None;
        };
        match attempt(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            outcome => Some(outcome),
        }
    }

    /// The socket for what never waits; `None` if it is lost.
    fn options<T>(&self, act: impl FnOnce(SockRef<'_>) -> T) -> Option<T> {
        match &*self.io.borrow() {
            Io::Live(socket) => Some(act(SockRef::from(socket))),
            Io::Parked(socket) => Some(act(SockRef::from(socket))),
            Io::Lost => None,
        }
    }

    /// Reads once into the buffer's room, at most `most` bytes; neither may be zero. `Ok(0)` is the peer's end of stream.
    pub fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let mut io = self.live()?;
        if let Some(tls) = &self.tls {
            return tls.borrow_mut().poll_read(cx, &mut io, buffer, most);
        }
        let room = buffer.room();
        let most = most.min(room.len());
        let mut room = ReadBuf::new(&mut room[..most]);
        ready!(Pin::new(&mut *io).poll_read(cx, &mut room))?;
        let n = room.filled().len();
        buffer.filled(n);
        Poll::Ready(Ok(n))
    }

    /// Writes once; returns how many bytes were taken.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &self.tls {
            Some(tls) => {
                let mut io = self.live()?;
                ready!(tls.borrow_mut().poll_write(cx, &mut io, bytes))?
            }
            None => ready!(self.poll_write_plain(cx, bytes))?,
        };
        match written {
            0 if !bytes.is_empty() => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => {
                moved::copied(n);
                Poll::Ready(Ok(n))
            }
        }
    }

    fn poll_write_plain(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(written) = self.try_parked(|mut socket| socket.write(bytes)) {
            return Poll::Ready(written);
        }
        let written = Pin::new(&mut *self.live()?).poll_write(cx, bytes);
        self.full.set(written.is_pending());
        written
    }

    /// Looks at up to `most` bytes (not zero) without taking them: they are in the buffer and still in the socket. `Ok(0)` is
    /// the peer's end of stream.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let room = buffer.room();
        let most = most.min(room.len());
        let mut room = ReadBuf::new(&mut room[..most]);
        let n = ready!(self.live()?.poll_peek(cx, &mut room))?;
        buffer.filled(n);
        Poll::Ready(Ok(n))
    }

    /// The same without waiting: `None` where nothing is there now, and at the end of the stream.
    pub fn try_peek(&self, buffer: &mut Buffer, most: usize) -> io::Result<Option<usize>> {
        let peeked = try_peek(&*self.live()?, buffer, most)?;
        Ok(peeked.filter(|n| *n > 0))
    }

    /// Takes `n` bytes that were looked at out of the socket.
    pub fn take_peeked(&self, n: usize) -> io::Result<()> {
        take_peeked(&*self.live()?, n)
    }

    /// Moves up to `most` bytes (not zero) into an empty pipe. `Ok(0)` is the peer's end of stream.
    pub fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let io = self.live()?;
        loop {
            ready!(io.poll_read_ready(cx))?;
            match io.try_io(Interest::READABLE, || pipe.fill(&*io, most)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Moves up to `most` bytes (not zero) into a pipe that holds some already, without waiting. `None` where nothing is
    /// there now, at the end of the stream, or if the pipe has no room.
    pub fn try_fill(&self, pipe: &mut Pipe, most: usize) -> io::Result<Option<usize>> {
        match pipe.fill(&*self.live()?, most) {
            Ok(0) => Ok(None),
            Ok(n) => Ok(Some(n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves bytes out of a pipe that holds some; returns how many the socket took.
    pub fn poll_drain(&self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        let drained = match self.try_parked(|socket| pipe.drain(socket)) {
            Some(drained) => drained?,
            None => {
                let drained = self.poll_drain_live(cx, pipe);
                self.full.set(drained.is_pending());
                ready!(drained)?
            }
        };
        match drained {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => {
                moved::spliced(n);
                Poll::Ready(Ok(n))
            }
        }
    }

    fn poll_drain_live(&self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        let io = self.live()?;
        loop {
            ready!(io.poll_write_ready(cx))?;
            match io.try_io(Interest::WRITABLE, || pipe.drain(&*io)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Tells the peer that nothing more will be written (half-close).
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut io = self.live()?;
        match &self.tls {
            Some(tls) => tls.borrow_mut().poll_shutdown(cx, &mut io),
            None => Pin::new(&mut *io).poll_shutdown(cx),
        }
    }

    /// Our end's address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.options(|socket| socket.local_addr());
        let address = address.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))?;
        address
            .as_socket()
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Whether the connection has failed (a reset, keepalive without an answer), as far as the kernel has not told yet.
    pub fn is_broken(&self) -> bool {
        let error = self.options(|socket| socket.take_error());
        !matches!(error, Some(Ok(None)))
    }

    /// Makes the close that follows an abortive one (RST), as the other leg's was.
    pub fn reset_on_close(&self) {
        // A socket that is already gone cannot be reset, and need not be.
        let _ = self.options(|socket| socket.set_linger(Some(Duration::ZERO)));
    }
}

/// Looks at up to `most` bytes (not zero) of a socket without taking them and without waiting: `None` where nothing is there
/// now, 0 at the end of the stream.
pub fn try_peek(socket: &TcpStream, buffer: &mut Buffer, most: usize) -> io::Result<Option<usize>> {
    let room = buffer.room();
    let most = most.min(room.len());
    let peek = || Ok(recv(socket, &mut room[..most], RecvFlags::PEEK)?);
    match socket.try_io(Interest::READABLE, peek) {
        Ok((n, _)) => {
            buffer.filled(n);
            Ok(Some(n))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes `n` bytes that were looked at out of a socket.
pub fn take_peeked(socket: &TcpStream, mut n: usize) -> io::Result<()> {
    let mut scratch = [0; 512];
    while n > 0 {
        let most = n.min(scratch.len());
        match socket.try_read(&mut scratch[..most])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            taken => n -= taken,
        }
    }
    Ok(())
}

/// Whether an I/O error means that the peer went away without saying goodbye: an end, not a fault of ours.
pub fn is_disconnect(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, NetworkUnreachable,
        NotConnected, TimedOut,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | NetworkUnreachable
            | NotConnected
            | TimedOut
    )
}

/// Whether an I/O error is one of these of the operating system, for which [`io::ErrorKind`] has no stable word.
pub fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    let code = error.raw_os_error();
    errnos
        .iter()
        .any(|errno| Some(errno.raw_os_error()) == code)
}

/// What every socket of a session gets: no Nagle delay, and keepalive probes (a cloud balancer forgets a silent
/// connection after minutes, Kafka clients keep one for nine).
pub fn tune<'s>(socket: impl Into<SockRef<'s>>, keepalive: Option<Duration>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    if let Some(interval) = keepalive {
        let probes = TcpKeepalive::new()
            .with_time(interval)
            .with_interval(interval);
        socket.set_tcp_keepalive(&probes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_send_at_once_and_probe_a_silent_peer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        tune(&socket, None).unwrap();
        assert!(socket.nodelay().unwrap());
        assert!(!SockRef::from(&socket).keepalive().unwrap());
        let interval = Duration::from_secs(77);
        tune(&socket, Some(interval)).unwrap();
        let options = SockRef::from(&socket);
        assert!(options.keepalive().unwrap());
        assert_eq!(options.tcp_keepalive_time().unwrap(), interval);
        assert_eq!(options.tcp_keepalive_interval().unwrap(), interval);
    }
}

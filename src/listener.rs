//! The server's public listener: how many may connect, who must say something soon, and TLS if it has a certificate.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tonic::transport::{
    Certificate, Identity, ServerTlsConfig,
    server::{Connected, TcpConnectInfo, TcpIncoming},
};

use crate::config::ServeSettings;

/// Time in which a connection must say its first byte, and end its TLS handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections as they come, up to so many at a time; more are closed at once.
pub fn connections(listener: TcpListener, most: u32) -> impl Stream<Item = io::Result<Connection>> {
    let most = usize::try_from(most)
        .unwrap_or(Semaphore::MAX_PERMITS)
        .min(Semaphore::MAX_PERMITS);
    let seats = Arc::new(Semaphore::new(most));
    // The builder's own setting does not reach connections that come from a listener.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    incoming.filter_map(move |stream| {
        let seat = Arc::clone(&seats).try_acquire_owned();
        std::future::ready(match (stream, seat) {
            (Ok(stream), Ok(seat)) => Some(Ok(Connection {
                stream,
                silence: Some(Box::pin(sleep(PATIENCE))),
                _seat: seat,
            })),
            (Ok(_), Err(_)) => {
                metrics::counter!("connections_refused_total").increment(1);
                None
            }
            (Err(cause), _) => Some(Err(cause)),
        })
    })
}

/// TLS as set: none without a certificate.
pub fn tls(settings: &ServeSettings) -> anyhow::Result<Option<ServerTlsConfig>> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let (Some(certificate), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
        return Ok(None);
    };
    let mut tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(read(certificate)?, read(key)?))
        .timeout(PATIENCE);
    if let Some(authorities) = &settings.tls_client_ca {
        tls = tls.client_ca_root(Certificate::from_pem(read(authorities)?));
    }
    Ok(Some(tls))
}

/// One connection of all.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Runs until the first byte was heard.
    silence: Option<Pin<Box<Sleep>>>,
    _seat: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.silence = None;
        } else if let Some(silence) = &mut self.silence
            && silence.poll_unpin(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

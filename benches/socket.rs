//! A WebSocket that hears as cheaply as can be: a thousand of them share the machine with what is measured.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// A WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    bytes: Vec<u8>,
    at: usize,
}

impl Socket {
    /// Opens one and subscribes to tasks; returns when it would hear of the next event.
    pub async fn open(bridge: SocketAddr, token: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(bridge).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /ws/v1/watch HTTP/1.1\r\nhost: {bridge}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let bytes = Vec::with_capacity(8 * 1024);
        let mut socket = Self { stream, bytes, at: 0 };
        socket.expect("welcome").await?;
        socket
            .say(TEXT, br#"{"type":"subscribe","filter":{"nouns":["NOUN_TASK"]}}"#)
            .await?;
        socket.expect("subscribed").await?;
        socket.expect("checkpoint").await?;
        Ok(socket)
    }

    async fn expect(&mut self, kind: &str) -> Result<()> {
        let wanted = format!(r#""type":"{kind}""#);
        let heard = String::from_utf8_lossy(self.hear().await?);
        ensure!(heard.contains(&wanted), "{kind} was expected: {heard}");
        Ok(())
    }

    /// Says something short; the mask is zero.
    async fn say(&mut self, kind: u8, text: &[u8]) -> Result<()> {
        let length = u8::try_from(text.len())
            .ok()
            .filter(|length| *length < 126)
            .context("too long")?;
        let mut frame = vec![0x80 | kind, 0x80 | length, 0, 0, 0, 0];
        frame.extend(text);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The next text.
    pub async fn hear(&mut self) -> Result<&[u8]> {
        loop {
            let Some((kind, from, end)) = self.frame() else {
                self.bytes.drain(..self.at);
                self.at = 0;
                self.bytes.reserve(8 * 1024);
                ensure!(self.stream.read_buf(&mut self.bytes).await? > 0, "the bridge closed a socket");
                continue;
            };
            self.at = end;
            match kind {
                TEXT => return Ok(&self.bytes[from..end]),
                CLOSE => bail!("closed: {}", String::from_utf8_lossy(&self.bytes[from..end])),
                PING => self.say(PING + 1, b"").await?,
                _ => {}
            }
        }
    }

    /// Kind, beginning and end of the next frame, if it is whole. A server's frames have no mask.
    fn frame(&self) -> Option<(u8, usize, usize)> {
        let bytes = &self.bytes[self.at..];
        let (kind, length) = (bytes.first()? & 0x0f, bytes.get(1)?);
        let (head, length) = match length {
            126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
            127 => (
                10,
                usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
            ),
            length => (2, usize::from(*length)),
        };
        (bytes.len() >= head + length).then_some((kind, self.at + head, self.at + head + length))
    }
}

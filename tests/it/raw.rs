//! Bytes to a door and what comes back, for what no well-behaved client can be made to send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::PATIENCE;

/// An answer as it came.
#[derive(Debug)]
pub struct Said(pub String);

impl Said {
    /// Its status; 0 if there was no answer.
    pub fn status(&self) -> u16 {
        let status = self.0.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_default()
    }

    /// A header of the first answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(said, _)| said.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }

    /// How many answers came.
    pub fn answers(&self) -> usize {
        self.0.matches("HTTP/1.1 ").count()
    }
}

/// Sends bytes, and reads until the other side closes, or says nothing for a while.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> Said {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    heard(&mut stream, Duration::from_secs(2)).await
}

/// Reads until the other side closes, or says nothing for a while.
pub async fn heard(stream: &mut TcpStream, silence: Duration) -> Said {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    while let Ok(Ok(count @ 1..)) = timeout(silence.min(PATIENCE), stream.read(&mut part)).await {
        all.extend_from_slice(&part[..count]);
    }
    Said(String::from_utf8_lossy(&all).into_owned())
}

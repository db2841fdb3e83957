//! Whether a program answers: asked, never guessed.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::{Result, anyhow, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_postgres::NoTls;

/// Longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to ask a program whether it is ready.
#[derive(Debug, Clone)]
pub enum Probe {
    /// Connect and ask for 1.
    Postgres(String),
    /// PING.
    Redis(String),
    /// GET this path; 200 is yes.
    Http(SocketAddr, &'static str),
}

impl Probe {
    /// Asks once.
    pub async fn ask(&self) -> Result<()> {
        let answer = async {
            match self {
                Self::Postgres(url) => postgres(url, "SELECT 1").await,
                Self::Redis(url) => redis(url).await,
                Self::Http(address, path) => match http("GET", *address, path).await? {
                    (200, _) => Ok(()),
                    (status, _) => bail!("GET {path} says {status}"),
                },
            }
        };
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(anyhow!("no answer")))
    }
}

/// Runs one statement on a fresh connection.
pub async fn postgres(url: &str, statement: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::select! {
        done = client.batch_execute(statement) => Ok(done?),
        lost = connection => Err(lost.err().map_or_else(|| anyhow!("connection closed"), Into::into)),
    }
}

async fn redis(url: &str) -> Result<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("PING").exec_async(&mut connection).await?)
}

/// Status and body of a small HTTP answer.
pub async fn http(method: &str, address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match status {
        Some(status) => Ok((status, body.to_owned())),
        None => Err(io::Error::other("not HTTP")),
    }
}

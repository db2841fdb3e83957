//! Between a server and its database: hears every statement that is run.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};
use tokio_postgres::config::Host;

/// What a server asks its database through.
pub struct Tap {
    /// The database's URL through here.
    pub url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    /// Before the database of a URL, which is on this machine.
    pub fn before(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (user, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
        let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
        let heard = Arc::default();
        tokio::spawn(serve(listener, config.clone(), Arc::clone(&heard)));
        Self {
            url: format!("postgresql://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable"),
            heard,
        }
    }

    /// What was run since it was asked last.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

async fn serve(listener: TcpListener, config: tokio_postgres::Config, heard: Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        let port = config.get_ports().first().copied().unwrap_or(5432);
        match config.get_hosts()[0].clone() {
            Host::Unix(folder) => {
                let server = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await.unwrap();
                tokio::spawn(pass(client, server, heard));
            }
            Host::Tcp(name) => {
                let server = TcpStream::connect((name, port)).await.unwrap();
                tokio::spawn(pass(client, server, heard));
            }
        }
    }
}

async fn pass(client: TcpStream, server: impl AsyncRead + AsyncWrite, heard: Arc<Mutex<Vec<String>>>) {
    let (mut answers, mut asks) = tokio::io::split(server);
    let (mut from, mut to) = client.into_split();
    let back = async {
        let _ = tokio::io::copy(&mut answers, &mut to).await;
    };
    let forth = async {
        let mut ear = Ear::default();
        let mut bytes = BytesMut::with_capacity(1 << 16);
        while from.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
            let taken = bytes.split();
            // Heard before it is answered.
            heard.lock().unwrap().extend(ear.hear(&taken));
            if asks.write_all(&taken).await.is_err() {
                break;
            }
        }
    };
    // Whichever side ends, ends the other.
    tokio::select! {
        () = back => {}
        () = forth => {}
    }
}

/// Understands what a client says, as far as it names statements.
#[derive(Default)]
struct Ear {
    rest: BytesMut,
    begun: bool,
    prepared: HashMap<String, String>,
}

impl Ear {
    fn hear(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut run = Vec::new();
        // The first message has no kind.
        let head = |begun: bool| if begun { 1 } else { 0 };
        while self.rest.len() >= head(self.begun) + 4 {
            let before = head(self.begun);
            let length = before + (&self.rest[before..]).get_u32() as usize;
            if self.rest.len() < length {
                break;
            }
            let message = self.rest.split_to(length);
            if !std::mem::replace(&mut self.begun, true) {
                continue;
            }
            let mut texts = message[5..].split(|byte| *byte == 0);
            let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
            match message[0] {
                b'Q' => run.push(text()),
                b'P' => drop(self.prepared.insert(text(), text())),
                b'B' => {
                    let (_portal, name) = (text(), text());
                    run.push(self.prepared[&name].clone());
                }
                _ => {}
            }
        }
        run
    }
}

//! An SMTP server that records what it got.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::world::until;

/// A mail as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Name and password that the sender signed in with.
    pub signed_in: Option<(String, String)>,
    /// To whom.
    pub to: String,
    /// Lines before the text.
    pub head: String,
    /// The text, decoded.
    pub text: String,
}

/// How the server behaves.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// Never says a word.
    pub silent: bool,
    /// What it answers to the next recipients, before it takes any.
    pub refusals: Arc<Mutex<VecDeque<&'static str>>>,
}

/// A running server.
pub struct Smtp {
    /// Where it listens.
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
    callers: Arc<Mutex<u32>>,
    running: JoinHandle<()>,
}

impl Smtp {
    /// Starts one on a free port.
    pub async fn start(manners: Manners) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), manners).await
    }

    /// Starts one at an address.
    pub async fn at(address: SocketAddr, manners: Manners) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (mails, callers) = (Arc::new(Mutex::default()), Arc::new(Mutex::default()));
        let server = (Arc::clone(&mails), Arc::clone(&callers), manners);
        Self {
            address: listener.local_addr().unwrap(),
            mails,
            callers,
            running: tokio::spawn(async move {
                let (mails, callers, manners) = server;
                while let Ok((stream, _)) = listener.accept().await {
                    *callers.lock().unwrap() += 1;
                    tokio::spawn(serve(stream, manners.clone(), Arc::clone(&mails)));
                }
            }),
        }
    }

    /// What came so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    /// Waits for a mail to somebody with a link to a page; the token in the latest such link.
    pub async fn link(&self, to: &str, page: &str) -> String {
        let mark = format!("{page}?token=");
        let found = || {
            let mut mails = self.mails().into_iter().rev().filter(|mail| mail.to == to);
            mails.find_map(|mail| {
                let (_, after) = mail.text.split_once(&mark)?;
                Some(after.split_whitespace().next()?.to_owned())
            })
        };
        until("the mail is there", async || found().is_some()).await;
        found().unwrap()
    }

    /// How many came so far, whether they got rid of their mail or not.
    pub fn callers(&self) -> u32 {
        *self.callers.lock().unwrap()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(stream: TcpStream, manners: Manners, mails: Arc<Mutex<Vec<Mail>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    if manners.silent {
        while let Ok(Some(_)) = lines.next_line().await {}
        return;
    }
    let mut signed_in = None;
    let mut to = String::new();
    let mut say = async |text: &str| write.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    say("220 mail.gad.example").await;
    while let Ok(Some(line)) = lines.next_line().await {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => say("250-mail.gad.example\r\n250-8BITMIME\r\n250 AUTH PLAIN").await,
            "AUTH" => {
                let plain = STANDARD.decode(rest.split(' ').next_back().unwrap()).unwrap();
                let plain = String::from_utf8(plain).unwrap();
                let mut parts = plain.split('\0').skip(1).map(str::to_owned);
                signed_in = parts.next().zip(parts.next());
                say("235 welcome").await;
            }
            "RCPT" => {
                let refusal = manners.refusals.lock().unwrap().pop_front();
                rest.trim_start_matches("TO:<").trim_end_matches('>').clone_into(&mut to);
                say(refusal.unwrap_or("250 yes")).await;
            }
            "DATA" => {
                say("354 go on").await;
                let mut text = String::new();
                while let Ok(Some(line)) = lines.next_line().await
                    && line != "."
                {
                    text += line.strip_prefix('.').unwrap_or(&line);
                    text += "\r\n";
                }
                mails.lock().unwrap().push(read_mail(signed_in.clone(), &to, &text));
                say("250 taken").await;
            }
            "QUIT" => return say("221 bye").await,
            _ => say("250 yes").await,
        }
    }
}

/// A mail from its source.
pub fn read_mail(signed_in: Option<(String, String)>, to: &str, source: &str) -> Mail {
    let (head, body) = source.split_once("\r\n\r\n").unwrap();
    let text = if head.contains("quoted-printable") {
        from_quoted_printable(body)
    } else if head.contains("base64") {
        let joined: String = body.split_whitespace().collect();
        String::from_utf8(STANDARD.decode(joined).unwrap()).unwrap()
    } else {
        body.to_owned()
    };
    Mail {
        signed_in,
        to: to.to_owned(),
        head: head.to_owned(),
        text,
    }
}

fn from_quoted_printable(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'=' {
            let digits = std::str::from_utf8(&rest[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

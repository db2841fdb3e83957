//! Calls to addresses that somebody else chose: to public ones only, whatever they are called and wherever they lead.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gad::outbound::{Answer, Outbound, Policy, Refusal};
use reqwest::{Method, StatusCode};
use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A server that says the same to everybody; `$port` in it is its own.
async fn server(says: impl Into<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let says = Arc::new(says.into().replace("$port", &address.port().to_string()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let says = Arc::clone(&says);
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(says.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// What may be called in these tests: this machine by http, at one port.
fn inside(port: u16) -> Policy {
    Policy {
        plain: true,
        ports: vec![port],
        inside: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        patience: Duration::from_secs(5),
        longest: 1000,
        ..Policy::default()
    }
}

async fn get(policy: Policy, url: &str) -> Result<Answer, Refusal> {
    let outbound = Outbound::new(policy, RootCertStore::empty())?;
    outbound.call(Method::GET, url, |request| request).await
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfine";

#[tokio::test]
async fn this_machine_is_not_called_by_any_name() {
    let address = server(FINE).await;
    let port = address.port();
    let strict = || Policy {
        inside: Vec::new(),
        ..inside(port)
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "0.0.0.0",
        "[::]",
        "[64:ff9b::7f00:1]",
    ] {
        let said = get(strict(), &format!("http://{host}:{port}/")).await;
        assert_eq!(said, Err(Refusal::Address), "{host}");
    }
    let fine = Answer {
        status: StatusCode::OK,
        body: "fine".into(),
    };
    for host in ["127.0.0.1", "localhost"] {
        let said = get(inside(port), &format!("http://{host}:{port}/")).await;
        assert_eq!(said, Ok(fine.clone()), "{host}");
    }
}

#[tokio::test]
async fn redirects_are_judged_like_any_url() {
    for (leads_to, refusal) in [
        ("http://169.254.169.254:$port/latest/meta-data/", Refusal::Address),
        ("http://10.0.0.1:$port/", Refusal::Address),
        ("http://[::ffff:10.0.0.1]:$port/", Refusal::Address),
        (
            "http://127.0.0.1:22/",
            Refusal::Url("the port is none of those that may be called"),
        ),
        ("http://127.0.0.1:$port/", Refusal::Url("too many redirects")),
    ] {
        let says = format!("HTTP/1.1 302 Found\r\nlocation: {leads_to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let address = server(says).await;
        let said = get(inside(address.port()), &format!("http://{address}/")).await;
        assert_eq!(said, Err(refusal), "{leads_to}");
    }
}

#[tokio::test]
async fn what_is_no_web_address_is_not_followed() {
    for leads_to in [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://127.0.0.1/",
        "data:text/plain,x",
    ] {
        let says = format!("HTTP/1.1 302 Found\r\nlocation: {leads_to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let address = server(says).await;
        let said = get(inside(address.port()), &format!("http://{address}/")).await;
        let unfollowed = matches!(&said, Ok(answer) if answer.status == StatusCode::FOUND);
        let refused = said == Err(Refusal::Url("the scheme is not https"));
        assert!(unfollowed || refused, "{leads_to}: {said:?}");
    }
}

#[tokio::test]
async fn answers_are_bound_in_length_and_time() {
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(1001));
    let address = server(endless).await;
    let said = get(inside(address.port()), &format!("http://{address}/")).await;
    assert_eq!(said, Err(Refusal::TooLong));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let hasty = Policy {
        patience: Duration::from_millis(200),
        ..inside(address.port())
    };
    let said = tokio::time::timeout(Duration::from_secs(5), get(hasty, &format!("http://{address}/"))).await;
    assert!(matches!(said, Ok(Err(Refusal::Failed(_)))), "{said:?}");
}

#[tokio::test]
async fn nobody_is_believed_without_a_certificate_and_urls_are_not_told() {
    let address = server(FINE).await;
    let policy = Policy {
        plain: false,
        ..inside(address.port())
    };
    let said = get(policy.clone(), &format!("http://{address}/")).await;
    assert_eq!(said, Err(Refusal::Url("the scheme is not https")));
    let said = get(policy, &format!("https://{address}/hooks/s3cret")).await;
    match said {
        Err(Refusal::Failed(text)) => assert!(!text.contains("s3cret"), "{text}"),
        other => panic!("{other:?}"),
    }
}

//! Headers that every call may bring.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
    time::Duration,
};

use gad::{
    address::Proxies,
    domain::limit::Payer,
    error::Language,
    identity::{Seal, cookie},
    layer::deadline,
};
use http::{HeaderMap, HeaderValue, header::COOKIE};

/// Somebody out there.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// The edge.
const EDGE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

static PROXIES: LazyLock<Proxies> = LazyLock::new(|| {
    let networks = ["127.0.0.0/8", "10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
    Proxies::new(&networks)
});
static SEAL: LazyLock<Seal> = LazyLock::new(|| Seal::new("a secret of the installation".into()));

/// One value per line: `grpc-timeout`, `accept-language`, `x-forwarded-for`, `cookie`.
pub fn run(data: &[u8]) {
    let (timeout, rest) = super::line(data);
    let (language, rest) = super::line(rest);
    let (forwarded, rest) = super::line(rest);
    let (cookies, _) = super::line(rest);
    if let Some(text) = text(timeout) {
        timeout_of(&text);
    }
    if let Some(text) = text(language) {
        let known = Language::of(&text);
        assert_eq!(Language::of(known.tag()), known);
    }
    if let Ok(said) = HeaderValue::from_bytes(forwarded) {
        address(&said);
    }
    if let Ok(said) = HeaderValue::from_bytes(cookies) {
        cookie(&said);
    }
}

/// The text of a header, as the layers read it.
fn text(bytes: &[u8]) -> Option<String> {
    Some(HeaderValue::from_bytes(bytes).ok()?.to_str().ok()?.to_owned())
}

fn timeout_of(text: &str) {
    let Some(left) = deadline::parse(text) else {
        return;
    };
    assert!(left <= Duration::from_secs(99_999_999 * 3600));
    let (digits, unit) = text.split_at(text.len() - 1);
    let number: u128 = digits.parse().expect("digits");
    let nanos = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1000,
        "n" => 1,
        _ => panic!("{unit} is no unit"),
    };
    assert_eq!(left.as_nanos(), number * nanos);
}

/// What callers say of themselves counts for nothing, whatever it is and however the edge adds to it.
fn address(said: &HeaderValue) {
    let caller = |peer, lines: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line).expect("it was one"));
        }
        PROXIES.caller(peer, &headers)
    };
    let said = said.as_bytes();
    assert_eq!(caller(CALLER, &[said]), CALLER, "a stranger is believed");
    assert_eq!(caller(EDGE, &[said, b"203.0.113.7"]), CALLER);
    assert_eq!(caller(EDGE, &[&[said, b", 203.0.113.7"].concat()]), CALLER);
    assert_eq!(caller(EDGE, &[&[said, b",203.0.113.7:443 , 10.1.2.3"].concat()]), CALLER);
    let found = caller(EDGE, &[said]);
    assert_eq!(found, found.to_canonical());
    assert!(Payer::at(found).to_string().starts_with('a'));
}

fn cookie(said: &HeaderValue) {
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, said.clone());
    let Some(token) = cookie::access_token(&headers) else {
        headers.append(COOKIE, HeaderValue::from_static("a=b; access_token=t"));
        assert_eq!(cookie::access_token(&headers), Some("t"), "after what is no token");
        return;
    };
    assert!(!token.is_empty() && !token.contains(';'));
    let token = token.to_owned();
    headers.insert(cookie::CSRF_HEADER, said.clone());
    assert!(
        !cookie::is_meant(&SEAL, &token, &headers),
        "a page that cannot know is believed"
    );
    let csrf = cookie::csrf_token(&SEAL, &token);
    headers.insert(cookie::CSRF_HEADER, HeaderValue::try_from(csrf).expect("a header"));
    assert!(cookie::is_meant(&SEAL, &token, &headers));
}

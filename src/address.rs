//! Where a request comes from: its peer, unless that is a proxy which may be believed about others.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// What each proxy adds the address of its own peer to, at the end.
const FORWARDED: &str = "x-forwarded-for";

/// The proxies that are believed.
#[derive(Debug, Clone)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Proxies in these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.to_vec())
    }

    fn believes(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The caller's address: the last that a believed proxy named and that is no believed proxy itself. What stands before
    /// it is what the caller says of itself, and counts for nothing.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = peer.to_canonical();
        // In bytes: what a caller says of itself may be no text, and must not hide what a proxy added to it.
        let lines = headers.get_all(FORWARDED).iter();
        let named: Vec<&[u8]> = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
        for name in named.iter().rev() {
            if !self.believes(caller) {
                break;
            }
            match parsed(name) {
                Some(address) => caller = address,
                None => break,
            }
        }
        caller
    }
}

/// An address, with or without a port.
fn parsed(name: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(name.trim_ascii()).ok()?;
    let bare = text.parse::<IpAddr>();
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    bare.or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn caller(trusted: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let trusted: Vec<IpNet> = trusted.split(',').filter_map(|network| network.parse().ok()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED, HeaderValue::from_static(line));
        }
        let peer = peer.parse().expect("an address");
        Proxies::new(&trusted).caller(peer, &headers).to_string()
    }

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(caller("10.0.0.0/8", "203.0.113.7", &["1.2.3.4"]), "203.0.113.7");
        assert_eq!(caller("", "127.0.0.1", &["1.2.3.4"]), "127.0.0.1");
        assert_eq!(caller("127.0.0.0/8", "::ffff:203.0.113.7", &["1.2.3.4"]), "203.0.113.7");
    }

    #[test]
    fn a_believed_proxy_names_its_peer_and_what_stands_before_counts_for_nothing() {
        let trusted = "127.0.0.0/8,10.0.0.0/8";
        assert_eq!(caller(trusted, "127.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(caller(trusted, "127.0.0.1", &["1.2.3.4, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(
            caller(trusted, "127.0.0.1", &["1.2.3.4, 203.0.113.7, 10.0.0.9"]),
            "203.0.113.7"
        );
        assert_eq!(
            caller(trusted, "127.0.0.1", &["1.2.3.4", "203.0.113.7", "10.0.0.9"]),
            "203.0.113.7"
        );
        assert_eq!(caller(trusted, "127.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(caller(trusted, "127.0.0.1", &["1.2.3.4, 203.0.113.7:5678"]), "203.0.113.7");
    }

    #[test]
    fn what_is_no_text_does_not_hide_what_a_proxy_added() {
        let trusted: IpNet = "127.0.0.0/8".parse().expect("a network");
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"\xff, 203.0.113.7").expect("a header");
        headers.append(FORWARDED, line);
        let peer = "127.0.0.1".parse().expect("an address");
        assert_eq!(Proxies::new(&[trusted]).caller(peer, &headers).to_string(), "203.0.113.7");
    }

    #[test]
    fn what_is_no_address_ends_the_way_back() {
        assert_eq!(caller("127.0.0.0/8", "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(caller("127.0.0.0/8", "127.0.0.1", &["unknown"]), "127.0.0.1");
        assert_eq!(
            caller("127.0.0.0/8", "127.0.0.1", &["1.2.3.4, nonsense, 127.0.0.2"]),
            "127.0.0.2"
        );
        assert_eq!(caller("127.0.0.0/8", "127.0.0.1", &["127.0.0.3, 127.0.0.2"]), "127.0.0.3");
    }
}

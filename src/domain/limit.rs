//! How often somebody may call.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use super::UserId;

/// What a call counts as. Numbers as on the wire (`gad.v1.RateClass`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads of one thing or a page.
    Read = 1,
    /// Changes.
    Write = 2,
    /// Attempts to sign in.
    Login = 3,
    /// Opening a long stream.
    Stream = 4,
    /// Administration.
    Admin = 5,
    /// Opening a WebSocket or an event stream at the bridge.
    Handshake = 6,
    /// Taking much out at once.
    Export = 7,
    /// Making an account, or having a mail sent, by somebody who is not signed in.
    Register = 8,
    /// Exchanging a refresh token.
    Refresh = 9,
    /// Calls for help, and answers to them.
    Emergency = 10,
}

impl Class {
    /// All classes, by number.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Write,
        Self::Login,
        Self::Stream,
        Self::Admin,
        Self::Handshake,
        Self::Export,
        Self::Register,
        Self::Refresh,
        Self::Emergency,
    ];

    /// The class of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|class| *class as i32 == number)
    }

    /// Its name in keys and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Login => "login",
            Self::Stream => "stream",
            Self::Admin => "admin",
            Self::Handshake => "handshake",
            Self::Export => "export",
            Self::Register => "register",
            Self::Refresh => "refresh",
            Self::Emergency => "emergency",
        }
    }

    /// Whether calls are refused while nobody can count those of all replicas together: those that strangers make, and
    /// could make at every replica at once. The others go on, and each replica counts its own; so do exchanges of refresh
    /// tokens, which nobody guesses: people stay signed in.
    pub fn fails_closed(self) -> bool {
        match self {
            Self::Login | Self::Handshake | Self::Register => true,
            Self::Read | Self::Write | Self::Stream | Self::Admin | Self::Export | Self::Refresh | Self::Emergency => false,
        }
    }

    /// Whether only the call's handler knows who pays: it stands in the message.
    pub fn is_counted_by_handler(self) -> bool {
        matches!(self, Self::Handshake | Self::Refresh)
    }
}

/// Whom a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payer {
    /// Somebody who signed in.
    User(UserId),
    /// An API token: a program that calls too often must not keep out its owner, nor the owner's other programs.
    ApiToken(i64),
    /// Whoever is at an address.
    Address(IpAddr),
}

impl Payer {
    /// Whoever is at an address. Of IPv6 a person has a whole network of 64 bits, and pays for all of it.
    pub fn at(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(UserId(number)) => write!(f, "u{number}"),
            Self::ApiToken(number) => write!(f, "t{number}"),
            Self::Address(address) => write!(f, "a{address}"),
        }
    }
}

/// So many calls at once, and as many again in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Calls, at least 1.
    pub calls: u32,
    /// Time in which a used up quota is whole again.
    pub period: Duration,
}

impl Quota {
    /// Most calls that a replica may take for itself at a time, to hand out without asking: about a hundredth of the quota,
    /// and what comes back within a second at most. Small quotas are counted one by one.
    pub fn share(&self) -> u32 {
        let a_second = f64::from(self.calls) / self.period.as_secs_f64().max(1.0);
        (self.calls / 100).min(a_second as u32).max(1)
    }

    /// Time in which one call comes back.
    pub fn interval(&self) -> Duration {
        (self.period / self.calls.max(1)).max(Duration::from_nanos(1))
    }
}

/// How somebody stands with a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Calls of the whole quota.
    pub limit: u32,
    /// Calls that are left now.
    pub remaining: u32,
    /// Time until the quota is whole again.
    pub reset: Duration,
}

impl Standing {
    /// As headers tell it, by the names of IETF's draft and by those that older clients read; the time in seconds, never
    /// too short.
    pub fn headers(&self) -> [(&'static str, u64); 6] {
        let (limit, remaining, reset) = (self.limit.into(), self.remaining.into(), seconds(self.reset));
        [
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", remaining),
            ("ratelimit-reset", reset),
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-remaining", remaining),
            ("x-ratelimit-reset", reset),
        ]
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(calls: u32, seconds: u64) -> u32 {
        let period = Duration::from_secs(seconds);
        Quota { calls, period }.share()
    }

    #[test]
    fn small_quotas_are_counted_one_by_one_and_large_ones_in_shares() {
        assert_eq!(share(10, 60), 1);
        assert_eq!(share(100, 60), 1);
        assert_eq!(share(6000, 60), 60);
        assert_eq!(share(6000, 3600), 1);
        assert_eq!(share(100_000, 1), 1000);
        assert_eq!(share(1, 1), 1);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_payer() {
        let at = |text: &str| Payer::at(text.parse().expect("an address"));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("203.0.113.7"), at("203.0.113.8"));
        assert_eq!(at("2001:db8:1:2::1").to_string(), "a2001:db8:1:2::");
    }

    #[test]
    fn times_in_headers_are_never_too_short() {
        let standing = Standing {
            limit: 5,
            remaining: 4,
            reset: Duration::from_millis(1001),
        };
        assert_eq!(standing.headers()[2], ("ratelimit-reset", 2));
        assert_eq!(standing.headers()[5], ("x-ratelimit-reset", 2));
        assert_eq!(Class::ALL.map(|class| Class::of(class as i32)), Class::ALL.map(Some));
    }
}

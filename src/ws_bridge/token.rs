//! Who speaks: access tokens, checked with the server's public keys so that junk never reaches the server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::{revocations::Revocations, upstream::Upstream};
use crate::pb::Jwk;

/// Issuer and audience of the tokens.
const GAD: &str = "gad";
/// Clocks may differ by this much. An end is an end: the server would refuse the token as well.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 4096;
/// Least time between two fetches of the keys.
const FETCH_PAUSE: Duration = Duration::from_secs(3);
/// Age at which the keys are fetched again, so that a withdrawn key does not live on.
const KEYS_AGE: Duration = Duration::from_secs(300);

/// Somebody whose token was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Number of the user.
    pub user: i64,
    /// Level of authority, 1 to 3.
    pub level: u8,
    /// Whether the authority ends at some zones.
    pub limited: bool,
    /// Session of the token.
    pub session: Uuid,
    /// Version of the user's tokens when this one was made.
    pub version: i32,
    /// When the token ends.
    pub until: Timestamp,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The token is none of ours, or not valid now.
    Invalid,
    /// The keys cannot be had, so nothing can be said of the token.
    NoKeys,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    lvl: u8,
    #[serde(default)]
    zon: Vec<i64>,
    ver: i32,
    sid: Uuid,
    /// The password must be changed before anything else.
    #[serde(default)]
    pwx: bool,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Claims {
    fn check(&self, now: Timestamp) -> Option<Identity> {
        let time = |seconds| Timestamp::from_second(seconds).ok();
        let ahead = now + SKEW;
        let until = time(self.exp)?;
        let good = time(self.iat)? <= ahead && time(self.nbf)? <= ahead && now < until && !self.pwx;
        let user: i64 = self.sub.parse().ok()?;
        (good && user > 0 && (1..=3).contains(&self.lvl)).then_some(Identity {
            user,
            level: self.lvl,
            limited: !self.zon.is_empty(),
            session: self.sid,
            version: self.ver,
            until,
        })
    }
}

/// Public keys by name.
#[derive(Default)]
pub struct Keys {
    by_name: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

impl Keys {
    /// Those of a key set that can be used.
    pub fn of(keys: &[Jwk]) -> Self {
        let usable = keys.iter().filter(|key| key.kty == "OKP" && key.crv == "Ed25519");
        Self {
            by_name: usable
                .filter_map(|key| Some((key.kid.clone(), DecodingKey::from_ed_components(&key.x).ok()?)))
                .collect(),
            fetched: Some(Instant::now()),
        }
    }

    /// Who the token speaks for; the name of its key if we do not have that key.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Option<String>> {
        if token.len() > TOKEN_LIMIT {
            return Err(None);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| None)?;
        let name = header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or(None)?;
        let key = self.by_name.get(&name).ok_or(Some(name))?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[GAD]);
        rules.set_issuer(&[GAD]);
        // Times are checked below, by the clock that was given.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &rules).map_err(|_| None)?.claims;
        claims.check(now).ok_or(None)
    }
}

/// Verifies access tokens.
pub struct Tokens {
    upstream: Arc<Upstream>,
    keys: RwLock<Arc<Keys>>,
    /// What is not believed any more although it was signed.
    pub revocations: Revocations,
    /// When the keys were last asked for; held while asking.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Without keys as yet.
    pub fn new(upstream: Arc<Upstream>) -> Self {
        Self {
            upstream,
            keys: RwLock::default(),
            revocations: Revocations::default(),
            asked: tokio::sync::Mutex::new(None),
        }
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the keys were had at least once.
    pub fn ready(&self) -> bool {
        self.keys().fetched.is_some()
    }

    /// Fetches the keys, unless somebody did a moment ago.
    pub async fn fetch(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < FETCH_PAUSE) && self.ready() {
            return;
        }
        match self.upstream.keys().await {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys::of(&keys)),
            Err(cause) => tracing::warn!(%cause, "the keys cannot be fetched"),
        }
        *asked = Some(Instant::now());
    }

    /// Who a token speaks for at `now`, by what is known here.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let identity = self.verify_signature(token, now).await?;
        if self.revocations.believes(&identity) {
            Ok(identity)
        } else {
            Err(Refusal::Invalid)
        }
    }

    /// Who a token speaks for in place of another one. Nobody can say so while revocations are not heard.
    pub async fn verify_anew(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        if self.revocations.are_current() {
            self.verify(token, now).await
        } else {
            Err(Refusal::NoKeys)
        }
    }

    async fn verify_signature(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let keys = self.keys();
        let aged = keys.fetched.is_none_or(|at| at.elapsed() > KEYS_AGE);
        match keys.verify(token, now) {
            Ok(identity) if !aged => return Ok(identity),
            Err(None) => return Err(Refusal::Invalid),
            Ok(_) | Err(Some(_)) => self.fetch().await,
        }
        if !self.ready() {
            return Err(Refusal::NoKeys);
        }
        self.keys().verify(token, now).map_err(|_| Refusal::Invalid)
    }
}

/// The token that a connection lives by; a client may send another before it ends.
#[derive(Debug)]
pub struct Credential {
    held: Mutex<Held>,
    /// Rings when the token is revoked.
    bell: Notify,
}

#[derive(Debug)]
struct Held {
    token: Arc<str>,
    identity: Identity,
    revoked: bool,
}

impl Credential {
    /// From a token that was verified.
    pub fn new(token: &str, identity: Identity) -> Self {
        Self {
            held: Mutex::new(Held {
                token: token.into(),
                identity,
                revoked: false,
            }),
            bell: Notify::new(),
        }
    }

    /// Of a socket that is nobody's: it hears by the bridge's own token, which is no client's to show.
    pub fn of_nobody() -> Self {
        let identity = Identity {
            user: 0,
            level: 0,
            limited: false,
            session: Uuid::nil(),
            version: i32::MAX,
            until: Timestamp::MAX,
        };
        Self::new("", identity)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose it is.
    pub fn identity(&self) -> Identity {
        self.held().identity
    }

    /// The token, if it is good at `now`, and when it ends.
    pub fn usable(&self, now: Timestamp) -> Option<(Arc<str>, Timestamp)> {
        let held = self.held();
        let good = !held.revoked && now < held.identity.until;
        good.then(|| (Arc::clone(&held.token), held.identity.until))
    }

    /// Goes on with another token of the same user, with the same level and as far a reach; refuses any other.
    pub fn renew(&self, token: &str, identity: Identity) -> bool {
        let mut held = self.held();
        let rights = |identity: Identity| (identity.user, identity.level, identity.limited);
        let same = rights(held.identity) == rights(identity);
        if same {
            *held = Held {
                token: token.into(),
                identity,
                revoked: false,
            };
        }
        same
    }

    /// Notes that the server refused this token, unless there is another by now. True if it was the one.
    pub fn revoke(&self, token: &str) -> bool {
        let mut held = self.held();
        let same = *held.token == *token;
        held.revoked |= same;
        same
    }

    /// Whether the token was revoked, or the server refused it.
    pub fn is_revoked(&self) -> bool {
        self.held().revoked
    }

    /// Revokes the token if it is not believed any more.
    pub fn doubt(&self, believed: impl FnOnce(&Identity) -> bool) {
        {
            let mut held = self.held();
            held.revoked |= !believed(&held.identity);
            if !held.revoked {
                return;
            }
        }
        self.bell.notify_waiters();
    }

    /// Returns when the token is revoked.
    pub async fn ended(&self) {
        loop {
            let mut ringing = std::pin::pin!(self.bell.notified());
            ringing.as_mut().enable();
            if self.is_revoked() {
                return;
            }
            ringing.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;

    struct Signer {
        key: EncodingKey,
        jwk: Jwk,
    }

    fn signer(kid: &str) -> Signer {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let private = pair.to_pkcs8v1().expect("the key as bytes");
        Signer {
            key: EncodingKey::from_ed_der(private.as_ref()),
            jwk: Jwk {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
                kid: kid.to_owned(),
                alg: "EdDSA".to_owned(),
                r#use: "sig".to_owned(),
            },
        }
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_700_000_000).expect("a time")
    }

    fn claims() -> Value {
        json!({"iss": "gad", "aud": "gad", "sub": "7", "lvl": 2, "ver": 3, "sid": Uuid::nil(),
               "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_060})
    }

    fn sign(signer: &Signer, claims: &Value) -> String {
        let header = Header {
            kid: Some(signer.jwk.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        jsonwebtoken::encode(&header, claims, &signer.key).expect("a token")
    }

    fn changed(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn a_good_token_says_who_speaks_until_when() {
        let signer = signer("k1");
        let keys = Keys::of(std::slice::from_ref(&signer.jwk));
        let identity = keys.verify(&sign(&signer, &claims()), now()).expect("it is good");
        assert_eq!(
            identity,
            Identity {
                user: 7,
                level: 2,
                limited: false,
                session: Uuid::nil(),
                version: 3,
                until: now() + SignedDuration::from_secs(60)
            }
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let signer_1 = signer("k1");
        let keys = Keys::of(std::slice::from_ref(&signer_1.jwk));
        let forger = signer("k1");
        let mut bad = vec![String::new(), "a.b.c".to_owned(), sign(&forger, &claims())];
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("sub", json!("root")),
            ("sub", json!("0")),
            ("lvl", json!(0)),
            ("lvl", json!(4)),
            ("exp", json!(1_700_000_000)),
            ("nbf", json!(1_700_000_031)),
            ("iat", json!(1_700_000_031)),
            ("pwx", json!(true)),
            ("sid", json!("no name")),
        ] {
            bad.push(sign(&signer_1, &changed(name, value)));
        }
        let hmac = Header {
            kid: Some("k1".to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let public = EncodingKey::from_secret(signer_1.jwk.x.as_bytes());
        bad.push(jsonwebtoken::encode(&hmac, &claims(), &public).expect("a token"));
        for token in bad {
            assert_eq!(keys.verify(&token, now()), Err(None), "{token}");
        }
        let skewed = sign(&signer_1, &changed("nbf", json!(1_700_000_030)));
        assert!(keys.verify(&skewed, now()).is_ok());
    }

    #[test]
    fn an_unknown_key_is_named_so_that_it_can_be_fetched() {
        let token = sign(&signer("k2"), &claims());
        let keys = Keys::of(&[signer("k1").jwk]);
        assert_eq!(keys.verify(&token, now()), Err(Some("k2".to_owned())));
    }

    #[test]
    fn only_the_same_user_may_go_on_with_another_token() {
        let until = now() + SignedDuration::from_secs(60);
        let me = Identity {
            user: 7,
            level: 2,
            limited: false,
            session: Uuid::nil(),
            version: 1,
            until,
        };
        let credential = Credential::new("t1", me);
        assert!(!credential.renew("t2", Identity { user: 8, ..me }));
        assert!(!credential.renew("t2", Identity { level: 3, ..me }));
        assert!(credential.revoke("t1"));
        assert_eq!(credential.usable(now()), None);
        assert!(credential.renew("t2", me));
        assert!(!credential.revoke("t1"), "the old one does not count any longer");
        assert!(credential.usable(now()).is_some());
        assert_eq!(credential.usable(until), None);
    }
}

//! Passwords and access tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    domain::{
        UserId,
        access::{Caller, Level},
    },
    error::{Error, Result},
    store::{self, Database, key::StoredKey},
};

/// Who makes the tokens.
pub const ISSUER: &str = "gad";
/// Whom the tokens are for.
pub const AUDIENCE: &str = "gad";

/// Clocks of replicas may differ by this much.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 4096;
/// Time between looks for new keys.
const RELOAD: Duration = Duration::from_secs(2);
/// Verified tokens that are remembered.
const REMEMBERED: usize = 10_000;

/// Hashes passwords, off the async threads and few at a time: each takes 19 MiB.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Hash of a password nobody has, so that an unknown e-mail costs as much as a wrong password.
    decoy: String,
}

impl Passwords {
    /// Two at a time.
    pub fn new() -> Result<Self> {
        Ok(Self {
            turns: Arc::new(Semaphore::new(2)),
            decoy: hash_password(&Uuid::new_v4().to_string())?,
        })
    }

    /// Whether the password fits the hash; without a hash the answer is no, after the same work.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let fits = tokio::task::spawn_blocking(move || {
            // The turn lasts as long as the work, also when nobody waits for the answer any more.
            let _turn = turn;
            Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok()
        })
        .await
        .map_err(Error::internal)?;
        Ok(known && fits)
    }
}

/// Argon2id (19 MiB, 2 passes, 1 lane: OWASP's first choice) in PHC form.
pub fn hash_password(password: &str) -> Result<String> {
    let hash: argon2::PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(Error::internal)?;
    Ok(hash.to_string())
}

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    sub: String,
    /// Level of authority.
    lvl: i32,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

/// A caller whose token was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub caller: Caller,
    /// When the token ends.
    pub until: Timestamp,
}

struct Key {
    kid: String,
    public: Vec<u8>,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// A public key as others may know it.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// Name of the key.
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

/// Makes and verifies access tokens.
pub struct Tokens {
    database: Database,
    secret: SecretString,
    keys: RwLock<Arc<Vec<Key>>>,
    reloaded: tokio::sync::Mutex<Option<Instant>>,
    verified: Mutex<HashMap<String, SignedIn>>,
    lifetime: SignedDuration,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Loads the keys; makes the first one if there is none.
    pub async fn load(database: Database, secret: SecretString, lifetime: SignedDuration, now: Timestamp) -> Result<Self> {
        let tokens = Self {
            database,
            secret,
            keys: RwLock::default(),
            reloaded: tokio::sync::Mutex::default(),
            verified: Mutex::default(),
            lifetime,
        };
        tokens.reload().await?;
        if tokens.current().is_empty() {
            tokens.add_key(now).await?;
            tokens.reload().await?;
        }
        Ok(tokens)
    }

    fn current(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn reload(&self) -> Result<()> {
        let conn = self.database.lease().await?;
        let stored = store::key::list(&*conn).await?;
        let keys = stored.into_iter().map(|key| self.open(key)).collect::<Result<Vec<_>>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Another replica may have rotated the keys. Forged names make one look every few seconds, and do not queue.
    async fn reload_soon(&self) -> Result<()> {
        let Ok(mut reloaded) = self.reloaded.try_lock() else {
            return Ok(());
        };
        if reloaded.is_none_or(|at| at.elapsed() > RELOAD) {
            *reloaded = Some(Instant::now());
            self.reload().await?;
        }
        Ok(())
    }

    fn open(&self, stored: StoredKey) -> Result<Key> {
        let StoredKey { kid, sealed, public } = stored;
        let private = unseal(&self.secret, &kid, &sealed)?;
        let x = URL_SAFE_NO_PAD.encode(&public);
        Ok(Key {
            signing: EncodingKey::from_ed_der(&private),
            verifying: DecodingKey::from_ed_components(&x).map_err(Error::internal)?,
            kid,
            public,
        })
    }

    async fn add_key(&self, now: Timestamp) -> Result<()> {
        let mut conn = self.database.lease().await?;
        let tx = conn.begin(None).await?;
        store::key::lock(&tx).await?;
        if store::key::list(&tx).await?.is_empty() {
            let private = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).map_err(Error::internal)?;
            let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(Error::internal)?;
            let kid = Uuid::new_v4().simple().to_string();
            let key = StoredKey {
                sealed: seal(&self.secret, &kid, private.as_ref())?,
                public: pair.public_key().as_ref().to_vec(),
                kid,
            };
            store::key::insert(&tx, &key, now).await?;
        }
        tx.commit().await
    }

    /// Public keys, newest first.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.current()
            .iter()
            .map(|key| PublicKey {
                kid: key.kid.clone(),
                x: URL_SAFE_NO_PAD.encode(&key.public),
            })
            .collect()
    }

    /// A token for a caller, and when it ends.
    pub fn sign(&self, caller: Caller, now: Timestamp) -> Result<(String, Timestamp)> {
        let keys = self.current();
        let key = keys.first().ok_or_else(|| Error::internal("no signing key"))?;
        let until = now + self.lifetime;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: caller.user.0.to_string(),
            lvl: caller.level as i32,
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: until.as_second(),
            jti: Uuid::new_v4(),
        };
        let header = Header {
            kid: Some(key.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let token = jsonwebtoken::encode(&header, &claims, &key.signing).map_err(Error::internal)?;
        Ok((token, until))
    }

    /// Who a token speaks for. Anything but a token of ours that is valid at `now` is refused alike.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<SignedIn> {
        let remembered = {
            let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.get(token).copied()
        };
        let signed_in = match remembered {
            Some(signed_in) => signed_in,
            None => self.verify_anew(token, now).await?,
        };
        if now >= signed_in.until {
            return Err(Error::SignedOut);
        }
        Ok(signed_in)
    }

    async fn verify_anew(&self, token: &str, now: Timestamp) -> Result<SignedIn> {
        if token.len() > TOKEN_LIMIT {
            return Err(Error::SignedOut);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::SignedOut)?;
        let kid = header.kid.ok_or(Error::SignedOut)?;
        if header.alg != Algorithm::EdDSA {
            return Err(Error::SignedOut);
        }
        let mut keys = self.current();
        if !keys.iter().any(|key| key.kid == kid) && is_kid(&kid) {
            self.reload_soon().await?;
            keys = self.current();
        }
        let key = keys.iter().find(|key| key.kid == kid).ok_or(Error::SignedOut)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        // Times are checked below, by the clock that was given.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims: Claims = jsonwebtoken::decode(token, &key.verifying, &rules)
            .map_err(|_| Error::SignedOut)?
            .claims;
        let signed_in = claims.check(now)?;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(token.to_owned(), signed_in);
        Ok(signed_in)
    }
}

impl Claims {
    fn check(&self, now: Timestamp) -> Result<SignedIn> {
        let time = |seconds| Timestamp::from_second(seconds).map_err(|_| Error::SignedOut);
        let ahead = now + SKEW;
        if time(self.iat)? > ahead || time(self.nbf)? > ahead {
            return Err(Error::SignedOut);
        }
        Ok(SignedIn {
            caller: Caller {
                user: UserId(self.sub.parse().map_err(|_| Error::SignedOut)?),
                level: Level::of(self.lvl).ok_or(Error::SignedOut)?,
            },
            until: time(self.exp)?,
        })
    }
}

fn is_kid(kid: &str) -> bool {
    kid.len() == 32 && kid.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sealing_key(secret: &SecretString) -> Result<RandomizedNonceKey> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let derived = hmac::sign(&key, b"gad signing keys");
    RandomizedNonceKey::new(&AES_256_GCM, derived.as_ref()).map_err(Error::internal)
}

fn seal(secret: &SecretString, name: &str, plain: &[u8]) -> Result<Vec<u8>> {
    let mut body = plain.to_vec();
    let nonce = sealing_key(secret)?
        .seal_in_place_append_tag(Aad::from(name), &mut body)
        .map_err(Error::internal)?;
    let mut sealed = nonce.as_ref().to_vec();
    sealed.append(&mut body);
    Ok(sealed)
}

fn unseal(secret: &SecretString, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    let (nonce, body) = sealed
        .split_at_checked(NONCE_LEN)
        .ok_or_else(|| Error::internal("a sealed key is too short"))?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
    let mut body = body.to_vec();
    let plain = sealing_key(secret)?
        .open_in_place(nonce, Aad::from(name), &mut body)
        .map_err(|_| Error::internal("a signing key does not open: is SECRET_KEY the one it was made with?"))?;
    Ok(plain.to_vec())
}

//! Access tokens: signed by keys that the database keeps sealed, verified without it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Credential, SignedIn,
    api_token::{self, ApiTokens},
    revoked::Revocations,
    seal::Seal,
};
use crate::{
    domain::{
        UserId, ZoneId,
        access::{Caller, Level},
    },
    error::{Error, Result},
    store::{self, Database, Tx, key::StoredKey},
};

/// Who makes the tokens.
pub const ISSUER: &str = "gad";
/// Whom the tokens are for.
pub const AUDIENCE: &str = "gad";

/// Clocks of replicas may differ by this much.
pub const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// Longest token that is looked at, in bytes.
const TOKEN_LIMIT: usize = 4096;
/// Time between looks for new keys.
const RELOAD: Duration = Duration::from_secs(2);
/// A new key signs from this age on: by then every replica has seen it, and whoever fetches the key set had time to.
const LEAD: SignedDuration = SignedDuration::from_secs(5);
/// Time in which every replica that can reach the database has gone over to a new key.
const CHANGEOVER: SignedDuration = SignedDuration::from_secs(15);
/// Verified tokens that are remembered.
const REMEMBERED: usize = 10_000;
/// What the keys are sealed for.
const PURPOSE: &str = "signing keys";

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    sub: String,
    /// Level of authority.
    lvl: i32,
    /// Zones that it ends at; none: everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    zon: Vec<i64>,
    /// Version of the user's tokens.
    ver: i32,
    /// Session.
    sid: Uuid,
    /// When the person last proved to be there, as OpenID Connect has it.
    auth_time: i64,
    /// The password must be changed before anything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pwx: bool,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

/// What a token is made of.
#[derive(Debug)]
pub struct Grant<'a> {
    /// Whom it speaks for.
    pub caller: &'a Caller,
    /// Version of the user's tokens.
    pub version: i32,
    /// Session.
    pub session: Uuid,
    /// When the person last proved to be there.
    pub auth_time: Timestamp,
    /// Whether the password must be changed before anything else.
    pub password_expired: bool,
}

struct Key {
    kid: String,
    public: Vec<u8>,
    created: Timestamp,
    retires: Option<Timestamp>,
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
    seal: Seal,
    /// What is not believed any more.
    pub revocations: Revocations,
    api_tokens: ApiTokens,
    /// Newest first.
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
    pub async fn load(database: Database, seal: Seal, lifetime: SignedDuration, now: Timestamp) -> Result<Self> {
        let revocations = Revocations::load(&database).await?;
        let tokens = Self {
            api_tokens: ApiTokens::new(database.clone(), revocations.clone()),
            revocations,
            database,
            seal,
            keys: RwLock::default(),
            reloaded: tokio::sync::Mutex::default(),
            verified: Mutex::default(),
            lifetime,
        };
        tokens.reload(now).await?;
        if tokens.current().is_empty() {
            tokens.add_first_key(now).await?;
            tokens.reload(now).await?;
        }
        Ok(tokens)
    }

    /// Looks for new keys until stopped.
    pub async fn follow(&self, now: impl Fn() -> Timestamp, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RELOAD) => {}
            }
            if let Err(cause) = self.reload(now()).await {
                tracing::warn!(%cause, "the signing keys cannot be read");
            }
        }
    }

    fn current(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn reload(&self, now: Timestamp) -> Result<()> {
        let stored = store::key::list(&*self.database.lease().await?, now).await?;
        let known = self.current();
        if known.len() == stored.len() && known.iter().zip(&stored).all(|(known, stored)| known.is(stored)) {
            return Ok(());
        }
        let keys = stored.into_iter().map(|key| self.open(key)).collect::<Result<Vec<_>>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        // What a withdrawn key signed is not believed any more.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Another replica may have rotated the keys. Forged names make one look every few seconds, and do not queue.
    async fn reload_soon(&self, now: Timestamp) -> Result<()> {
        let Ok(mut reloaded) = self.reloaded.try_lock() else {
            return Ok(());
        };
        if reloaded.is_none_or(|at| at.elapsed() > RELOAD) {
            *reloaded = Some(Instant::now());
            self.reload(now).await?;
        }
        Ok(())
    }

    fn open(&self, stored: StoredKey) -> Result<Key> {
        let StoredKey {
            kid,
            sealed,
            public,
            created,
            retires,
        } = stored;
        let private = self.seal.open(PURPOSE, &kid, &sealed)?;
        let x = URL_SAFE_NO_PAD.encode(&public);
        Ok(Key {
            signing: EncodingKey::from_ed_der(&private),
            verifying: DecodingKey::from_ed_components(&x).map_err(Error::internal)?,
            kid,
            public,
            created,
            retires,
        })
    }

    async fn add_first_key(&self, now: Timestamp) -> Result<()> {
        let mut conn = self.database.lease().await?;
        let tx = conn.begin(None).await?;
        store::key::lock(&tx).await?;
        if store::key::list(&tx, now).await?.is_empty() {
            store::key::insert(&tx, &new_key(&self.seal, now)?).await?;
        }
        tx.commit().await
    }

    /// Public keys that verify at `now`, newest first.
    pub fn public_keys(&self, now: Timestamp) -> Vec<PublicKey> {
        self.current()
            .iter()
            .filter(|key| key.verifies(now))
            .map(|key| PublicKey {
                kid: key.kid.clone(),
                x: URL_SAFE_NO_PAD.encode(&key.public),
            })
            .collect()
    }

    /// How long a token is good.
    pub fn lifetime(&self) -> SignedDuration {
        self.lifetime
    }

    /// A token for a session, and when it ends.
    pub fn sign(&self, grant: &Grant<'_>, now: Timestamp) -> Result<(String, Timestamp)> {
        let Grant {
            caller,
            version,
            session,
            auth_time,
            password_expired,
        } = grant;
        let keys = self.current();
        let key = signing(&keys, now).ok_or_else(|| Error::internal("no signing key"))?;
        let until = now + self.lifetime;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: caller.user.0.to_string(),
            lvl: caller.level as i32,
            zon: caller.zones.iter().map(|zone| zone.0).collect(),
            ver: *version,
            sid: *session,
            auth_time: auth_time.as_second(),
            pwx: *password_expired,
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
        if token.starts_with(api_token::MARK) {
            return self.api_tokens.verify(token, now).await;
        }
        let remembered = {
            let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.get(token).cloned()
        };
        let signed_in = match remembered {
            Some(signed_in) => signed_in,
            None => self.verify_anew(token, now).await?,
        };
        if now >= signed_in.until || !self.revocations.believes(&signed_in, &self.database).await? {
            return Err(Error::SignedOut);
        }
        Ok(signed_in)
    }

    async fn verify_anew(&self, token: &str, now: Timestamp) -> Result<SignedIn> {
        let kid = key_name(token)?;
        let mut keys = self.current();
        if !keys.iter().any(|key| key.kid == kid) && is_kid(&kid) {
            self.reload_soon(now).await?;
            keys = self.current();
        }
        let key = keys.iter().find(|key| key.kid == kid && key.verifies(now));
        let signed_in = Claims::read(token, &key.ok_or(Error::SignedOut)?.verifying)?.check(now)?;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(token.to_owned(), signed_in.clone());
        Ok(signed_in)
    }
}

impl Key {
    fn is(&self, stored: &StoredKey) -> bool {
        self.kid == stored.kid && self.retires == stored.retires
    }

    fn verifies(&self, now: Timestamp) -> bool {
        self.retires.is_none_or(|at| now < at)
    }
}

/// The key that signs: the newest that everybody knows by now; if there is none, the oldest.
fn signing(keys: &[Key], now: Timestamp) -> Option<&Key> {
    let known = keys.iter().find(|key| key.created + LEAD <= now);
    known.or_else(|| keys.last())
}

fn new_key(seal: &Seal, now: Timestamp) -> Result<StoredKey> {
    let private = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).map_err(Error::internal)?;
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(Error::internal)?;
    let kid = Uuid::new_v4().simple().to_string();
    Ok(StoredKey {
        sealed: seal.close(PURPOSE, &kid, private.as_ref())?,
        public: pair.public_key().as_ref().to_vec(),
        created: now,
        retires: None,
        kid,
    })
}

/// Makes a key that signs from now on (give or take some seconds). The others verify until the last token that they signed
/// has ended; or not at all, if they are `withdrawn` because somebody else has them. Answers the name of the new key.
pub async fn rotate(tx: &Tx<'_>, seal: &Seal, lifetime: SignedDuration, withdrawn: bool, now: Timestamp) -> Result<String> {
    store::key::lock(tx).await?;
    let key = new_key(seal, now)?;
    store::key::insert(tx, &key).await?;
    let last = if withdrawn { now } else { now + CHANGEOVER + lifetime + SKEW };
    store::key::retire_others(tx, &key.kid, last).await?;
    Ok(key.kid)
}

/// Seals the keys under the present secret key that are not; says how many.
pub async fn reseal(tx: &Tx<'_>, seal: &Seal) -> Result<usize> {
    store::key::lock(tx).await?;
    let mut count = 0;
    for key in store::key::all(tx).await? {
        if let Some(sealed) = seal.renew(PURPOSE, &key.kid, &key.sealed)? {
            store::key::reseal(tx, &key.kid, &sealed).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// Name of the key that a token says it was signed with.
pub fn key_name(token: &str) -> Result<String> {
    if token.len() > TOKEN_LIMIT {
        return Err(Error::SignedOut);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Error::SignedOut)?;
    header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or(Error::SignedOut)
}

impl Claims {
    /// What a token says, if this key signed it and it was made by us for us.
    pub fn read(token: &str, key: &DecodingKey) -> Result<Self> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        // Times are checked by the clock that is given.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let token = jsonwebtoken::decode(token, key, &rules).map_err(|_| Error::SignedOut)?;
        Ok(token.claims)
    }

    /// Whom they speak for, if they can be true at `now`; whether they have ended is the caller's to see.
    pub fn check(&self, now: Timestamp) -> Result<SignedIn> {
        let time = |seconds| Timestamp::from_second(seconds).map_err(|_| Error::SignedOut);
        let ahead = now + SKEW;
        if time(self.iat)? > ahead || time(self.nbf)? > ahead {
            return Err(Error::SignedOut);
        }
        let user: Option<i64> = self.sub.parse().ok();
        Ok(SignedIn {
            caller: Caller {
                user: UserId(user.filter(|user| *user > 0).ok_or(Error::SignedOut)?),
                level: Level::of(self.lvl).ok_or(Error::SignedOut)?,
                zones: self.zon.iter().map(|zone| ZoneId(*zone)).collect(),
            },
            version: self.ver,
            credential: Credential::Session {
                id: self.sid,
                auth_time: time(self.auth_time)?,
                password_expired: self.pwx,
            },
            until: time(self.exp)?,
        })
    }
}

fn is_kid(kid: &str) -> bool {
    kid.len() == 32 && kid.bytes().all(|byte| byte.is_ascii_hexdigit())
}

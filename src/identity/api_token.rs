//! API tokens: texts that tell a typo from a token, and who stands behind them.
//!
//! A text is `gad_`, 32 bytes of chance in base64url, and the first 6 letters of the SHA-256 of what stands before. So a scanner
//! of leaked secrets can be sure of what it finds, and most of what is no token costs no query.
//!
//! What a token may do is remembered for a minute, and read anew as soon as its user's authority changed: the token is not to
//! blame for that. Whatever was revoked is in [`Revocations`] within a second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{Credential, Revocations, Secret, SignedIn, secret_hash};
use crate::{
    domain::user::User,
    error::{Error, Result},
    store::{self, Database, api_token::USE_PRECISION},
};

/// What every text begins with.
pub const MARK: &str = "gad_";
/// Letters that check the rest.
const CHECK: usize = 6;
/// Letters of a text, with all its parts.
const LENGTH: usize = MARK.len() + 43 + CHECK;
/// Letters of a text that are kept, to tell tokens apart.
const PREFIX: usize = MARK.len() + 8;
/// Tokens that are remembered.
const REMEMBERED: usize = 10_000;
/// Tokens that are looked up at a time: forged ones must not keep the database busy.
const LOOKUPS: usize = 4;
/// A token's end, if it has none.
const NEVER: Timestamp = Timestamp::MAX;

/// The text of a new token.
pub struct ApiTokenText {
    /// The text.
    pub text: String,
    /// Its first letters.
    pub prefix: String,
    /// Its SHA-256.
    pub hash: Vec<u8>,
}

impl ApiTokenText {
    /// A new one.
    pub fn make() -> Result<Self> {
        let body = format!("{MARK}{}", Secret::make()?.text);
        let text = format!("{body}{}", check(&body));
        Ok(Self {
            prefix: text.chars().take(PREFIX).collect(),
            hash: secret_hash(&text),
            text,
        })
    }
}

fn check(body: &str) -> String {
    let mut letters = URL_SAFE_NO_PAD.encode(digest(&SHA256, body.as_bytes()));
    letters.truncate(CHECK);
    letters
}

/// Whether a text could be a token of ours.
pub fn is_whole(text: &str) -> bool {
    let Some((body, letters)) = text.split_at_checked(LENGTH - CHECK) else {
        return false;
    };
    text.len() == LENGTH && letters == check(body)
}

/// Who a token spoke for, and when that was read.
#[derive(Debug, Clone)]
struct Remembered {
    signed_in: SignedIn,
    read: Timestamp,
}

/// Verifies API tokens.
pub struct ApiTokens {
    database: Database,
    revocations: Revocations,
    lookups: Semaphore,
    remembered: Mutex<HashMap<Vec<u8>, Remembered>>,
}

impl ApiTokens {
    /// None remembered as yet.
    pub fn new(database: Database, revocations: Revocations) -> Self {
        Self {
            database,
            revocations,
            lookups: Semaphore::new(LOOKUPS),
            remembered: Mutex::default(),
        }
    }

    /// Who a token speaks for at `now`.
    pub async fn verify(&self, text: &str, now: Timestamp) -> Result<SignedIn> {
        if !is_whole(text) {
            return Err(Error::SignedOut);
        }
        let hash = secret_hash(text);
        if let Some(signed_in) = self.recall(&hash, now)
            && now < signed_in.until
            && self.revocations.believes(&signed_in, &self.database).await?
        {
            return Ok(signed_in);
        }
        // What changed while it was read is there when it is read again.
        for _ in 0..2 {
            let signed_in = self.look_up(&hash, now).await?;
            if self.revocations.believes(&signed_in, &self.database).await? {
                return Ok(signed_in);
            }
        }
        Err(Error::SignedOut)
    }

    /// What is remembered, unless it is old.
    fn recall(&self, hash: &[u8], now: Timestamp) -> Option<SignedIn> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = remembered.get(hash)?;
        let age = now.duration_since(known.read);
        (!age.is_negative() && age < USE_PRECISION).then(|| known.signed_in.clone())
    }

    async fn look_up(&self, hash: &[u8], now: Timestamp) -> Result<SignedIn> {
        let _turn = self.lookups.acquire().await.map_err(Error::internal)?;
        let found = {
            let conn = self.database.lease().await?;
            store::api_token::by_hash(&*conn, hash).await?
        };
        let until = |expires: Option<Timestamp>| expires.unwrap_or(NEVER);
        let found = found.filter(|token| now < until(token.expires) && token.user.may_sign_in());
        let store::api_token::Bearer {
            id,
            scopes,
            expires,
            user,
        } = found.ok_or(Error::SignedOut)?;
        let signed_in = signed_in(&user, id, scopes, until(expires));
        self.note_use(id, now);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        let known = Remembered {
            signed_in: signed_in.clone(),
            read: now,
        };
        remembered.insert(hash.to_vec(), known);
        Ok(signed_in)
    }

    /// Writes down that a token was used. The call does not wait for it.
    fn note_use(&self, id: i64, now: Timestamp) {
        let database = self.database.clone();
        tokio::spawn(async move {
            let noted = async { store::api_token::used(&*database.lease().await?, id, now).await };
            if let Err(cause) = noted.await {
                tracing::warn!(%cause, "the use of an API token was not noted");
            }
        });
    }
}

fn signed_in(user: &User, id: i64, scopes: Vec<String>, until: Timestamp) -> SignedIn {
    SignedIn {
        caller: user.caller(),
        version: user.token_version,
        credential: Credential::ApiToken {
            id,
            scopes: scopes.into(),
        },
        until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_one_other_letter_is_no_token() {
        let made = ApiTokenText::make().expect("chance");
        assert!(is_whole(&made.text));
        assert!(made.text.starts_with(&made.prefix) && made.prefix.len() == 12);
        for at in 0..made.text.len() {
            let mut typo = made.text.clone().into_bytes();
            typo[at] = if typo[at] == b'A' { b'B' } else { b'A' };
            assert!(!is_whole(&String::from_utf8(typo).expect("ascii")));
        }
        for junk in ["", "gad_", &made.text[..52], &format!("{}A", made.text), &"ñ".repeat(53)] {
            assert!(!is_whole(junk), "{junk}");
        }
    }
}

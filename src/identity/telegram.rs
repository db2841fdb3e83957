//! Tokens that say who somebody at Telegram is. They open nothing: whoever asks what they say is told, and that is all.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};

use super::{Seal, is_same};
use crate::{
    domain::UserId,
    error::{Error, Result},
};

/// How long a token is good.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What they are signed for.
const PURPOSE: &str = "telegram tokens";

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelegramClaims {
    /// Number at Telegram.
    pub telegram_id: i64,
    /// Who that is.
    pub user: UserId,
    /// When it ends.
    pub until: Timestamp,
}

impl TelegramClaims {
    /// For a week from now.
    pub fn new(telegram_id: i64, user: UserId, now: Timestamp) -> Self {
        Self {
            telegram_id,
            user,
            until: now + LIFETIME,
        }
    }

    /// As a token: what it says, and a keyed hash of that.
    pub fn sign(&self, seal: &Seal) -> String {
        let Self {
            telegram_id,
            user,
            until,
        } = self;
        let said = format!("telegram:{telegram_id}:user:{}:{}", user.0, until.as_second());
        let hash = seal.hash(PURPOSE, said.as_bytes());
        format!("{}.{}", URL_SAFE_NO_PAD.encode(said), URL_SAFE_NO_PAD.encode(hash))
    }

    /// What a token says that we signed. One that has ended is told apart from one that is none.
    pub fn verify(token: &str, seal: &Seal, now: Timestamp) -> Result<Self> {
        let claims = Self::read(token, seal).ok_or(Error::WrongProof)?;
        if now < claims.until {
            Ok(claims)
        } else {
            Err(Error::SessionEnded)
        }
    }

    fn read(token: &str, seal: &Seal) -> Option<Self> {
        let (said, hash) = token.split_once('.')?;
        let (said, hash) = (URL_SAFE_NO_PAD.decode(said).ok()?, URL_SAFE_NO_PAD.decode(hash).ok()?);
        let ours = seal.hashes(PURPOSE, &said);
        if !ours.iter().any(|ours| is_same(ours, &hash)) {
            return None;
        }
        let said = String::from_utf8(said).ok()?;
        let rest = said.strip_prefix("telegram:")?;
        let (telegram_id, rest) = rest.split_once(":user:")?;
        let (user, until) = rest.split_once(':')?;
        Some(Self {
            telegram_id: telegram_id.parse().ok()?,
            user: UserId(user.parse().ok()?),
            until: Timestamp::from_second(until.parse().ok()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_was_signed_until_it_ends_and_no_other_is_one() {
        let (seal, now) = (Seal::new("one secret".into()), Timestamp::UNIX_EPOCH);
        let claims = TelegramClaims::new(5_000_000_001, UserId(7), now);
        let token = claims.sign(&seal);
        let read = |token: &str, seal, after: i64| TelegramClaims::verify(token, seal, now + SignedDuration::from_hours(after));
        assert_eq!(read(&token, &seal, 167).expect("a good token"), claims);
        assert!(matches!(read(&token, &seal, 168), Err(Error::SessionEnded)));
        let other = Seal::new("another secret".into());
        let (said, hash) = token.split_once('.').expect("two parts");
        let altered = format!(
            "{}.{hash}",
            TelegramClaims {
                user: UserId(1),
                ..claims
            }
            .sign(&seal)
            .split('.')
            .next()
            .expect("a part")
        );
        for (token, seal) in [
            (&token, &other),
            (&altered, &seal),
            (&said.to_owned(), &seal),
            (&String::new(), &seal),
        ] {
            assert!(matches!(read(token, seal, 0), Err(Error::WrongProof)), "{token}");
        }
    }
}

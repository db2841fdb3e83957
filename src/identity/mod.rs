//! Passwords, access tokens, and what keeps them secret.

pub mod api_token;
pub mod cookie;
pub mod national_id;
pub mod password;
pub mod revoked;
pub mod seal;
pub mod telegram;
pub mod token;
pub mod totp;

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

pub use api_token::ApiTokenText;
pub use password::{Passwords, Verdict, hash_password};
pub use revoked::Revocations;
pub use seal::{Seal, Secret, secret_hash};
pub use telegram::TelegramClaims;
pub use token::{Grant, Tokens};
pub use totp::{Factor, Fits};

use crate::domain::{access::Caller, limit::Payer};

/// Whether two secrets are the same; takes as long whatever they have in common.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// A caller whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub caller: Caller,
    /// Version of the user's tokens when this one was made.
    pub version: i32,
    /// What the caller showed.
    pub credential: Credential,
    /// When the token ends.
    pub until: Timestamp,
}

impl SignedIn {
    /// Whom calls count against.
    pub fn payer(&self) -> Payer {
        match self.credential {
            Credential::Session { .. } => Payer::User(self.caller.user),
            Credential::ApiToken { id, .. } => Payer::ApiToken(id),
        }
    }
}

/// What a caller shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The access token of a session.
    Session {
        /// The session.
        id: Uuid,
        /// When the person last proved to be there.
        auth_time: Timestamp,
        /// Whether the password must be changed before anything else.
        password_expired: bool,
    },
    /// An API token.
    ApiToken {
        /// Its number.
        id: i64,
        /// What it is good for: permissions of `gad.v1.rule`.
        scopes: Arc<[String]>,
    },
}

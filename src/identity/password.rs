//! Passwords: Argon2id, and the bcrypt hashes of the older products until their owners sign in once.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    domain::password::normalised,
    error::{Error, Result},
};

/// Letters of a one-time password: none looks like another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Hashes passwords, off the async threads and few at a time: each takes 19 MiB.
#[derive(Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    /// Hash of a password nobody has, so that an unknown e-mail costs as much as a wrong password.
    decoy: String,
}

/// What became of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does not fit, or there is nothing that it could fit.
    Wrong,
    /// It fits.
    Right,
    /// It fits a hash of an older kind, which is to be replaced.
    RightButOld,
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
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<Verdict> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let verdict = self.work(move || Ok(check(&password, &hash))).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// The hash of a new password.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.work(move || hash_password(&password)).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            // The turn lasts as long as the work, also when nobody waits for the answer any more.
            let _turn = turn;
            work()
        })
        .await
        .map_err(Error::internal)?
    }
}

fn check(typed: &str, hash: &str) -> Verdict {
    if hash.starts_with("$2") {
        // Older products took a password as it was typed.
        return match bcrypt::verify(typed, hash) {
            Ok(true) => Verdict::RightButOld,
            Ok(false) | Err(_) => Verdict::Wrong,
        };
    }
    match Argon2::default().verify_password(normalised(typed).as_bytes(), hash) {
        Ok(()) => Verdict::Right,
        Err(_) => Verdict::Wrong,
    }
}

/// A password to be changed at once: 80 bits, easily typed.
pub fn one_time() -> Result<String> {
    let mut dice = [0; 16];
    aws_lc_rs::rand::fill(&mut dice).map_err(Error::internal)?;
    let letters: Vec<char> = dice.iter().map(|die| char::from(LETTERS[usize::from(die % 32)])).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// Argon2id (19 MiB, 2 passes, 1 lane: OWASP's first choice) in PHC form.
pub fn hash_password(password: &str) -> Result<String> {
    let hash: argon2::PasswordHash = Argon2::default()
        .hash_password(normalised(password).as_bytes())
        .map_err(Error::internal)?;
    Ok(hash.to_string())
}

//! What the database keeps sealed or only as a keyed hash, so that who has the database alone has neither.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};

/// Seals and hashes under keys derived from the secret key, one for each purpose.
#[derive(Debug, Clone)]
pub struct Seal(SecretString);

impl Seal {
    /// Under this secret key.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    fn derived(&self, purpose: &str) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret().as_bytes());
        hmac::sign(&key, format!("gad {purpose}").as_bytes())
    }

    /// A keyed hash (HMAC-SHA256) of a value.
    pub fn hash(&self, purpose: &str, value: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.derived(purpose).as_ref());
        hmac::sign(&key, value).as_ref().to_vec()
    }

    fn key(&self, purpose: &str) -> Result<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, self.derived(purpose).as_ref()).map_err(Error::internal)
    }

    /// Seals a value (AES-256-GCM); it opens only under the same purpose and name.
    pub fn close(&self, purpose: &str, name: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut body = plain.to_vec();
        let nonce = self
            .key(purpose)?
            .seal_in_place_append_tag(Aad::from(name), &mut body)
            .map_err(Error::internal)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what was sealed.
    pub fn open(&self, purpose: &str, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let (nonce, body) = sealed
            .split_at_checked(NONCE_LEN)
            .ok_or_else(|| Error::internal("a sealed value is too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
        let mut body = body.to_vec();
        let plain = self
            .key(purpose)?
            .open_in_place(nonce, Aad::from(name), &mut body)
            .map_err(|_| Error::internal("a sealed value does not open: is SECRET_KEY the one it was sealed with?"))?;
        Ok(plain.to_vec())
    }
}

/// A secret that is given away once and kept only as its hash.
pub struct Secret {
    /// The secret, 256 bits in base64url.
    pub text: String,
    /// Its SHA-256; enough for a secret that nobody can guess.
    pub hash: Vec<u8>,
}

impl Secret {
    /// A new one.
    pub fn make() -> Result<Self> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self {
            hash: secret_hash(&text),
            text,
        })
    }
}

/// The hash by which a secret is found.
pub fn secret_hash(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

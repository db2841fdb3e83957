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
///
/// While the secret key is being changed the former one still opens; nothing is sealed under it any more.
#[derive(Debug, Clone)]
pub struct Seal {
    present: SecretString,
    former: Option<SecretString>,
}

impl Seal {
    /// Under this secret key.
    pub fn new(secret: SecretString) -> Self {
        Self::changing(secret, None)
    }

    /// Under this secret key, in place of a former one. An empty one is none.
    pub fn changing(present: SecretString, former: Option<SecretString>) -> Self {
        let former = former.filter(|former| !former.expose_secret().is_empty());
        Self { present, former }
    }

    /// A keyed hash (HMAC-SHA256) of a value.
    pub fn hash(&self, purpose: &str, value: &[u8]) -> Vec<u8> {
        hash(&self.present, purpose, value)
    }

    /// The keyed hash of a value, and the one it had under the former secret key.
    pub fn hashes(&self, purpose: &str, value: &[u8]) -> Vec<Vec<u8>> {
        let keys = std::iter::once(&self.present).chain(&self.former);
        keys.map(|key| hash(key, purpose, value)).collect()
    }

    /// Seals a value (AES-256-GCM); it opens only under the same purpose and name.
    pub fn close(&self, purpose: &str, name: &str, plain: &[u8]) -> Result<Vec<u8>> {
        close_with(derived(&self.present, purpose).as_ref(), name, plain)
    }

    /// Opens what was sealed.
    pub fn open(&self, purpose: &str, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let mut keys = std::iter::once(&self.present).chain(&self.former);
        let opened = keys.find_map(|key| open(key, purpose, name, sealed).transpose());
        opened.unwrap_or_else(|| {
            Err(Error::internal(
                "a sealed value does not open: is SECRET_KEY the one it was sealed with?",
            ))
        })
    }

    /// Seals a value anew that is sealed under the former secret key; none if it is sealed under the present one.
    pub fn renew(&self, purpose: &str, name: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
        if open(&self.present, purpose, name, sealed)?.is_some() {
            return Ok(None);
        }
        let plain = self.open(purpose, name, sealed)?;
        self.close(purpose, name, &plain).map(Some)
    }
}

fn derived(secret: &SecretString, purpose: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::sign(&key, format!("gad {purpose}").as_bytes())
}

fn hash(secret: &SecretString, purpose: &str, value: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived(secret, purpose).as_ref());
    hmac::sign(&key, value).as_ref().to_vec()
}

/// What was sealed; none if it was under another key, purpose or name.
fn open(secret: &SecretString, purpose: &str, name: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    open_with(derived(secret, purpose).as_ref(), name, sealed)
}

/// Seals a value (AES-256-GCM) with a key of 32 bytes; it opens only under the same name.
pub(super) fn close_with(key: &[u8], name: &str, plain: &[u8]) -> Result<Vec<u8>> {
    let mut body = plain.to_vec();
    let nonce = RandomizedNonceKey::new(&AES_256_GCM, key)
        .map_err(Error::internal)?
        .seal_in_place_append_tag(Aad::from(name), &mut body)
        .map_err(Error::internal)?;
    let mut sealed = nonce.as_ref().to_vec();
    sealed.append(&mut body);
    Ok(sealed)
}

/// What was sealed with a key of 32 bytes; none if it was with another key, or under another name.
pub(super) fn open_with(key: &[u8], name: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some((nonce, body)) = sealed.split_at_checked(NONCE_LEN) else {
        return Ok(None);
    };
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(Error::internal)?;
    let mut body = body.to_vec();
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(Error::internal)?;
    let opened = key.open_in_place(nonce, Aad::from(name), &mut body);
    Ok(opened.ok().map(|plain| plain.to_vec()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_purpose_its_name_and_its_key_alone() {
        let old = Seal::new("old secret".into());
        let sealed = old.close("purpose", "name", b"value").expect("sealed");
        assert_eq!(old.open("purpose", "name", &sealed).expect("own"), b"value");
        assert!(old.open("other", "name", &sealed).is_err());
        assert!(old.open("purpose", "other", &sealed).is_err());
        assert!(old.open("purpose", "name", b"short").is_err());
        assert!(Seal::new("new secret".into()).open("purpose", "name", &sealed).is_err());
    }

    #[test]
    fn while_the_key_changes_the_former_opens_and_the_present_seals() {
        let old = Seal::new("old secret".into());
        let sealed = old.close("purpose", "name", b"value").expect("sealed");
        let both = Seal::changing("new secret".into(), Some("old secret".into()));
        assert_eq!(both.open("purpose", "name", &sealed).expect("former"), b"value");
        assert_eq!(both.hashes("purpose", b"value")[1], old.hash("purpose", b"value"));
        let renewed = both.renew("purpose", "name", &sealed).expect("renewed").expect("anew");
        assert_eq!(both.renew("purpose", "name", &renewed).expect("present"), None);
        let new = Seal::changing("new secret".into(), Some(String::new().into()));
        assert_eq!(new.open("purpose", "name", &renewed).expect("present"), b"value");
        assert!(new.open("purpose", "name", &sealed).is_err());
        assert!(new.renew("purpose", "name", &sealed).is_err());
    }
}

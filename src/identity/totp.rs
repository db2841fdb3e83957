//! The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for who lost it.

use aws_lc_rs::{hmac, rand};
use jiff::Timestamp;
use totp_rs::{Builder, Secret, Totp};

use super::seal::Seal;
use crate::{
    domain::UserId,
    error::{Error, Result},
};

/// What the secrets are sealed for.
const PURPOSE: &str = "second factor";
/// Recovery codes that are given at a time.
const CODES: usize = 10;
/// Letters of a recovery code, in groups of four: 80 bits.
const LETTERS: usize = 16;
/// Base32 (RFC 4648): no letter looks like a digit of it.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an authenticator app and we have in common.
pub struct Factor(Totp);

/// A code that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fits {
    /// A code of this time step.
    Step(i64),
    /// Perhaps a recovery code: whether it is one, the database knows by this hash.
    Recovery(Vec<u8>),
}

impl Factor {
    /// A new one.
    pub fn make() -> Result<Self> {
        let mut secret = [0; 20];
        rand::fill(&mut secret).map_err(Error::internal)?;
        Self::of(&secret)
    }

    /// Of a secret of 16 bytes or more.
    pub fn of(secret: &[u8]) -> Result<Self> {
        let totp = Builder::new().with_secret(secret.to_vec()).with_account_name("gad").build();
        totp.map(Self).map_err(Error::internal)
    }

    /// Opens one that was sealed.
    pub fn open(seal: &Seal, user: UserId, sealed: &[u8]) -> Result<Self> {
        Self::of(&seal.open(PURPOSE, &user.0.to_string(), sealed)?)
    }

    /// Seals it.
    pub fn close(&self, seal: &Seal, user: UserId) -> Result<Vec<u8>> {
        seal.close(PURPOSE, &user.0.to_string(), self.0.secret().as_bytes())
    }

    /// Seals one under the present secret key, if it is not.
    pub fn reseal(seal: &Seal, user: UserId, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
        seal.renew(PURPOSE, &user.0.to_string(), sealed)
    }

    /// The secret in base32.
    pub fn secret(&self) -> String {
        self.0.secret().to_base32()
    }

    /// The secret as an `otpauth://` URI. Colons in names would cut it in pieces.
    pub fn uri(&self, issuer: &str, account: &str) -> Result<String> {
        let totp = Builder::new()
            .with_secret(Secret::new(self.0.secret().as_bytes().into()))
            .with_issuer(Some(issuer.replace(':', " ")))
            .with_account_name(account.replace(':', " "))
            .build()
            .map_err(Error::internal)?;
        totp.to_url().map_err(Error::internal)
    }

    /// What a code may be at `now`: one of the app, of now or of the step before or after; or a recovery code.
    /// Nothing if it can be neither.
    pub fn read(&self, code: &str, now: Timestamp) -> Option<Fits> {
        let bare: String = code.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
        let bare = bare.to_ascii_uppercase();
        if bare.len() == LETTERS && bare.bytes().all(|letter| ALPHABET.contains(&letter)) {
            return Some(Fits::Recovery(self.recovery_hash(&bare)));
        }
        let seconds = u64::try_from(now.as_second()).ok()?;
        let step = (bare.len() == 6).then(|| self.0.check(&bare, seconds)).flatten()?;
        i64::try_from(step).ok().map(Fits::Step)
    }

    /// New recovery codes, and their hashes. The hashes are keyed with the secret, which is sealed: they last when the
    /// secret key is changed.
    pub fn recovery_codes(&self) -> Result<(Vec<String>, Vec<Vec<u8>>)> {
        let mut codes = Vec::new();
        let mut hashes = Vec::new();
        for _ in 0..CODES {
            let mut dice = [0; LETTERS];
            rand::fill(&mut dice).map_err(Error::internal)?;
            let bare: String = dice.iter().map(|die| char::from(ALPHABET[usize::from(die % 32)])).collect();
            hashes.push(self.recovery_hash(&bare));
            let groups: Vec<&str> = (0..LETTERS / 4).map(|group| &bare[group * 4..group * 4 + 4]).collect();
            codes.push(groups.join("-"));
        }
        Ok((codes, hashes))
    }

    fn recovery_hash(&self, bare: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.secret().as_bytes());
        hmac::sign(&key, format!("gad recovery code {bare}").as_bytes())
            .as_ref()
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn codes_are_those_of_the_standard_and_of_the_steps_around_now() {
        // RFC 6238, appendix B: at 59 seconds, the last six digits of 94287082.
        let factor = Factor::of(b"12345678901234567890").expect("a secret");
        assert_eq!(factor.read("287082", at(59)), Some(Fits::Step(1)));
        assert_eq!(factor.read("287 082", at(89)), Some(Fits::Step(1)));
        assert_eq!(factor.read("287082", at(0)), Some(Fits::Step(1)));
        assert_eq!(factor.read("287082", at(90)), None);
        assert_eq!(factor.read("287083", at(59)), None);
        for junk in ["", "28708", "2870822", "28708a", "２８７０８２"] {
            assert_eq!(factor.read(junk, at(59)), None, "{junk}");
        }
    }

    #[test]
    fn recovery_codes_are_found_by_their_hash_however_they_are_typed() {
        let factor = Factor::make().expect("a secret");
        let (codes, hashes) = factor.recovery_codes().expect("codes");
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        for (code, hash) in codes.iter().zip(hashes) {
            for typed in [
                code.clone(),
                code.to_lowercase(),
                code.replace('-', ""),
                code.replace('-', " "),
            ] {
                assert_eq!(factor.read(&typed, at(0)), Some(Fits::Recovery(hash.clone())), "{typed}");
            }
        }
    }

    #[test]
    fn a_secret_is_sealed_for_its_user() {
        let seal = Seal::new("secret".into());
        let factor = Factor::make().expect("a secret");
        let sealed = factor.close(&seal, UserId(1)).expect("sealed");
        assert_eq!(
            Factor::open(&seal, UserId(1), &sealed).expect("own").secret(),
            factor.secret()
        );
        assert!(Factor::open(&seal, UserId(2), &sealed).is_err());
        let uri = factor.uri("GAD: city", "a:na@gad.example").expect("a URI");
        assert!(
            uri.starts_with("otpauth://totp/GAD%20%20city:a%20na%40gad.example?secret="),
            "{uri}"
        );
    }
}

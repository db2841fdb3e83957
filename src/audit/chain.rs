//! The chain: keyed hashes of rows, heads and days. Who has the database but not the secret key cannot make them.

use aws_lc_rs::hmac;

use crate::{
    domain::audit::{Day, Entry, Erased, Head, Personal, Place, Row},
    error::{Error, Result},
};

/// Bytes of a row's salt.
const SALT: usize = 16;

/// Makes and checks the hashes of one installation.
#[derive(Clone)]
pub struct Chain(hmac::Key);

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain")
    }
}

impl Chain {
    /// Under this key.
    pub fn of(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Keyed hash (HMAC-SHA256) of bytes.
    pub fn hash(&self, bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, bytes).as_ref().to_vec()
    }

    /// The row of an entry after the end of a segment.
    pub fn link(&self, entry: Entry, end: &Head) -> Result<Row> {
        let mut salt = vec![0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(Error::internal)?;
        let personal = entry
            .personal
            .as_ref()
            .ok_or_else(|| Error::internal("an entry without its words"))?;
        let personal_hash = self.personal(personal, &salt);
        let place = Place {
            number: end.place.number + 1,
            ..end.place
        };
        Ok(Row {
            hash: self.hash(&entry.bytes(place, &end.hash, &personal_hash)),
            place,
            entry,
            salt: Some(salt),
            personal_hash,
            erased: None,
        })
    }

    /// Hash of what may tell of a person.
    pub fn personal(&self, personal: &Personal, salt: &[u8]) -> Vec<u8> {
        self.hash(&personal.bytes(salt))
    }

    /// The hash that a row should have as number `number`, after a row with this hash.
    pub fn of_row(&self, row: &Row, number: i64, previous: &[u8]) -> Vec<u8> {
        let place = Place { number, ..row.place };
        self.hash(&row.entry.bytes(place, previous, &row.personal_hash))
    }

    /// The proof that a row with this hash was erased by the server, as the row at a place tells.
    pub fn of_erasure(&self, hash: &[u8], by: Place) -> Vec<u8> {
        self.hash(&Erased::bytes(hash, by))
    }

    /// The hash that guards a head.
    pub fn of_head(&self, head: &Head) -> Vec<u8> {
        self.hash(&head.bytes())
    }

    /// The hash that guards a day.
    pub fn of_day(&self, day: &Day) -> Vec<u8> {
        self.hash(&day.bytes())
    }

    /// One hash for the ends of segments, in this order.
    pub fn of_ends(&self, ends: &[Head]) -> Vec<u8> {
        let mut bytes = b"gad audit ends".to_vec();
        ends.iter().for_each(|end| bytes.extend(end.bytes()));
        self.hash(&bytes)
    }

    /// A name for what must not be written down, such as the e-mail of a failed sign-in: the same for the same text.
    pub fn pseudonym(&self, text: &str) -> String {
        let hash = self.hash(&[b"gad audit name ", text.as_bytes()].concat());
        hex::encode(&hash[..16])
    }
}

//! Page tokens: where a page ended, bound to the query it belongs to.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;

use crate::error::{Error, Result};

/// Bytes of the query's hash in a token.
const HASH: usize = 8;

/// Rows to read for a page size of which 0 means `default`: one more than asked, to know whether there are more.
pub fn limit(page_size: i32, default: i64) -> i64 {
    if page_size == 0 {
        default + 1
    } else {
        i64::from(page_size) + 1
    }
}

/// A query that is paged: its arguments without page size and page token.
#[derive(Debug)]
pub struct Query([u8; HASH]);

impl Query {
    /// A query by its RPC, its arguments, and who asks.
    pub fn of(method: &str, arguments: &impl Message, user: i64) -> Self {
        let mut bytes = method.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(user.to_be_bytes());
        bytes.extend(arguments.encode_to_vec());
        let mut hash = [0; HASH];
        hash.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..HASH]);
        Self(hash)
    }

    /// The place that a token names; none for the first page.
    pub fn open<const N: usize>(&self, token: &str) -> Result<Option<[i64; N]>> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageToken)?;
        if bytes.len() != HASH + 8 * N + HASH || bytes[..HASH] != self.0 {
            return Err(Error::PageToken);
        }
        let (body, check) = bytes.split_at(HASH + 8 * N);
        if digest(&SHA256, body).as_ref()[..HASH] != *check {
            return Err(Error::PageToken);
        }
        let mut place = [0; N];
        for (value, chunk) in place.iter_mut().zip(body[HASH..].chunks_exact(8)) {
            let mut number = [0; 8];
            number.copy_from_slice(chunk);
            *value = i64::from_be_bytes(number);
        }
        Ok(Some(place))
    }

    /// The token of a place.
    pub fn token<const N: usize>(&self, place: [i64; N]) -> String {
        let mut body = self.0.to_vec();
        for value in place {
            body.extend(value.to_be_bytes());
        }
        let check = digest(&SHA256, &body);
        body.extend(&check.as_ref()[..HASH]);
        URL_SAFE_NO_PAD.encode(body)
    }

    /// Cuts the row too many off, and gives the token of the next page if there was one.
    pub fn cut<T, const N: usize>(&self, rows: &mut Vec<T>, limit: i64, place: impl Fn(&T) -> [i64; N]) -> String {
        let wanted = usize::try_from(limit - 1).unwrap_or_default();
        if rows.len() <= wanted {
            return String::new();
        }
        rows.truncate(wanted);
        rows.last().map(|last| self.token(place(last))).unwrap_or_default()
    }
}

/// The words of a text that is searched for.
pub fn words(field: &str, text: &str) -> Result<Vec<String>> {
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if words.is_empty() && !text.trim().is_empty() {
        return Err(Error::invalid(field, "no tiene ninguna palabra", "has no word in it"));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_for_its_own_query_only() {
        let query = Query::of("ListTasks", &"a".to_owned(), 1);
        let token = query.token([1, -2]);
        assert_eq!(query.open(&token).expect("own"), Some([1, -2]));
        for other in [
            Query::of("ListTasks", &"b".to_owned(), 1),
            Query::of("ListTasks", &"a".to_owned(), 2),
            Query::of("ListAgents", &"a".to_owned(), 1),
        ] {
            assert!(other.open::<2>(&token).is_err());
        }
    }

    #[test]
    fn an_altered_token_is_refused() {
        let query = Query::of("ListTasks", &"a".to_owned(), 1);
        let token = query.token([7, 8]);
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ascii");
            assert!(query.open::<2>(&altered).is_err(), "{altered}");
        }
        assert!(query.open::<1>(&token).is_err());
    }
}

//! Cookies that carry an access token, and the CSRF token that proves that a page of ours sent them.
//!
//! A browser sends cookies along whoever wrote the page. So whoever comes by cookie and wants to change something shows,
//! in a header, a value that only a page of the same site can read: a keyed hash of the very token.

use http::{HeaderMap, header::COOKIE};

use super::Seal;

/// Cookie with the access token.
const ACCESS: &str = "access_token";
/// Cookie with the CSRF token, for scripts to read.
const CSRF: &str = "csrf_token";
/// Header in which the CSRF token comes back.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// What the CSRF token is hashed for.
const PURPOSE: &str = "csrf";

/// The `set-cookie` headers that give a browser an access token for so many seconds, and the CSRF token for it.
pub fn given(seal: &Seal, token: &str, seconds: i64, secure: bool) -> [String; 2] {
    let secure = if secure { "; Secure" } else { "" };
    let rules = format!("Max-Age={}; Path=/; SameSite=strict{secure}", seconds.max(0));
    let csrf = csrf_token(seal, token);
    [
        format!("{ACCESS}={token}; HttpOnly; {rules}"),
        format!("{CSRF}={csrf}; {rules}"),
    ]
}

/// The `set-cookie` headers that take both away again.
pub fn taken(secure: bool) -> [String; 2] {
    let secure = if secure { "; Secure" } else { "" };
    let rules = format!("Max-Age=0; Path=/; SameSite=strict{secure}");
    [format!("{ACCESS}=; HttpOnly; {rules}"), format!("{CSRF}=; {rules}")]
}

/// The access token among the cookies.
pub fn access_token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    let (_, token) = cookies.find(|(name, token)| *name == ACCESS && !token.is_empty())?;
    Some(token)
}

/// The CSRF token that goes with an access token.
pub fn csrf_token(seal: &Seal, token: &str) -> String {
    hex::encode(seal.hash(PURPOSE, token.as_bytes()))
}

/// Whether the header says that a page of ours wanted this.
pub fn is_meant(seal: &Seal, token: &str, headers: &HeaderMap) -> bool {
    let shown = headers.get(CSRF_HEADER).map(|value| value.as_bytes());
    super::is_same(shown.unwrap_or_default(), csrf_token(seal, token).as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        assert_eq!(access_token(&headers), None);
        headers.append(COOKIE, HeaderValue::from_static("a=1; my_access_token=no;access_token2=no"));
        assert_eq!(access_token(&headers), None);
        headers.append(COOKIE, HeaderValue::from_static("b=2; access_token=x.y=z; c"));
        assert_eq!(access_token(&headers), Some("x.y=z"));
    }

    #[test]
    fn only_the_csrf_token_of_the_very_token_will_do() {
        let (seal, other) = (Seal::new("one".into()), Seal::new("other".into()));
        let mut headers = HeaderMap::new();
        assert!(!is_meant(&seal, "t", &headers));
        for (csrf, meant) in [
            (csrf_token(&seal, "t"), true),
            (csrf_token(&seal, "u"), false),
            (csrf_token(&other, "t"), false),
            ("t".to_owned(), false),
            (String::new(), false),
        ] {
            headers.insert(CSRF_HEADER, HeaderValue::try_from(csrf).expect("a header"));
            assert_eq!(is_meant(&seal, "t", &headers), meant);
        }
    }

    #[test]
    fn scripts_cannot_read_the_token_and_other_sites_cannot_send_it() {
        let [access, csrf] = given(&Seal::new("one".into()), "t", 1800, true);
        assert_eq!(
            access,
            "access_token=t; HttpOnly; Max-Age=1800; Path=/; SameSite=strict; Secure"
        );
        assert!(csrf.starts_with("csrf_token=") && csrf.ends_with("; Max-Age=1800; Path=/; SameSite=strict; Secure"));
        assert!(!csrf.contains("HttpOnly"));
        assert_eq!(taken(false)[0], "access_token=; HttpOnly; Max-Age=0; Path=/; SameSite=strict");
    }
}

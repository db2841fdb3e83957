//! Cookies that carry an access token, and the CSRF token that proves that a page of ours sent them.
//!
//! A browser sends cookies along whoever wrote the page. So whoever comes by cookie and wants to change something shows,
//! in a header, a value that only a page of the same site can read: a keyed hash of the very token.

use http::{
    HeaderMap,
    header::{COOKIE, ORIGIN},
};

use super::Seal;

/// Cookie with the access token.
const ACCESS: &str = "access_token";
/// Cookie with the CSRF token, for scripts to read.
const CSRF: &str = "csrf_token";
/// Header in which the CSRF token comes back.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Header in which browsers say whose page asks; no script can set it.
const FETCH_SITE: &str = "sec-fetch-site";
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

/// Whether a browser says that a page of another site sent this. Browsers say so of what changes something; what says nothing
/// is none, and sends no cookies that it was not told to.
pub fn is_foreign(headers: &HeaderMap) -> bool {
    match headers.get(FETCH_SITE) {
        Some(site) => !matches!(site.as_bytes(), b"same-origin" | b"none"),
        None => headers.contains_key(ORIGIN),
    }
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
    fn browsers_say_when_another_site_asks() {
        for (sent, foreign) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://gad.example")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "")], true),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null")], true),
        ] {
            let headers = sent.iter().map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            assert_eq!(is_foreign(&headers.collect()), foreign, "{sent:?}");
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

//! What people type to say who they are: addresses, usernames, passwords, codes, API tokens.

use std::sync::LazyLock;

use gad::{
    domain::{email, password},
    identity::{
        api_token,
        totp::{Factor, Fits},
    },
};

static FACTOR: LazyLock<Factor> = LazyLock::new(|| Factor::of(b"12345678901234567890").expect("a secret"));

/// One line each: an address or username, a password, a code, an API token.
pub fn run(data: &[u8]) {
    let (login, rest) = super::line(data);
    let (password, rest) = super::line(rest);
    let (code, rest) = super::line(rest);
    let (token, _) = super::line(rest);
    let [login, password, code, token] = [login, password, code, token].map(String::from_utf8_lossy);
    address(&login);
    username(&login);
    strength(&password, &login);
    second_factor(&code);
    if api_token::is_whole(&token) {
        assert!(token.is_ascii() && token.len() == 53, "{token}");
        let mut altered = token.clone().into_owned();
        altered.replace_range(10..11, if token[10..].starts_with('A') { "B" } else { "A" });
        assert!(!api_token::is_whole(&altered), "{altered}");
    }
}

/// An address has one form, which is an address that mail can be sent to.
fn address(text: &str) {
    let Some(one) = email::email(text) else {
        return;
    };
    assert_eq!(email::email(&one).as_ref(), Some(&one), "of {text:?}");
    assert_eq!(email::login(&one).as_ref(), Some(&one), "of {text:?}");
    assert_eq!(email::login(text).as_ref(), Some(&one), "of {text:?}");
    assert!(one.len() <= 254 && one.is_ascii() && !one.contains(|letter: char| letter <= ' ' || letter == '\u{7f}'));
    assert!(!one.contains(char::is_uppercase) && one.matches('@').count() == 1, "{one}");
    assert!(one.parse::<lettre::Address>().is_ok(), "no mail can be sent to {one}");
}

fn username(text: &str) {
    let Some(one) = email::username(text) else {
        return;
    };
    assert_eq!(email::username(&one).as_ref(), Some(&one), "of {text:?}");
    assert!((3..=50).contains(&one.len()) && one.is_ascii() && !one.contains('@'));
    assert_eq!(email::email(text), None, "{text:?} is an address and a username");
}

/// However it is written, a password is as strong as its one form.
fn strength(text: &str, login: &str) {
    let one = password::normalised(text);
    assert_eq!(password::normalised(&one), one);
    let personal = [login];
    let found = password::check(text, &personal);
    assert_eq!(password::check(&one, &personal), found, "{text:?}");
    if found.is_ok() {
        assert!((password::SHORTEST..=password::LONGEST).contains(&one.chars().count()));
        assert!(!one.contains('\0'));
        assert!(password::check(&one, &[&one]).is_err(), "one's own name is no password");
    }
}

fn second_factor(code: &str) {
    let now = super::now();
    let step = now.as_second() / 30;
    let read = FACTOR.read(code, now);
    match &read {
        Some(Fits::Step(at)) => assert!((step - 1..=step + 1).contains(at), "step {at} at {step}"),
        Some(Fits::Recovery(hash)) => assert_eq!(hash.len(), 32),
        None => {}
    }
    let spread: String = code.chars().flat_map(|letter| [letter, ' ']).collect();
    assert_eq!(FACTOR.read(&spread, now), read, "{code:?} with spaces");
}

//! What makes a secret none.

use std::collections::BTreeSet;

/// What stands in examples, documentation and demos instead of a secret.
const PLACEHOLDERS: [&str; 19] = [
    "change-me",
    "change_me",
    "changeit",
    "changeme",
    "cambia-",
    "cambiame",
    "demo",
    "example",
    "ejemplo",
    "insecure",
    "never-for-production",
    "password",
    "placeholder",
    "secret-key",
    "secret_key",
    "secretkey",
    "xxxxxx",
    "your-",
    "your_",
];

/// Why a text is no secret to rely on; nothing if it is one.
pub fn weakness(secret: &str, least: usize) -> Option<String> {
    if secret.is_empty() {
        return Some("is not set".to_owned());
    }
    if is_placeholder(secret) {
        return Some("is a placeholder or a default that everybody knows: make one with `openssl rand -hex 32`".to_owned());
    }
    if secret.chars().count() < least {
        return Some(format!("must have at least {least} characters"));
    }
    let letters: BTreeSet<char> = secret.chars().collect();
    (letters.len() < 8).then(|| "is too simple: make one with `openssl rand -hex 32`".to_owned())
}

/// Why a password of the database is none to rely on; nothing if it is one.
pub fn password_weakness(password: &str) -> Option<&'static str> {
    let has = |wanted: fn(&char) -> bool| password.chars().any(|letter| wanted(&letter));
    if password.is_empty() {
        Some("is not set")
    } else if is_placeholder(password) {
        Some("is a placeholder or a default that everybody knows")
    } else if password.chars().count() < 12 || !has(char::is_ascii_digit) || !has(|letter| !letter.is_alphanumeric()) {
        Some("must have at least 12 characters, among them a digit and a symbol")
    } else {
        None
    }
}

fn is_placeholder(text: &str) -> bool {
    let text = text.to_lowercase();
    let bracketed = text.starts_with('<') && text.ends_with('>') || text.contains("${");
    bracketed || PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_text_of_chance_is_a_secret() {
        for (secret, why) in [
            ("", "is not set"),
            ("3f9c1d", "must have at least 32"),
            ("your-secret-key-here-at-least-32-characters", "placeholder"),
            ("CHANGEME-CHANGEME-CHANGEME-CHANGEME", "placeholder"),
            ("<make one with openssl rand -hex 32>", "placeholder"),
            (crate::config::DEMO_SECRET, "placeholder"),
            (crate::config::DEMO_BRIDGE_TOKEN, "placeholder"),
            (crate::config::DEMO_BOT_TOKEN, "placeholder"),
            ("abababababababababababababababababab", "too simple"),
        ] {
            let weakness = weakness(secret, 32).unwrap_or_default();
            assert!(weakness.contains(why), "{secret}: {weakness}");
        }
        assert_eq!(weakness("0b4f9c1de2a7386550c1aa94d3e8f7b2", 32), None);
    }

    #[test]
    fn a_password_has_length_a_digit_and_a_symbol() {
        for password in [
            "",
            "short-1",
            "longenoughbutplain1",
            "long-enough-but-plain",
            "Password-123456",
            "postgres",
        ] {
            assert!(password_weakness(password).is_some(), "{password}");
        }
        assert_eq!(password_weakness("tres-tristes-tigres-3"), None);
    }
}

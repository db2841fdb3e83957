//! National ids: in the one form by which they are compared.

use std::fmt;

/// A national id: capital letters and digits, without what people write between them. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct NationalId(String);

/// A text that is no national id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a national id has 5 to 15 letters and digits, at least 4 of them digits")]
pub struct NoNationalId;

impl NationalId {
    /// From what somebody typed: dots, hyphens and spaces do not count, nor does case.
    pub fn of(text: &str) -> Result<Self, NoNationalId> {
        let typed = text.chars().filter(|letter| !matches!(letter, '.' | '-' | ' '));
        let plain: String = typed.map(|letter| letter.to_ascii_uppercase()).collect();
        let digits = plain.bytes().filter(u8::is_ascii_digit).count();
        let known = plain.bytes().all(|letter| letter.is_ascii_alphanumeric());
        if known && (5..=15).contains(&plain.len()) && digits >= 4 {
            Ok(Self(plain))
        } else {
            Err(NoNationalId)
        }
    }

    /// The letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NationalId")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_however_it_is_typed() {
        let id = NationalId::of("1.234.567-k").expect("valid");
        assert_eq!(id.as_str(), "1234567K");
        assert_eq!(NationalId::of("1234567 K"), Ok(id));
        for wrong in [
            "",
            "1234",
            "abcdefg",
            "1234567890123456",
            "12345ñ",
            "12345\u{0}",
            "１２３４５",
        ] {
            assert_eq!(NationalId::of(wrong), Err(NoNationalId), "{wrong}");
        }
    }
}

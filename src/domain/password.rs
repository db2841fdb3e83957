//! What may be a password.

use std::{collections::HashSet, sync::LazyLock};

use unicode_normalization::UnicodeNormalization as _;

/// Fewest characters of a password.
pub const SHORTEST: usize = 8;
/// Most characters of a password.
pub const LONGEST: usize = 1000;

/// The commonest passwords; the file says where they are from.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("common_passwords.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// Why a text is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than [`SHORTEST`] characters.
    Short,
    /// More than [`LONGEST`] characters.
    Long,
    /// A character that no keyboard has: older programs would cut the password there.
    Control,
    /// The person's own address or name.
    Personal,
    /// One that everybody tries first.
    Common,
}

/// The one form of a password: keyboards and systems write the same letters differently (Unicode NFKC).
pub fn normalised(password: &str) -> String {
    password.nfkc().collect()
}

/// Whether this may be the password of somebody with these addresses and names.
pub fn check(password: &str, personal: &[&str]) -> Result<(), Weakness> {
    let password = normalised(password);
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(Weakness::Short);
    }
    if length > LONGEST {
        return Err(Weakness::Long);
    }
    if password.chars().any(char::is_control) {
        return Err(Weakness::Control);
    }
    let folded = password.to_lowercase();
    if personal.iter().any(|own| is_own(&folded, own)) {
        return Err(Weakness::Personal);
    }
    if COMMON.contains(folded.as_str()) || is_a_run(&folded) {
        return Err(Weakness::Common);
    }
    Ok(())
}

/// Whether the password is this address or name, with or without spaces, or the part of the address before the `@`.
fn is_own(password: &str, own: &str) -> bool {
    let own = normalised(own).to_lowercase();
    let joined = |text: &str| text.split_whitespace().collect::<String>();
    let local = own.split('@').next().unwrap_or_default();
    !own.is_empty() && [own.as_str(), local, &joined(&own)].contains(&joined(password).as_str())
}

/// Whether each letter follows from the one before: all the same, or the next, or the one before it.
fn is_a_run(password: &str) -> bool {
    let codes: Vec<i64> = password.chars().map(|letter| i64::from(u32::from(letter))).collect();
    let mut steps = codes.windows(2).map(|pair| pair[1] - pair[0]);
    let first = steps.next().unwrap_or_default();
    (-1..=1).contains(&first) && steps.all(|step| step == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weakness(password: &str) -> Option<Weakness> {
        check(password, &["Ana.Rojas@gad.example", "anarojas77", "Ana María Rojas"]).err()
    }

    #[test]
    fn length_is_counted_in_characters_after_normalising() {
        assert_eq!(weakness("ñandú-7"), Some(Weakness::Short));
        assert_eq!(weakness("ñandú-77"), None);
        // One letter that is four, written out.
        assert_eq!(weakness("x7\u{3300}"), Some(Weakness::Short));
        assert_eq!(weakness("x7y\u{3300}z"), None);
        assert_eq!(weakness(&"ab3".repeat(333)), None);
        assert_eq!(weakness(&"ab3d".repeat(250)), None);
        assert_eq!(weakness(&"ab3d1".repeat(201)), Some(Weakness::Long));
    }

    #[test]
    fn the_same_letters_are_the_same_password_however_they_are_written() {
        assert_eq!(normalised("contrasen\u{303}a"), normalised("contraseña"));
        assert_eq!(normalised("ｃｌａｖｅ"), "clave");
    }

    #[test]
    fn what_everybody_would_try_is_refused() {
        for common in [
            "Password123",
            "12345678",
            "CONTRASEÑA",
            "contrasen\u{303}a",
            "ｑｗｅｒｔｙ１２３",
        ] {
            assert_eq!(weakness(common), Some(Weakness::Common), "{common}");
        }
        for run in ["aaaaaaaaa", "abcdefghij", "hgfedcba", "456789:;"] {
            assert_eq!(weakness(run), Some(Weakness::Common), "{run}");
        }
        for own in [
            "ana.rojas@GAD.example",
            "Ana.Rojas",
            "AnaRojas77",
            "ana maría rojas",
            "anamaríarojas",
        ] {
            assert_eq!(weakness(own), Some(Weakness::Personal), "{own}");
        }
        for fine in ["ana.rojas.es.de.aquí", "tres tristes tigres", "aabbccdd1"] {
            assert_eq!(weakness(fine), None, "{fine}");
        }
        assert_eq!(weakness("tres\0tristes"), Some(Weakness::Control));
    }

    #[test]
    fn the_list_holds_what_could_be_a_password() {
        assert!(COMMON.len() > 200);
        for common in COMMON.iter() {
            assert!(
                common.chars().count() >= SHORTEST && **common == normalised(common).to_lowercase(),
                "{common}"
            );
        }
    }
}

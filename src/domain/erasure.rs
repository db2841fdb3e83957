//! Erasing a person: what names them in what others wrote, and what stands there instead.

use super::{UserId, user::Name};

/// What stands for an erased user.
pub fn pseudonym(user: UserId) -> String {
    format!("USUARIO_ELIMINADO_{}", user.0)
}

/// Values by which a person is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Traces {
    /// Those that name nobody else: where they stand in a text, the person is meant.
    pub telling: Vec<String>,
    /// All of them. Where one stands in an answer that was kept, it may be the person's.
    pub all: Vec<String>,
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traces")
    }
}

/// Shorter values are in everything.
const SHORTEST: usize = 3;

/// How a person is known; what is empty is not known.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Names.
    pub name: &'a Name,
    /// E-mail address.
    pub email: &'a str,
    /// Name to sign in with.
    pub username: &'a str,
    /// Telephone number.
    pub phone: &'a str,
    /// Number at Telegram.
    pub telegram_id: Option<i64>,
    /// National id.
    pub national_id: &'a str,
}

impl Traces {
    /// Of somebody who is known so.
    pub fn of(known: Known<'_>) -> Self {
        let Known {
            name,
            email,
            username,
            phone,
            telegram_id,
            national_id,
        } = known;
        let full = format!("{} {}", name.given, name.family);
        let telegram = telegram_id.map(|id| id.to_string()).unwrap_or_default();
        // One word may be anybody's, or no name at all; a number is somebody's if it is long.
        let is_name = |text: &str| text.trim().contains(' ');
        let is_number = |text: &str| text.bytes().filter(u8::is_ascii_digit).count() >= 6;
        let mut telling = vec![email.to_owned()];
        telling.extend([&name.display, &full].into_iter().filter(|text| is_name(text)).cloned());
        let numbers = [phone, &telegram, national_id, username];
        telling.extend(numbers.into_iter().filter(|text| is_number(text)).map(str::to_owned));
        let mut all = telling.clone();
        all.extend([&name.display, &name.given, &name.family, phone, username].map(str::to_owned));
        for values in [&mut telling, &mut all] {
            values.iter_mut().for_each(|value| *value = value.trim().to_owned());
            values.retain(|value| value.chars().count() >= SHORTEST);
            values.sort();
            values.dedup();
        }
        Self { telling, all }
    }

    /// A regular expression, as PostgreSQL reads it, for the telling ones as whole words; none if there are none.
    pub fn pattern(&self) -> Option<String> {
        self.pattern_of(str::to_owned)
    }

    /// The same, where the text is one of JSON.
    pub fn json_pattern(&self) -> Option<String> {
        self.pattern_of(|value| value.replace('\\', r"\\").replace('"', r#"\""#))
    }

    fn pattern_of(&self, escape: impl Fn(&str) -> String) -> Option<String> {
        let mut values: Vec<String> = self.telling.iter().map(|value| literal(&escape(value))).collect();
        if values.is_empty() {
            return None;
        }
        // The longest first: of a name within another the other is meant.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Some(format!("(?<![[:alnum:]])({})(?![[:alnum:]])", values.join("|")))
    }
}

/// A text that a regular expression matches as it is.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_may_be_anybodys_is_left_in_texts() {
        let known = Known {
            name: &Name {
                display: "Norte".to_owned(),
                given: "Rosa".to_owned(),
                family: "Peña".to_owned(),
            },
            email: "rosa.pena@gad.example",
            username: "norte",
            phone: "+57 300 123 4567",
            telegram_id: Some(987_654_321),
            national_id: "1020304050",
        };
        let Traces { telling, all } = Traces::of(known);
        let expected = [
            "+57 300 123 4567",
            "1020304050",
            "987654321",
            "Rosa Peña",
            "rosa.pena@gad.example",
        ];
        assert_eq!(telling, expected);
        for value in ["Norte", "Rosa", "Peña", "norte"] {
            assert!(all.contains(&value.to_owned()), "{value}");
        }
    }

    #[test]
    fn the_pattern_takes_values_as_they_are_and_the_longest_first() {
        let traces = Traces {
            telling: vec!["a.b@c".to_owned(), "Rosa Peña de Ruiz".to_owned(), "Rosa Peña".to_owned()],
            all: Vec::new(),
        };
        assert_eq!(
            traces.pattern().expect("some"),
            r"(?<![[:alnum:]])(Rosa\ Peña\ de\ Ruiz|Rosa\ Peña|a\.b\@c)(?![[:alnum:]])"
        );
        let quoted = Traces {
            telling: vec![r#"Rosa "La \ Negra""#.to_owned()],
            all: Vec::new(),
        };
        assert_eq!(
            quoted.json_pattern().expect("some"),
            r#"(?<![[:alnum:]])(Rosa\ \\\"La\ \\\\\ Negra\\\")(?![[:alnum:]])"#
        );
        let nobody = Traces {
            telling: Vec::new(),
            all: Vec::new(),
        };
        assert_eq!(nobody.pattern(), None);
    }
}

//! E-mail addresses and usernames, in the one form that they are kept and compared in.
//!
//! Two addresses that look alike must not be two accounts. So the part before the `@` is ASCII once full-width and other
//! compatibility letters are written plainly (Unicode NFKC): a Cyrillic `а` is refused. The part after it is a domain in its
//! ASCII form (IDNA, UTS 46): one in another script is kept as `xn--…`, which looks like no other. Case does not count.

use unicode_normalization::UnicodeNormalization as _;

/// Most characters of an address (RFC 5321).
const LONGEST: usize = 254;
/// Most characters before the `@` (RFC 5321).
const LONGEST_LOCAL: usize = 64;
/// Characters beside letters and digits that may stand before the `@`, unquoted (RFC 5322).
const SIGNS: &str = ".!#$%&'*+/=?^_`{|}~-";

/// The address in its one form; none if it is no address.
pub fn email(text: &str) -> Option<String> {
    let plain: String = text.nfkc().collect();
    let (local, domain) = plain.rsplit_once('@')?;
    let good = |letter: char| letter.is_ascii_alphanumeric() || SIGNS.contains(letter);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if local.is_empty() || local.len() > LONGEST_LOCAL || dots || !local.chars().all(good) {
        return None;
    }
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let labels: Vec<&str> = domain.split('.').collect();
    let digits = labels.last()?.bytes().all(|byte| byte.is_ascii_digit());
    if labels.len() < 2 || labels.iter().any(|label| label.is_empty()) || digits {
        return None;
    }
    let email = format!("{}@{domain}", local.to_ascii_lowercase());
    (email.len() <= LONGEST).then_some(email)
}

/// The username in its one form: 3 to 50 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit; none if it is none.
pub fn username(text: &str) -> Option<String> {
    let plain = text.nfkc().collect::<String>().to_lowercase();
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let begins = plain.starts_with(|first: char| first.is_ascii_alphanumeric());
    ((3..=50).contains(&plain.len()) && begins && plain.chars().all(good)).then_some(plain)
}

/// What somebody signs in by, an address or a username, in its one form; none if it can be nobody's.
pub fn login(text: &str) -> Option<String> {
    if text.nfkc().any(|letter| letter == '@') {
        email(text)
    } else {
        username(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        for same in [
            "Ana@GAD.example",
            "ＡＮＡ@gad.example",
            "ana@ｇａｄ.example",
            "ana＠gad.example",
            "ana@gad。example",
        ] {
            assert_eq!(email(same).as_deref(), Some("ana@gad.example"), "{same}");
        }
        assert_eq!(email("a+b@x.example").as_deref(), Some("a+b@x.example"));
        assert_eq!(email("ana@bogotá.example").as_deref(), Some("ana@xn--bogot-1qa.example"));
        assert_eq!(email("ana@XN--BOGOT-1QA.example"), email("ana@BOGOTÁ.example"));
    }

    #[test]
    fn look_alikes_are_refused_or_are_visibly_other() {
        for bad in [
            "\u{430}na@gad.example",
            "an\u{200b}a@gad.example",
            "an\u{202e}a@gad.example",
            "ana@gad\u{200d}.example",
            "ana\0@gad.example",
            "ana @gad.example",
            "ana@gad.example\n",
            "ñandú@gad.example",
        ] {
            assert_eq!(email(bad), None, "{bad:?}");
        }
        // A Cyrillic letter in the domain.
        let other = email("ana@g\u{430}d.example").expect("an address");
        assert!(other.contains("xn--"), "{other}");
    }

    #[test]
    fn what_is_no_address_is_none() {
        let long_local = format!("{}@gad.example", "a".repeat(65));
        let long_domain = format!("a@{}.example", "b".repeat(64));
        let long = format!("a@{}example", "b1234567.".repeat(30));
        for bad in [
            "",
            "@",
            "ana",
            "ana@",
            "@gad.example",
            "ana@gad",
            "ana@.example",
            "ana@gad..example",
            ".ana@gad.example",
            "ana.@gad.example",
            "a..b@gad.example",
            "a@b@gad.example",
            "ana@127.0.0.1",
            "\"ana\"@gad.example",
            "ana@-gad.example",
            &long_local,
            &long_domain,
            &long,
        ] {
            assert_eq!(email(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_login_is_an_address_or_a_username() {
        assert_eq!(login("Ana.Rojas").as_deref(), Some("ana.rojas"));
        assert_eq!(login("Ana@GAD.example").as_deref(), Some("ana@gad.example"));
        for bad in ["ab", "-ana", "ana rojas", "añá", "\u{430}na", "ana\0", &"a".repeat(51)] {
            assert_eq!(login(bad), None, "{bad}");
        }
        assert_eq!(login("ａｎａ").as_deref(), Some("ana"));
    }
}

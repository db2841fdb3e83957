//! What people may set of a user: from the wire, whole or by mask.

use prost_types::FieldMask;

use crate::{
    domain::{
        email,
        user::{Name, User},
    },
    error::{Error, Result},
    pb,
};

/// Fields that an administrator may name in a mask.
pub const ALL: &[&str] = &[
    "email",
    "username",
    "display_name",
    "given_name",
    "family_name",
    "phone",
    "telegram_id",
    "language",
    "country_code",
];

/// Fields of their own that everybody may name in a mask: not those by which others know for certain who it is.
pub const OWN: &[&str] = &[
    "username",
    "display_name",
    "given_name",
    "family_name",
    "phone",
    "language",
    "country_code",
];

/// The e-mail in its one form.
pub fn email(wire: &pb::User) -> Result<String> {
    if wire.email.is_empty() {
        return Err(Error::required("user.email"));
    }
    email::email(&wire.email).ok_or_else(|| invalid("user.email"))
}

/// The username in its one form; none if it is empty.
pub fn username(wire: &pb::User) -> Result<Option<String>> {
    let name = wire.username.as_deref().filter(|name| !name.is_empty());
    let name = name.map(|name| email::username(name).ok_or_else(|| invalid("user.username")));
    name.transpose()
}

fn invalid(field: &str) -> Error {
    Error::invalid(field, "no es válido", "is not valid")
}

/// The names of a new user; whoever has no name to show is shown by the others.
pub fn name(wire: &pb::User) -> Result<Name> {
    let (given, family) = (wire.given_name.trim(), wire.family_name.trim());
    let shown = match wire.display_name.trim() {
        "" => format!("{given} {family}").trim().to_owned(),
        display => display.to_owned(),
    };
    Ok(Name {
        display: filled("user.display_name", &shown)?,
        given: given.to_owned(),
        family: family.to_owned(),
    })
}

/// The language of mail.
pub fn language(wire: &pb::User) -> String {
    let language = if wire.language.is_empty() { "es" } else { &wire.language };
    language.to_owned()
}

/// The country, if it is said.
pub fn country(wire: &pb::User) -> Option<String> {
    wire.country_code.clone().filter(|code| !code.is_empty())
}

/// Puts the fields that the mask names into the user; without a mask, those of `paths` that are filled in.
pub fn apply(user: &mut User, wire: &pb::User, mask: Option<&FieldMask>, paths: &[&'static str]) -> Result<()> {
    let named: Vec<&str> = match mask {
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().map(String::as_str).collect(),
        _ => paths.iter().copied().filter(|path| is_filled(wire, path)).collect(),
    };
    let named = if named == ["*"] { paths.to_vec() } else { named };
    for path in named {
        if !paths.contains(&path) {
            return Err(Error::fixed(path));
        }
        set(user, wire, path)?;
    }
    Ok(())
}

fn is_filled(wire: &pb::User, path: &str) -> bool {
    match path {
        "email" => !wire.email.is_empty(),
        "username" => wire.username.is_some(),
        "display_name" => !wire.display_name.is_empty(),
        "given_name" => !wire.given_name.is_empty(),
        "family_name" => !wire.family_name.is_empty(),
        "phone" => !wire.phone.is_empty(),
        "telegram_id" => wire.telegram_id.is_some(),
        "language" => !wire.language.is_empty(),
        "country_code" => wire.country_code.is_some(),
        _ => false,
    }
}

fn set(user: &mut User, wire: &pb::User, path: &str) -> Result<()> {
    match path {
        "email" => {
            let email = email(wire)?;
            if user.email != email {
                user.email_verified = None;
            }
            user.email = email;
        }
        "username" => user.username = username(wire)?,
        "display_name" => user.name.display = filled("user.display_name", wire.display_name.trim())?,
        "given_name" => wire.given_name.trim().clone_into(&mut user.name.given),
        "family_name" => wire.family_name.trim().clone_into(&mut user.name.family),
        "phone" => wire.phone.trim().clone_into(&mut user.phone),
        "telegram_id" => user.telegram_id = wire.telegram_id,
        "language" => user.language = language(wire),
        "country_code" => user.country = country(wire),
        _ => return Err(Error::fixed(path)),
    }
    Ok(())
}

fn filled(field: &str, text: &str) -> Result<String> {
    if text.is_empty() {
        return Err(Error::required(field));
    }
    Ok(text.to_owned())
}

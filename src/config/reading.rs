//! Reads settings: flags first, then variables, then files that hold secrets, then the names that older products had.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use clap::{Arg, Command, Parser};

/// What can be read, and may be wrong.
pub trait Settings: Parser {
    /// All reasons why a program may not start with them.
    fn problems(&self) -> Vec<String>;
}

/// Variables that older products had for the same thing, after ours in this order.
const OLDER: [(&str, &[&str]); 3] = [
    ("ACCESS_TOKEN_EXPIRE_MINUTES", &["JWT_EXPIRE_MINUTES"]),
    ("CORS_ALLOWED_ORIGINS", &["ALLOWED_ORIGINS"]),
    ("DATABASE_URL", &["DB_URL"]),
];

/// Variables that the database's URL is made of, where it is not given.
const DATABASE_PARTS: [&str; 6] = [
    "POSTGRES_SERVER",
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
];

/// Variables that the URL of Redis is made of, where it is not given.
const REDIS_PARTS: [&str; 4] = ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"];

/// Settings of this process, and all that is wrong with them. Ends the program for `--help` and flags that there are not.
pub fn read<S: Settings>() -> (S, Vec<String>) {
    let mut wrong = BTreeMap::new();
    let command = prepared(S::command(), "", &Outside::process(), &mut wrong);
    let matches = command.get_matches();
    let name = matches.subcommand_name().unwrap_or_default();
    let mut problems = wrong.remove(name).unwrap_or_default();
    let settings = S::from_arg_matches(&matches).unwrap_or_else(|cause| cause.exit());
    for problem in settings.problems() {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    (settings, problems)
}

/// Variables that stand for this one where it is not set, in the order in which they are asked.
pub fn instead(name: &str) -> Vec<&'static str> {
    let older = OLDER.iter().filter(|(ours, _)| *ours == name).flat_map(|(_, older)| *older);
    let parts: &[&str] = match name {
        "DATABASE_URL" => &DATABASE_PARTS,
        "REDIS_URL" => &REDIS_PARTS,
        _ => &[],
    };
    older.chain(parts).copied().collect()
}

/// Whether a variable is a secret: its value is shown nowhere, and may come from the file that `NAME_FILE` names.
pub fn is_secret(argument: &Arg) -> bool {
    argument.is_hide_env_values_set()
}

/// The command with what stands outside filled in. What is wrong is kept by the name of the subcommand that it is wrong
/// for; the program itself has the empty name.
fn prepared(command: Command, name: &str, outside: &Outside, wrong: &mut BTreeMap<String, Vec<String>>) -> Command {
    let mut problems = Vec::new();
    let command = command.mut_args(|argument| filled(argument, outside, &mut problems));
    wrong.insert(name.to_owned(), problems);
    command.mut_subcommands(|subcommand| {
        let name = subcommand.get_name().to_owned();
        prepared(subcommand, &name, outside, wrong)
    })
}

fn filled(argument: Arg, outside: &Outside, problems: &mut Vec<String>) -> Arg {
    let Some(name) = argument.get_env().map(|name| name.to_string_lossy().into_owned()) else {
        return argument;
    };
    if outside.variable(&name).is_some() {
        return match complaint(&argument) {
            Some(complaint) => {
                problems.push(format!("{name}: {complaint}"));
                argument.env(None::<&'static str>)
            }
            None => argument,
        };
    }
    // An empty variable is none.
    let argument = match outside.is_empty(&name) {
        true => argument.env(None::<&'static str>),
        false => argument,
    };
    match outside.instead_of(&name, is_secret(&argument)) {
        Ok(Some(value)) => {
            let argument = argument.default_value(value).hide_default_value(true);
            match complaint(&argument) {
                Some(complaint) => {
                    problems.push(format!("{name}, as an older name has it: {complaint}"));
                    argument.default_value(None::<&'static str>)
                }
                None => argument,
            }
        }
        Ok(None) => argument,
        Err(wrong) => {
            problems.extend(wrong);
            argument
        }
    }
}

/// What is wrong with the argument's value, if anything is.
fn complaint(argument: &Arg) -> Option<String> {
    let alone = Command::new("alone")
        .no_binary_name(true)
        .arg(argument.clone().required(false));
    let refused = alone.try_get_matches_from([""; 0]).err()?;
    let text = refused.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    Some(words.join(" "))
}

/// What stands outside of the program.
#[derive(Debug)]
struct Outside(HashMap<String, String>);

impl Outside {
    /// The variables of this process. What is no text is no variable of ours.
    #[expect(clippy::disallowed_methods, reason = "here the environment enters the program")]
    fn process() -> Self {
        let texts = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(texts.collect())
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_empty(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(String::is_empty)
    }

    /// A variable, or what its file holds.
    fn secret(&self, name: &str) -> Result<Option<String>, Vec<String>> {
        match self.variable(name) {
            Some(value) => Ok(Some(value.to_owned())),
            None => self.file(name),
        }
    }

    /// What the file holds that `NAME_FILE` names.
    fn file(&self, name: &str) -> Result<Option<String>, Vec<String>> {
        let Some(path) = self.variable(&format!("{name}_FILE")) else {
            return Ok(None);
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(cause) => Err(vec![format!("{name}_FILE: {path}: {cause}")]),
        }
    }

    /// The value that a variable has by its file or by older names.
    fn instead_of(&self, name: &str, secret: bool) -> Result<Option<String>, Vec<String>> {
        if secret && let Some(value) = self.file(name)? {
            return Ok(Some(value));
        }
        let older = OLDER.iter().find(|(ours, _)| *ours == name).map(|(_, older)| *older);
        for older in older.unwrap_or_default() {
            let value = if secret {
                self.secret(older)?
            } else {
                self.variable(older).map(str::to_owned)
            };
            if value.is_some() {
                return Ok(value);
            }
        }
        match name {
            "DATABASE_URL" => self.database(),
            "REDIS_URL" => self.redis(),
            _ => Ok(None),
        }
    }

    /// The database by its parts, as a key=value list: none of them needs to be escaped as in a URL.
    fn database(&self) -> Result<Option<String>, Vec<String>> {
        let password = self.secret("POSTGRES_PASSWORD")?;
        let named = DATABASE_PARTS.iter().any(|part| self.variable(part).is_some());
        if !named && password.is_none() {
            return Ok(None);
        }
        let host = self.variable("POSTGRES_SERVER").or_else(|| self.variable("POSTGRES_HOST"));
        let parts = [
            ("host", "POSTGRES_SERVER (or POSTGRES_HOST)", host),
            ("port", "POSTGRES_PORT", self.variable("POSTGRES_PORT").or(Some("5432"))),
            ("dbname", "POSTGRES_DB", self.variable("POSTGRES_DB")),
            ("user", "POSTGRES_USER", self.variable("POSTGRES_USER")),
            ("password", "POSTGRES_PASSWORD", password.as_deref()),
        ];
        let missing: Vec<String> = parts
            .iter()
            .filter(|(_, _, value)| value.is_none())
            .map(|(_, name, _)| format!("{name} is not set, nor is DATABASE_URL"))
            .collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let mut list = String::new();
        for (key, _, value) in parts {
            let value = value.unwrap_or_default().replace('\\', "\\\\").replace('\'', "\\'");
            let _ = write!(list, "{key}='{value}' ");
        }
        Ok(Some(list))
    }

    /// Redis by its parts.
    fn redis(&self) -> Result<Option<String>, Vec<String>> {
        let Some(host) = self.variable("REDIS_HOST") else {
            return Ok(None);
        };
        let password = self.secret("REDIS_PASSWORD")?;
        let password = password
            .map(|password| format!(":{}@", escaped(&password)))
            .unwrap_or_default();
        let port = self.variable("REDIS_PORT").unwrap_or("6379");
        let number = self.variable("REDIS_DB").unwrap_or("0");
        Ok(Some(format!("redis://{password}{host}:{port}/{number}")))
    }
}

/// A text as it stands in a URL.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(variables: &[(&str, &str)]) -> Outside {
        Outside(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_database_is_made_of_its_parts_whatever_stands_in_them() {
        let whole = outside(&[
            ("POSTGRES_HOST", "db"),
            ("POSTGRES_USER", "gad"),
            ("POSTGRES_PASSWORD", "it's a \\ p@ss"),
            ("POSTGRES_DB", "city"),
        ]);
        let url = whole
            .instead_of("DATABASE_URL", true)
            .expect("nothing is missing")
            .expect("a list");
        assert_eq!(
            url.trim(),
            "host='db' port='5432' dbname='city' user='gad' password='it\\'s a \\\\ p@ss'"
        );
        let missing = outside(&[("POSTGRES_DB", "city")]).instead_of("DATABASE_URL", true);
        assert_eq!(missing.expect_err("much is missing").len(), 3);
        let older = outside(&[("DB_URL", "postgres://old"), ("POSTGRES_DB", "city")]);
        assert_eq!(older.instead_of("DATABASE_URL", true), Ok(Some("postgres://old".to_owned())));
    }

    #[test]
    fn redis_is_made_of_its_parts() {
        let parts = outside(&[("REDIS_HOST", "cache"), ("REDIS_PASSWORD", "a/b@c"), ("REDIS_DB", "2")]);
        let url = parts.instead_of("REDIS_URL", true);
        assert_eq!(url, Ok(Some("redis://:a%2Fb%40c@cache:6379/2".to_owned())));
        assert_eq!(outside(&[]).instead_of("REDIS_URL", true), Ok(None));
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let folder = std::env::temp_dir().join(format!("gad-secret-{}", std::process::id()));
        std::fs::write(&folder, "s3cret with spaces \n").expect("it is written");
        let path = folder.to_str().expect("a plain path");
        let found = outside(&[("SECRET_KEY_FILE", path)]).instead_of("SECRET_KEY", true);
        assert_eq!(found, Ok(Some("s3cret with spaces ".to_owned())));
        std::fs::remove_file(&folder).expect("it was there");
        let gone = outside(&[("SECRET_KEY_FILE", path)]).instead_of("SECRET_KEY", true);
        assert!(gone.expect_err("it is gone")[0].starts_with("SECRET_KEY_FILE"));
    }
}

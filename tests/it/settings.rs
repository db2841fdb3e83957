//! Settings as programs read them: what is missing or wrong is said at once, and old `.env` files still work.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Output},
};

use clap::{Arg, CommandFactory as _};
use gad::config::{BridgeSettings, Cli, DEMO_BOT_TOKEN, DEMO_BRIDGE_TOKEN, DEMO_SECRET, reading};

use crate::{
    children::Mortal,
    world::{self, fresh_database, leave_the_demo},
};

/// A secret of chance.
const GOOD: &str = "5b1f0c77d2a94e3380f6c1aa94d3e8f7b2";

/// `gad` with these variables and no others.
fn gad(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gad"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.output().expect("gad starts")
}

/// What `gad serve` says to these variables before it refuses to start.
#[track_caller]
fn refused(variables: &[(&str, &str)]) -> String {
    let output = gad(&["serve"], variables);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("cannot start"), "{said}");
    said
}

#[test]
fn whatever_is_missing_or_wrong_is_said_at_once() {
    let said = refused(&[
        ("DATABASE_POOL_SIZE", "many"),
        ("ENVIRONMENT", "produktion"),
        ("TRUSTED_PROXY_HOSTS", "10.0.0.0/99"),
        ("CORS_ALLOWED_ORIGINS", "[\"*\""),
        ("RATE_LIMIT_CALLS", "0"),
        ("DEBUG", "perhaps"),
        ("GAD_TLS_CERT", "/cert.pem"),
        ("GAD_WATCH_QUEUE", "0"),
    ]);
    for name in [
        "SECRET_KEY",
        "DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "ENVIRONMENT",
        "TRUSTED_PROXY_HOSTS",
        "CORS_ALLOWED_ORIGINS",
        "RATE_LIMIT_CALLS",
        "DEBUG",
        "GAD_TLS_KEY",
        "GAD_WATCH_QUEUE",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn production_refuses_all_that_is_fine_on_a_persons_machine() {
    let said = refused(&[
        ("ENVIRONMENT", "production"),
        (
            "DATABASE_URL",
            "postgresql+asyncpg://gad:changeme@db.example.net/gad?ssl=disable",
        ),
        ("REDIS_URL", "redis://cache.example.net:6379/0"),
        ("SECRET_KEY", "your-secret-key-here-change-in-production"),
        ("GAD_BRIDGE_TOKEN", DEMO_BRIDGE_TOKEN),
        ("TELEGRAM_SERVICE_TOKEN", DEMO_BOT_TOKEN),
        ("DEBUG", "true"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("SECURE_COOKIES", "false"),
    ]);
    for reason in [
        "SECRET_KEY is a placeholder",
        "GAD_BRIDGE_TOKEN is a placeholder",
        "TELEGRAM_SERVICE_TOKEN is a placeholder",
        "DEBUG",
        "CORS_ALLOWED_ORIGINS",
        "SECURE_COOKIES",
        "POSTGRES_PASSWORD",
        "DATABASE_ALLOW_PLAINTEXT",
        "REDIS_ALLOW_PLAINTEXT",
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert!(
        !said.contains("changeme") && !said.contains("your-secret"),
        "it tells secrets: {said}"
    );
    for demo in [DEMO_SECRET, DEMO_BRIDGE_TOKEN, DEMO_BOT_TOKEN] {
        assert!(!said.contains(demo), "{said}");
    }
}

#[test]
fn the_example_of_production_starts_nothing_as_it_is() {
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.production.example")).unwrap();
    let variables: Vec<(&str, &str)> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    let said = refused(&variables);
    for name in [
        "SECRET_KEY",
        "GAD_BRIDGE_TOKEN",
        "TELEGRAM_SERVICE_TOKEN",
        "POSTGRES_PASSWORD",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

/// Folder of the socket, user and name of a database's URL.
fn parts(url: &str) -> (String, &str, &str) {
    let (_, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (host, name) = rest.split_once('/').unwrap();
    (host.replace("%2F", "/"), user, name)
}

#[tokio::test]
async fn the_names_of_older_products_lead_to_the_same_database() {
    let url = fresh_database().await;
    let (folder, user, name) = parts(&url);
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "it's \\ any thing\n").unwrap();
    let by_parts = [
        ("POSTGRES_SERVER", folder.as_str()),
        ("POSTGRES_USER", user),
        ("POSTGRES_DB", name),
        ("POSTGRES_PASSWORD_FILE", password.path().to_str().unwrap()),
    ];
    let asyncpg = url.replacen("postgresql://", "postgresql+asyncpg://", 1);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &url).unwrap();
    let nowhere = "postgresql://nobody@%2Fnowhere/none";
    for variables in [
        &by_parts[..],
        &[("DB_URL", asyncpg.as_str()), ("POSTGRES_SERVER", "nowhere")],
        &[("DATABASE_URL_FILE", file.path().to_str().unwrap()), ("DB_URL", nowhere)],
        &[
            ("DATABASE_URL", url.as_str()),
            ("DB_URL", nowhere),
            ("DATABASE_URL_FILE", "/nowhere"),
        ],
        &[("DATABASE_URL", ""), ("DB_URL", url.as_str())],
    ] {
        let output = gad(&["migrate"], variables);
        assert!(
            output.status.success(),
            "{variables:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let output = gad(&["migrate"], &by_parts[1..3]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("POSTGRES_SERVER") && said.contains("POSTGRES_PASSWORD"),
        "{said}"
    );
}

#[tokio::test]
async fn production_starts_when_all_is_well_and_not_on_a_demo_city() {
    let url = fresh_database().await;
    let good = [
        ("ENVIRONMENT", "Production"),
        ("DATABASE_URL", url.as_str()),
        ("SECRET_KEY", GOOD),
        ("GAD_BRIDGE_TOKEN", &GOOD[1..]),
    ];
    let said = refused(&good);
    assert!(said.contains("demo accounts") && said.contains("admin@gad.example"), "{said}");
    let lines = said.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!(lines, 1, "nothing else is wrong: {said}");

    leave_the_demo(&url).await;
    let mut settings = world::settings(url.clone());
    settings.secret_key = GOOD.into();
    let server = Mortal::serve_with(&settings, &good);
    server.ready().await;
}

/// Every argument that is read from a variable, by program.
fn arguments() -> Vec<(String, Vec<Arg>)> {
    let cli = Cli::command();
    let programs = cli
        .get_subcommands()
        .map(|program| (format!("gad {}", program.get_name()), program));
    let bridge = BridgeSettings::command();
    programs
        .chain([("ws-bridge".to_owned(), &bridge)])
        .map(|(name, program)| {
            let read = program.get_arguments().filter(|argument| argument.get_env().is_some());
            (name, read.cloned().collect())
        })
        .collect()
}

fn variable(argument: &Arg) -> String {
    argument.get_env().unwrap().to_str().unwrap().to_owned()
}

/// The example file as it follows from the settings themselves: what each is for, its default, and how to make it.
fn example() -> String {
    let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (program, arguments) in arguments() {
        for argument in arguments {
            readers.entry(variable(&argument)).or_default().push(program.clone());
        }
    }
    let mut text = "\
# Every variable that a program of GAD reads, with its default. Each is a flag as well: `gad serve --help`.
# A secret NAME may also stand in a file that NAME_FILE names. An empty variable counts as not set.
# Made from the settings themselves: GAD_ACCEPT_SNAPSHOTS=1 cargo nextest run settings
"
    .to_owned();
    let mut written = BTreeSet::new();
    for (program, arguments) in arguments() {
        let new: Vec<&Arg> = arguments
            .iter()
            .filter(|argument| written.insert(variable(argument)))
            .collect();
        if !new.is_empty() {
            writeln!(text, "\n# ---- {program} ----").unwrap();
        }
        for argument in new {
            describe(&mut text, argument, &readers[&variable(argument)]);
        }
    }
    text
}

fn describe(text: &mut String, argument: &Arg, readers: &[String]) {
    let name = variable(argument);
    let purpose = argument.get_long_help().or(argument.get_help()).unwrap().to_string();
    writeln!(text, "\n# {}.", purpose.trim().replace('\n', "\n# ")).unwrap();
    if readers.len() > 1 {
        writeln!(text, "# Read by {}.", readers.join(", ")).unwrap();
    }
    let secret = reading::is_secret(argument);
    if secret && name.ends_with("URL") {
        writeln!(text, "# Secret: {name}_FILE may name a file that holds it.").unwrap();
    } else if secret {
        writeln!(
            text,
            "# Secret: make one with `openssl rand -hex 32`; {name}_FILE may name a file that holds it."
        )
        .unwrap();
    }
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if words.iter().any(|word| word == "true") {
        writeln!(text, "# One of: true, false.").unwrap();
    } else if !words.is_empty() {
        writeln!(text, "# One of: {}.", words.join(", ")).unwrap();
    }
    let defaults: Vec<&str> = argument
        .get_default_values()
        .iter()
        .filter_map(|value| value.to_str())
        .collect();
    writeln!(text, "#{name}={}", defaults.join(",")).unwrap();
    for other in reading::instead(&name) {
        writeln!(text, "#{other}=").unwrap();
    }
}

#[test]
fn the_example_names_every_variable_with_purpose_and_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example");
    let now = example();
    if std::env::var_os("GAD_ACCEPT_SNAPSHOTS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        before == now,
        ".env.example is not what the settings are: run this test with GAD_ACCEPT_SNAPSHOTS=1"
    );
}

#[test]
fn a_setting_that_is_read_twice_means_the_same() {
    let mut seen: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for (program, arguments) in arguments() {
        for argument in arguments {
            let secret = reading::is_secret(&argument);
            let name = variable(&argument);
            let (first, known) = seen.entry(name.clone()).or_insert((program.clone(), secret));
            assert_eq!(*known, secret, "{name} is a secret to one of {first} and {program} only");
        }
    }
    let names: BTreeSet<&String> = seen.keys().collect();
    for (name, (_, secret)) in &seen {
        let word = ["SECRET", "TOKEN", "PASSWORD", "_KEY"].iter().any(|word| name.contains(word));
        let path = name.contains("TLS") || name.contains("UPSTREAM_KEY") || name.ends_with("_MINUTES") || name.ends_with("_DAYS");
        assert!(*secret || !word || path, "{name} sounds like a secret and is shown");
    }
    assert!(names.len() > 50);
}

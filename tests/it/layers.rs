//! Which module may lean on which, and what may stand where: read from the sources themselves.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What a module of `src/` may import of this crate. A module that is not here may import nothing.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &[]),
    ("address", &[]),
    ("language", &[]),
    ("pb", &["codec"]),
    ("error", &["domain", "language", "pb"]),
    ("codec", &["error"]),
    ("descriptor", &["domain", "pb"]),
    ("telemetry", &["config"]),
    ("store", &["config", "domain", "error"]),
    ("identity", &["domain", "error", "store"]),
    (
        "audit",
        &["clock", "config", "descriptor", "domain", "error", "identity", "pb", "store"],
    ),
    ("clock", &[]),
    // `clock`: what runs by itself has nobody who could tell it the time.
    ("live", &["clock", "config", "domain", "error", "store"]),
    ("privacy", &["app", "audit", "domain", "error", "identity", "store"]),
    ("dispatch", &["domain", "error", "store"]),
    ("emergency", &["app", "audit", "dispatch", "domain", "error", "store"]),
    ("check_in", &["app", "audit", "domain", "emergency", "error", "store"]),
    ("geofence", &["app", "audit", "domain", "error", "store"]),
    ("blob", &["app", "clock", "config", "error", "store"]),
    ("recurring", &["app", "domain", "error", "store"]),
    ("outbound", &[]),
    (
        "notify",
        &[
            "app", "config", "domain", "error", "identity", "mail", "outbound", "pb", "store",
        ],
    ),
    ("statistics", &["app", "domain", "error", "store"]),
    ("mail", &["clock", "config", "domain", "error", "identity", "store"]),
    ("admin", &["config", "domain", "error", "identity", "store"]),
    ("keys", &["audit", "config", "error", "identity", "mail", "notify", "store"]),
    (
        "app",
        &[
            "admin",
            "audit",
            "blob",
            "check_in",
            "clock",
            "config",
            "emergency",
            "error",
            "geofence",
            "identity",
            "live",
            "mail",
            "notify",
            "outbound",
            "privacy",
            "recurring",
            "statistics",
            "store",
        ],
    ),
    (
        "rpc",
        &[
            "app",
            "audit",
            "check_in",
            "blob",
            "codec",
            "descriptor",
            "dispatch",
            "domain",
            "emergency",
            "error",
            "geofence",
            "identity",
            "live",
            "mail",
            "notify",
            "pb",
            "privacy",
            "store",
        ],
    ),
    (
        "layer",
        &[
            "address",
            "app",
            "audit",
            "clock",
            "config",
            "descriptor",
            "domain",
            "error",
            "identity",
            "live",
            "pb",
            "rpc",
        ],
    ),
    ("health", &["app", "clock", "config", "error", "store"]),
    // `layer` for the words that the older products refuse with.
    ("openapi", &["descriptor", "domain", "error", "layer", "pb"]),
    ("listener", &["config"]),
    ("files", &["config", "openapi"]),
    (
        "serve",
        &[
            "app",
            "clock",
            "config",
            "descriptor",
            "files",
            "health",
            "layer",
            "listener",
            "pb",
            "rpc",
            "telemetry",
        ],
    ),
    ("seed", &["config", "domain", "identity", "store"]),
    ("import", &["config", "domain", "store"]),
    ("simulate", &["clock", "config", "pb"]),
    ("doctor", &["config", "error", "live", "store"]),
    ("stack", &["config"]),
    // `descriptor` for the JSON of messages, which is made from it.
    ("ws_bridge", &["address", "clock", "config", "descriptor", "pb", "telemetry"]),
    ("bot", &["config", "pb", "telemetry"]),
];

/// Crates that a module may use, where not all.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "domain",
        &["idna", "jiff", "rrule", "serde", "thiserror", "unicode_normalization", "uuid"],
    ),
    ("language", &["tokio"]),
];

/// Crates that only some modules may use.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("tokio_postgres", &["store", "live", "error", "stack"]),
    ("postgres_types", &["store"]),
    ("postgis", &["store"]),
    ("bb8", &["store", "error"]),
    ("redis", &["live", "error", "stack"]),
    ("clap", &["config", "bin", "stack"]),
    ("axum", &["files", "health", "openapi", "serve", "telemetry", "ws_bridge"]),
    ("rand", &["seed", "ws_bridge"]),
    ("lettre", &["config", "mail"]),
    ("rusty_s3", &["blob"]),
];

/// Files that may be longer than 500 lines, and why.
const LONG: &[(&str, &str)] = &[];

/// Where SQL stands outside `src/store`, and why.
const SQL: &[(&str, &str)] = &[
    (
        "src/doctor.rs",
        "asks the server for its settings, which is no aggregate of ours",
    ),
    ("src/health.rs", "asks whether anything answers"),
    ("src/live/relay.rs", "locks and counts: who may copy, and how far behind"),
    ("src/live/wake.rs", "listens for the bell"),
    ("src/stack/probe.rs", "asks whether anything answers"),
    ("src/stack/stores.rs", "makes the database that everything else needs"),
];

/// Where time, chance and environment enter.
const OUTSIDE: &[&str] = &["src/config/reading.rs", "src/clock.rs", "src/ws_bridge/wait.rs"];

struct Source {
    /// Path from the package's folder.
    path: String,
    /// First part of the module's path; `bin` for programs.
    module: String,
    /// As written.
    text: String,
    /// Without comments and texts in quotes.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    assert!(files.len() > 50, "the sources are there");
    files
        .into_iter()
        .map(|file| {
            let inside = file.strip_prefix(root).unwrap();
            let module = inside.components().nth(1).unwrap().as_os_str().to_str().unwrap();
            let text = fs::read_to_string(&file).unwrap();
            Source {
                path: inside.to_str().unwrap().to_owned(),
                module: module.trim_end_matches(".rs").to_owned(),
                code: bare(&text),
                text,
            }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Code without comments and without what stands in quotes.
fn bare(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if next == '"' {
            quoted(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        rest = &rest[skipped..];
    }
    code
}

/// Length of a text in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = true;
    for (at, letter) in text.char_indices() {
        if letter == '"' && !escaped {
            return at + 1;
        }
        escaped = at == 0 && letter != '"' || letter == '\\' && !escaped;
    }
    text.len()
}

/// Names that follow `crate::`, alone or in braces.
fn imports(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':') {
            continue;
        }
        let rest = &code[at + root.len()..];
        if rest.starts_with('{') {
            found.extend(group(rest));
        } else {
            found.insert(word(rest));
        }
    }
    found
}

/// First words of the parts of a group in braces.
fn group(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut words = Vec::new();
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(letter, '{' | ',') {
            words.push(word(text[at + 1..].trim_start()));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

/// Crates that the package depends on, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[dependencies]").unwrap();
    let (list, _) = rest.split_once("\n[").unwrap();
    let names = list.lines().filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.replace('-', "_")).collect()
}

/// Crates of the list that the code speaks of.
fn crates(code: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let used = known.iter().filter(|name| !imports(code, &format!("{name}::")).is_empty());
    used.cloned().collect()
}

#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !matches!(source.module.as_str(), "lib" | "bin"))
    {
        let allowed = MAY_IMPORT.iter().find(|(module, _)| *module == source.module);
        let allowed = allowed.map(|(_, allowed)| *allowed).unwrap_or_default();
        for import in imports(&source.code, "crate::") {
            if import != source.module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: {} may not import {import}", source.path, source.module));
            }
        }
        let top = source.path.matches('/').count() == 1 || source.path.ends_with("/mod.rs");
        let before_tests = source.code.split("mod tests").next().unwrap_or_default();
        if top && !imports(before_tests, "super::").is_empty() {
            wrong.push(format!("{}: super:: is the crate here; say crate::", source.path));
        }
    }
    none(wrong);
}

#[test]
fn every_module_has_its_line_in_the_table() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing = modules.filter(|module| !MAY_IMPORT.iter().any(|(known, _)| known == module));
    none(missing.map(str::to_owned).collect());
}

#[test]
fn modules_use_only_the_crates_that_are_theirs_to_use() {
    let known = dependencies();
    let mut wrong = Vec::new();
    for source in sources() {
        let used = crates(&source.code, &known);
        if let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == source.module) {
            let more = used.iter().filter(|name| !allowed.contains(&name.as_str()));
            wrong.extend(more.map(|name| format!("{}: may not use {name}", source.path)));
        }
        for (name, keepers) in KEPT_TO {
            if used.contains(*name) && !keepers.contains(&source.module.as_str()) {
                wrong.push(format!("{}: {name} is for {keepers:?}", source.path));
            }
        }
    }
    none(wrong);
}

#[test]
fn files_have_fewer_than_500_lines() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let excused = LONG.iter().any(|(path, _)| *path == source.path);
        if (lines >= 500) != excused {
            wrong.push(format!("{}: {lines} lines", source.path));
        }
    }
    none(wrong);
}

#[test]
fn nobody_defines_a_macro() {
    let sources = sources();
    let wrong = sources.iter().filter(|source| source.code.contains("macro_rules!"));
    none(wrong.map(|source| source.path.clone()).collect());
}

#[test]
fn sql_stands_in_the_store() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module != "store") {
        let excused = SQL.iter().any(|(path, _)| *path == source.path);
        if has_sql(&source.text) != excused {
            wrong.push(format!("{}: SQL: {}", source.path, !excused));
        }
    }
    none(wrong);
}

/// Whether a text in quotes reads like a statement: a verb, then a word that goes with it.
fn has_sql(text: &str) -> bool {
    let lower = text.to_lowercase();
    let verbs: [(&str, &[&str]); 12] = [
        ("select ", &[]),
        ("insert into ", &[]),
        ("update ", &[" set "]),
        ("delete from ", &[]),
        ("with ", &[" as ("]),
        ("create ", &["table ", "database ", "index ", "schema ", "extension "]),
        ("alter ", &["table ", "database ", "role "]),
        ("drop ", &["table ", "database ", "index "]),
        ("copy ", &[" from ", " to "]),
        ("listen ", &[]),
        ("notify ", &[]),
        ("truncate ", &[]),
    ];
    lower.split('"').skip(1).any(|part| {
        let statement = part.trim_start();
        verbs.iter().any(|(verb, more)| {
            statement.starts_with(verb) && (more.is_empty() || more.iter().any(|word| statement.contains(word)))
        })
    })
}

#[test]
fn time_chance_and_environment_enter_in_one_place() {
    let banned = [
        "Timestamp::now",
        "Zoned::now",
        "SystemTime::now",
        "env::var",
        "rand::rng(",
        "thread_rng(",
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        if source.module == "bin" || OUTSIDE.contains(&source.path.as_str()) {
            continue;
        }
        let found = banned.iter().filter(|name| source.code.contains(*name));
        wrong.extend(found.map(|name| format!("{}: {name}", source.path)));
    }
    none(wrong);
}

#[test]
fn nothing_panics_by_unwrap_or_expect() {
    let mut wrong = Vec::new();
    for source in sources() {
        let before_tests = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in before_tests.lines().enumerate() {
            let said = before_tests.lines().nth(number.saturating_sub(2)).unwrap_or_default();
            let excused = said.contains("expect(clippy::expect_used");
            if line.contains(".unwrap()") || line.contains(".expect(") && !excused {
                wrong.push(format!("{}: {}", source.path, line.trim()));
            }
        }
    }
    none(wrong);
}

#[test]
fn the_reader_of_sources_sees_code_and_nothing_else() {
    let code =
        bare("use a::b; // crate::no\nlet x = \"crate::no \\\" crate::no\"; 'c'; '\"'; crate::yes::{no}; r#\"crate::no\"#;");
    assert_eq!(imports(&code, "crate::"), BTreeSet::from(["yes".to_owned()]));
    let grouped = imports("use crate::{\n    one::{two, three},\n    four,\n};", "crate::");
    assert_eq!(grouped, BTreeSet::from(["one".to_owned(), "four".to_owned()]));
    assert!(has_sql("run(\"  SELECT id FROM x\")"));
    assert!(!has_sql("say(\"selected\")"));
}

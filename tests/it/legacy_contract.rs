//! What the paths of the older products owe their clients: that each is tested, in each product's words, and described as it
//! answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use gad::{
    descriptor,
    layer::legacy::declared::{self, Methods, Template},
    openapi,
    pb::legacy::{Dialect, Form},
};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use crate::{
    contract::all_methods,
    envoy::tool,
    legacy::{Row, Told},
    matrix::due,
};

/// All rows.
fn rows() -> Vec<Row> {
    let all = [
        crate::legacy_auth::rows(),
        crate::legacy_privacy::rows(),
        crate::legacy_geo::rows(),
        crate::legacy_stats::rows(),
        crate::legacy_task::rows(),
        crate::legacy_telegram::rows(),
        crate::legacy_user::rows(),
        crate::legacy_usuario::rows(),
    ];
    all.concat()
}

/// Where what no row gives is tested: RPC, the answer by its place in the proto, reason, test.
fn elsewhere() -> Vec<(&'static str, usize, &'static str, &'static str)> {
    [
        crate::legacy_auth::ELSEWHERE,
        crate::legacy_geo::ELSEWHERE,
        crate::legacy_task::ELSEWHERE,
        crate::legacy_telegram::ELSEWHERE,
    ]
    .concat()
}

/// What cannot be, and why.
const NEVER: [(&str, usize, &str, &str); 4] = [
    ("TaskService.ListTasks", 0, "FORBIDDEN", "nothing in it asks for deleted ones"),
    (
        "TaskService.RaiseEmergency",
        0,
        "FORBIDDEN",
        "by whomever it is told, the caller may tell it",
    ),
    ("AuthService.Register", 1, "IDENTITY_TAKEN", "there is no user name in it"),
    ("AuthService.Logout", 1, "INVALID_FIELD", "nothing is read of its body"),
];

/// Paths that are not for all whom their level lets in.
const BY_OBJECT: [&str; 3] = [
    "gad.legacy.v1.UserService.UpdateUser",
    "gad.legacy.v1.TaskService.CreateTask",
    "gad.legacy.v1.TaskService.UpdateTask",
];

fn older_methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let mut methods = all_methods(pool);
    methods.retain(|method| descriptor::is_legacy(method.parent_service().full_name()));
    methods
}

fn name(method: &MethodDescriptor) -> String {
    format!("{}.{}", method.parent_service().name(), method.name())
}

/// Path and query of a row.
fn parts(row: &Row) -> (&str, &str) {
    row.path.split_once('?').unwrap_or((row.path, ""))
}

/// The place of the answer that a row is for; none if its path is not one of its RPC.
fn place(methods: &Methods, row: &Row) -> Option<usize> {
    let (service, name) = row.rpc.split_once('.').unwrap();
    let method = &methods[&format!("/gad.legacy.v1.{service}/{name}")];
    let (path, query) = parts(row);
    method.templates.iter().find_map(|template| template.fit(path))?;
    let empty = Map::new();
    let pairs = row.form.unwrap_or_default().iter();
    let form: Map<String, Value> = pairs.map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let body = match (&method.body, row.form, &row.json) {
        (None, ..) => None,
        (_, Some(_), _) => Some((Form::Urlencoded, &form)),
        (_, None, json) => Some((Form::Json, json.as_ref().and_then(Value::as_object).unwrap_or(&empty))),
    };
    Some(method.choose(body, query))
}

#[test]
fn every_path_and_every_reason_it_declares_has_a_row_in_each_products_words() {
    let pool = descriptor::pool();
    let methods = declared::methods(&pool);
    let mut wanted = BTreeSet::new();
    for method in older_methods(&pool) {
        let mut due = due(&pool, &method);
        due.insert("");
        let name = name(&method);
        let answers = descriptor::answers(&pool, &method);
        for (place, answer) in answers.iter().enumerate() {
            // Who is nobody, or may not, is refused before the body is read: in the words of the last answer.
            let last = place + 1 == answers.len();
            let by_object = BY_OBJECT.contains(&method.full_name());
            for reason in due
                .iter()
                .filter(|reason| last || **reason != "SIGNED_OUT" && **reason != "FORBIDDEN")
            {
                wanted.insert((name.clone(), place, (*reason).to_owned()));
            }
            let own = answer.refusals.iter().map(|own| gad::error::reason_name(own.reason()));
            for reason in own.chain(by_object.then_some("FORBIDDEN")) {
                wanted.insert((name.clone(), place, reason.to_owned()));
            }
        }
    }
    let places = rows().into_iter().filter_map(|row| {
        let place = place(&methods, &row)?;
        Some((row.rpc.to_owned(), place, row.reason.to_owned()))
    });
    let owned = |(rpc, place, reason, _): (&str, usize, &str, &str)| (rpc.to_owned(), place, reason.to_owned());
    let mut there: BTreeSet<_> = places.collect();
    there.extend(elsewhere().into_iter().map(owned));
    for never in NEVER.map(owned) {
        assert!(wanted.remove(&never), "{never:?} is not wanted at all");
    }
    let untested: Vec<_> = wanted.difference(&there).collect();
    assert_eq!(
        untested,
        Vec::<&(String, usize, String)>::new(),
        "no row, and no test elsewhere"
    );
    let undeclared: Vec<_> = there.iter().filter(|(.., reason)| !reason.is_empty()).collect();
    let undeclared: Vec<_> = undeclared.into_iter().filter(|row| !wanted.contains(*row)).collect();
    // In whose words a gate refuses is not asked above; that it may, is.
    let loose = undeclared
        .into_iter()
        .filter(|(rpc, _, reason)| !wanted.iter().any(|(other, _, known)| rpc == other && reason == known));
    assert_eq!(
        loose.collect::<Vec<_>>(),
        Vec::<&(String, usize, String)>::new(),
        "rows of what is not declared"
    );
}

#[test]
fn every_own_word_of_a_path_is_said_by_a_row() {
    let pool = descriptor::pool();
    let methods = declared::methods(&pool);
    let rows = rows();
    let mut unsaid = Vec::new();
    for method in older_methods(&pool) {
        let name = name(&method);
        let answers = descriptor::answers(&pool, &method);
        for (at, answer) in answers.into_iter().enumerate() {
            for own in answer.refusals.into_iter().filter(|own| !own.detail.is_empty()) {
                let reason = gad::error::reason_name(own.reason());
                let begin = own.detail.split('{').next().unwrap_or_default();
                let said = |row: &&Row| {
                    let text = row.said().unwrap_or_default();
                    row.rpc == name && row.reason == reason && place(&methods, row) == Some(at) && text.starts_with(begin)
                };
                if rows.iter().find(said).is_none() {
                    unsaid.push(format!("{name} {at}: {reason} {}", own.detail));
                }
            }
        }
    }
    assert_eq!(unsaid, Vec::<String>::new());
}

#[test]
fn every_route_has_a_row_that_succeeds() {
    let pool = descriptor::pool();
    let rows = rows();
    let elsewhere = elsewhere();
    let mut untested = Vec::new();
    for method in older_methods(&pool) {
        let name = name(&method);
        for route in descriptor::routes(&pool, &method) {
            let template = Template::of(&route.path);
            let good = |row: &&Row| {
                let fits = template.fit(parts(row).0).is_some();
                row.rpc == name && row.reason.is_empty() && row.method.as_str() == route.verb && fits
            };
            let named = elsewhere.iter().any(|(rpc, _, reason, _)| *rpc == name && reason.is_empty());
            if rows.iter().find(good).is_none() && !named {
                untested.push(format!("{} {}", route.verb, route.path));
            }
        }
    }
    assert_eq!(untested, Vec::<String>::new());
}

#[test]
fn what_is_tested_elsewhere_is_tested_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for (rpc, _, reason, test) in elsewhere() {
        let (module, function) = test.split_once("::").unwrap();
        let source = fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
        let there = source.contains(&format!("#[tokio::test]\nasync fn {function}()"));
        assert!(there, "{rpc} {reason}: there is no test {test}");
    }
}

#[test]
fn every_path_says_how_it_answers() {
    let pool = descriptor::pool();
    let mut wrong = Vec::new();
    for method in older_methods(&pool) {
        let name = method.full_name();
        let answers = descriptor::answers(&pool, &method);
        if answers.last().is_none_or(|last| last.when.is_some()) {
            wrong.push(format!("{name}: no last answer that fits all"));
        }
        if answers.iter().rev().skip(1).any(|answer| answer.when.is_none()) {
            wrong.push(format!("{name}: an answer that none comes behind"));
        }
        let routes = descriptor::routes(&pool, &method);
        let raw = routes.iter().all(|route| route.body == "body");
        let bodiless = routes.iter().all(|route| route.body.is_empty());
        for answer in answers {
            let into = method.input().get_field_by_name(&answer.into);
            let message = into.is_some_and(|field| field.kind().as_message().is_some() && !field.is_list());
            if answer.dialect() == Dialect::Unspecified {
                wrong.push(format!("{name}: no dialect"));
            }
            if !(raw && message || bodiless && answer.into.is_empty()) {
                wrong.push(format!("{name}: a body goes into a message, and nothing else does"));
            }
            if !answer.only.is_empty() && method.output().get_field_by_name(&answer.only).is_none() {
                wrong.push(format!("{name}: its answer has no {}", answer.only));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Messages of ours that requests of the older products are made of.
fn asked(pool: &DescriptorPool) -> BTreeMap<String, MessageDescriptor> {
    fn collect(message: MessageDescriptor, found: &mut BTreeMap<String, MessageDescriptor>) {
        if message.package_name() != "gad.legacy.v1" || found.contains_key(message.name()) {
            return;
        }
        found.insert(message.name().to_owned(), message.clone());
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                collect(inner, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    older_methods(pool)
        .iter()
        .for_each(|method| collect(method.input(), &mut found));
    found
}

/// Fields of a message as the facades take them apart: name, and whether they are let go.
fn taken(sources: &str, message: &str) -> BTreeMap<String, bool> {
    let mut taken = BTreeMap::new();
    for (at, opening) in sources.match_indices(&format!("pb::{message} {{")) {
        let Some((inside, after)) = sources[at + opening.len()..].split_once('}') else {
            continue;
        };
        let pattern = after.trim_start().trim_start_matches(')').trim_start();
        if !pattern.starts_with("= ") && !pattern.starts_with("=\n") {
            continue;
        }
        for field in inside.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            let (name, bound) = field.split_once(':').unwrap_or((field, field));
            let dropped = bound.trim() == "_";
            let before = taken.insert(name.to_owned(), dropped).unwrap_or(dropped);
            taken.insert(name.to_owned(), dropped && before);
        }
    }
    taken
}

#[test]
fn every_field_of_a_request_is_used_or_ignored_with_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = fs::read_dir(root.join("src/rpc/legacy")).unwrap();
    let sources = sources.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let sources: String = sources.collect();
    let mut ignored = BTreeSet::new();
    let mut unseen = Vec::new();
    for (name, message) in asked(&descriptor::pool()) {
        let taken = taken(&sources, &name);
        for field in message.fields() {
            let raw = field.kind().as_message().is_some_and(|kind| {
                kind.full_name() == "google.api.HttpBody" || kind.full_name().starts_with("gad.") && kind.fields().len() == 0
            });
            match taken.get(field.name()) {
                _ if raw => {}
                None => unseen.push(format!("{name}.{}", field.name())),
                Some(true) => {
                    ignored.insert(format!("{name}.{}", field.name()));
                }
                Some(false) => {}
            }
        }
    }
    assert_eq!(unseen, Vec::<String>::new(), "fields that no facade takes out of its request");
    let page = fs::read_to_string(root.join("docs/legacy.md")).unwrap();
    let lines = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let told: BTreeSet<String> = lines
        .filter(|(name, why)| name.contains('.') && why.trim_end_matches(" |").len() > 10)
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(
        ignored, told,
        "fields that are let go (left), and those that docs/legacy.md tells of (right)"
    );
}

#[test]
fn secrets_are_marked() {
    let pool = descriptor::pool();
    let messages = pool
        .all_messages()
        .filter(|message| message.package_name() == "gad.legacy.v1");
    let secret = |name: &str| ["password", "token", "dni"].iter().any(|word| name.ends_with(word));
    let fields = messages.flat_map(|message| message.fields().collect::<Vec<_>>());
    let texts = fields.filter(|field| field.kind() == Kind::String && secret(field.name()));
    let open: Vec<String> = texts
        .filter(|field| !descriptor::is_secret(field))
        .map(|field| field.full_name().to_owned())
        .collect();
    assert_eq!(open, Vec::<String>::new());
}

/// What came of rows, to be compared with the description of the paths.
#[derive(Default)]
pub struct Described {
    schemas: Vec<Value>,
    bodies: Vec<Value>,
}

impl Described {
    /// Notes what came of a row; complains if the description has no such status.
    pub fn add(&mut self, row: &Row, told: &Told) -> Option<String> {
        let document: Value = serde_json::from_str(&openapi::older_document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let fits = |path: &&String| Template::of(path).fit(parts(row).0).is_some();
        // A word is nearer than a name: `/users/me` is not `/users/{id}`.
        let path = paths.keys().filter(fits).min_by_key(|path| path.matches('{').count())?;
        let described = &paths[path][row.method.as_str().to_ascii_lowercase()]["responses"][told.status.as_str()];
        if described.is_null() {
            return Some(format!("{row:?}: {path} is not described to answer {}", told.status));
        }
        let schema = &described["content"]["application/json"]["schema"];
        match serde_json::from_str(&told.text) {
            Ok(body) if !schema.is_null() => {
                self.schemas.push(schema.clone());
                self.bodies.push(body);
                None
            }
            Ok(_) => Some(format!("{row:?}: {path} is not described to say anything")),
            Err(_) => schema
                .is_object()
                .then(|| format!("{row:?}: {path} is described to say something")),
        }
    }

    /// Fails if a body is not as it is described.
    pub fn check(self) {
        let mut document: Value = serde_json::from_str(&openapi::older_document()).unwrap();
        let schemas = document["components"].take();
        let count = self.schemas.len();
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "array",
            "prefixItems": self.schemas,
            "components": schemas,
        });
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, value: &Value| {
            let file = folder.path().join(name);
            fs::write(&file, value.to_string()).unwrap();
            file
        };
        let output = Command::new(tool("jsonschema"))
            .args(["--error-format", "{error.message}\n", "--instance"])
            .arg(file("bodies.json", &Value::Array(self.bodies)))
            .arg(file("schema.json", &schema))
            .output()
            .expect("jsonschema starts: scripts/install.sh test");
        let said = [output.stdout, output.stderr].concat();
        assert!(count > 0 && output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

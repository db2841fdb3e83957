//! The descriptor set of all protos, and what methods declare of themselves.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock},
};

use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor};

use crate::{
    domain::access::Level,
    pb::{ErrorReason, RateClass, Service, legacy},
};

/// The descriptor set, lossless: with options and comments.
pub const SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gad.bin"));

/// What the names of our packages begin with: `gad.v1` and `gad.legacy.v1`.
const OURS: &str = "gad.";
/// Package of our own services.
const CANONICAL: &str = "gad.v1.";
/// Package of the older products' services.
const LEGACY: &str = "gad.legacy.v1.";

#[expect(clippy::expect_used, reason = "the build script made the set")]
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(SET).expect("the embedded descriptor set is whole"));

/// The descriptors, decoded once.
pub fn pool() -> DescriptorPool {
    POOL.clone()
}

/// Whether a field holds a secret, marked by `debug_redact`: it is never written down.
pub fn is_secret(field: &FieldDescriptor) -> bool {
    let options = field.options();
    let mark = options.get_field_by_name("debug_redact");
    mark.and_then(|mark| mark.as_bool()).unwrap_or_default()
}

/// Names of our services, such as `gad.v1.TaskService`.
pub fn services(pool: &DescriptorPool) -> Vec<String> {
    pool.services()
        .map(|service| service.full_name().to_owned())
        .filter(|name| name.starts_with(OURS))
        .collect()
}

/// Whether a service is one of the older products'.
pub fn is_legacy(service: &str) -> bool {
    service.starts_with(LEGACY)
}

/// Our own methods that stream, to the client or from it.
pub fn streams(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let services = pool.services().filter(|service| service.full_name().starts_with(CANONICAL));
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .filter(|method| method.is_client_streaming() || method.is_server_streaming())
        .collect()
}

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever signed in with at least this level.
    Least(Level),
    /// A part of the installation, by its own token.
    Service(Service),
}

/// What a method declares of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Who may call it.
    pub access: Access,
    /// Name of the permission, `noun.verb`; empty if anybody may call.
    pub permission: String,
    /// Rate limit it counts against.
    pub rate: RateClass,
    /// Whether it is audited.
    pub audited: bool,
    /// Whether the person must have proved to be there lately.
    pub step_up: bool,
    /// Whether it is open to somebody whose password must be changed first.
    pub password_expired: bool,
    /// Reasons it may give.
    pub reasons: Vec<ErrorReason>,
    /// Whether the client or the server streams.
    pub streaming: bool,
    /// Whether the client streams.
    pub reporting: bool,
}

impl Rule {
    /// Whether it asks for a person: for what is theirs alone, or for proof that they are there. No API token has that.
    pub fn is_for_persons(&self) -> bool {
        self.step_up || self.permission.starts_with("self.")
    }
}

/// Rules by path, such as `/gad.v1.TaskService/GetTask`. A method without a usable rule is not in it.
pub type Rules = Arc<HashMap<String, Rule>>;

/// The rules of all our methods.
pub fn rules(pool: &DescriptorPool) -> Rules {
    let methods = pool
        .services()
        .filter(|service| service.full_name().starts_with(OURS))
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    Arc::new(
        methods
            .filter_map(|method| Some((path(&method), rule(pool, &method)?)))
            .collect(),
    )
}

/// Something that some may do, as the rules have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its name, `noun.verb`.
    pub name: String,
    /// What it opens, by name.
    pub methods: Vec<Permitted>,
}

/// A method that a permission opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// Its name, such as `TaskService.GetTask`.
    pub name: String,
    /// Least level of its callers.
    pub level: Level,
    /// Its rule.
    pub rule: Rule,
}

impl Permission {
    /// Least level that has any of it.
    pub fn level(&self) -> Level {
        let levels = self.methods.iter().map(|method| method.level);
        levels.min().unwrap_or(Level::Administrator)
    }

    /// Whether an API token can carry it.
    pub fn is_scope(&self) -> bool {
        self.methods.iter().any(|method| !method.rule.is_for_persons())
    }
}

/// All permissions by name: the rules of our methods, the other way round.
pub static PERMISSIONS: LazyLock<Vec<Permission>> = LazyLock::new(|| {
    let mut permissions: BTreeMap<String, Vec<Permitted>> = BTreeMap::new();
    for (path, rule) in rules(&pool()).iter() {
        if let Access::Least(level) = rule.access {
            let name = path.trim_start_matches('/').trim_start_matches(CANONICAL).replace('/', ".");
            let method = Permitted {
                name,
                level,
                rule: rule.clone(),
            };
            permissions.entry(rule.permission.clone()).or_default().push(method);
        }
    }
    let permission = |(name, mut methods): (String, Vec<Permitted>)| {
        methods.sort_by(|one, other| one.name.cmp(&other.name));
        Permission { name, methods }
    };
    permissions.into_iter().map(permission).collect()
});

/// The path of a method on the wire.
pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The rule of a method; none if it has none, or one that lets nobody in.
pub fn rule(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<Rule> {
    let extension = pool.get_extension_by_name("gad.v1.rule")?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let value = options.get_extension(&extension);
    let declared: crate::pb::Rule = value.as_message()?.transcode_to().ok()?;
    let access = match (declared.public, declared.service()) {
        (true, Service::Unspecified) => Access::Public,
        (true, _) => return None,
        (false, Service::Unspecified) => Access::Least(Level::of(declared.level)?),
        (false, service) => Access::Service(service),
    };
    let rate = match declared.rate() {
        RateClass::Unspecified => return None,
        rate => rate,
    };
    Some(Rule {
        access,
        permission: declared.permission.clone(),
        rate,
        audited: declared.audited,
        step_up: declared.step_up,
        password_expired: declared.password_expired,
        reasons: declared.reasons().collect(),
        streaming: method.is_client_streaming() || method.is_server_streaming(),
        reporting: method.is_client_streaming(),
    })
}

/// A REST route of a method, as `google.api.http` declares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Path template, such as `/v1/tasks/{id}:start`.
    pub path: String,
    /// HTTP method, such as `POST`.
    pub verb: String,
    /// Field that the body fills: `*` is all that the path does not; empty is no body.
    pub body: String,
}

/// The REST routes of a method, the main one first.
pub fn routes(pool: &DescriptorPool, method: &MethodDescriptor) -> Vec<Route> {
    let options = method.options();
    let Some(extension) = pool.get_extension_by_name("google.api.http") else {
        return Vec::new();
    };
    let declared = options.get_extension(&extension);
    let Some(main) = declared.as_message() else {
        return Vec::new();
    };
    let more = main.get_field_by_name("additional_bindings");
    let more = more.iter().filter_map(|list| list.as_list()).flatten();
    let more = more.filter_map(|binding| route(binding.as_message()?));
    route(main).into_iter().chain(more).collect()
}

fn route(http: &DynamicMessage) -> Option<Route> {
    let text = |name: &str| Some(http.get_field_by_name(name)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
    let (verb, path) = ["get", "put", "post", "delete", "patch"]
        .into_iter()
        .find_map(|verb| Some((verb.to_ascii_uppercase(), text(verb)?)))?;
    Some(Route {
        path,
        verb,
        body: text("body").unwrap_or_default(),
    })
}

/// The comment that stands before the thing at a path of a file; empty if there is none.
pub fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let locations = file
        .file_descriptor_proto()
        .source_code_info
        .iter()
        .flat_map(|info| &info.location);
    let found = locations.into_iter().find(|location| location.path == path);
    let lines = found.map(|location| location.leading_comments()).unwrap_or_default().lines();
    lines.map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The only field of a message that is nothing but a list: in the older products' JSON it is written as an array, so that an empty
/// one is not an absent one.
pub fn bare_list(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let mut fields = message.fields();
    let (only, more) = (fields.next()?, fields.next());
    (is_legacy(message.full_name()) && only.is_list() && more.is_none()).then_some(only)
}

/// The key of a field in the older products' JSON: its name, or its `json_name` if that is not what protobuf makes of the name by itself.
pub fn key(field: &FieldDescriptor) -> &str {
    let (name, declared) = (field.name(), field.json_name());
    let mut letters = declared.chars();
    let mut raise = false;
    for letter in name.chars() {
        if letter == '_' {
            raise = true;
            continue;
        }
        let expected = if raise { letter.to_ascii_uppercase() } else { letter };
        raise = false;
        if letters.next() != Some(expected) {
            return declared;
        }
    }
    if letters.next().is_none() { name } else { declared }
}

/// The `answer` options of a method.
pub fn answers(pool: &DescriptorPool, method: &MethodDescriptor) -> Vec<legacy::Answer> {
    let Some(extension) = pool.get_extension_by_name("gad.legacy.v1.answer") else {
        return Vec::new();
    };
    let options = method.options();
    let declared = options.get_extension(&extension);
    let declared = declared.as_list().unwrap_or_default().iter();
    declared
        .filter_map(|answer| answer.as_message()?.transcode_to().ok())
        .collect()
}

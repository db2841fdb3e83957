//! What the RPCs of `gad.legacy.v1` declare of their paths, read once from the descriptors.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use http::StatusCode;
use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value};

use crate::{
    descriptor,
    error::reason_name,
    pb::legacy::{self as pb, Dialect, Form},
};

/// The methods by their gRPC paths, such as `/gad.legacy.v1.AuthService/Login`.
pub type Methods = Arc<HashMap<String, Arc<Method>>>;

/// A method and how its paths answer.
#[derive(Debug)]
pub struct Method {
    /// Its request.
    pub input: MessageDescriptor,
    /// Its answer.
    pub output: MessageDescriptor,
    /// Field of the request that has the raw body, if it has one.
    pub body: Option<FieldDescriptor>,
    /// How it answers; the last fits every request.
    pub answers: Vec<Answer>,
    /// Its path templates.
    pub templates: Vec<Template>,
    /// Whether it streams, which is Envoy's to print.
    pub streams: bool,
}

/// How a path answers a request, as [`pb::Answer`].
#[derive(Debug)]
pub struct Answer {
    when: Option<pb::When>,
    /// Whose words.
    pub dialect: Dialect,
    /// Field that the body is read into.
    pub into: Option<FieldDescriptor>,
    /// Field that is printed alone.
    pub only: Option<FieldDescriptor>,
    /// Status of success.
    pub status: StatusCode,
    /// Own words of this path.
    pub refusals: Vec<Refusal>,
}

/// A refusal in a path's own words.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub reason: &'static str,
    /// Status, if it is not the dialect's.
    pub status: Option<StatusCode>,
    /// Text, if it is not the dialect's.
    pub detail: Option<String>,
    /// Key of the body that alone is wrong.
    pub key: Option<String>,
}

/// The methods of the older products, by path.
pub fn methods(pool: &DescriptorPool) -> Methods {
    let services = descriptor::services(pool).into_iter();
    let services = services.filter(|name| descriptor::is_legacy(name));
    let services = services.filter_map(|name| pool.get_service_by_name(&name));
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    Arc::new(
        methods
            .map(|method| (descriptor::path(&method), Arc::new(Method::of(pool, &method))))
            .collect(),
    )
}

/// An expression for the paths that tell fields that are wrong as a bare list, for what Envoy itself has to say.
pub fn listing_paths(pool: &DescriptorPool) -> String {
    let (mut listing, mut others) = (BTreeSet::new(), BTreeSet::new());
    for method in methods(pool).values() {
        let last = method.answers.last();
        let lists = last.is_some_and(|answer| answer.dialect != Dialect::GrupoGad);
        let paths = method.templates.iter().map(Template::expression);
        if lists { &mut listing } else { &mut others }.extend(paths);
    }
    let paths: Vec<&str> = listing.difference(&others).map(String::as_str).collect();
    format!("({})/?(\\?.*)?", paths.join("|"))
}

impl Method {
    fn of(pool: &DescriptorPool, method: &MethodDescriptor) -> Self {
        let (input, output) = (method.input(), method.output());
        let routes = descriptor::routes(pool, method);
        Self {
            answers: descriptor::answers(pool, method)
                .into_iter()
                .map(|declared| Answer::of(declared, &input, &output))
                .collect(),
            body: routes.first().and_then(|route| input.get_field_by_name(&route.body)),
            templates: routes.iter().map(|route| Template::of(&route.path)).collect(),
            streams: method.is_client_streaming() || method.is_server_streaming(),
            input,
            output,
        }
    }

    /// Place of the answer that fits a request: how its body was written and what it says, if it was read, and its query.
    pub fn choose(&self, body: Option<(Form, &Map<String, Value>)>, query: &str) -> usize {
        let fits = |answer: &Answer| answer.when.as_ref().is_none_or(|when| is_so(when, body, query));
        self.answers.iter().position(fits).unwrap_or_default()
    }
}

impl Answer {
    fn of(declared: pb::Answer, input: &MessageDescriptor, output: &MessageDescriptor) -> Self {
        let dialect = declared.dialect();
        let pb::Answer {
            when,
            dialect: _,
            into,
            only,
            status,
            refusals,
        } = declared;
        let said = |text: String| Some(text).filter(|text| !text.is_empty());
        let refusals = refusals.into_iter().map(|refusal| Refusal {
            reason: reason_name(refusal.reason()),
            status: status_of(refusal.status),
            detail: said(refusal.detail),
            key: said(refusal.key),
        });
        Self {
            when,
            dialect,
            into: input.get_field_by_name(&into),
            only: output.get_field_by_name(&only),
            status: status_of(status).unwrap_or(StatusCode::OK),
            refusals: refusals.collect(),
        }
    }
}

fn status_of(number: i32) -> Option<StatusCode> {
    StatusCode::from_u16(u16::try_from(number).ok()?).ok()
}

fn is_so(when: &pb::When, body: Option<(Form, &Map<String, Value>)>, query: &str) -> bool {
    let pb::When {
        form: _,
        keys,
        without,
        parameter,
    } = when;
    let value = body.and_then(|(_, said)| keys.iter().find_map(|key| said.get(key)));
    let text = value.and_then(Value::as_str);
    (when.form() == Form::Unspecified || body.is_some_and(|(form, _)| form == when.form()))
        && (keys.is_empty() || value.is_some())
        && (without.is_empty() || text.is_some_and(|text| !text.contains(without)))
        && (parameter.is_empty() || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == parameter.as_str()))
}

/// A path template such as `/api/v1/users/{id}`.
#[derive(Debug)]
pub struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Word(String),
    Name(String),
    /// The rest of the path, with its slashes: `{name=**}`.
    Rest(String),
}

impl Template {
    /// From its text.
    pub fn of(path: &str) -> Self {
        let part = |part: &str| match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => match name.strip_suffix("=**") {
                Some(name) => Part::Rest(name.to_owned()),
                None => Part::Name(name.to_owned()),
            },
            None => Part::Word(part.to_owned()),
        };
        Self(path.trim_matches('/').split('/').map(part).collect())
    }

    /// An expression for its paths.
    fn expression(&self) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Word(word) => format!("/{word}"),
            Part::Name(_) => "/[^/?]+".to_owned(),
            Part::Rest(_) => "/[^?]+".to_owned(),
        });
        parts.collect()
    }

    /// Its names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) | Part::Rest(name) => Some(name.as_str()),
            Part::Word(_) => None,
        })
    }

    /// What a path says under each name; none if it is another path. A slash at the end does not matter.
    pub fn fit<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut left = Some(path.trim_matches('/'));
        let mut named = Vec::new();
        for part in &self.0 {
            let (given, rest) =
                left.map(|left| left.split_once('/').map_or((left, None), |(given, rest)| (given, Some(rest))))?;
            match part {
                Part::Word(word) if word != given => return None,
                Part::Word(_) => {}
                Part::Name(name) => named.push((name.as_str(), given)),
                Part::Rest(name) => {
                    named.push((name.as_str(), left?));
                    return Some(named);
                }
            }
            left = rest;
        }
        left.is_none().then_some(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_its_paths_and_no_others() {
        let template = Template::of("/api/v1/users/{id}/loans");
        assert_eq!(template.fit("/api/v1/users/7/loans"), Some(vec![("id", "7")]));
        assert_eq!(template.fit("/api/v1/users/7/loans/"), Some(vec![("id", "7")]));
        for other in ["/api/v1/users/7", "/api/v1/users/7/loans/1", "/api/v1/items/7/loans", "/"] {
            assert_eq!(template.fit(other), None, "{other}");
        }
        let rest = Template::of("/api/v1/cache/{pattern=**}");
        assert_eq!(rest.fit("/api/v1/cache/a/b/"), Some(vec![("pattern", "a/b")]));
        assert_eq!(rest.fit("/api/v1/cache/"), None);
    }

    #[test]
    fn the_first_answer_that_fits_is_taken() {
        let methods = methods(&descriptor::pool());
        let login = &methods["/gad.legacy.v1.AuthService/Login"];
        let said = |username: &str| Map::from_iter([("username".to_owned(), Value::from(username))]);
        let choose = |form, username| login.answers[login.choose(Some((form, &said(username))), "")].dialect;
        assert_eq!(choose(Form::Json, "ana"), Dialect::Recway);
        assert_eq!(choose(Form::Urlencoded, "ana"), Dialect::Inventory);
        assert_eq!(choose(Form::Urlencoded, "ana@gad.example"), Dialect::GrupoGad);
        assert_eq!(login.answers[login.choose(None, "")].dialect, Dialect::GrupoGad);
    }
}

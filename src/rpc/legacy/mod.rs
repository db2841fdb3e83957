//! Facades for the clients of the older products: translate, call what `gad.v1` calls, translate back.

pub mod auth;
pub mod emergency;
pub mod geo;
pub mod privacy;
pub mod stats;
pub mod task;
pub mod telegram;
pub mod user;
pub mod user_change;
pub mod usuario;
mod words;

use std::sync::LazyLock;

use tonic::Response;

use crate::{
    app::App,
    codec::Inbound,
    descriptor::{self, Rules},
    error::{Error, Missing, Result},
    pb as canonical,
    rpc::{Call, rule},
};

/// The rules of all methods.
static RULES: LazyLock<Rules> = LazyLock::new(|| descriptor::rules(&descriptor::pool()));

/// Refuses a caller whom the rule of a canonical method, such as `UserService/UpdateUser`, would not let in. For paths that
/// do what several methods do, of which not all are open to all their callers.
fn may(app: &App, call: &Call, method: &str) -> Result<()> {
    let rule = RULES.get(&format!("/gad.v1.{method}")).ok_or(Error::UnknownMethod)?;
    rule::admit(app, rule, call.signed_in()?)
}

/// A user, unless it is gone: administrators see those otherwise.
fn there(user: Response<canonical::User>) -> Result<Response<canonical::User>> {
    let gone = user.get_ref().delete_time.is_some() || user.get_ref().erase_time.is_some();
    if gone { Err(Error::NotFound(Missing::User)) } else { Ok(user) }
}

/// A canonical request that its own rules admit: it does not come through the codec.
fn checked<T: Inbound>(request: T) -> Result<T> {
    request.check()?;
    Ok(request)
}

/// The refusal of a canonical call with the keys of the older product, of which `keys` has those that differ.
fn in_keys(error: Error, keys: &[(&str, &str)]) -> Error {
    let Error::Invalid(mut problems) = error else {
        return error;
    };
    for problem in &mut problems {
        let (path, name) = problem.field.rsplit_once('.').unwrap_or(("", &problem.field));
        let key = keys
            .iter()
            .find(|(canonical, _)| *canonical == name)
            .map_or(name, |(_, key)| key);
        problem.field = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
    }
    Error::Invalid(problems)
}

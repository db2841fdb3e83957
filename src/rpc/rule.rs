//! Whether the rule of a method lets a caller in.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};

use crate::{
    app::App,
    descriptor::{self, Access, Rule, Rules},
    error::{Error, Result},
    identity::{Credential, SignedIn},
};

/// The rules, for calls that do what other methods do.
static RULES: LazyLock<Rules> = LazyLock::new(|| descriptor::rules(&descriptor::pool()));

/// Refuses who has too little authority, or showed too little for it.
pub fn admit(app: &App, rule: &Rule, signed_in: &SignedIn) -> Result<()> {
    if let Access::Least(level) = rule.access
        && signed_in.caller.level < level
    {
        return Err(Error::Forbidden);
    }
    let fresh = SignedDuration::from_mins(app.settings.step_up_minutes.into());
    suffices(rule, &signed_in.credential, app.clock.now() - fresh)
}

/// Refuses whom the method with this path, such as `/gad.v1.TaskService/StartTask`, would refuse.
pub fn admit_to(app: &App, path: &str, signed_in: &SignedIn) -> Result<()> {
    let rule = RULES.get(path).ok_or(Error::UnknownMethod)?;
    admit(app, rule, signed_in)
}

/// Whether what was shown is enough: scopes limit an API token, time limits a person where it is dangerous. What is for
/// persons no API token may do, whatever its scopes.
fn suffices(rule: &Rule, credential: &Credential, since: Timestamp) -> Result<()> {
    match credential {
        Credential::Session {
            password_expired: true, ..
        } if !rule.password_expired => Err(Error::PasswordExpired),
        Credential::Session { auth_time, .. } if rule.step_up && *auth_time < since => Err(Error::StepUpRequired),
        Credential::Session { .. } => Ok(()),
        Credential::ApiToken { scopes, .. } if !rule.is_for_persons() && scopes.contains(&rule.permission) => Ok(()),
        Credential::ApiToken { .. } => Err(Error::ScopeTooNarrow),
    }
}

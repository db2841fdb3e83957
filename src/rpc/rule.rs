//! Whether the rule of a method lets a caller in.

use jiff::{SignedDuration, Timestamp};

use crate::{
    app::App,
    descriptor::{Access, Rule},
    error::{Error, Result},
    identity::{Credential, SignedIn},
};

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

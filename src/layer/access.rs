//! Who calls, and whether the method's rule lets them in.

use http::{HeaderMap, header::AUTHORIZATION};
use jiff::{SignedDuration, Timestamp};

use crate::{
    app::App,
    descriptor::{Access, Rule},
    error::{Error, Result},
    identity::{Credential, SignedIn, cookie, is_same},
    pb::{RateClass, Service},
};

/// Who calls. A public method does not look at tokens; a part of the installation is no caller of its own.
pub async fn identify(app: &App, rule: &Rule, headers: &HeaderMap) -> Result<Option<SignedIn>> {
    match rule.access {
        Access::Public => Ok(None),
        Access::Service(service) => is_service(app, service, headers).map(|()| None),
        Access::Least(_) => app.tokens.verify(token(app, rule, headers)?, app.clock.now()).await.map(Some),
    }
}

/// Whether the rule lets the caller in.
pub fn admit(app: &App, rule: &Rule, signed_in: &SignedIn) -> Result<()> {
    if matches!(rule.access, Access::Least(level) if signed_in.caller.level < level) {
        return Err(Error::Forbidden);
    }
    let fresh = SignedDuration::from_mins(app.settings.step_up_minutes.into());
    suffices(rule, &signed_in.credential, app.clock.now() - fresh)
}

/// The token after `Bearer`, else that of the cookie. Who comes by cookie and wants more than to read must show that a page
/// of ours sent it.
fn token<'a>(app: &App, rule: &Rule, headers: &'a HeaderMap) -> Result<&'a str> {
    if headers.contains_key(AUTHORIZATION) {
        return bearer(headers);
    }
    let token = cookie::access_token(headers).ok_or(Error::SignedOut)?;
    let harmless = matches!(rule.rate, RateClass::Read | RateClass::Stream | RateClass::Export);
    if harmless || cookie::is_meant(&app.seal, token, headers) {
        Ok(token)
    } else {
        Err(Error::Csrf)
    }
}

/// The token after `Bearer`.
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let header = headers.get(AUTHORIZATION).ok_or(Error::SignedOut)?;
    let text = header.to_str().map_err(|_| Error::SignedOut)?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::SignedOut)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Error::SignedOut)
    }
}

/// Whether it is that part of the installation that calls.
fn is_service(app: &App, service: Service, headers: &HeaderMap) -> Result<()> {
    let expected = match service {
        Service::Bridge => app.settings.bridge_token(),
        Service::TelegramBot => app.settings.bot_token(),
        Service::Unspecified => None,
    };
    let shown = bearer(headers)?.as_bytes();
    match expected {
        Some(expected) if is_same(shown, expected.as_bytes()) => Ok(()),
        _ => Err(Error::SignedOut),
    }
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

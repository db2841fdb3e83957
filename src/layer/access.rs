//! Who calls, and whether the method's rule lets them in.

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    app::App,
    descriptor::{Access, Rule},
    error::{Error, Result},
    identity::{SignedIn, cookie, is_same},
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

/// The token after `Bearer`, else that of the cookie. Who comes by cookie and wants more than to read must show that a page
/// of ours sent it.
fn token<'a>(app: &App, rule: &Rule, headers: &'a HeaderMap) -> Result<&'a str> {
    if headers.contains_key(AUTHORIZATION) {
        return bearer(headers);
    }
    let token = cookie::access_token(headers).ok_or(Error::SignedOut)?;
    let harmless = !rule.reporting && matches!(rule.rate, RateClass::Read | RateClass::Stream | RateClass::Export);
    if harmless || cookie::is_meant(&app.seal, token, headers) {
        Ok(token)
    } else {
        Err(Error::Csrf)
    }
}

/// The token after `Bearer`. Of two headers none counts: who stands before us may have looked at the other.
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (shown.next(), shown.next()) else {
        return Err(Error::SignedOut);
    };
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

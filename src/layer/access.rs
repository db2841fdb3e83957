//! Who calls, and whether the method's rule lets them in.

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    app::App,
    descriptor::{Access, Rule},
    error::{Error, Result},
    identity::SignedIn,
};

/// Who calls. A public method does not look at tokens.
pub async fn identify(app: &App, rule: &Rule, headers: &HeaderMap) -> Result<Option<SignedIn>> {
    if rule.access == Access::Public {
        return Ok(None);
    }
    let header = headers.get(AUTHORIZATION).ok_or(Error::SignedOut)?;
    let text = header.to_str().map_err(|_| Error::SignedOut)?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::SignedOut)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::SignedOut);
    }
    app.tokens.verify(token.trim(), app.clock.now()).await.map(Some)
}

/// Whether the rule lets the caller in.
pub fn admit(rule: &Rule, caller: Option<&SignedIn>) -> Result<()> {
    match (rule.access, caller) {
        (Access::Public, _) => Ok(()),
        (Access::Least(_), None) => Err(Error::SignedOut),
        (Access::Least(level), Some(signed_in)) if signed_in.caller.level < level => Err(Error::Forbidden),
        (Access::Least(_), Some(_)) => Ok(()),
    }
}

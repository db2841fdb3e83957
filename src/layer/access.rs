//! Who calls, and whether the method's rule lets them in.

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    app::App,
    descriptor::{Access, Rule},
    error::{Error, Result},
    identity::SignedIn,
};

/// The caller, if the rule lets them in. A public method does not look at tokens.
pub async fn admit(app: &App, rule: &Rule, headers: &HeaderMap) -> Result<Option<SignedIn>> {
    let Access::Least(level) = rule.access else {
        return Ok(None);
    };
    let header = headers.get(AUTHORIZATION).ok_or(Error::SignedOut)?;
    let text = header.to_str().map_err(|_| Error::SignedOut)?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::SignedOut)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::SignedOut);
    }
    let signed_in = app.tokens.verify(token.trim(), app.clock.now()).await?;
    if signed_in.caller.level < level {
        return Err(Error::Forbidden);
    }
    Ok(Some(signed_in))
}

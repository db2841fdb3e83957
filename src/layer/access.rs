//! Who calls, and whether the method's rule lets them in.

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    app::App,
    descriptor::{Access, Rule},
    error::{Error, Result},
    identity::SignedIn,
    rpc,
};

/// The caller, if the rule lets them in. A public method does not look at tokens.
pub async fn admit(app: &App, rule: &Rule, headers: &HeaderMap) -> Result<Option<SignedIn>> {
    if rule.access == Access::Public {
        return Ok(None);
    }
    let signed_in = app.tokens.verify(bearer(headers)?, app.clock.now()).await?;
    rpc::rule::admit(app, rule, &signed_in)?;
    Ok(Some(signed_in))
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

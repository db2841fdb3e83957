//! Whether somebody is who they say they are: by password, by code, and by how often they failed before.
//!
//! A password takes a while to look at, so that happens outside of the transaction, for as many attempts at a time as come.
//! What it leads to is settled under a lock of the user, one attempt after the other: once five in a row have failed, the
//! account is locked, and every attempt that is settled later has failed too, whatever was looked at meanwhile. So of any
//! number of attempts at a time no more than five count, on however many replicas; and people who sign in rightly from
//! many places at once do not get into each other's way.

use jiff::Timestamp;

use crate::{
    app::App,
    domain::{UserId, mail::Purpose, session::Attempts, user::User},
    error::Result,
    identity::{Factor, Fits, Verdict},
    rpc::{Call, letter},
    store::{
        self, Tx,
        credentials::{Credentials, Second},
    },
};

/// A password that was looked at.
#[derive(Debug)]
pub struct Looked {
    /// The hash that it was compared with.
    hash: Option<String>,
    fits: bool,
    /// A hash of the present kind, in place of an older one.
    renewed: Option<String>,
}

impl Looked {
    /// Compares a password with a hash; without a hash nothing fits, after the same work.
    pub async fn at(app: &App, password: String, hash: Option<String>) -> Result<Self> {
        let verdict = app.passwords.verify(password.clone(), hash.clone()).await?;
        let renewed = match verdict {
            Verdict::RightButOld => Some(app.passwords.hash(password).await?),
            Verdict::Right | Verdict::Wrong => None,
        };
        Ok(Self {
            hash,
            fits: verdict != Verdict::Wrong,
            renewed,
        })
    }

    /// Whether it fits still: the password may have changed meanwhile.
    fn fits(&self, credentials: &Credentials) -> bool {
        self.fits && self.hash == credentials.password_hash
    }
}

/// What somebody proves to be there by.
#[derive(Debug)]
pub enum Proof<'a> {
    /// A password, and beside it a code where the second factor is on.
    Both(&'a Looked, &'a str),
    /// A password.
    Password(&'a Looked),
    /// A code.
    Code(&'a str),
}

/// What becomes of an attempt. The transaction must be committed in every case: it holds how often somebody failed.
#[derive(Debug)]
pub enum Settled {
    /// It is them.
    Proven(Box<User>),
    /// It is not, or nobody can say so now.
    Failed,
    /// The password fits, and a code is missing.
    CodeWanted,
    /// The password fits, and the account was deactivated or deleted.
    Inactive,
}

/// Writes down who tried to be whom: the name that was given only as a keyed hash, for it may be a password that was typed
/// in the wrong place.
pub fn tried(app: &App, call: &Call, name: &str, user: UserId) {
    call.trail.detail("name", app.audit.chain.pseudonym(name));
    if user != UserId(0) {
        call.trail.resource("user", user.0);
        call.trail.subject(user);
    }
}

/// Settles an attempt to be this user; nobody is user 0.
pub async fn settle(app: &App, tx: &Tx<'_>, user: UserId, proof: &Proof<'_>, now: Timestamp) -> Result<Settled> {
    let credentials = store::credentials::lock(tx, user).await?;
    let found = store::user::get(tx, user).await?;
    let found = found.filter(|user| user.may_sign_in() || user.is_inactive());
    let (Some(credentials), Some(found)) = (credentials, found) else {
        // As much work as for somebody who fails.
        store::credentials::save_attempts(tx, UserId(0), Attempts::default()).await?;
        return Ok(Settled::Failed);
    };
    if credentials.attempts.is_locked(now) {
        return Ok(Settled::Failed);
    }
    let right = match proof {
        // Whether a code fits too is nothing to them any more.
        Proof::Both(looked, _) | Proof::Password(looked) if found.is_inactive() => looked.fits(&credentials),
        Proof::Code(_) if found.is_inactive() => false,
        Proof::Both(looked, code) if looked.fits(&credentials) => match &credentials.second {
            Some(second) if second.confirmed && code.is_empty() => return Ok(Settled::CodeWanted),
            Some(second) if second.confirmed => is_code(app, tx, user, second, code, now).await?,
            _ => true,
        },
        Proof::Password(looked) => looked.fits(&credentials),
        Proof::Code(code) => match &credentials.second {
            Some(second) if second.confirmed => is_code(app, tx, user, second, code, now).await?,
            _ => false,
        },
        Proof::Both(..) => false,
    };
    if !right {
        fail(app, tx, &found, &credentials, now).await?;
        return Ok(Settled::Failed);
    }
    store::credentials::save_attempts(tx, user, Attempts::default()).await?;
    if found.is_inactive() {
        return Ok(Settled::Inactive);
    }
    if let Proof::Both(looked, _) | Proof::Password(looked) = proof
        && let Some(hash) = &looked.renewed
    {
        store::credentials::renew_hash(tx, user, hash).await?;
    }
    Ok(Settled::Proven(Box::new(found)))
}

async fn fail(app: &App, tx: &Tx<'_>, user: &User, credentials: &Credentials, now: Timestamp) -> Result<()> {
    let attempts = credentials.attempts.fail(now);
    store::credentials::save_attempts(tx, user.id, attempts).await?;
    if attempts.is_locked(now) {
        metrics::counter!("accounts_locked_total").increment(1);
        tracing::warn!(user = user.id.0, "an account is locked after too many failed attempts");
        if user.may_sign_in() {
            letter::send(app, tx, user, Purpose::Locked, now).await?;
        }
    }
    Ok(())
}

/// Whether a code fits; if so, it is used up.
async fn is_code(app: &App, tx: &Tx<'_>, user: UserId, second: &Second, code: &str, now: Timestamp) -> Result<bool> {
    let factor = Factor::open(&app.seal, user, &second.sealed)?;
    match factor.read(code, now) {
        Some(Fits::Step(step)) if step > second.step => {
            store::credentials::use_step(tx, user, step).await?;
            Ok(true)
        }
        Some(Fits::Recovery(hash)) => store::credentials::use_recovery_code(tx, user, &hash, now).await,
        Some(Fits::Step(_)) | None => Ok(false),
    }
}

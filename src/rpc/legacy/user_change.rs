//! What a PUT of `/api/v1/users/{id}` changes, as the canonical calls that it takes.

use prost_types::FieldMask;
use tonic::Response;

use super::{checked, may, there, user::step};
use crate::{
    app::App,
    error::Result,
    pb::{self as canonical, legacy as pb},
    rpc::{Call, national_id, user, user_access, user_mask, user_read},
};

/// What a change does, in canonical calls.
#[derive(Default)]
struct Steps {
    fields: canonical::User,
    mask: Vec<&'static str>,
    national_id: Option<String>,
    level: Option<i32>,
    active: Option<bool>,
    password: Option<String>,
}

fn steps(request: pb::UpdateUserRequest) -> Steps {
    let pb::UpdateUserRequest {
        id,
        body: _,
        user,
        account,
    } = request;
    let mut steps = Steps::default();
    steps.fields.id = id;
    if let Some(user) = user {
        let pb::UsuarioChange {
            email,
            password,
            nombre,
            apellido,
            dni,
            telefono,
            telegram_id,
            nivel,
            verificado,
        } = user;
        steps.set("email", email, |fields| &mut fields.email);
        steps.set("given_name", nombre, |fields| &mut fields.given_name);
        steps.set("family_name", apellido, |fields| &mut fields.family_name);
        steps.set("phone", telefono, |fields| &mut fields.phone);
        steps.set("telegram_id", telegram_id.map(Some), |fields| &mut fields.telegram_id);
        (steps.national_id, steps.level, steps.active, steps.password) = (dni, nivel, verificado, password);
    } else if let Some(account) = account {
        let pb::AccountChange {
            username,
            email,
            full_name,
            phone,
            is_active,
        } = account;
        steps.set("email", email, |fields| &mut fields.email);
        steps.set("display_name", full_name, |fields| &mut fields.display_name);
        steps.set("phone", phone, |fields| &mut fields.phone);
        steps.set("username", username.map(Some), |fields| &mut fields.username);
        steps.active = is_active;
    }
    steps
}

/// Changes a user.
pub async fn update(app: &App, call: &Call, request: pb::UpdateUserRequest) -> Result<Response<canonical::User>> {
    let mut steps = steps(request);
    let id = steps.fields.id;
    steps.admit(app, call)?;
    let before = there(user_read::get(app, call, canonical::GetUserRequest { id }).await?)?;
    steps.level = steps.level.filter(|level| *level != before.get_ref().level);
    steps.active = steps.active.filter(|active| *active != before.get_ref().active);
    // Of several steps each is tried before any is taken.
    let mut after = before;
    for validate_only in if steps.count() > 1 { &[true, false][..] } else { &[false] } {
        after = steps.take(app, call, after, *validate_only).await?;
    }
    if steps.national_id.is_some() {
        // Its step does not answer with the user.
        after = user_read::get(app, call, canonical::GetUserRequest { id }).await?;
    }
    Ok(after)
}

impl Steps {
    /// Sets a field, if it is sent.
    fn set<T>(&mut self, path: &'static str, value: Option<T>, field: impl FnOnce(&mut canonical::User) -> &mut T) {
        if let Some(value) = value {
            *field(&mut self.fields) = value;
            self.mask.push(path);
        }
    }

    /// Whether only such fields of the caller's own change as are everybody's own to change.
    fn is_own(&self, call: &Call) -> Result<bool> {
        let own = call.caller()?.user.0 == self.fields.id;
        Ok(own && self.mask.iter().all(|path| user_mask::OWN.contains(path)))
    }

    /// Refuses a caller who may not take one of the steps.
    fn admit(&self, app: &App, call: &Call) -> Result<()> {
        let own = self.is_own(call)?;
        let fields = if own {
            "UserService/UpdateMe"
        } else {
            "UserService/UpdateUser"
        };
        for (method, wanted) in [
            (fields, true),
            ("PrivacyService/SetNationalId", self.national_id.is_some()),
            ("UserService/SetUserLevel", self.level.is_some()),
            ("UserService/ActivateUser", self.active.is_some()),
            ("UserService/SetUserPassword", self.password.is_some()),
        ] {
            if wanted {
                may(app, call, method)?;
            }
        }
        Ok(())
    }

    fn count(&self) -> usize {
        let steps = [
            !self.mask.is_empty(),
            self.national_id.is_some(),
            self.level.is_some(),
            self.active.is_some(),
            self.password.is_some(),
        ];
        steps.into_iter().filter(|step| *step).count()
    }

    /// Takes the steps, or only tries them; the user as it is then.
    async fn take(
        &self,
        app: &App,
        call: &Call,
        mut user: Response<canonical::User>,
        validate_only: bool,
    ) -> Result<Response<canonical::User>> {
        let id = self.fields.id;
        if let Some(text) = &self.national_id {
            let request = canonical::SetNationalIdRequest {
                user_id: id,
                national_id: text.clone(),
                request_id: String::new(),
                validate_only,
            };
            national_id::set(app, call, checked(request)?).await?;
        }
        if !self.mask.is_empty() {
            let change = Change {
                user: &self.fields,
                mask: &self.mask,
                own: self.is_own(call)?,
                validate_only,
            };
            user = change.make(app, call).await?;
        }
        if let Some(active) = self.active {
            user = set_active(app, call, id, active, validate_only).await?;
        }
        if let Some(level) = self.level {
            user = set_level(app, call, id, level, validate_only).await?;
        }
        if let Some(password) = &self.password {
            let request = canonical::SetUserPasswordRequest {
                id,
                password: password.clone(),
                validate_only,
                ..canonical::SetUserPasswordRequest::default()
            };
            user = user_access::set_password(app, call, checked(request)?).await?;
        }
        Ok(user)
    }
}

/// A change of fields.
pub struct Change<'a> {
    /// The new values.
    pub user: &'a canonical::User,
    /// Which of them.
    pub mask: &'a [&'static str],
    /// Whether they are the caller's.
    pub own: bool,
    /// Only try.
    pub validate_only: bool,
}

impl Change<'_> {
    /// Makes it.
    pub async fn make(&self, app: &App, call: &Call) -> Result<Response<canonical::User>> {
        let user = Some(self.user.clone());
        let update_mask = Some(FieldMask {
            paths: self.mask.iter().map(|path| (*path).to_owned()).collect(),
        });
        let (etag, request_id, validate_only) = (String::new(), String::new(), self.validate_only);
        if self.own {
            let request = canonical::UpdateMeRequest {
                user,
                update_mask,
                etag,
                request_id,
                validate_only,
            };
            return user::update_me(app, call, checked(request)?).await;
        }
        let request = canonical::UpdateUserRequest {
            user,
            update_mask,
            etag,
            request_id,
            validate_only,
        };
        user::update(app, call, checked(request)?).await
    }
}

/// Lets a user sign in, or no more.
async fn set_active(app: &App, call: &Call, id: i64, active: bool, validate_only: bool) -> Result<Response<canonical::User>> {
    let request = canonical::UserStepRequest {
        validate_only,
        ..step(id)
    };
    if active {
        user_access::activate(app, call, request).await
    } else {
        user_access::deactivate(app, call, request).await
    }
}

/// Sets how much authority a user has; it reaches everywhere.
pub async fn set_level(app: &App, call: &Call, id: i64, level: i32, validate_only: bool) -> Result<Response<canonical::User>> {
    let request = canonical::SetUserLevelRequest {
        id,
        level,
        validate_only,
        ..canonical::SetUserLevelRequest::default()
    };
    user::set_level(app, call, checked(request)?).await
}

//! `/api/v1/users` of GRUPO_GAD and of the inventory.

use std::sync::Arc;

use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::{checked, in_keys, may, there};
use crate::{
    app::App,
    error::{Error, Result},
    pb::{
        self as canonical,
        legacy::{self as pb, user_service_server::UserService},
    },
    rpc::{Call, auth, user, user_access, user_mask, user_read},
};

/// Rows of a list if nobody says how many.
pub const LIMIT: i32 = 100;
/// Most rows of a page of the canonical list.
const PAGE: usize = 1000;
/// Keys of GRUPO_GAD and of the inventory that are not those of `gad.v1`.
const KEYS: [(&str, &str); 5] = [
    ("given_name", "nombre"),
    ("family_name", "apellido"),
    ("display_name", "full_name"),
    ("level", "nivel"),
    ("national_id", "dni"),
];

/// The service.
#[derive(Debug, Clone)]
pub struct Users(pub Arc<App>);

#[tonic::async_trait]
impl UserService for Users {
    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Result<Response<pb::ListUsersResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn search_users(&self, request: Request<pb::SearchUsersRequest>) -> Result<Response<pb::SearchUsersResponse>, Status> {
        Ok(search(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_current_user(&self, request: Request<pb::GetCurrentUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let me = auth::get_me(&self.0, &Call::of(&request)?).await?;
        Ok(me.map(usuario))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let call = Call::of(&request)?;
        let pb::GetUserRequest { id } = request.into_inner();
        let user = user_read::get(&self.0, &call, canonical::GetUserRequest { id }).await?;
        Ok(there(user)?.map(usuario))
    }

    async fn get_user_by_telegram(
        &self,
        request: Request<pb::GetUserByTelegramRequest>,
    ) -> Result<Response<pb::Usuario>, Status> {
        let call = Call::of(&request)?;
        let pb::GetUserByTelegramRequest { telegram_id } = request.into_inner();
        let request = canonical::GetUserByTelegramIdRequest { telegram_id };
        let user = user_read::by_telegram_id(&self.0, &call, request).await?;
        Ok(there(user)?.map(usuario))
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let created = create(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(created.map_err(|error| in_keys(error, &KEYS))?)
    }

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let updated = update(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(updated.map_err(|error| in_keys(error, &KEYS))?)
    }

    async fn delete_user(&self, request: Request<pb::DeleteUserRequest>) -> Result<Response<pb::DeleteUserResponse>, Status> {
        let call = Call::of(&request)?;
        let pb::DeleteUserRequest { id } = request.into_inner();
        user_access::deactivate(&self.0, &call, step(id)).await?;
        Ok(Response::new(pb::DeleteUserResponse {
            message: "Usuario desactivado exitosamente".to_owned(),
        }))
    }
}

/// A user with the keys of both products.
fn usuario(user: canonical::User) -> pb::Usuario {
    pb::Usuario {
        id: user.id,
        uuid: user.uid,
        email: user.email,
        nombre: if user.given_name.is_empty() {
            user.display_name.clone()
        } else {
            user.given_name
        },
        apellido: user.family_name,
        dni: None,
        telefono: Some(user.phone).filter(|phone| !phone.is_empty()),
        telegram_id: user.telegram_id,
        nivel: user.level,
        verificado: user.active,
        username: user.username,
        full_name: user.display_name,
        is_active: user.active,
        created_at: user.create_time,
        updated_at: user.update_time,
    }
}

/// Users newest first: those after `skip`, up to `limit`, and how many there are if that is asked for.
pub async fn newest(
    app: &App,
    call: &Call,
    filter: canonical::UserFilter,
    (skip, limit): (i32, i32),
    counted: bool,
) -> Result<(Vec<canonical::User>, i64)> {
    let size = |number: i32| usize::try_from(number).unwrap_or_default();
    let (skip, limit) = (size(skip), size(limit));
    let wanted = if counted { usize::MAX } else { skip.saturating_add(limit) };
    let mut users = Vec::new();
    let mut passed = 0;
    let mut page_token = String::new();
    loop {
        let request = canonical::ListUsersRequest {
            page_size: i32::try_from((wanted - passed).min(PAGE)).unwrap_or_default(),
            page_token,
            filter: Some(filter.clone()),
            order_by: "create_time desc".to_owned(),
        };
        let page = user_read::list(app, call, request).await?.into_inner();
        for user in page.users {
            if (skip..skip.saturating_add(limit)).contains(&passed) {
                users.push(user);
            }
            passed += 1;
        }
        if page.next_page_token.is_empty() || passed >= wanted {
            return Ok((users, i64::try_from(passed).unwrap_or(i64::MAX)));
        }
        page_token = page.next_page_token;
    }
}

async fn list(app: &App, call: &Call, request: pb::ListUsersRequest) -> Result<Response<pb::ListUsersResponse>> {
    let pb::ListUsersRequest {
        skip,
        limit,
        active_only,
    } = request;
    let limit = limit.unwrap_or(LIMIT);
    let filter = canonical::UserFilter {
        active: active_only.filter(|only| *only),
        ..canonical::UserFilter::default()
    };
    let paged = active_only.is_some();
    let (users, total) = newest(app, call, filter, (skip, limit), paged).await?;
    let users = users.into_iter().map(usuario).collect();
    let answer = if paged {
        let page = pb::UserPage {
            items: users,
            total,
            skip,
            limit,
        };
        pb::ListUsersResponse {
            users: Vec::new(),
            page: Some(page),
        }
    } else {
        pb::ListUsersResponse { users, page: None }
    };
    Ok(Response::new(answer))
}

async fn search(app: &App, call: &Call, request: pb::SearchUsersRequest) -> Result<Response<pb::SearchUsersResponse>> {
    let pb::SearchUsersRequest { q, limit } = request;
    let request = canonical::ListUsersRequest {
        page_size: limit.unwrap_or(LIMIT),
        page_token: String::new(),
        filter: Some(canonical::UserFilter {
            text: q,
            ..canonical::UserFilter::default()
        }),
        order_by: String::new(),
    };
    let page = user_read::list(app, call, request).await?.into_inner();
    Ok(Response::new(pb::SearchUsersResponse {
        users: page.users.into_iter().map(usuario).collect(),
    }))
}

/// A user to make, and whether it may sign in.
fn draft(request: pb::CreateUserRequest) -> Result<(canonical::CreateUserRequest, bool)> {
    let pb::CreateUserRequest { body: _, user, account } = request;
    if let Some(user) = user {
        let pb::NewUsuario {
            email,
            password,
            nombre,
            apellido,
            dni: _,
            telefono,
            telegram_id,
            nivel,
            verificado,
        } = user;
        let user = canonical::User {
            email,
            given_name: nombre,
            family_name: apellido,
            phone: telefono.unwrap_or_default(),
            telegram_id,
            level: nivel.unwrap_or_default(),
            ..canonical::User::default()
        };
        return Ok((created(user, password), verificado.unwrap_or(false)));
    }
    let pb::NewAccount {
        username,
        email,
        full_name,
        password,
        phone,
        is_active,
    } = account.ok_or_else(|| Error::unreadable("no user"))?;
    let user = canonical::User {
        email,
        display_name: full_name.unwrap_or_else(|| username.clone()),
        username: Some(username),
        phone: phone.unwrap_or_default(),
        ..canonical::User::default()
    };
    Ok((created(user, password.unwrap_or_default()), is_active.unwrap_or(true)))
}

/// The administrator who makes a user vouches for the address.
pub fn created(user: canonical::User, password: String) -> canonical::CreateUserRequest {
    canonical::CreateUserRequest {
        user: Some(user),
        email_verified: !password.is_empty(),
        password,
        password_expired: false,
        request_id: String::new(),
        validate_only: false,
    }
}

async fn create(app: &App, call: &Call, request: pb::CreateUserRequest) -> Result<Response<pb::Usuario>> {
    let (request, active) = draft(request)?;
    let mut user = user::create(app, call, checked(request)?).await?;
    if !active {
        user = user_access::deactivate(app, call, step(user.get_ref().id)).await?;
    }
    Ok(user.map(usuario))
}

/// What a change does, in canonical calls.
struct Steps {
    fields: canonical::User,
    mask: Vec<&'static str>,
    level: Option<i32>,
    active: Option<bool>,
}

fn steps(id: i64, request: pb::UpdateUserRequest) -> Result<Steps> {
    let pb::UpdateUserRequest {
        id: _,
        body: _,
        user,
        account,
    } = request;
    let mut steps = Steps {
        fields: canonical::User {
            id,
            ..canonical::User::default()
        },
        mask: Vec::new(),
        level: None,
        active: None,
    };
    let Steps {
        fields,
        mask,
        level,
        active,
    } = &mut steps;
    let mut set = |path: &'static str, field: &mut String, value: Option<String>| {
        if let Some(value) = value {
            *field = value;
            mask.push(path);
        }
    };
    if let Some(user) = user {
        let pb::UsuarioChange {
            email,
            password: _,
            nombre,
            apellido,
            dni: _,
            telefono,
            telegram_id,
            nivel,
            verificado,
        } = user;
        set("email", &mut fields.email, email);
        set("given_name", &mut fields.given_name, nombre);
        set("family_name", &mut fields.family_name, apellido);
        set("phone", &mut fields.phone, telefono);
        if telegram_id.is_some() {
            fields.telegram_id = telegram_id;
            mask.push("telegram_id");
        }
        (*level, *active) = (nivel, verificado);
    } else if let Some(account) = account {
        let pb::AccountChange {
            username,
            email,
            full_name,
            phone,
            is_active,
        } = account;
        set("email", &mut fields.email, email);
        set("display_name", &mut fields.display_name, full_name);
        set("phone", &mut fields.phone, phone);
        if username.is_some() {
            fields.username = username;
            mask.push("username");
        }
        *active = is_active;
    }
    Ok(steps)
}

async fn update(app: &App, call: &Call, request: pb::UpdateUserRequest) -> Result<Response<pb::Usuario>> {
    let id = request.id;
    let own = call.caller()?.user.0 == id;
    let Steps {
        fields,
        mask,
        level,
        active,
    } = steps(id, request)?;
    let own = own && mask.iter().all(|path| user_mask::OWN.contains(path));
    may(
        app,
        call,
        if own {
            "UserService/UpdateMe"
        } else {
            "UserService/UpdateUser"
        },
    )?;
    if level.is_some() {
        may(app, call, "UserService/SetUserLevel")?;
    }
    if active.is_some() {
        may(app, call, "UserService/ActivateUser")?;
    }
    let before = there(user_read::get(app, call, canonical::GetUserRequest { id }).await?)?;
    let level = level.filter(|level| *level != before.get_ref().level);
    let active = active.filter(|active| *active != before.get_ref().active);
    let steps = [!mask.is_empty(), level.is_some(), active.is_some()];
    let mut after = before;
    // Of several steps each is tried before any is taken.
    let several = steps.into_iter().filter(|step| *step).count() > 1;
    for validate_only in if several { &[true, false][..] } else { &[false] } {
        let validate_only = *validate_only;
        if !mask.is_empty() {
            let change = Change {
                user: &fields,
                mask: &mask,
                own,
                validate_only,
            };
            after = change.make(app, call).await?;
        }
        if let Some(active) = active {
            after = set_active(app, call, id, active, validate_only).await?;
        }
        if let Some(level) = level {
            after = set_level(app, call, id, level, validate_only).await?;
        }
    }
    Ok(after.map(usuario))
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

fn step(id: i64) -> canonical::UserStepRequest {
    canonical::UserStepRequest {
        id,
        ..canonical::UserStepRequest::default()
    }
}

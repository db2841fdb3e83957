//! `/api/v1/users` of GRUPO_GAD and of the inventory.

use std::{collections::HashMap, sync::Arc};

use tonic::{Request, Response, Status};

use super::{checked, in_keys, may, there, user_change::update};
use crate::{
    app::App,
    error::{Error, Result},
    pb::{
        self as canonical,
        legacy::{self as pb, user_service_server::UserService},
    },
    rpc::{Call, auth, national_id, user, user_access, user_read},
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
        let call = Call::of(&request)?;
        let me = auth::get_me(&self.0, &call).await?;
        Ok(told(&self.0, &call, me).await?)
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let call = Call::of(&request)?;
        let pb::GetUserRequest { id } = request.into_inner();
        let user = user_read::get(&self.0, &call, canonical::GetUserRequest { id }).await?;
        Ok(told(&self.0, &call, there(user)?).await?)
    }

    async fn get_user_by_telegram(
        &self,
        request: Request<pb::GetUserByTelegramRequest>,
    ) -> Result<Response<pb::Usuario>, Status> {
        let call = Call::of(&request)?;
        let pb::GetUserByTelegramRequest { telegram_id } = request.into_inner();
        let request = canonical::GetUserByTelegramIdRequest { telegram_id };
        let user = user_read::by_telegram_id(&self.0, &call, request).await?;
        Ok(told(&self.0, &call, there(user)?).await?)
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let call = Call::of(&request)?;
        let created = create(&self.0, &call, request.into_inner()).await;
        Ok(told(&self.0, &call, created.map_err(|error| in_keys(error, &KEYS))?).await?)
    }

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Result<Response<pb::Usuario>, Status> {
        let call = Call::of(&request)?;
        let updated = update(&self.0, &call, request.into_inner()).await;
        Ok(told(&self.0, &call, updated.map_err(|error| in_keys(error, &KEYS))?).await?)
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

/// A user as the caller may see it.
async fn told(app: &App, call: &Call, user: Response<canonical::User>) -> Result<Response<pb::Usuario>> {
    let (head, user, extensions) = user.into_parts();
    let user = usuarios(app, call, vec![user]).await?.pop().unwrap_or_default();
    Ok(Response::from_parts(head, user, extensions))
}

/// Users as the caller may see them: with the national ids that the caller may ask for.
async fn usuarios(app: &App, call: &Call, users: Vec<canonical::User>) -> Result<Vec<pb::Usuario>> {
    let mut national_ids = match may(app, call, "PrivacyService/GetNationalId") {
        Ok(()) => national_id::of_those(app, call, users.iter().map(|user| user.id)).await?,
        Err(_) => HashMap::new(),
    };
    let users = users.into_iter().map(|user| {
        let dni = national_ids.remove(&user.id);
        usuario(user, dni)
    });
    Ok(users.collect())
}

/// A user with the keys of both products.
fn usuario(user: canonical::User, dni: Option<String>) -> pb::Usuario {
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
        dni,
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
    let users = usuarios(app, call, users).await?;
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
        users: usuarios(app, call, page.users).await?,
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
            dni,
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
        let request = canonical::CreateUserRequest {
            national_id: dni,
            ..created(user, password)
        };
        return Ok((request, verificado.unwrap_or(false)));
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
        national_id: String::new(),
    }
}

async fn create(app: &App, call: &Call, request: pb::CreateUserRequest) -> Result<Response<canonical::User>> {
    let (request, active) = draft(request)?;
    let mut user = user::create(app, call, checked(request)?).await?;
    if !active {
        user = user_access::deactivate(app, call, step(user.get_ref().id)).await?;
    }
    Ok(user)
}

/// A step of a user.
pub fn step(id: i64) -> canonical::UserStepRequest {
    canonical::UserStepRequest {
        id,
        ..canonical::UserStepRequest::default()
    }
}

//! `/api/v1/usuarios` of GRUPO_GAD's dashboard.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    checked, in_keys, there,
    user::{LIMIT, created, newest},
    user_change::{Change, set_level},
};
use crate::{
    app::App,
    error::Result,
    identity::Secret,
    pb::{
        self as canonical,
        legacy::{self as pb, usuario_service_server::UsuarioService},
    },
    rpc::{Call, user, user_access, user_read},
};

/// Keys of the panel that are not those of `gad.v1`.
const KEYS: [(&str, &str); 2] = [("display_name", "nombre"), ("level", "nivel")];

/// The service.
#[derive(Debug, Clone)]
pub struct Usuarios(pub Arc<App>);

#[tonic::async_trait]
impl UsuarioService for Usuarios {
    async fn list_usuarios(
        &self,
        request: Request<pb::ListUsuariosRequest>,
    ) -> Result<Response<pb::ListUsuariosResponse>, Status> {
        let call = Call::of(&request)?;
        let pb::ListUsuariosRequest { skip, limit } = request.into_inner();
        let part = (skip, limit.unwrap_or(LIMIT));
        let (users, _) = newest(&self.0, &call, canonical::UserFilter::default(), part, false).await?;
        Ok(Response::new(pb::ListUsuariosResponse {
            usuarios: users.into_iter().map(usuario).collect(),
        }))
    }

    async fn get_usuario(&self, request: Request<pb::GetUsuarioRequest>) -> Result<Response<pb::PanelUsuario>, Status> {
        let call = Call::of(&request)?;
        let pb::GetUsuarioRequest { id } = request.into_inner();
        let user = user_read::get(&self.0, &call, canonical::GetUserRequest { id }).await?;
        Ok(there(user)?.map(usuario))
    }

    async fn create_usuario(&self, request: Request<pb::CreateUsuarioRequest>) -> Result<Response<pb::PanelUsuario>, Status> {
        let created = create(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(created.map_err(|error| in_keys(error, &KEYS))?)
    }

    async fn update_usuario(&self, request: Request<pb::UpdateUsuarioRequest>) -> Result<Response<pb::PanelUsuario>, Status> {
        let updated = update(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(updated.map_err(|error| in_keys(error, &KEYS))?)
    }

    async fn delete_usuario(
        &self,
        request: Request<pb::DeleteUsuarioRequest>,
    ) -> Result<Response<pb::DeleteUsuarioResponse>, Status> {
        let call = Call::of(&request)?;
        let pb::DeleteUsuarioRequest { id } = request.into_inner();
        let request = canonical::DeleteUserRequest {
            id,
            ..canonical::DeleteUserRequest::default()
        };
        user_access::delete(&self.0, &call, request).await?;
        Ok(Response::new(pb::DeleteUsuarioResponse {}))
    }
}

fn usuario(user: canonical::User) -> pb::PanelUsuario {
    pb::PanelUsuario {
        id: user.id,
        telegram_id: user.telegram_id,
        nombre: user.display_name,
        nivel: user.level.to_string(),
    }
}

/// The panel has neither address nor password: the address is one that no mail reaches (RFC 2606), the password one that
/// nobody knows.
async fn create(app: &App, call: &Call, request: pb::CreateUsuarioRequest) -> Result<Response<pb::PanelUsuario>> {
    let pb::CreateUsuarioRequest { body: _, usuario } = request;
    let pb::NewPanelUsuario {
        telegram_id,
        nombre,
        nivel,
    } = usuario.unwrap_or_default();
    let user = canonical::User {
        email: format!("{}@gad.invalid", app.uid(app.clock.now())),
        display_name: nombre,
        telegram_id,
        level: level(nivel),
        ..canonical::User::default()
    };
    let request = created(user, Secret::make()?.text);
    let user = user::create(app, call, checked(request)?).await?;
    Ok(user.map(self::usuario))
}

/// The level of its digit; its rule has made it one.
fn level(nivel: Option<String>) -> i32 {
    nivel.and_then(|digit| digit.parse().ok()).unwrap_or_default()
}

async fn update(app: &App, call: &Call, request: pb::UpdateUsuarioRequest) -> Result<Response<pb::PanelUsuario>> {
    let pb::UpdateUsuarioRequest { id, body: _, usuario } = request;
    let pb::PanelUsuarioChange { nombre, nivel } = usuario.unwrap_or_default();
    let mut user = there(user_read::get(app, call, canonical::GetUserRequest { id }).await?)?;
    let level = nivel
        .map(|digit| level(Some(digit)))
        .filter(|level| *level != user.get_ref().level);
    let renamed = nombre.map(|nombre| canonical::User {
        id,
        display_name: nombre,
        ..canonical::User::default()
    });
    let several = level.is_some() && renamed.is_some();
    for validate_only in if several { &[true, false][..] } else { &[false] } {
        let validate_only = *validate_only;
        if let Some(renamed) = &renamed {
            let change = Change {
                user: renamed,
                mask: &["display_name"],
                own: false,
                validate_only,
            };
            user = change.make(app, call).await?;
        }
        if let Some(level) = level {
            user = set_level(app, call, id, level, validate_only).await?;
        }
    }
    Ok(user.map(self::usuario))
}

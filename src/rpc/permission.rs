//! PermissionService: what each level and each scope opens, as the rules of all RPCs have it.

use tonic::{Request, Response, Status};

use super::Call;
use crate::{
    descriptor::{PERMISSIONS, Permission, Permitted},
    error::Result,
    identity::{Credential, SignedIn},
    pb::{self, permission_service_server::PermissionService},
};

/// The service.
#[derive(Debug, Clone, Copy)]
pub struct Permissions;

#[tonic::async_trait]
impl PermissionService for Permissions {
    async fn list_permissions(
        &self,
        _request: Request<pb::ListPermissionsRequest>,
    ) -> Result<Response<pb::ListPermissionsResponse>, Status> {
        let permissions = PERMISSIONS.iter().map(permission).collect();
        Ok(Response::new(pb::ListPermissionsResponse { permissions }))
    }

    async fn get_my_permissions(
        &self,
        request: Request<pb::GetMyPermissionsRequest>,
    ) -> Result<Response<pb::MyPermissions>, Status> {
        let call = Call::of(&request)?;
        Ok(Response::new(mine(call.signed_in()?)))
    }
}

fn permission(permission: &Permission) -> pb::Permission {
    let method = |method: &Permitted| pb::PermittedMethod {
        name: method.name.clone(),
        level: method.level as i32,
        audited: method.rule.audited,
        step_up: method.rule.step_up,
    };
    pb::Permission {
        name: permission.name.clone(),
        level: permission.level() as i32,
        scope: permission.is_scope(),
        methods: permission.methods.iter().map(method).collect(),
    }
}

fn mine(signed_in: &SignedIn) -> pb::MyPermissions {
    let caller = &signed_in.caller;
    let api_token = match &signed_in.credential {
        Credential::Session { .. } => None,
        Credential::ApiToken { id, scopes } => Some((*id, scopes)),
    };
    let is_open = |method: &Permitted| {
        let carried =
            api_token.is_none_or(|(_, scopes)| !method.rule.is_for_persons() && scopes.contains(&method.rule.permission));
        carried && caller.level >= method.level
    };
    let mut answer = pb::MyPermissions {
        user_id: caller.user.0,
        level: caller.level as i32,
        zone_ids: caller.zones.iter().map(|zone| zone.0).collect(),
        api_token_id: api_token.map_or(0, |(id, _)| id),
        permissions: Vec::new(),
        methods: Vec::new(),
    };
    for permission in PERMISSIONS.iter() {
        let before = answer.methods.len();
        let open = permission.methods.iter().filter(|method| is_open(method));
        answer.methods.extend(open.map(|method| method.name.clone()));
        if answer.methods.len() > before {
            answer.permissions.push(permission.name.clone());
        }
    }
    answer.methods.sort();
    answer
}

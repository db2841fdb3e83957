//! AuthService: its RPCs, and those that only read. The others are in the files that begin with `auth_`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Call, auth_mail as mail, auth_password as password, auth_session as session, auth_totp as totp, wire};
use crate::{
    app::App,
    domain::user::User,
    error::{Error, Result},
    pb::{self, auth_service_server::AuthService},
    store,
};

pub use super::auth_session::login;

/// The service.
#[derive(Debug, Clone)]
pub struct Auth(pub Arc<App>);

#[tonic::async_trait]
impl AuthService for Auth {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        Ok(session::login(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        Ok(session::refresh(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        Ok(session::logout(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn logout_everywhere(
        &self,
        request: Request<pb::LogoutEverywhereRequest>,
    ) -> Result<Response<pb::LogoutEverywhereResponse>, Status> {
        Ok(session::logout_everywhere(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        Ok(session::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        Ok(session::revoke(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn step_up(&self, request: Request<pb::StepUpRequest>) -> Result<Response<pb::AccessToken>, Status> {
        Ok(session::step_up(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn change_password(&self, request: Request<pb::ChangePasswordRequest>) -> Result<Response<pb::AccessToken>, Status> {
        Ok(password::change(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        Ok(password::request_reset(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        Ok(password::reset(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn request_email_verification(
        &self,
        request: Request<pb::RequestEmailVerificationRequest>,
    ) -> Result<Response<pb::RequestEmailVerificationResponse>, Status> {
        Ok(mail::request_verification(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn verify_email(&self, request: Request<pb::VerifyEmailRequest>) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        Ok(mail::verify(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        Ok(password::accept_invitation(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::User>, Status> {
        Ok(mail::register(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn enrol_totp(&self, request: Request<pb::EnrolTotpRequest>) -> Result<Response<pb::EnrolTotpResponse>, Status> {
        Ok(totp::enrol(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn confirm_totp(&self, request: Request<pb::ConfirmTotpRequest>) -> Result<Response<pb::RecoveryCodes>, Status> {
        Ok(totp::confirm(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn disable_totp(&self, request: Request<pb::DisableTotpRequest>) -> Result<Response<pb::DisableTotpResponse>, Status> {
        Ok(totp::disable(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn regenerate_recovery_codes(
        &self,
        request: Request<pb::RegenerateRecoveryCodesRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        Ok(totp::regenerate(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_me(&self, request: Request<pb::GetMeRequest>) -> Result<Response<pb::User>, Status> {
        Ok(get_me(&self.0, &Call::of(&request)?).await?)
    }

    async fn get_jwks(&self, _request: Request<pb::GetJwksRequest>) -> Result<Response<pb::Jwks>, Status> {
        Ok(Response::new(get_jwks(&self.0)))
    }
}

/// The caller's own user.
pub async fn get_me(app: &App, call: &Call) -> Result<Response<pb::User>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let user = store::user::get(&*conn, caller.user).await?;
    let user = user.filter(User::may_sign_in).ok_or(Error::SignedOut)?;
    Ok(Response::new(wire::user(&user)))
}

fn get_jwks(app: &App) -> pb::Jwks {
    let keys = app.tokens.public_keys(app.clock.now()).into_iter().map(|key| pb::Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        x: key.x,
        kid: key.kid,
        alg: "EdDSA".to_owned(),
        r#use: "sig".to_owned(),
    });
    pb::Jwks { keys: keys.collect() }
}

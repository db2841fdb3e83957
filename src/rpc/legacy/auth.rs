//! `/api/v1/auth` of the older products.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header::AUTHORIZATION};
use tonic::{Request, Response, Status, metadata::MetadataValue};

use super::{checked, in_keys};
use crate::{
    app::App,
    audit::Actor,
    domain::country,
    error::{Error, Result},
    identity::cookie,
    pb::{
        self as canonical,
        legacy::{self as pb, auth_service_server::AuthService},
    },
    rpc::{Call, auth, auth_mail, auth_password, auth_session, wire},
    store,
};

/// Time in which the database must answer to be called well.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where RecWay's people are from if they do not say it.
const COUNTRY: &str = "CO";
/// Keys of the older products that are not those of `gad.v1`.
const KEYS: [(&str, &str); 1] = [("display_name", "full_name")];

/// The service.
#[derive(Debug, Clone)]
pub struct Auth(pub Arc<App>);

#[tonic::async_trait]
impl AuthService for Auth {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        Ok(login(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::RegisterResponse>, Status> {
        let registered = register(&self.0, &Call::of(&request)?, request.into_inner()).await;
        Ok(registered.map_err(|error| in_keys(error, &KEYS))?)
    }

    async fn refresh_token(&self, request: Request<pb::RefreshTokenRequest>) -> Result<Response<pb::Session>, Status> {
        Ok(refresh(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        Ok(logout(&self.0, request).await?)
    }

    async fn change_password(&self, request: Request<pb::ChangePasswordRequest>) -> Result<Response<pb::Message>, Status> {
        let call = Call::of(&request)?;
        let pb::ChangePasswordRequest { body: _, passwords } = request.into_inner();
        let pb::PasswordChange {
            current_password,
            new_password,
        } = passwords.unwrap_or_default();
        let request = canonical::ChangePasswordRequest {
            current_password,
            new_password,
        };
        auth_password::change(&self.0, &call, checked(request)?).await?;
        Ok(say("Contraseña actualizada exitosamente"))
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::Message>, Status> {
        let call = Call::of(&request)?;
        let pb::RequestPasswordResetRequest { body: _, address } = request.into_inner();
        let pb::MailAddress { email } = address.unwrap_or_default();
        auth_password::request_reset(&self.0, &call, canonical::RequestPasswordResetRequest { email }).await?;
        Ok(say(
            "If an account with this email exists, a password reset link has been sent",
        ))
    }

    async fn reset_password(&self, request: Request<pb::ResetPasswordRequest>) -> Result<Response<pb::Message>, Status> {
        let call = Call::of(&request)?;
        let pb::ResetPasswordRequest { body: _, password } = request.into_inner();
        let pb::PasswordReset { token, new_password } = password.unwrap_or_default();
        let request = canonical::ResetPasswordRequest { token, new_password };
        auth_password::reset(&self.0, &call, request).await?;
        Ok(say("Password has been reset successfully"))
    }

    async fn request_email_verification(
        &self,
        request: Request<pb::RequestEmailVerificationRequest>,
    ) -> Result<Response<pb::Message>, Status> {
        let call = Call::of(&request)?;
        let pb::RequestEmailVerificationRequest { body: _, address } = request.into_inner();
        let pb::MailAddress { email } = address.unwrap_or_default();
        auth_mail::request_verification(&self.0, &call, canonical::RequestEmailVerificationRequest { email }).await?;
        Ok(say("If an account with this email exists, a verification link has been sent"))
    }

    async fn verify_email(&self, request: Request<pb::VerifyEmailRequest>) -> Result<Response<pb::Message>, Status> {
        let call = Call::of(&request)?;
        let pb::VerifyEmailRequest { token } = request.into_inner();
        let anew = match auth_mail::prove(&self.0, &call, &token).await {
            // People follow a link twice, and so do the programs that look at their mail before them.
            Err(Error::MailedToken) if auth_mail::has_proved(&self.0, &token).await? => false,
            proved => proved?,
        };
        let texts = ["Email already verified", "Email verified successfully"];
        Ok(say(texts[usize::from(anew)]))
    }

    async fn get_me(&self, request: Request<pb::GetMeRequest>) -> Result<Response<pb::Account>, Status> {
        let me = auth::get_me(&self.0, &Call::of(&request)?).await?.into_inner();
        Ok(Response::new(account(me)))
    }

    async fn validate_token(
        &self,
        request: Request<pb::ValidateTokenRequest>,
    ) -> Result<Response<pb::ValidateTokenResponse>, Status> {
        let me = auth::get_me(&self.0, &Call::of(&request)?).await?.into_inner();
        Ok(Response::new(pb::ValidateTokenResponse {
            valid: true,
            user: Some(session_user(me)),
        }))
    }

    async fn list_countries(
        &self,
        _request: Request<pb::ListCountriesRequest>,
    ) -> Result<Response<pb::ListCountriesResponse>, Status> {
        Ok(Response::new(list_countries()))
    }

    async fn get_health(&self, _request: Request<pb::GetHealthRequest>) -> Result<Response<pb::Health>, Status> {
        Ok(Response::new(get_health(&self.0).await))
    }
}

fn say(message: &str) -> Response<pb::Message> {
    Response::new(pb::Message {
        message: message.to_owned(),
    })
}

/// What was signed in with.
fn credentials(request: pb::LoginRequest) -> Result<canonical::LoginRequest> {
    let pb::LoginRequest { body: _, form, json } = request;
    let (email, password, code) = if let Some(pb::LoginForm {
        username,
        password,
        code,
    }) = form
    {
        (username, password, code)
    } else {
        let pb::LoginJson {
            email,
            password,
            remember_me: _,
            code,
        } = json.ok_or_else(|| Error::unreadable("no credentials"))?;
        (email, password, code)
    };
    Ok(canonical::LoginRequest {
        email,
        password,
        code: code.unwrap_or_default(),
    })
}

async fn login(app: &App, call: &Call, request: pb::LoginRequest) -> Result<Response<pb::LoginResponse>> {
    let by_form = request.form.is_some();
    let answer = auth_session::sign_in(app, call, checked(credentials(request)?)?).await?;
    let session = session(app, answer.into_inner());
    if !by_form {
        return Ok(Response::new(pb::LoginResponse {
            token: None,
            session: Some(session),
        }));
    }
    let pb::Session {
        access_token,
        token_type,
        expires_in,
        refresh_token,
        user: _,
    } = session;
    let token = pb::Token {
        access_token: access_token.unwrap_or_default(),
        token_type,
        expires_in,
        refresh_token: refresh_token.unwrap_or_default(),
    };
    let cookies = cookie::given(&app.seal, &token.access_token, expires_in, app.settings.secure_cookies);
    let mut response = Response::new(pb::LoginResponse {
        token: Some(token),
        session: None,
    });
    set(&mut response, cookies)?;
    Ok(response)
}

fn set<T>(response: &mut Response<T>, cookies: [String; 2]) -> Result<()> {
    for cookie in cookies {
        let cookie = MetadataValue::try_from(cookie).map_err(Error::internal)?;
        response.metadata_mut().append("set-cookie", cookie);
    }
    Ok(())
}

/// A session with the keys of RecWay.
fn session(app: &App, answer: canonical::LoginResponse) -> pb::Session {
    let canonical::LoginResponse {
        access_token,
        token_type: _,
        expire_time: _,
        user,
        refresh_token,
        refresh_expire_time: _,
        session_id: _,
    } = answer;
    pb::Session {
        access_token: Some(access_token),
        token_type: "bearer".to_owned(),
        // Of a token of this moment: counting from the clock would be a second short now and then.
        expires_in: app.tokens.lifetime().as_secs(),
        refresh_token: Some(refresh_token),
        user: user.map(session_user),
    }
}

async fn register(app: &App, call: &Call, request: pb::RegisterRequest) -> Result<Response<pb::RegisterResponse>> {
    let pb::RegisterRequest {
        body: _,
        account,
        person,
    } = request;
    if let Some(account) = account {
        let pb::NewAccountForm {
            username,
            email,
            password,
            full_name,
            phone,
        } = account;
        let request = canonical::RegisterRequest {
            email,
            password,
            username,
            display_name: full_name.unwrap_or_default(),
            phone: phone.unwrap_or_default(),
            ..canonical::RegisterRequest::default()
        };
        let user = auth_mail::register(app, call, checked(request)?).await?.into_inner();
        return Ok(Response::new(pb::RegisterResponse {
            account: Some(self::account(user)),
            session: None,
        }));
    }
    let pb::NewPerson {
        email,
        password,
        full_name,
        country_code,
        phone,
        company_id: _,
    } = person.unwrap_or_default();
    let request = canonical::RegisterRequest {
        email,
        password,
        display_name: full_name,
        country_code: country_code.unwrap_or_else(|| COUNTRY.to_owned()),
        phone: phone.unwrap_or_default(),
        ..canonical::RegisterRequest::default()
    };
    let user = auth_mail::register(app, call, checked(request)?).await?.into_inner();
    let session = pb::Session {
        token_type: "bearer".to_owned(),
        user: Some(session_user(user)),
        ..pb::Session::default()
    };
    Ok(Response::new(pb::RegisterResponse {
        account: None,
        session: Some(session),
    }))
}

async fn refresh(app: &App, call: &Call, request: pb::RefreshTokenRequest) -> Result<Response<pb::Session>> {
    let pb::RefreshTokenRequest { body: _, token } = request;
    let pb::SpentToken { refresh_token } = token.unwrap_or_default();
    let answer = auth_session::refresh(app, call, canonical::RefreshRequest { refresh_token }).await?;
    Ok(answer.map(|answer| session(app, answer)))
}

/// The session of the token that came along, if it is one: the path is open to those who have none.
async fn logout(app: &App, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>> {
    let mut call = Call::of(&request)?;
    call.signed_in = match shown(app, request.metadata().as_ref())? {
        Some(token) => match app.tokens.verify(token, app.clock.now()).await {
            Ok(signed_in) => Some(signed_in),
            Err(Error::SignedOut) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let pb::LogoutRequest {
        body: _,
        token,
        nothing: _,
    } = request.into_inner();
    if call.session().is_ok() {
        call.trail.actor(Actor::User(call.caller()?.user));
        auth_session::logout(app, &call, canonical::LogoutRequest {}).await?;
    } else if let Some(pb::SpentToken { refresh_token }) = token
        && !auth_session::end_by_refresh(app, &call, &refresh_token).await?
    {
        return Err(Error::SignedOut);
    }
    let message = "Successfully logged out".to_owned();
    let status = "logged_out".to_owned();
    let mut response = Response::new(pb::LogoutResponse {
        done: Some(pb::LoggedOut { status }),
        goodbye: Some(pb::Message { message }),
    });
    set(&mut response, cookie::taken(app.settings.secure_cookies))?;
    Ok(response)
}

/// The access token after `Bearer`, else that of the cookie, unless a page of another site sent it. Of two headers none counts.
fn shown<'a>(app: &App, headers: &'a HeaderMap) -> Result<Option<&'a str>> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    if let Some(header) = sent.next() {
        let header = header.to_str().ok().filter(|_| sent.next().is_none());
        let words = header.and_then(|header| header.split_once(' '));
        let token = words.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        return Ok(token.map(|(_, token)| token.trim()));
    }
    match cookie::access_token(headers) {
        Some(token) if cookie::is_foreign(headers) && !cookie::is_meant(&app.seal, token, headers) => Err(Error::Csrf),
        token => Ok(token),
    }
}

fn session_user(user: canonical::User) -> pb::SessionUser {
    pb::SessionUser {
        id: user.id,
        email: user.email,
        full_name: user.display_name,
        company_id: None,
        is_email_verified: user.email_verify_time.is_some(),
    }
}

fn account(user: canonical::User) -> pb::Account {
    pb::Account {
        id: user.id,
        email: user.email,
        full_name: user.display_name,
        phone: Some(user.phone).filter(|phone| !phone.is_empty()),
        company_id: None,
        registered_at: user.create_time,
        last_activity: user.last_login_time,
        is_active: user.active,
        is_email_verified: user.email_verify_time.is_some(),
        country_code: user.country_code,
        username: user.username,
        created_at: user.create_time,
        updated_at: user.update_time,
    }
}

fn list_countries() -> pb::ListCountriesResponse {
    let countries = country::ALL.iter().map(|country| pb::Country {
        code: country.code.to_owned(),
        name: country.name.to_owned(),
        phone_prefix: country.phone_prefix.to_owned(),
    });
    pb::ListCountriesResponse {
        countries: countries.collect(),
    }
}

async fn get_health(app: &App) -> pb::Health {
    let asking = async {
        let conn = app.database.lease().await?;
        store::user::any(&*conn).await
    };
    let database = matches!(tokio::time::timeout(PATIENCE, asking).await, Ok(Ok(_)));
    let parts = [true, database, true];
    let component = |online: bool| {
        Some(pb::HealthComponent {
            status: if online { "healthy" } else { "unhealthy" }.to_owned(),
            online,
        })
    };
    let online = parts.iter().map(|part| i32::from(*part)).sum();
    pb::Health {
        status: if database { "healthy" } else { "degraded" }.to_owned(),
        timestamp: Some(wire::timestamp(app.clock.now())),
        service: "GAD".to_owned(),
        components: Some(pb::HealthComponents {
            servidor: component(parts[0]),
            base_de_datos: component(parts[1]),
            api: component(parts[2]),
        }),
        summary: Some(pb::HealthSummary {
            total: 3,
            online,
            offline: 3 - online,
        }),
    }
}

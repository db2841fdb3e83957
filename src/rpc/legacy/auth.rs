//! `/api/v1/auth` of the older products.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status, metadata::MetadataValue};

use crate::{
    app::App,
    domain::country,
    error::{Error, Result},
    identity::cookie,
    pb::{
        self as canonical,
        legacy::{self as pb, auth_service_server::AuthService},
    },
    rpc::{Call, auth, wire},
    store,
};

/// Time in which the database must answer to be called well.
const PATIENCE: Duration = Duration::from_secs(2);

/// The service.
#[derive(Debug, Clone)]
pub struct Auth(pub Arc<App>);

#[tonic::async_trait]
impl AuthService for Auth {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        Ok(login(&self.0, &Call::of(&request)?, request.into_inner()).await?)
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

async fn login(app: &App, call: &Call, request: pb::LoginRequest) -> Result<Response<pb::LoginResponse>> {
    let pb::LoginRequest { body: _, form, json } = request;
    let is_form = form.is_some();
    let form = form.map(|pb::LoginForm { username, password }| (username, password));
    let json = json.map(
        |pb::LoginJson {
             email,
             password,
             remember_me: _,
         }| (email, password),
    );
    let (email, password) = form.or(json).ok_or_else(|| Error::unreadable("no credentials"))?;
    let credentials = canonical::LoginRequest {
        email,
        password,
        code: String::new(),
    };
    let answer = auth::login(app, call, credentials).await?.into_inner();
    let canonical::LoginResponse {
        access_token,
        token_type: _,
        expire_time,
        user,
        refresh_token,
        refresh_expire_time: _,
        session_id: _,
    } = answer;
    let token_type = "bearer".to_owned();
    let expires_in = expire_time.map_or(0, |until| until.seconds - app.clock.now().as_second());
    if !is_form {
        let session = pb::Session {
            access_token,
            token_type,
            expires_in,
            refresh_token,
            user: user.map(session_user),
        };
        return Ok(Response::new(pb::LoginResponse {
            token: None,
            session: Some(session),
        }));
    }
    let cookies = cookie::given(&app.seal, &access_token, expires_in, app.settings.secure_cookies);
    let token = pb::Token {
        access_token,
        token_type,
        expires_in,
        refresh_token,
    };
    let mut response = Response::new(pb::LoginResponse {
        token: Some(token),
        session: None,
    });
    for cookie in cookies {
        let cookie = MetadataValue::try_from(cookie).map_err(Error::internal)?;
        response.metadata_mut().append("set-cookie", cookie);
    }
    Ok(response)
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
        country_code: None,
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

//! `/api/v1/telegram` of GRUPO_GAD: the bot, and those whom it speaks for.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{checked, in_keys, may, task::newest, words};
use crate::{
    app::App,
    audit::Actor,
    domain::{
        AgentId, UserId,
        access::{Caller, Level},
        task::State,
        user::User,
    },
    error::{Error, Missing, Result},
    identity::{Credential, SignedIn, TelegramClaims},
    pb::{
        self as canonical, TaskState,
        legacy::{self as pb, telegram_service_server::TelegramService},
    },
    rpc::{Call, task_read::visible, task_whole, user_stats, wire},
    store,
};

/// Tasks that somebody's list has at most.
const LISTED: i32 = 100;
/// Keys of the bot that are not those of `gad.v1`.
const KEYS: [(&str, &str); 6] = [
    ("code", "codigo"),
    ("title", "titulo"),
    ("description", "descripcion"),
    ("kind", "tipo"),
    ("priority", "prioridad"),
    ("location_description", "ubicacion"),
];

/// The service.
#[derive(Debug, Clone)]
pub struct Telegram(pub Arc<App>);

#[tonic::async_trait]
impl TelegramService for Telegram {
    async fn authenticate(&self, request: Request<pb::AuthenticateRequest>) -> Result<Response<pb::TelegramLogin>, Status> {
        let call = Call::of(&request)?;
        let pb::AuthenticateRequest { body: _, persona } = request.into_inner();
        let pb::TelegramPerson {
            telegram_id,
            username: _,
            first_name: _,
            last_name: _,
        } = persona.unwrap_or_default();
        Ok(login(&self.0, &call, telegram_id.unwrap_or_default()).await?)
    }

    async fn get_authentication(
        &self,
        request: Request<pb::GetAuthenticationRequest>,
    ) -> Result<Response<pb::TelegramLogin>, Status> {
        let call = Call::of(&request)?;
        let pb::GetAuthenticationRequest { telegram_id } = request.into_inner();
        Ok(login(&self.0, &call, telegram_id).await?)
    }

    async fn verify_token(&self, request: Request<pb::VerifyTokenRequest>) -> Result<Response<pb::TelegramClaims>, Status> {
        let pb::VerifyTokenRequest { token } = request.into_inner();
        Ok(verify(&self.0, &token).await?)
    }

    async fn create_telegram_task(
        &self,
        request: Request<pb::CreateTelegramTaskRequest>,
    ) -> Result<Response<pb::TelegramTaskCreated>, Status> {
        let created = create(&self.0, &Call::of(&request)?, request.into_inner()).await;
        user_stats::note_change(&self.0).await;
        Ok(created.map_err(|error| in_keys(error, &KEYS))?)
    }

    async fn finalize_telegram_task(
        &self,
        request: Request<pb::FinalizeTelegramTaskRequest>,
    ) -> Result<Response<pb::TelegramTaskFinalized>, Status> {
        let finalized = finalize(&self.0, &Call::of(&request)?, request.into_inner()).await;
        user_stats::note_change(&self.0).await;
        Ok(finalized?)
    }

    async fn list_telegram_tasks(
        &self,
        request: Request<pb::ListTelegramTasksRequest>,
    ) -> Result<Response<pb::TelegramTasks>, Status> {
        let call = Call::of(&request)?;
        let pb::ListTelegramTasksRequest { telegram_id } = request.into_inner();
        Ok(list(&self.0, &call, telegram_id).await?)
    }

    async fn get_telegram_task(
        &self,
        request: Request<pb::GetTelegramTaskRequest>,
    ) -> Result<Response<pb::TelegramTask>, Status> {
        let pb::GetTelegramTaskRequest { codigo } = request.into_inner();
        Ok(by_code(&self.0, &codigo).await?)
    }
}

/// The user with this number, if the user may sign in.
async fn user_of(app: &App, telegram_id: i64) -> Result<Option<User>> {
    let conn = app.database.lease().await?;
    let user = store::user::by_telegram_id(&*conn, telegram_id).await?;
    Ok(user.filter(|user| user.may_sign_in() && !user.service))
}

/// The user with this number, and the call as that user's own.
async fn in_name_of(app: &App, call: &Call, telegram_id: Option<i64>) -> Result<(User, Call)> {
    let user = user_of(app, telegram_id.unwrap_or_default()).await?;
    let user = user.ok_or(Error::NotFound(Missing::User))?;
    call.trail.actor(Actor::User(user.id));
    call.trail.detail("via", "telegram");
    let signed_in = SignedIn {
        caller: user.caller(),
        version: user.token_version,
        // The bot proves who somebody is; that they are there now, it cannot.
        credential: Credential::Session {
            id: Uuid::nil(),
            auth_time: Timestamp::UNIX_EPOCH,
            password_expired: false,
        },
        until: Timestamp::MAX,
    };
    let call = Call {
        signed_in: Some(signed_in),
        ..call.clone()
    };
    Ok((user, call))
}

fn role(level: Level) -> String {
    format!("UserLevel.LEVEL_{}", level as i32)
}

async fn login(app: &App, call: &Call, telegram_id: i64) -> Result<Response<pb::TelegramLogin>> {
    let Some(user) = user_of(app, telegram_id).await? else {
        return Ok(Response::new(pb::TelegramLogin {
            authenticated: false,
            user_id: None,
            telegram_id,
            role: None,
            token: None,
            message: "Usuario no registrado".to_owned(),
        }));
    };
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    let claims = TelegramClaims::new(telegram_id, user.id, app.clock.now());
    Ok(Response::new(pb::TelegramLogin {
        authenticated: true,
        user_id: Some(user.id.0),
        telegram_id,
        role: Some(role(user.level)),
        token: Some(claims.sign(&app.seal)),
        message: "Autenticación exitosa".to_owned(),
    }))
}

async fn verify(app: &App, token: &str) -> Result<Response<pb::TelegramClaims>> {
    let TelegramClaims {
        telegram_id,
        user,
        until,
    } = TelegramClaims::verify(token, &app.seal, app.clock.now())?;
    // Whoever may not sign in any more, or has another number now, is nobody.
    let present = user_of(app, telegram_id).await?.filter(|present| present.id == user);
    let present = present.ok_or(Error::WrongProof)?;
    Ok(Response::new(pb::TelegramClaims {
        valid: true,
        telegram_id,
        user_id: user.0,
        role: role(present.level),
        expires: Some(wire::timestamp(until)),
    }))
}

async fn create(app: &App, call: &Call, request: pb::CreateTelegramTaskRequest) -> Result<Response<pb::TelegramTaskCreated>> {
    let pb::CreateTelegramTaskRequest { body: _, tarea } = request;
    let pb::NewTelegramTask {
        telegram_id,
        tipo,
        codigo,
        titulo,
        descripcion,
        prioridad,
        ubicacion,
        asignado_a,
    } = tarea.unwrap_or_default();
    let (_, call) = in_name_of(app, call, telegram_id).await?;
    if !asignado_a.is_empty() {
        may(app, &call, "TaskService/AssignTask")?;
    }
    let task = canonical::Task {
        kind: words::kind(&tipo),
        code: codigo.to_ascii_uppercase(),
        title: titulo,
        description: descripcion.unwrap_or_default(),
        priority: prioridad.map_or(0, |word| words::priority(&word)),
        location_description: ubicacion.unwrap_or_default(),
        ..canonical::Task::default()
    };
    let request = canonical::CreateTaskRequest {
        task: Some(task),
        ..canonical::CreateTaskRequest::default()
    };
    let crew: BTreeSet<AgentId> = asignado_a.into_iter().map(AgentId).collect();
    let created = task_whole::create(app, &call, checked(request)?, &crew).await?;
    Ok(created.map(|task| pb::TelegramTaskCreated {
        success: true,
        message: format!("Tarea {} creada exitosamente", task.code),
        task_id: task.id,
        codigo: task.code,
        created_at: task.create_time,
    }))
}

async fn finalize(
    app: &App,
    call: &Call,
    request: pb::FinalizeTelegramTaskRequest,
) -> Result<Response<pb::TelegramTaskFinalized>> {
    let pb::FinalizeTelegramTaskRequest { body: _, tarea } = request;
    let pb::FinishedTelegramTask {
        codigo,
        telegram_id,
        observaciones,
    } = tarea.unwrap_or_default();
    let (_, call) = in_name_of(app, call, telegram_id).await?;
    let conn = app.database.lease().await?;
    let task = visible(store::task::by_code(&*conn, &codigo).await?, &call.caller()?)?;
    drop(conn);
    if task.state() == State::Finished {
        return Ok(Response::new(pb::TelegramTaskFinalized {
            success: false,
            message: format!("La tarea {} ya está finalizada", task.plan.code),
            task_id: task.id.0,
            codigo: task.plan.code,
            finalized_at: task.progress.ended().map(wire::timestamp),
        }));
    }
    let request = canonical::TaskStepRequest {
        id: task.id.0,
        reason: observaciones.unwrap_or_default(),
        ..canonical::TaskStepRequest::default()
    };
    let finished = task_whole::finish(app, &call, checked(request)?).await?;
    Ok(finished.map(|task| pb::TelegramTaskFinalized {
        success: true,
        message: format!("Tarea {} finalizada exitosamente", task.code),
        task_id: task.id,
        codigo: task.code,
        finalized_at: task.actual_end_time,
    }))
}

async fn list(app: &App, call: &Call, telegram_id: i64) -> Result<Response<pb::TelegramTasks>> {
    let (user, call) = in_name_of(app, call, Some(telegram_id)).await?;
    let counts = {
        let conn = app.database.lease().await?;
        store::user_stats::count(&*conn, user.id, None).await?
    };
    let filter = canonical::TaskFilter {
        states: vec![TaskState::Scheduled as i32, TaskState::InProgress as i32],
        ..canonical::TaskFilter::default()
    };
    let open = newest(app, &as_agent(call, user.id)?, filter, (0, LISTED)).await?;
    Ok(Response::new(pb::TelegramTasks {
        telegram_id,
        total_tasks: counts.total,
        active_tasks: counts.in_progress,
        pending_tasks: counts.scheduled,
        completed_tasks: counts.finished,
        tasks: open.into_iter().map(line).collect(),
    }))
}

/// The call of somebody who sees no more than what is their own.
fn as_agent(mut call: Call, user: UserId) -> Result<Call> {
    let signed_in = call.signed_in.as_mut().ok_or(Error::SignedOut)?;
    signed_in.caller = Caller {
        user,
        level: Level::Agent,
        zones: Vec::new().into(),
    };
    Ok(call)
}

fn line(task: canonical::Task) -> pb::TelegramTaskLine {
    pb::TelegramTaskLine {
        id: task.id,
        codigo: task.code,
        titulo: task.title,
        estado: words::state_word(task.state),
        tipo: words::kind_word(task.kind),
        inicio_programado: task.planned_start_time,
    }
}

async fn by_code(app: &App, code: &str) -> Result<Response<pb::TelegramTask>> {
    let conn = app.database.lease().await?;
    let task = store::task::by_code(&*conn, code).await?;
    let task = task.ok_or(Error::NotFound(Missing::Task))?;
    Ok(Response::new(pb::TelegramTask {
        id: task.id.0,
        estado: words::state_word(task.state() as i32),
        fin_real: task.progress.ended().map(wire::timestamp),
        codigo: task.plan.code,
        titulo: task.plan.title,
        tipo: words::kind_word(task.plan.kind as i32),
        inicio_programado: Some(wire::timestamp(task.plan.planned_start)),
    }))
}

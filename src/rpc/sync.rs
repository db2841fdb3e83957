//! SyncService: what a phone did while it was offline. What it missed is in `sync_pull`.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::REPLAYED,
    check_in, comment, emergency, position, refusal, rule,
    sync_pull::{self, Place},
    task, wire,
};
use crate::{
    app::App,
    codec,
    domain::{TaskId, sync, task::Action},
    error::{Error, Result},
    pb::{self, MutationStatus, sync_service_server::SyncService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Sync(pub Arc<App>);

#[tonic::async_trait]
impl SyncService for Sync {
    async fn push(&self, request: Request<pb::PushRequest>) -> Result<Response<pb::PushResponse>, Status> {
        Ok(push(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn pull(&self, request: Request<pb::PullRequest>) -> Result<Response<pb::PullResponse>, Status> {
        Ok(sync_pull::pull(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn push(app: &App, call: &Call, request: pb::PushRequest) -> Result<Response<pb::PushResponse>> {
    let pb::PushRequest {
        mutations,
        pull,
        cursor,
        page_size,
    } = request;
    // A cursor that is none is refused before anything is done.
    let place = if pull { Some(Place::parse(&cursor)?) } else { None };
    let mut results: Vec<pb::MutationResult> = Vec::with_capacity(mutations.len());
    for mutation in mutations {
        let waits = results.last().is_some_and(|last| last.status() == MutationStatus::Later);
        results.push(if waits { later() } else { one(app, call, mutation).await? });
    }
    // Each mutation has its own row of the audit.
    call.trail.settle();
    let pulled = match place {
        Some(place) => Some(sync_pull::page(app, call, place, page_size).await?),
        None => None,
    };
    Ok(Response::new(pb::PushResponse { results, pulled }))
}

fn later() -> pb::MutationResult {
    pb::MutationResult {
        status: MutationStatus::Later as i32,
        ..Default::default()
    }
}

/// What becomes of a mutation.
async fn one(app: &App, call: &Call, mutation: pb::Mutation) -> Result<pb::MutationResult> {
    let mut result = pb::MutationResult::default();
    let part = call.part();
    let step = mutation.task_step.as_ref().map(|step| step.id);
    let task = step.or(mutation.check_in.as_ref().map(|sign| sign.task_id)).map(TaskId);
    let error = match apply(app, &part, mutation, &mut result).await {
        Ok(()) => return Ok(result),
        Err(error) => error,
    };
    if !error.is_refusal() {
        tracing::warn!(cause = %error, "a mutation has to wait");
        return Ok(later());
    }
    if let Some(entry) = part.trail.entry(app.clock.now(), error.reason()) {
        app.audit.refuse(entry);
    }
    let conflict = matches!(error, Error::Stale | Error::IllegalStep { .. } | Error::NotRunning);
    result.status = if conflict {
        MutationStatus::Conflict
    } else {
        MutationStatus::Refused
    } as i32;
    result.refusal = Some(refusal::of(&error));
    if let Some(task) = task.filter(|_| conflict) {
        let conn = app.database.lease().await?;
        let caller = call.caller()?;
        let task = store::task::get(&*conn, task)
            .await?
            .filter(|task| task.is_there_for(&caller));
        result.task = task.map(|task| wire::task(&task, &caller, app.clock.now()));
    }
    Ok(result)
}

/// Does what the single RPC would do, and notes what came of it.
async fn apply(app: &App, call: &Call, mutation: pb::Mutation, result: &mut pb::MutationResult) -> Result<()> {
    let pb::Mutation {
        request_id,
        client_time,
        task_step,
        positions,
        emergency,
        comment,
        check_in,
    } = mutation;
    reported("client_time", client_time, app.clock.now())?;
    let admit = |path| rule::admit_to(app, path, call.signed_in()?);
    let replayed = if let Some(step) = task_step {
        codec::check(&step)?;
        let (path, method, action) = step_of(step.action)?;
        admit(path)?;
        let step = pb::TaskStepRequest {
            id: step.id,
            reason: step.reason,
            etag: step.etag,
            request_id,
            reported_time: client_time,
        };
        answered(task::step(app, call, action, method, step).await?, &mut result.task)
    } else if let Some(positions) = positions {
        codec::check(&positions)?;
        admit("/gad.v1.AgentService/ReportPositions")?;
        let sum = position::report(app, call, positions).await?.into_inner();
        let known = sum.repeated_count > 0 && sum.accepted_count == 0;
        result.positions = Some(sum);
        known
    } else if let Some(emergency) = emergency {
        let raised = pb::RaiseEmergencyRequest { request_id, ..emergency };
        codec::check(&raised)?;
        admit("/gad.v1.EmergencyService/RaiseEmergency")?;
        answered(emergency::raise(app, call, raised).await?, &mut result.emergency)
    } else if let Some(comment) = comment {
        let said = pb::CreateCommentRequest {
            request_id,
            reported_time: client_time,
            ..comment
        };
        codec::check(&said)?;
        admit("/gad.v1.CommentService/CreateComment")?;
        answered(comment::create(app, call, said).await?, &mut result.comment)
    } else if let Some(check_in) = check_in {
        let sign = pb::CheckInRequest {
            request_id,
            reported_time: client_time,
            ..check_in
        };
        codec::check(&sign)?;
        admit("/gad.v1.CheckInService/CheckIn")?;
        answered(check_in::sign(app, call, sign).await?, &mut result.check_in)
    } else {
        return Err(Error::internal("a mutation of nothing came past its rule"));
    };
    let status = if replayed {
        MutationStatus::Replayed
    } else {
        MutationStatus::Applied
    };
    result.status = status as i32;
    Ok(())
}

/// Notes an answer; says whether it was kept from an earlier call.
fn answered<T>(answer: Response<T>, result: &mut Option<T>) -> bool {
    let (told, answer, _) = answer.into_parts();
    *result = Some(answer);
    told.contains_key(REPLAYED)
}

/// Path and name of the RPC of a step, and the step.
fn step_of(action: i32) -> Result<(&'static str, &'static str, Action)> {
    Ok(match Action::of(action) {
        Some(Action::Start) => ("/gad.v1.TaskService/StartTask", "StartTask", Action::Start),
        Some(Action::Pause) => ("/gad.v1.TaskService/PauseTask", "PauseTask", Action::Pause),
        Some(Action::Resume) => ("/gad.v1.TaskService/ResumeTask", "ResumeTask", Action::Resume),
        Some(Action::Finish) => ("/gad.v1.TaskService/FinishTask", "FinishTask", Action::Finish),
        Some(Action::Cancel) => ("/gad.v1.TaskService/CancelTask", "CancelTask", Action::Cancel),
        _ => return Err(Error::invalid("task_step.action", "no es un paso", "is not a step")),
    })
}

/// When something happened by the clock of who did it.
pub fn reported(field: &str, time: Option<prost_types::Timestamp>, now: Timestamp) -> Result<Option<Timestamp>> {
    let time = time.map(|time| wire::time(field, time)).transpose()?;
    match time {
        Some(time) if !sync::is_credible(time, now) => Err(Error::invalid(
            field,
            "está demasiado lejos del reloj del servidor",
            "is too far from the server's clock",
        )),
        time => Ok(time),
    }
}

//! CommentService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    detail, page, sync, wire,
};
use crate::{
    app::App,
    domain::{
        TaskId,
        access::Level,
        comment::{Comment, Kind},
        fact::FactKind,
        task::{Action, Task},
    },
    error::{Error, Missing, Result},
    pb::{self, comment_service_server::CommentService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Comments(pub Arc<App>);

#[tonic::async_trait]
impl CommentService for Comments {
    async fn list_comments(
        &self,
        request: Request<pb::ListCommentsRequest>,
    ) -> Result<Response<pb::ListCommentsResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn create_comment(&self, request: Request<pb::CreateCommentRequest>) -> Result<Response<pb::Comment>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_comment(&self, request: Request<pb::UpdateCommentRequest>) -> Result<Response<pb::Comment>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_comment(&self, request: Request<pb::DeleteCommentRequest>) -> Result<Response<pb::Comment>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn list(app: &App, call: &Call, request: pb::ListCommentsRequest) -> Result<Response<pb::ListCommentsResponse>> {
    let caller = call.caller()?;
    let task = TaskId(request.task_id);
    let asked = pb::ListCommentsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let query = page::Query::of("ListComments", &asked, caller.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    detail::seen(&*conn, Some(task), &caller, Missing::Task).await?;
    let mut rows = store::comment::page(&*conn, task, after, Kind::of(request.kind), limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |comment| [comment.id]);
    Ok(Response::new(pb::ListCommentsResponse {
        comments: rows.iter().map(wire_comment).collect(),
        next_page_token,
    }))
}

/// CreateComment.
pub async fn create(app: &App, call: &Call, request: pb::CreateCommentRequest) -> Result<Response<pb::Comment>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("CreateComment", &request.request_id), &request).await?;
    let id = TaskId(request.task_id);
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let reported = sync::reported("reported_time", request.reported_time, change.now)?;
    let task = detail::task(&change, id, Missing::Task).await?;
    let kind = Kind::of(request.kind).unwrap_or(Kind::Comment);
    let comment = store::comment::insert(change.tx(), id, change.caller.user, kind, &request.text, change.now).await?;
    change.trail.resource("comment", comment.id);
    change.trail.anew();
    tell(&mut change, &task).await?;
    store::task::report_time(change.tx(), id, reported).await?;
    change.commit(wire_comment(&comment)).await
}

async fn update(app: &App, call: &Call, request: pb::UpdateCommentRequest) -> Result<Response<pb::Comment>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateComment", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    lock(&change, request.id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let (comment, task) = known(&change, request.id, &request.etag).await?;
    if comment.user != change.caller.user {
        return Err(Error::Forbidden);
    }
    let comment = store::comment::save(change.tx(), comment.id, &request.text, change.now).await?;
    tell(&mut change, &task).await?;
    change.commit(wire_comment(&comment)).await
}

async fn delete(app: &App, call: &Call, request: pb::DeleteCommentRequest) -> Result<Response<pb::Comment>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteComment", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    lock(&change, request.id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let (comment, task) = known(&change, request.id, &request.etag).await?;
    if comment.user != change.caller.user && change.caller.level < Level::Administrator {
        return Err(Error::Forbidden);
    }
    store::comment::delete(change.tx(), comment.id).await?;
    change.trail.gone();
    tell(&mut change, &task).await?;
    change.commit(wire_comment(&comment)).await
}

/// Locks the task of a comment.
async fn lock(change: &Change<'_>, id: i64) -> Result<()> {
    let comment = store::comment::get(change.tx(), id).await?;
    store::task::lock(change.tx(), detail::of(comment.map(|comment| comment.task))).await
}

/// The comment as it is now, and its task, if they are there for the caller.
async fn known(change: &Change<'_>, id: i64, etag: &str) -> Result<(Comment, Task)> {
    change.trail.resource("comment", id);
    let comment = store::comment::get(change.tx(), id).await?;
    let task = detail::of(comment.as_ref().map(|comment| comment.task));
    let task = detail::task(change, task, Missing::Comment).await?;
    let comment = comment.ok_or(Error::NotFound(Missing::Comment))?;
    change.trail.subject(comment.user);
    change.trail.before(&wire_comment(&comment));
    wire::check_etag(etag, comment.revision)?;
    Ok((comment, task))
}

async fn tell(change: &mut Change<'_>, task: &Task) -> Result<()> {
    detail::note(change, task, Action::Comment, FactKind::TaskCommented, "").await
}

fn wire_comment(comment: &Comment) -> pb::Comment {
    let Comment {
        id,
        task,
        user,
        kind,
        text,
        created,
        updated,
        revision,
    } = comment;
    pb::Comment {
        id: *id,
        task_id: task.0,
        user_id: user.0,
        kind: *kind as i32,
        text: text.clone(),
        create_time: Some(wire::timestamp(*created)),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}

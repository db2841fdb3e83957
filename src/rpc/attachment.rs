//! AttachmentService; the files themselves are in `attachment_file`.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Call, attachment_file as file,
    change::{Change, asked},
    detail, page, wire,
};
use crate::{
    app::App,
    domain::{
        Revision, TaskId,
        access::Level,
        attachment::{Attachment, ProofPolicy},
        fact::FactKind,
        task::{Action, Kind},
    },
    error::{Error, Missing, Result},
    pb::{self, attachment_service_server::AttachmentService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Attachments(pub Arc<App>);

#[tonic::async_trait]
impl AttachmentService for Attachments {
    type DownloadAttachmentStream = file::Pieces;

    async fn upload_attachment(
        &self,
        request: Request<Streaming<pb::UploadAttachmentRequest>>,
    ) -> Result<Response<pb::Attachment>, Status> {
        file::upload(&self.0, &Call::of(&request)?, request.into_inner()).await
    }

    async fn list_attachments(
        &self,
        request: Request<pb::ListAttachmentsRequest>,
    ) -> Result<Response<pb::ListAttachmentsResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_attachment(&self, request: Request<pb::GetAttachmentRequest>) -> Result<Response<pb::Attachment>, Status> {
        let call = Call::of(&request)?;
        let found = find(&self.0, &call, request.into_inner().id).await?;
        Ok(Response::new(wire_attachment(&found)))
    }

    async fn download_attachment(&self, request: Request<pb::GetAttachmentRequest>) -> Result<Response<file::Pieces>, Status> {
        let call = Call::of(&request)?;
        let found = find(&self.0, &call, request.into_inner().id).await?;
        Ok(file::download(&self.0, &call, found).await?)
    }

    async fn delete_attachment(&self, request: Request<pb::DeleteAttachmentRequest>) -> Result<Response<pb::Attachment>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_proof_policies(
        &self,
        _request: Request<pb::ListProofPoliciesRequest>,
    ) -> Result<Response<pb::ListProofPoliciesResponse>, Status> {
        Ok(policies(&self.0).await?)
    }

    async fn update_proof_policy(
        &self,
        request: Request<pb::UpdateProofPolicyRequest>,
    ) -> Result<Response<pb::ProofPolicy>, Status> {
        Ok(update_policy(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn list(app: &App, call: &Call, request: pb::ListAttachmentsRequest) -> Result<Response<pb::ListAttachmentsResponse>> {
    let caller = call.caller()?;
    let task = TaskId(request.task_id);
    let query = page::Query::of("ListAttachments", &request.task_id, caller.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    detail::seen(&*conn, Some(task), &caller, Missing::Task).await?;
    let mut rows = store::attachment::page(&*conn, task, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |attachment| [attachment.id]);
    Ok(Response::new(pb::ListAttachmentsResponse {
        attachments: rows.iter().map(wire_attachment).collect(),
        next_page_token,
    }))
}

/// An attachment, if it is there for the caller.
async fn find(app: &App, call: &Call, id: i64) -> Result<Attachment> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let found = store::attachment::get(&*conn, id).await?;
    let task = found.as_ref().map(|attachment| attachment.task);
    detail::seen(&*conn, task, &caller, Missing::Attachment).await?;
    found.ok_or(Error::NotFound(Missing::Attachment))
}

async fn delete(app: &App, call: &Call, request: pb::DeleteAttachmentRequest) -> Result<Response<pb::Attachment>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteAttachment", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let before = store::attachment::get(change.tx(), request.id).await?;
    let id = detail::of(before.map(|attachment| attachment.task));
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("attachment", request.id);
    let found = store::attachment::get(change.tx(), request.id).await?;
    let task = detail::task(&change, id, Missing::Attachment).await?;
    let attachment = found.ok_or(Error::NotFound(Missing::Attachment))?;
    change.trail.subject(attachment.user);
    change.trail.before(&wire_attachment(&attachment));
    let own = attachment.user == change.caller.user;
    let allowed = match task.state().is_open() {
        true => own || task.is_open_to(&change.caller, Action::Detach),
        // It may prove that the work was done.
        false => change.caller.level >= Level::Administrator,
    };
    if !allowed {
        return Err(Error::Forbidden);
    }
    store::attachment::delete(change.tx(), attachment.id).await?;
    change.trail.gone();
    let kind = FactKind::TaskAttachmentsChanged;
    detail::note(&mut change, &task, Action::Detach, kind, &attachment.file_name).await?;
    change.commit(wire_attachment(&attachment)).await
}

async fn policies(app: &App) -> Result<Response<pb::ListProofPoliciesResponse>> {
    let conn = app.database.lease().await?;
    let policies = store::attachment::policies(&*conn).await?;
    Ok(Response::new(pb::ListProofPoliciesResponse {
        policies: policies.iter().map(wire_policy).collect(),
    }))
}

async fn update_policy(app: &App, call: &Call, request: pb::UpdateProofPolicyRequest) -> Result<Response<pb::ProofPolicy>> {
    let wanted = request.policy.clone().unwrap_or_default();
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    let policy = read_policy(wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateProofPolicy", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("proof_policy", policy.kind as i64);
    let before = store::attachment::locked_policy(change.tx(), policy.kind).await?;
    change.trail.before(&wire_policy(&before));
    wire::check_etag(&etag, before.revision)?;
    let policy = store::attachment::save_policy(change.tx(), &policy, change.now).await?;
    change.commit(wire_policy(&policy)).await
}

/// A policy as somebody wants it.
fn read_policy(policy: pb::ProofPolicy) -> Result<ProofPolicy> {
    let pb::ProofPolicy {
        kind,
        photo_count,
        signature_count,
        whole_checklist,
        update_time: _,
        etag: _,
    } = policy;
    Ok(ProofPolicy {
        kind: Kind::of(kind).ok_or_else(|| Error::required("policy.kind"))?,
        photos: photo_count,
        signatures: signature_count,
        whole_checklist,
        updated: Timestamp::UNIX_EPOCH,
        revision: Revision(0),
    })
}

fn wire_policy(policy: &ProofPolicy) -> pb::ProofPolicy {
    let ProofPolicy {
        kind,
        photos,
        signatures,
        whole_checklist,
        updated,
        revision,
    } = policy;
    pb::ProofPolicy {
        kind: *kind as i32,
        photo_count: *photos,
        signature_count: *signatures,
        whole_checklist: *whole_checklist,
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}

/// What is known of an attachment.
pub fn wire_attachment(attachment: &Attachment) -> pb::Attachment {
    let Attachment {
        id,
        uid,
        task,
        user,
        kind,
        file_name,
        content_type,
        size,
        sha256,
        note,
        created,
    } = attachment;
    pb::Attachment {
        id: *id,
        uid: uid.to_string(),
        task_id: task.0,
        user_id: user.0,
        kind: *kind as i32,
        file_name: file_name.clone(),
        content_type: content_type.clone(),
        size_bytes: *size,
        sha256: hex::encode(sha256),
        note: note.clone(),
        create_time: Some(wire::timestamp(*created)),
    }
}

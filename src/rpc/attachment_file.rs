//! AttachmentService: the files, as they come and as they go.

use std::{pin::Pin, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _, stream};
use jiff::SignedDuration;
use tonic::{Response, Status, Streaming, metadata::MetadataValue};
use uuid::Uuid;

use super::{
    Call,
    attachment::wire_attachment,
    change::{Change, asked},
    detail, watch,
};
use crate::{
    app::App,
    blob,
    domain::{
        TaskId,
        attachment::{Attachment, FILES, Kind},
        fact::FactKind,
        task::Action,
    },
    error::{Error, Missing, Result},
    identity::SignedIn,
    pb::{self, EndReason, google::api::HttpBody},
    store,
};

/// Bytes that tell what kind of file it is.
const HEAD: usize = 8 * 1024;
/// How long an upload may take until its file is taken for given up.
const UPLOAD: SignedDuration = SignedDuration::from_hours(24);

/// A file on its way out.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<HttpBody, Status>> + Send>>;

/// UploadAttachment. The bytes go to the store of files as they come; the row makes an attachment of them.
pub async fn upload(
    app: &App,
    call: &Call,
    mut requests: Streaming<pb::UploadAttachmentRequest>,
) -> Result<Response<pb::Attachment>, Status> {
    let mut head = next(app, call, &mut requests).await?.unwrap_or_default();
    let first = head.file.take().unwrap_or_default().data;
    let now = app.clock.now();
    let uid = app.uid(now);
    {
        let conn = app.database.lease().await?;
        check(&*conn, call, &head).await?;
        let due = now.checked_add(UPLOAD).map_err(Error::internal)?;
        store::attachment::reserve(&*conn, uid, now, due).await?;
    }
    let added = async {
        let file = take(app, call, uid, first.into(), &mut requests).await?;
        Ok::<_, Status>(attach(app, call, uid, head, file).await?)
    };
    let added = added.await;
    let kept = added.as_ref().is_ok_and(|answer| answer.get_ref().uid == uid.to_string());
    if !kept {
        // If this fails too, the file goes in its time.
        let conn = app.database.lease().await?;
        store::attachment::release(&*conn, uid).await?;
    }
    added
}

/// What is refused before anything is kept.
async fn check(on: &impl store::Query, call: &Call, head: &pb::UploadAttachmentRequest) -> Result<()> {
    if head.task_id == 0 {
        return Err(Error::required("task_id"));
    }
    let (caller, task) = (call.caller()?, TaskId(head.task_id));
    let found = detail::seen(on, Some(task), &caller, Missing::Task).await?;
    if found.deleted.is_some() {
        return Err(Error::NotFound(Missing::Task));
    }
    if store::attachment::count(on, task).await? >= FILES {
        return Err(Error::TaskFull);
    }
    Ok(())
}

/// The next message; one that does not come ends with the deadline, the token, and the server.
async fn next(
    app: &App,
    call: &Call,
    requests: &mut Streaming<pb::UploadAttachmentRequest>,
) -> Result<Option<pb::UploadAttachmentRequest>, Status> {
    tokio::select! {
        biased;
        message = requests.message() => message,
        reason = watch::ends(app, call.signed_in()?, call.deadline) => Err(ended(reason).into()),
    }
}

fn ended(reason: EndReason) -> Error {
    match reason {
        EndReason::Deadline => Error::Deadline,
        EndReason::AuthRevoked => Error::SignedOut,
        _ => Error::Down("the server is going down".to_owned()),
    }
}

/// A file that is in the store of files.
struct Taken {
    content_type: &'static str,
    size: u64,
    sha256: Vec<u8>,
}

/// Puts the bytes into the store of files as they come.
async fn take(
    app: &App,
    call: &Call,
    uid: Uuid,
    first: Bytes,
    requests: &mut Streaming<pb::UploadAttachmentRequest>,
) -> Result<Taken, Status> {
    let mut writer = app.blobs.begin(uid).await?;
    let (mut size, mut hash, mut head) = (0, Context::new(&SHA256), Vec::new());
    let mut content_type = None;
    let mut piece = Some(first);
    while let Some(bytes) = piece {
        size += bytes.len() as u64;
        if size > app.settings.files.max_file_size {
            return Err(Error::FileTooLarge.into());
        }
        hash.update(&bytes);
        if content_type.is_none() {
            head.extend_from_slice(&bytes[..bytes.len().min(HEAD - head.len())]);
            if head.len() == HEAD {
                content_type = Some(told(app, &head)?);
            }
        }
        if !bytes.is_empty() {
            writer.write(bytes).await?;
        }
        let message = next(app, call, requests).await?;
        piece = message.map(|message| message.file.unwrap_or_default().data.into());
    }
    let content_type = content_type.map_or_else(|| told(app, &head), Ok)?;
    writer.finish().await?;
    Ok(Taken {
        content_type,
        size,
        sha256: hash.finish().as_ref().to_vec(),
    })
}

/// What kind of file it is by its first bytes, if such files are taken.
fn told(app: &App, head: &[u8]) -> Result<&'static str> {
    let kind = infer::get(head).ok_or(Error::FileType)?.mime_type();
    let taken = app.settings.files.file_types.iter().any(|known| known == kind);
    if taken { Ok(kind) } else { Err(Error::FileType) }
}

/// Makes an attachment of a file that is in the store of files.
async fn attach(
    app: &App,
    call: &Call,
    uid: Uuid,
    mut head: pb::UploadAttachmentRequest,
    file: Taken,
) -> Result<Response<pb::Attachment>> {
    // What is asked for is the file too.
    head.file = Some(HttpBody {
        content_type: file.content_type.to_owned(),
        data: file.sha256.clone(),
        extensions: Vec::new(),
    });
    let mut conn = app.database.lease().await?;
    let asked = asked("UploadAttachment", &head.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &head).await?;
    let id = TaskId(head.task_id);
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = detail::task(&change, id, Missing::Task).await?;
    let kind = Kind::of(head.kind).unwrap_or(Kind::File);
    if !kind.admits(file.content_type) {
        return Err(Error::FileType);
    }
    if store::attachment::count(change.tx(), id).await? >= FILES {
        return Err(Error::TaskFull);
    }
    let attachment = Attachment {
        id: 0,
        uid,
        task: id,
        user: change.caller.user,
        kind,
        file_name: named(&head.file_name, file.content_type),
        content_type: file.content_type.to_owned(),
        size: i64::try_from(file.size).map_err(Error::internal)?,
        sha256: file.sha256,
        note: head.note.clone(),
        created: change.now,
    };
    let attachment = store::attachment::insert(change.tx(), &attachment).await?;
    change.trail.resource("attachment", attachment.id);
    change.trail.anew();
    let fact = FactKind::TaskAttachmentsChanged;
    detail::note(&mut change, &task, Action::Attach, fact, &attachment.file_name).await?;
    change.commit(wire_attachment(&attachment)).await
}

/// The name of a file; one that came without gets one by what it is.
fn named(name: &str, content_type: &str) -> String {
    match name.trim() {
        "" => content_type.replace('/', "."),
        name => name.to_owned(),
    }
}

/// A file that is being sent.
struct Sending {
    app: Arc<App>,
    signed_in: SignedIn,
    call: Call,
    pieces: blob::Pieces,
    content_type: String,
    left: i64,
}

/// DownloadAttachment, of one that is there for the caller.
pub async fn download(app: &Arc<App>, call: &Call, attachment: Attachment) -> Result<Response<Pieces>> {
    let sending = Sending {
        app: Arc::clone(app),
        signed_in: call.signed_in()?.clone(),
        call: call.clone(),
        pieces: app.blobs.read(attachment.uid).await?,
        content_type: attachment.content_type.clone(),
        left: attachment.size,
    };
    let pieces = stream::try_unfold(sending, Sending::next).map_err(Status::from);
    let mut response: Response<Pieces> = Response::new(Box::pin(pieces));
    let headers = [
        ("content-disposition", disposition(&attachment.file_name)),
        ("repr-digest", format!("sha-256=:{}:", STANDARD.encode(&attachment.sha256))),
        ("x-content-type-options", "nosniff".to_owned()),
    ];
    for (name, value) in headers {
        let value = MetadataValue::try_from(value).map_err(Error::internal)?;
        response.metadata_mut().insert(name, value);
    }
    Ok(response)
}

/// Never shown within a page, always kept as a file; the name in ASCII, and as it is (RFC 6266).
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            ' '..='~' if letter != '"' && letter != '\\' && letter != '%' => letter,
            _ => '_',
        })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

impl Sending {
    /// The next piece. What is shorter than it was ends in an error, not in a file that is taken for whole.
    async fn next(mut self) -> Result<Option<(HttpBody, Self)>> {
        let ends = watch::ends(&self.app, &self.signed_in, self.call.deadline);
        let piece = tokio::select! {
            biased;
            reason = ends => return Err(ended(reason)),
            piece = self.pieces.try_next() => piece?,
        };
        let Some(data) = piece else {
            return match self.left {
                0 => Ok(None),
                _ => Err(Error::internal("a file is not as long as it was")),
            };
        };
        self.left -= i64::try_from(data.len()).map_err(Error::internal)?;
        let body = HttpBody {
            content_type: self.content_type.clone(),
            data: data.into(),
            extensions: Vec::new(),
        };
        Ok(Some((body, self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_header() {
        assert_eq!(
            disposition("señal \"1\"%.jpg"),
            "attachment; filename=\"se_al _1__.jpg\"; filename*=UTF-8''se%C3%B1al%20%221%22%25.jpg"
        );
    }
}

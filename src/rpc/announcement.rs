//! AnnouncementService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    wire::timestamp,
};
use crate::{
    app::App,
    domain::announcement::{Announcement, LEVEL},
    error::Result,
    pb::{self, announcement_service_server::AnnouncementService},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Announcements(pub Arc<App>);

#[tonic::async_trait]
impl AnnouncementService for Announcements {
    async fn create_announcement(
        &self,
        request: Request<pb::CreateAnnouncementRequest>,
    ) -> Result<Response<pb::Announcement>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn create(app: &App, call: &Call, request: pb::CreateAnnouncementRequest) -> Result<Response<pb::Announcement>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateAnnouncement", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let pb::CreateAnnouncementRequest {
        title,
        content,
        level,
        topic,
        request_id: _,
    } = request.clone();
    let announcement = Announcement {
        uid: app.uid(change.now),
        title,
        content,
        level: if level.is_empty() { LEVEL.to_owned() } else { level },
        topic,
        created: change.now,
    };
    change.trail.resource("announcement", announcement.uid);
    change.announce(announcement.clone());
    change.commit(wire(&announcement)).await
}

/// An announcement as everybody hears it.
pub fn wire(announcement: &Announcement) -> pb::Announcement {
    let Announcement {
        uid,
        title,
        content,
        level,
        topic,
        created,
    } = announcement;
    pb::Announcement {
        uid: uid.to_string(),
        title: title.clone(),
        content: content.clone(),
        level: level.clone(),
        topic: topic.clone(),
        create_time: Some(timestamp(*created)),
    }
}

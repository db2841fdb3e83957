//! TemplateService.

use std::sync::Arc;

use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    page, task, wire,
};
use crate::{
    app::App,
    domain::{
        UserId,
        recurrence::{Missed, Recurrence, Wrong},
        task::{Kind, Priority},
        template::{Pattern, Template},
        user::User,
    },
    error::{Error, Missing, Result},
    pb::{self, template_service_server::TemplateService},
    store::{self, task::Draft as TaskDraft, template::Draft},
};

/// Times of a preview, unless the request says how many.
const TIMES: usize = 10;

/// The service.
#[derive(Debug, Clone)]
pub struct Templates(pub Arc<App>);

#[tonic::async_trait]
impl TemplateService for Templates {
    async fn create_template(&self, request: Request<pb::CreateTemplateRequest>) -> Result<Response<pb::TaskTemplate>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_template(&self, request: Request<pb::GetTemplateRequest>) -> Result<Response<pb::TaskTemplate>, Status> {
        Ok(get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_templates(
        &self,
        request: Request<pb::ListTemplatesRequest>,
    ) -> Result<Response<pb::ListTemplatesResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_template(&self, request: Request<pb::UpdateTemplateRequest>) -> Result<Response<pb::TaskTemplate>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_template(&self, request: Request<pb::DeleteTemplateRequest>) -> Result<Response<pb::TaskTemplate>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn instantiate_template(&self, request: Request<pb::InstantiateTemplateRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(instantiate(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn preview_recurrence(
        &self,
        request: Request<pb::PreviewRecurrenceRequest>,
    ) -> Result<Response<pb::PreviewRecurrenceResponse>, Status> {
        Ok(preview(&self.0, request.into_inner())?)
    }
}

async fn create(app: &App, call: &Call, request: pb::CreateTemplateRequest) -> Result<Response<pb::TaskTemplate>> {
    let pattern = pattern(request.template.clone().unwrap_or_default())?;
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateTemplate", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    check_delegate(&change, &pattern).await?;
    let draft = Draft {
        uid: app.uid(change.now),
        pattern,
        creator: change.caller.user,
        now: change.now,
    };
    let template = store::template::insert(change.tx(), &draft).await?;
    let next = template
        .pattern
        .next(change.now)
        .map_err(|wrong| bad("template.recurrence", wrong))?;
    let template = store::template::expect(change.tx(), &template, next).await?;
    change.trail.resource("task_template", template.id);
    change.trail.anew();
    change.commit(wire_template(&template)).await
}

async fn get(app: &App, call: &Call, request: pb::GetTemplateRequest) -> Result<Response<pb::TaskTemplate>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let found = store::template::get(&*conn, request.id).await?;
    let found = found.filter(|template| template.is_visible_to(&caller));
    let template = found.ok_or(Error::NotFound(Missing::Template))?;
    Ok(Response::new(wire_template(&template)))
}

async fn list(app: &App, call: &Call, request: pb::ListTemplatesRequest) -> Result<Response<pb::ListTemplatesResponse>> {
    let caller = call.caller()?;
    let query = page::Query::of("ListTemplates", &(), caller.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::template::page(&*conn, after, caller.sight().as_ref(), limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |template| [template.id]);
    Ok(Response::new(pb::ListTemplatesResponse {
        templates: rows.iter().map(wire_template).collect(),
        next_page_token,
    }))
}

async fn update(app: &App, call: &Call, request: pb::UpdateTemplateRequest) -> Result<Response<pb::TaskTemplate>> {
    let wanted = request.template.clone().unwrap_or_default();
    if wanted.id == 0 {
        return Err(Error::required("template.id"));
    }
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    let id = wanted.id;
    let pattern = pattern(wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateTemplate", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let before = known(&change, id, &etag).await?;
    if pattern.delegate != before.pattern.delegate {
        check_delegate(&change, &pattern).await?;
    }
    let kept = pattern.recurrence == before.pattern.recurrence && pattern.paused == before.pattern.paused;
    let next = match kept {
        true => before.next,
        false => pattern.next(change.now).map_err(|wrong| bad("template.recurrence", wrong))?,
    };
    let template = store::template::save(change.tx(), id, &pattern, change.now).await?;
    let template = store::template::expect(change.tx(), &template, next).await?;
    change.commit(wire_template(&template)).await
}

async fn delete(app: &App, call: &Call, request: pb::DeleteTemplateRequest) -> Result<Response<pb::TaskTemplate>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteTemplate", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let template = known(&change, request.id, &request.etag).await?;
    store::template::delete(change.tx(), template.id).await?;
    change.trail.gone();
    change.commit(wire_template(&template)).await
}

async fn instantiate(app: &App, call: &Call, request: pb::InstantiateTemplateRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("InstantiateTemplate", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let template = store::template::get(change.tx(), request.id).await?;
    let template = template.filter(|template| template.is_visible_to(&change.caller));
    let template = template.ok_or(Error::NotFound(Missing::Template))?;
    let start = request.planned_start_time.map(|time| wire::time("planned_start_time", time));
    let mut plan = template
        .pattern
        .plan(change.caller.user, start.transpose()?.unwrap_or(change.now));
    let delegate = store::user::get(change.tx(), plan.delegate).await?;
    let delegate = delegate.filter(User::may_sign_in);
    plan.delegate = delegate.map_or(change.caller.user, |delegate| delegate.id);
    let draft = TaskDraft {
        uid: app.uid(change.now),
        plan,
        creator: change.caller.user,
        reopened_from: None,
        now: change.now,
    };
    let task = task::add(&mut change, &draft, None, String::new()).await?;
    store::checklist::insert(change.tx(), task.id, &template.pattern.checklist, change.now).await?;
    let answer = wire::task(&task, &change.caller, change.now);
    change.commit(answer).await
}

fn preview(app: &App, request: pb::PreviewRecurrenceRequest) -> Result<Response<pb::PreviewRecurrenceResponse>> {
    let wanted = request.recurrence.unwrap_or_default();
    let recurrence = read_recurrence("recurrence", wanted)?;
    let after = request.after_time.map(|time| wire::time("after_time", time)).transpose()?;
    let count = usize::try_from(request.count)
        .ok()
        .filter(|count| *count > 0)
        .unwrap_or(TIMES);
    let times = recurrence.times(after.unwrap_or_else(|| app.clock.now()));
    let times = times.map_err(|wrong| bad("recurrence", wrong))?;
    Ok(Response::new(pb::PreviewRecurrenceResponse {
        times: times.take(count).map(wire::timestamp).collect(),
    }))
}

/// The template as it is now, locked, if it is there for the caller.
async fn known(change: &Change<'_>, id: i64, etag: &str) -> Result<Template> {
    change.trail.resource("task_template", id);
    let found = store::template::locked(change.tx(), id).await?;
    let found = found.filter(|template| template.is_visible_to(&change.caller));
    let template = found.ok_or(Error::NotFound(Missing::Template))?;
    change.trail.before(&wire_template(&template));
    wire::check_etag(etag, template.revision)?;
    Ok(template)
}

/// Nobody learns by a template who is there; and who oversees tasks can.
async fn check_delegate(change: &Change<'_>, pattern: &Pattern) -> Result<()> {
    let Some(delegate) = pattern.delegate else {
        return Ok(());
    };
    change.check_known(delegate).await?;
    let user = store::user::get(change.tx(), delegate).await?;
    user.filter(User::may_sign_in).ok_or(Error::NotFound(Missing::User)).map(drop)
}

/// What somebody wants of a template.
fn pattern(wire: pb::TaskTemplate) -> Result<Pattern> {
    let pb::TaskTemplate {
        id: _,
        uid: _,
        display_name,
        title,
        description,
        kind,
        priority,
        location,
        location_description,
        zone_id: _,
        delegate_user_id,
        planned_duration,
        checklist,
        recurrence,
        paused,
        next_time: _,
        creator_user_id: _,
        create_time: _,
        update_time: _,
        etag: _,
    } = wire;
    let recurrence = recurrence.map(|recurrence| read_recurrence("template.recurrence", recurrence));
    let planned = wire::seconds("template.planned_duration", planned_duration)?;
    if checklist.iter().any(|line| line.trim().is_empty()) {
        return Err(Error::required("template.checklist"));
    }
    Ok(Pattern {
        name: filled("template.display_name", display_name)?,
        title: filled("template.title", title)?,
        description,
        kind: Kind::of(kind).ok_or_else(|| Error::required("template.kind"))?,
        priority: Priority::of(priority).unwrap_or(Priority::Medium),
        location: location.map(|point| wire::point("template.location", point)).transpose()?,
        location_description,
        delegate: (delegate_user_id != 0).then_some(UserId(delegate_user_id)),
        planned: planned.is_positive().then_some(planned),
        checklist,
        recurrence: recurrence.transpose()?,
        paused,
    })
}

fn filled(field: &str, text: String) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::required(field));
    }
    Ok(text)
}

fn read_recurrence(field: &str, wire: pb::Recurrence) -> Result<Recurrence> {
    let pb::Recurrence {
        rule,
        start_time,
        time_zone,
        lead,
        missed,
    } = wire;
    let start = start_time.ok_or_else(|| Error::required(&format!("{field}.start_time")))?;
    let start = wire::time(&format!("{field}.start_time"), start)?;
    let lead = wire::seconds(&format!("{field}.lead"), lead)?;
    let missed = Missed::of(missed).unwrap_or(Missed::Latest);
    Recurrence::new(rule, whole(start), time_zone, lead, missed).map_err(|wrong| bad(field, wrong))
}

/// Rules know seconds only.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn bad(field: &str, wrong: Wrong) -> Error {
    match wrong {
        Wrong::Zone => Error::invalid(
            &format!("{field}.time_zone"),
            "no es una zona horaria conocida",
            "is not a known time zone",
        ),
        Wrong::Rule => Error::invalid(
            &format!("{field}.rule"),
            "no es una regla de repetición",
            "is not a recurrence rule",
        ),
        Wrong::Often => Error::invalid(
            &format!("{field}.rule"),
            "se repite más de una vez cada cuarto de hora",
            "recurs more than once each quarter of an hour",
        ),
        Wrong::Long => Error::invalid(
            &format!("{field}.rule"),
            "cuenta más de 10 000 veces; use UNTIL",
            "counts more than 10,000 times; use UNTIL",
        ),
    }
}

fn wire_template(template: &Template) -> pb::TaskTemplate {
    let Template {
        id,
        uid,
        pattern,
        creator,
        zone,
        next,
        created,
        updated,
        revision,
    } = template;
    let Pattern {
        name,
        title,
        description,
        kind,
        priority,
        location,
        location_description,
        delegate,
        planned,
        checklist,
        recurrence,
        paused,
    } = pattern;
    pb::TaskTemplate {
        id: *id,
        uid: uid.to_string(),
        display_name: name.clone(),
        title: title.clone(),
        description: description.clone(),
        kind: *kind as i32,
        priority: *priority as i32,
        location: location.map(wire::lat_lng),
        location_description: location_description.clone(),
        zone_id: zone.map(|zone| zone.0),
        delegate_user_id: delegate.map_or(0, |user| user.0),
        planned_duration: planned.map(wire::duration),
        checklist: checklist.clone(),
        recurrence: recurrence.as_ref().map(wire_recurrence),
        paused: *paused,
        next_time: next.map(wire::timestamp),
        creator_user_id: creator.0,
        create_time: Some(wire::timestamp(*created)),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}

fn wire_recurrence(recurrence: &Recurrence) -> pb::Recurrence {
    pb::Recurrence {
        rule: recurrence.rule().to_owned(),
        start_time: Some(wire::timestamp(recurrence.start())),
        time_zone: recurrence.zone().to_owned(),
        lead: Some(wire::duration(recurrence.lead)),
        missed: recurrence.missed as i32,
    }
}

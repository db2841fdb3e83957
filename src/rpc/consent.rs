//! PrivacyService: texts, and what people decide.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use tonic::Response;

use super::{
    Call,
    change::{Change, asked},
    page,
    privacy::whom_noted,
    wire,
};
use crate::{
    app::App,
    domain::{
        UserId,
        consent::{Effect, Purpose, Standing},
        fact::{Before, FactKind},
    },
    error::{Error, Language, Missing, Result},
    pb,
    store::{
        self, Query,
        consent::{Decision, Text},
    },
};

/// ListConsentTexts.
pub async fn texts(app: &App, request: pb::ListConsentTextsRequest) -> Result<Response<pb::ListConsentTextsResponse>> {
    let pb::ListConsentTextsRequest { language, all_shown } = request;
    let now = app.clock.now();
    let conn = app.database.lease().await?;
    let texts = store::consent::texts(&*conn, Some(language.as_str()).filter(|language| !language.is_empty())).await?;
    let mut in_force = Vec::new();
    for purpose in Purpose::ALL {
        in_force.push((purpose, store::consent::version_in_force(&*conn, purpose, now).await?));
    }
    let holds = |text: &Text| in_force.contains(&(text.purpose, text.version));
    let shown = texts.iter().filter(|text| all_shown || holds(text));
    Ok(Response::new(pb::ListConsentTextsResponse {
        texts: shown.map(|text| wire_text(text, holds(text))).collect(),
    }))
}

fn wire_text(text: &Text, in_force: bool) -> pb::ConsentText {
    let Text {
        purpose,
        version,
        language,
        title,
        body,
        hash,
        start,
    } = text;
    pb::ConsentText {
        purpose: *purpose as i32,
        version: *version,
        language: language.clone(),
        title: title.clone(),
        body: body.clone(),
        hash: hex::encode(hash),
        start_time: Some(wire::timestamp(*start)),
        in_force,
    }
}

/// PublishConsentText.
pub async fn publish(
    app: &App,
    call: &Call,
    request: pb::PublishConsentTextRequest,
) -> Result<Response<pb::PublishConsentTextResponse>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("PublishConsentText", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let purpose = purpose(request.purpose)?;
    let start = match request.start_time {
        Some(time) => wire::time("start_time", time)?,
        None => change.now,
    };
    if start < change.now {
        return Err(Error::invalid("start_time", "ya pasó", "is past"));
    }
    check_languages(&request.texts)?;
    let version = store::consent::next_version(change.tx(), purpose).await?;
    change
        .trail
        .resource("consentText", format_args!("{}/{version}", purpose as i32));
    let mut texts = Vec::new();
    for text in &request.texts {
        let pb::LocalizedConsentText { language, title, body } = text.clone();
        let hash = digest(&SHA256, format!("{title}\n{body}").as_bytes()).as_ref().to_vec();
        let text = Text {
            purpose,
            version,
            language,
            title,
            body,
            hash,
            start,
        };
        store::consent::publish(change.tx(), &text, change.caller.user, change.now).await?;
        texts.push(wire_text(&text, start <= change.now));
    }
    change.commit(pb::PublishConsentTextResponse { texts }).await
}

fn check_languages(texts: &[pb::LocalizedConsentText]) -> Result<()> {
    let count = |language: &str| texts.iter().filter(|text| text.language == language).count();
    if count("es") == 1 && count("en") <= 1 {
        return Ok(());
    }
    Err(Error::invalid(
        "texts",
        "hace falta el texto en español, y ninguno dos veces",
        "the Spanish text is required, and none twice",
    ))
}

fn purpose(number: i32) -> Result<Purpose> {
    Purpose::of(number).ok_or_else(|| {
        Error::invalid(
            "purpose",
            "no es uno de los valores admitidos",
            "is not one of the known values",
        )
    })
}

/// GetMyConsents.
pub async fn mine(app: &App, call: &Call) -> Result<Response<pb::MyConsents>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    let conn = app.database.lease().await?;
    let mut consents = Vec::new();
    for purpose in Purpose::ALL {
        consents.push(standing(&*conn, caller.user, purpose, now).await?);
    }
    Ok(Response::new(pb::MyConsents { consents }))
}

/// How a user stands to a purpose.
async fn standing(on: &impl Query, user: UserId, purpose: Purpose, now: Timestamp) -> Result<pb::Consent> {
    let current_version = store::consent::version_in_force(on, purpose, now).await?;
    let decisions = store::consent::present(on, user).await?;
    let decision = decisions.into_iter().find(|decision| decision.purpose == purpose);
    let said = decision.as_ref().map(|decision| (decision.version, decision.granted));
    let (version, language, time) = match decision {
        Some(decision) => (decision.version, decision.language, Some(decision.time)),
        None => (0, String::new(), None),
    };
    Ok(pb::Consent {
        purpose: purpose as i32,
        standing: Standing::of(said, current_version) as i32,
        version,
        language,
        decide_time: time.map(wire::timestamp),
        current_version,
        effects: purpose.effects().iter().map(|effect| *effect as i32).collect(),
    })
}

/// GrantConsent.
pub async fn grant(app: &App, call: &Call, request: pb::GrantConsentRequest) -> Result<Response<pb::Consent>> {
    let mut conn = app.database.lease().await?;
    let change = Change::begin(app, call, &mut conn, asked("GrantConsent", &request.request_id), &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let purpose = purpose(request.purpose)?;
    note(&change, purpose);
    let before = standing(change.tx(), change.caller.user, purpose, change.now).await?;
    change.trail.before(&before);
    let pb::GrantConsentRequest { version, language, .. } = request;
    if !store::consent::has_text(change.tx(), purpose, version, &language).await? {
        return Err(Error::NotFound(Missing::ConsentText));
    }
    if store::consent::version_in_force(change.tx(), purpose, change.now).await? != version {
        return Err(Error::Stale);
    }
    let decision = decision(call, (purpose, version, language), true, change.now);
    store::consent::decide(change.tx(), change.caller.user, &decision).await?;
    let answer = standing(change.tx(), change.caller.user, purpose, change.now).await?;
    change.commit(answer).await
}

/// A decision is the caller's own.
fn note(change: &Change<'_>, purpose: Purpose) {
    let user = change.caller.user;
    change
        .trail
        .resource("consent", format_args!("{}/{}", user.0, purpose as i32));
    change.trail.subject(user);
}

fn decision(call: &Call, (purpose, version, language): (Purpose, i32, String), granted: bool, now: Timestamp) -> Decision {
    Decision {
        purpose,
        version,
        language,
        granted,
        door: Some(call.door),
        address: call.address,
        time: now,
    }
}

/// WithdrawConsent.
pub async fn withdraw(
    app: &App,
    call: &Call,
    request: pb::WithdrawConsentRequest,
) -> Result<Response<pb::WithdrawConsentResponse>> {
    let purpose = purpose(request.purpose)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("WithdrawConsent", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    note(&change, purpose);
    let agents = store::erase::agents(change.tx(), change.caller.user).await?;
    store::agent::lock(change.tx(), &agents).await?;
    store::position::lock(change.tx(), agents.iter().copied()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let language = Language::current().tag();
    let version = store::consent::version_in_force(change.tx(), purpose, change.now).await?;
    let said = match store::consent::has_text(change.tx(), purpose, version, language).await? {
        true => (purpose, version, language.to_owned()),
        false => (purpose, version, Language::Es.tag().to_owned()),
    };
    let decision = decision(call, said, false, change.now);
    store::consent::decide(change.tx(), change.caller.user, &decision).await?;
    if purpose == Purpose::Location {
        forget_places(&mut change).await?;
    }
    let consent = standing(change.tx(), change.caller.user, purpose, change.now).await?;
    let effects = purpose.effects();
    let answer = pb::WithdrawConsentResponse {
        consent: Some(consent),
        effects: effects.iter().map(|effect| *effect as i32).collect(),
        message: effects.iter().map(|effect| words(*effect)).collect::<Vec<_>>().join(" "),
    };
    change.commit(answer).await
}

/// Forgets where the caller's agent was last, and tells whoever had it on a map.
async fn forget_places(change: &mut Change<'_>) -> Result<()> {
    let agents = store::erase::agents(change.tx(), change.caller.user).await?;
    for before in store::agent::find(change.tx(), &agents).await? {
        let known = store::position::forget_latest(change.tx(), before.id).await? > 0;
        if !known || before.deleted.is_some() {
            continue;
        }
        store::agent::touch(change.tx(), &[before.id], false, change.now).await?;
        for agent in store::agent::find(change.tx(), &[before.id]).await? {
            let zone = Before {
                zone: before.zone,
                ..Before::default()
            };
            change.agent_fact_after(FactKind::AgentUpdated, agent, zone);
        }
    }
    Ok(())
}

fn words(effect: Effect) -> &'static str {
    let (es, en) = match effect {
        Effect::PositionsRefused => (
            "Desde ahora no se aceptan ubicaciones suyas.",
            "From now on no place of yours is taken.",
        ),
        Effect::LastPlaceRemoved => (
            "Su última ubicación conocida se eliminó.",
            "Your last known place was removed.",
        ),
        Effect::HistoryKept => (
            "El recorrido anterior se guarda hasta que vence su plazo.",
            "Earlier tracks are kept until their time is over.",
        ),
        Effect::ErasureCanBeAsked => (
            "Puede pedir que se borren sus datos.",
            "You may ask for the erasure of your data.",
        ),
    };
    match Language::current() {
        Language::Es => es,
        Language::En => en,
    }
}

/// ListConsents.
pub async fn list(app: &App, call: &Call, request: pb::ListConsentsRequest) -> Result<Response<pb::ListConsentsResponse>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    call.trail.request(&request);
    let pb::ListConsentsRequest {
        user_id,
        page_size,
        page_token,
    } = request;
    let user = whom_noted(call, &caller, user_id)?;
    let bound = pb::ListConsentsRequest {
        user_id: user.0,
        ..Default::default()
    };
    let query = page::Query::of("ListConsents", &bound, caller.user.0);
    let before = query.open(&page_token)?.map_or(i64::MAX, |[id]| id);
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    store::user::get(&*conn, user).await?.ok_or(Error::NotFound(Missing::User))?;
    let mut rows = store::consent::history(&*conn, user, before, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |(id, _, _)| [*id]);
    let mut decisions = Vec::new();
    for (id, decision, text) in &rows {
        let in_force = store::consent::version_in_force(&*conn, text.purpose, now).await? == text.version;
        decisions.push(pb::ConsentDecision {
            id: *id,
            granted: decision.granted,
            create_time: Some(wire::timestamp(decision.time)),
            door: decision.door.map_or(0, |door| door as i32),
            address: decision.address.map(|address| address.to_string()).unwrap_or_default(),
            text: Some(wire_text(text, in_force)),
        });
    }
    Ok(Response::new(pb::ListConsentsResponse {
        decisions,
        next_page_token,
    }))
}

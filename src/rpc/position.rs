//! AgentService: fixes, as they come and as they were.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tonic::{Response, Status, Streaming};

use super::{Call, agent_read, crossing, page, wire};
use crate::{
    app::App,
    domain::{
        AgentId,
        access::Caller,
        agent::{Fix, Intake, Refusal},
        fact::{Before, Fact, FactKind, Subject},
    },
    error::{Error, Result},
    pb,
    store::{self, position::Reporter},
};

/// Refusals that an answer names at most.
const REFUSED: usize = 100;

/// Length of a track, unless the request says from when.
pub const TRACK: SignedDuration = SignedDuration::from_hours(24);

/// End of a shift that others do not see in the track of who is off duty.
pub const WITHHELD: SignedDuration = SignedDuration::from_mins(15);

/// What became of fixes so far.
#[derive(Debug, Default)]
struct Sum {
    seen: usize,
    accepted: usize,
    repeated: usize,
    refused: usize,
    refusals: Vec<pb::RefusedFix>,
}

impl Sum {
    /// Counts a refusal of the fix with this index in the present message.
    fn refuse(&mut self, index: usize, reason: Refusal) {
        self.refused += 1;
        if self.refusals.len() < REFUSED {
            let index = number(self.seen + index);
            self.refusals.push(pb::RefusedFix {
                index,
                reason: reason as i32,
            });
        }
    }

    fn answer(self) -> pb::ReportPositionsResponse {
        let Self {
            seen: _,
            accepted,
            repeated,
            refused,
            refusals,
        } = self;
        pb::ReportPositionsResponse {
            accepted_count: number(accepted),
            repeated_count: number(repeated),
            refused_count: number(refused),
            refused: refusals,
        }
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// ReportPositions.
pub async fn report(
    app: &App,
    call: &Call,
    request: pb::ReportPositionsRequest,
) -> Result<Response<pb::ReportPositionsResponse>> {
    let mut sum = Sum::default();
    take(app, call, request, &mut sum).await?;
    Ok(Response::new(sum.answer()))
}

/// StreamPositions. What was kept before a stream broke stays.
pub async fn stream(
    app: &App,
    call: &Call,
    mut requests: Streaming<pb::ReportPositionsRequest>,
) -> Result<Response<pb::ReportPositionsResponse>, Status> {
    let mut sum = Sum::default();
    while let Some(request) = next(app, call, &mut requests).await? {
        if call.signed_in()?.until <= app.clock.now() {
            return Err(Error::SignedOut.into());
        }
        take(app, call, request, &mut sum).await?;
    }
    Ok(Response::new(sum.answer()))
}

/// The next message; a stream that says nothing ends with its deadline, its token, and the server.
async fn next(
    app: &App,
    call: &Call,
    requests: &mut Streaming<pb::ReportPositionsRequest>,
) -> Result<Option<pb::ReportPositionsRequest>, Status> {
    let ends = super::watch::ends(app, call.signed_in()?, call.deadline);
    tokio::select! {
        biased;
        message = requests.message() => message,
        reason = ends => Err(match reason {
            pb::EndReason::Deadline => Error::Deadline,
            pb::EndReason::AuthRevoked => Error::SignedOut,
            _ => Error::Down("the server is going down".to_owned()),
        }
        .into()),
    }
}

/// Keeps what can be kept of a message, in a transaction of its own.
async fn take(app: &App, call: &Call, request: pb::ReportPositionsRequest, sum: &mut Sum) -> Result<()> {
    let (caller, now) = (call.caller()?, app.clock.now());
    let fixes = fixes(request)?;
    let agents: BTreeSet<AgentId> = fixes.iter().map(|fix| fix.agent).collect();
    let agents: Vec<AgentId> = agents.into_iter().collect();
    let mut conn = app.database.lease().await?;
    let tx = conn.begin(call.left()).await?;
    let reporters = store::position::hold(&tx, &agents, caller.sight().as_ref()).await?;
    let count = fixes.len();
    let late = late(&fixes, &reporters);
    let within = store::shift::within(&tx, late).await?;
    let usable = sift(fixes, &reporters, &within, now, sum);
    let old = usable.iter().filter(|fix| !is_news(fix, &reporters));
    let (known, fenced, ()) = tokio::try_join!(
        store::position::namesakes(&tx, old),
        store::geofence::any(&tx),
        store::position::ensure(&tx, &usable)
    )?;
    let intake = Intake::of(usable, known);
    store::position::add(&tx, &intake.added, now).await?;
    store::position::replace(&tx, &intake.replacing, now).await?;
    let mut facts = Vec::new();
    if fenced {
        let kept: Vec<Fix> = intake.kept().copied().collect();
        facts = crossing::cross(&tx, &kept, &reporters, caller.user, now).await?;
    }
    facts.extend(settle(&tx, &intake, &reporters, &caller, now).await?);
    store::outbox::add(&tx, &facts).await?;
    tx.commit().await?;
    if !facts.is_empty() {
        app.wake.ring();
    }
    sum.seen += count;
    sum.accepted += intake.kept().count();
    sum.repeated += intake.repeated;
    Ok(())
}

/// The fixes of a report.
pub fn fixes(request: pb::ReportPositionsRequest) -> Result<Vec<Fix>> {
    let of = |(index, position)| wire::fix(&format!("positions[{index}]"), position);
    request.positions.into_iter().enumerate().map(of).collect()
}

/// Agents of a message that fixes may be of.
pub type Reporters = BTreeMap<AgentId, Reporter>;

/// Fixes of before their agents last began or ended their duty.
fn late<'a>(fixes: &'a [Fix], reporters: &'a Reporters) -> impl Iterator<Item = &'a Fix> {
    let service = |fix: &Fix| reporters.get(&fix.agent).map(|reporter| reporter.service);
    fixes
        .iter()
        .filter(move |fix| service(fix).is_some_and(|service| service.covers(fix.time).is_none()))
}

/// The fixes that can be used; refuses the others. `within` are those of shifts that are over.
fn sift(
    fixes: Vec<Fix>,
    reporters: &Reporters,
    within: &BTreeSet<(AgentId, Timestamp)>,
    now: Timestamp,
    sum: &mut Sum,
) -> Vec<Fix> {
    let check = |fix: &Fix| {
        let reporter = reporters.get(&fix.agent).ok_or(Refusal::AgentNotFound)?;
        fix.check_time(now)?;
        if reporter.refuses {
            return Err(Refusal::ConsentWithdrawn);
        }
        let on_duty = reporter.service.covers(fix.time);
        if on_duty.unwrap_or_else(|| within.contains(&fix.name())) {
            Ok(())
        } else {
            Err(Refusal::OffDuty)
        }
    };
    let mut usable = Vec::with_capacity(fixes.len());
    for (index, fix) in fixes.into_iter().enumerate() {
        match check(&fix) {
            Ok(()) => usable.push(fix),
            Err(reason) => sum.refuse(index, reason),
        }
    }
    usable
}

/// Whether a fix is later than all that are known of its agent: the history cannot have one of its time.
fn is_news(fix: &Fix, reporters: &Reporters) -> bool {
    let latest = reporters.get(&fix.agent).and_then(|reporter| reporter.fix.as_ref());
    latest.is_some_and(|latest| latest.time < fix.time)
}

/// Makes the latest fixes of an intake the agents' latest where they are, and tells of the moves.
async fn settle(
    tx: &store::Tx<'_>,
    intake: &Intake,
    reporters: &Reporters,
    caller: &Caller,
    now: Timestamp,
) -> Result<Vec<Fact>> {
    let mut moved = intake.latest();
    moved.retain(|agent, fix| {
        let before = reporters.get(agent).and_then(|reporter| reporter.fix.as_ref());
        before.is_none_or(|before| fix.cmp_time(before).is_gt())
    });
    // Whose latest fix was forgotten may have later ones in the history: theirs stays unknown.
    let forgotten = |fix: &&Fix| reporters.get(&fix.agent).is_some_and(|reporter| reporter.fix.is_none());
    let overtaken = store::position::overtaken(tx, moved.values().filter(forgotten)).await?;
    moved.retain(|agent, _| !overtaken.contains(agent));
    let zones = store::position::settle(tx, &moved.values().collect::<Vec<_>>(), now).await?;
    let fact = |fix: Fix| {
        let reporter = reporters.get(&fix.agent)?;
        Some(Fact {
            kind: FactKind::AgentMoved,
            time: now,
            actor: Some(caller.user),
            subject: Subject::Fix {
                fix,
                user: reporter.user,
                tasks: reporter.tasks.clone(),
                zone: zones.get(&fix.agent).copied().flatten(),
                off_duty: !reporter.service.duty.is_on(),
            },
            before: Before {
                audience: Vec::new(),
                agents: Vec::new(),
                zone: reporter.zone,
                location: reporter.fix.map(|fix| fix.location),
            },
        })
    };
    Ok(moved.into_values().filter_map(fact).collect())
}

/// GetTrack.
pub async fn track(app: &App, call: &Call, request: pb::GetTrackRequest) -> Result<Response<pb::GetTrackResponse>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    call.trail.resource("agent", request.agent_id);
    call.trail.request(&request);
    let pb::GetTrackRequest {
        agent_id,
        start_time,
        end_time,
        page_size,
        page_token,
    } = request;
    let bound = pb::GetTrackRequest {
        agent_id,
        start_time,
        end_time,
        page_size: 0,
        page_token: String::new(),
    };
    let query = page::Query::of("GetTrack", &bound, caller.user.0);
    let (from, until) = match query.open(&page_token)? {
        Some([last, until]) => (instant(last.saturating_add(1))?, instant(until)?),
        None => {
            let until = end_time.map_or(Ok(now), |time| wire::time("end_time", time))?;
            let from = start_time.map_or(Ok(until - TRACK), |time| wire::time("start_time", time))?;
            (from, until)
        }
    };
    if page_token.is_empty() && from > until {
        return Err(Error::invalid("start_time", "es posterior al final", "is after the end"));
    }
    let limit = page::limit(page_size, 1000);
    let conn = app.database.lease().await?;
    let agent = agent_read::visible(&*conn, AgentId(agent_id), &caller).await?;
    call.trail.subject(agent.user);
    let lens = app.precision.lens(&caller);
    let own = lens.is_own(agent.user);
    let shown_until = if own {
        until
    } else {
        until.min(shown_until(&*conn, agent.id).await?)
    };
    // Where an agent was beyond the zones of who asks is not theirs to know, though it is within them now.
    let sight = caller.sight().filter(|_| !own);
    let zones = sight.as_ref().map(|sight| sight.zones.as_slice());
    let mut fixes = store::position::track(&*conn, agent.id, (from, shown_until), zones, limit).await?;
    let next_page_token = query.cut(&mut fixes, limit, |fix| [fix.time.as_microsecond(), until.as_microsecond()]);
    let shown = |fix: &Fix| wire::position(&if own { *fix } else { lens.blurred(fix) });
    Ok(Response::new(pb::GetTrackResponse {
        positions: fixes.iter().map(shown).collect(),
        next_page_token,
    }))
}

/// Until when others may see an agent's track: of who is off duty, not where they were at the end of the shift.
pub async fn shown_until(on: &impl store::Query, agent: AgentId) -> Result<Timestamp> {
    let off_since = store::shift::off_since(on, agent).await?;
    Ok(off_since.map_or(Timestamp::MAX, |since| since - WITHHELD))
}

/// A time in a page token.
fn instant(microseconds: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(|_| Error::PageToken)
}

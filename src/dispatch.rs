//! Sending agents to tasks: search, claim and assignment in the transaction of whoever asks, be it a call or the system.

use jiff::Timestamp;

use crate::{
    domain::{
        AgentId, UserId,
        access::Sight,
        agent::Agent,
        dispatch::{Candidate, Policy, Skip, rank},
        fact::{Before, Fact, FactKind, Subject},
        task::{Action, Task},
    },
    error::{Error, Result},
    store::{
        self, Query, Tx,
        nearby::{Near, Wanted},
        task::Step,
    },
};

/// Nearest agents that are weighed at least, where more than the distance counts.
const WEIGHED: usize = 50;
/// Where only the distance counts: so many more than are wanted, should some of them be taken meanwhile.
const SPARE: usize = 4;

/// How often a dispatch waits for others that hold whom it wants, before it takes who is left.
const ROUNDS: usize = 64;

/// Who is to go where.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The task, locked by [`store::task::lock`].
    pub task: &'a Task,
    /// Who is sent to it.
    pub policy: &'a Policy,
    /// How many more.
    pub count: usize,
    /// Only those that somebody sees; none: all.
    pub sight: Option<Sight>,
    /// When.
    pub now: Timestamp,
}

impl Order<'_> {
    /// Nearest agents that are weighed at most.
    fn everybody(&self) -> usize {
        WEIGHED.max(self.count)
    }

    /// Nearest agents that are weighed at first.
    fn first(&self) -> usize {
        if self.policy.is_by_distance() {
            self.everybody().min(self.count + SPARE)
        } else {
            self.everybody()
        }
    }
}

/// Somebody who is not sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Skipped {
    /// Who, and how far away.
    pub near: Near,
    /// Why.
    pub reason: Skip,
}

/// Who may go and who may not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// Nearest first.
    pub skipped: Vec<Skipped>,
}

/// Ranks whoever is near the task.
pub async fn ranking(on: &impl Query, order: &Order<'_>) -> Result<Ranking> {
    ranked(on, order, order.everybody()).await
}

/// Ranks whoever is among the `count` nearest to the task.
async fn ranked(on: &impl Query, order: &Order<'_>, count: usize) -> Result<Ranking> {
    weighed(on, order, &wanted(order, count)?).await
}

/// The `count` nearest to the task that its policy lets go.
fn wanted(order: &Order<'_>, count: usize) -> Result<Wanted> {
    let policy = order.policy;
    let asked = |names: &[String]| if policy.strict { names.to_vec() } else { Vec::new() };
    Ok(Wanted {
        center: order.task.plan.location.ok_or(Error::TaskNowhere)?,
        count,
        radius_meters: policy.radius_meters,
        fresh_since: order.now - policy.max_fix_age,
        units: asked(&policy.units),
        specialties: asked(&policy.specialties),
        sight: order.sight.clone(),
    })
}

/// The same, and beside it who is nearer than the radius or the units asked for would let one see.
pub async fn explained(on: &impl Query, order: &Order<'_>) -> Result<Ranking> {
    let Ranking { candidates, .. } = ranking(on, order).await?;
    let wanted = Wanted {
        center: order.task.plan.location.ok_or(Error::TaskNowhere)?,
        count: WEIGHED,
        radius_meters: None,
        fresh_since: order.now - order.policy.max_fix_age,
        units: Vec::new(),
        specialties: Vec::new(),
        sight: order.sight.clone(),
    };
    let Ranking { skipped, .. } = weighed(on, order, &wanted).await?;
    Ok(Ranking { candidates, skipped })
}

async fn weighed(on: &impl Query, order: &Order<'_>, wanted: &Wanted) -> Result<Ranking> {
    let neighbors = store::nearby::find(on, wanted).await?;
    let ids: Vec<AgentId> = neighbors.able.iter().map(|near| near.id).collect();
    let mut agents = store::agent::find(on, &ids).await?;
    let mut ranking = Ranking::default();
    for near in neighbors.able {
        let Some(place) = agents.iter().position(|agent| agent.id == near.id) else {
            continue;
        };
        let agent = agents.swap_remove(place);
        match order.policy.weigh(agent, near.meters, order.task.id, order.now) {
            Ok(candidate) => ranking.candidates.push(candidate),
            Err(reason) => ranking.skipped.push(Skipped { near, reason }),
        }
    }
    ranking.skipped.extend(unable(neighbors.unable));
    ranking
        .skipped
        .sort_by(|one, other| one.near.meters.total_cmp(&other.near.meters));
    rank(&mut ranking.candidates);
    Ok(ranking)
}

fn unable(neighbors: Vec<Near>) -> impl Iterator<Item = Skipped> {
    neighbors.into_iter().filter_map(|near| {
        let reason = near.obstacle?.into();
        Some(Skipped { near, reason })
    })
}

/// Claims the best agents for a task: nobody else can change them before the transaction ends. Whoever is being changed
/// by somebody else is passed over, and waited for only if there are not enough others.
pub async fn claim(tx: &Tx<'_>, order: &Order<'_>) -> Result<Ranking> {
    let mut weighed = order.first();
    for round in 0.. {
        tx.mark();
        let (preferred, skipped) = preferred(tx, order, weighed).await?;
        let mut claimed = Ranking {
            candidates: Vec::new(),
            skipped,
        };
        let mut held = None;
        for near in preferred {
            if claimed.candidates.len() == order.count {
                break;
            }
            let (locked, agent) = store::agent::try_claim(tx, near.id).await?;
            if locked {
                take(order, near, agent, &mut claimed);
            } else {
                held.get_or_insert(near.id);
                claimed.skipped.push(passed(near, Skip::Taken));
            }
        }
        if claimed.candidates.len() < order.count && weighed < order.everybody() {
            weighed = order.everybody();
            tx.rewind();
            continue;
        }
        match held {
            // Gives back whom it has before it waits, so that no two wait for each other.
            Some(agent) if claimed.candidates.len() < order.count && round < ROUNDS => {
                tx.rewind();
                store::agent::wait(tx, agent).await?;
                tx.rewind();
            }
            _ => return Ok(claimed),
        }
    }
    Err(Error::internal("rounds have no end"))
}

/// Whom to send, best first, and who cannot go. Where only the distance counts, whoever is near is looked at when claimed.
async fn preferred(tx: &Tx<'_>, order: &Order<'_>, count: usize) -> Result<(Vec<Near>, Vec<Skipped>)> {
    if order.policy.is_by_distance() {
        let neighbors = store::nearby::find(tx, &wanted(order, count)?).await?;
        return Ok((neighbors.able, unable(neighbors.unable).collect()));
    }
    let ranking = ranked(tx, order, count).await?;
    Ok((ranking.candidates.into_iter().map(near).collect(), ranking.skipped))
}

/// Takes somebody whose lock is held, if it still may go.
fn take(order: &Order<'_>, near: Near, agent: Option<Agent>, claimed: &mut Ranking) {
    let weighed = match agent.filter(|agent| agent.deleted.is_none()) {
        Some(agent) => order.policy.weigh(agent, near.meters, order.task.id, order.now),
        None => Err(Skip::Taken),
    };
    match weighed {
        Ok(candidate) => claimed.candidates.push(candidate),
        Err(reason) => claimed.skipped.push(passed(near, reason)),
    }
}

fn passed(near: Near, reason: Skip) -> Skipped {
    Skipped {
        near: Near { obstacle: None, ..near },
        reason,
    }
}

fn near(candidate: Candidate) -> Near {
    let Candidate { agent, meters, .. } = candidate;
    Near {
        id: agent.id,
        meters,
        fix_time: agent.fix.map_or(agent.updated, |fix| fix.time),
        code: agent.profile.code,
        obstacle: None,
    }
}

/// Puts claimed agents on a task, and tells of it. `actor` is who asked; none: the system.
pub async fn send(
    tx: &Tx<'_>,
    order: &Order<'_>,
    crew: &[Candidate],
    actor: Option<UserId>,
    reason: &str,
) -> Result<(Task, Vec<Fact>)> {
    let Order { task, policy, now, .. } = order;
    let crew: Vec<AgentId> = crew.iter().map(|candidate| candidate.agent.id).collect();
    let occupying = policy.exclusive || task.state().occupies();
    let step = Step {
        id: 0,
        action: Some(Action::Assign),
        from: Some(task.state()),
        to: task.state(),
        user: actor,
        agent: None,
        reason: reason.to_owned(),
        time: *now,
    };
    let (sent, agents) = store::dispatch::send(tx, task.id, &crew, (policy.exclusive, occupying), &step).await?;
    let fact = |kind, subject, before| Fact {
        kind,
        time: *now,
        actor,
        subject,
        before,
    };
    let mut facts = vec![fact(
        FactKind::TaskAssigned,
        Subject::Task(Box::new(sent.clone())),
        Before::of(task),
    )];
    // Whoever could go was free.
    let kind = if occupying {
        FactKind::AgentAvailabilityChanged
    } else {
        FactKind::AgentUpdated
    };
    facts.extend(
        agents
            .into_iter()
            .map(|agent| fact(kind, Subject::Agent(Box::new(agent)), Before::default())),
    );
    Ok((sent, facts))
}

/// Tells of those agents, locked, whose work or availability is not what it was before.
pub async fn tell_of(tx: &Tx<'_>, before: Vec<Agent>, actor: Option<UserId>, now: Timestamp) -> Result<Vec<Fact>> {
    let ids: Vec<AgentId> = before.iter().map(|agent| agent.id).collect();
    let after = store::agent::find(tx, &ids).await?;
    let (mut sent, mut working) = (Vec::new(), Vec::new());
    for new in &after {
        let Some(old) = before.iter().find(|old| old.id == new.id) else {
            continue;
        };
        if old.availability() != new.availability() {
            sent.push(new.id);
        } else if old.tasks != new.tasks {
            working.push(new.id);
        }
    }
    let mut facts = Vec::new();
    for (ids, availability) in [(sent, true), (working, false)] {
        if ids.is_empty() {
            continue;
        }
        store::agent::touch(tx, &ids, availability, now).await?;
        let kind = if availability {
            FactKind::AgentAvailabilityChanged
        } else {
            FactKind::AgentUpdated
        };
        let agents = store::agent::find(tx, &ids).await?;
        facts.extend(agents.into_iter().map(|agent| Fact {
            kind,
            time: now,
            actor,
            subject: Subject::Agent(Box::new(agent)),
            before: Before::default(),
        }));
    }
    Ok(facts)
}

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
    let policy = order.policy;
    let asked = |names: &[String]| if policy.strict { names.to_vec() } else { Vec::new() };
    let wanted = Wanted {
        center: order.task.plan.location.ok_or(Error::TaskNowhere)?,
        count,
        radius_meters: policy.radius_meters,
        fresh_since: order.now - policy.max_fix_age,
        units: asked(&policy.units),
        specialties: asked(&policy.specialties),
        sight: order.sight.clone(),
    };
    weighed(on, order, &wanted).await
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
    let unable = neighbors.unable.into_iter();
    ranking.skipped.extend(unable.filter_map(|near| {
        let reason = near.obstacle?.into();
        Some(Skipped { near, reason })
    }));
    ranking
        .skipped
        .sort_by(|one, other| one.near.meters.total_cmp(&other.near.meters));
    rank(&mut ranking.candidates);
    Ok(ranking)
}

/// Claims the best agents for a task: nobody else can change them before the transaction ends. Whoever is being changed
/// by somebody else is passed over, and waited for only if there are not enough others.
pub async fn claim(tx: &Tx<'_>, order: &Order<'_>) -> Result<Ranking> {
    let mut weighed = order.first();
    for round in 0.. {
        tx.mark().await?;
        let ranking = ranked(tx, order, weighed).await?;
        let mut claimed = Ranking {
            candidates: Vec::new(),
            skipped: ranking.skipped,
        };
        let mut held = None;
        for candidate in ranking.candidates {
            if claimed.candidates.len() == order.count {
                break;
            }
            if store::agent::try_lock(tx, candidate.agent.id).await? {
                take(tx, order, candidate, &mut claimed).await?;
            } else {
                held.get_or_insert(candidate.agent.id);
                claimed.skipped.push(passed(&candidate, Skip::Taken));
            }
        }
        if claimed.candidates.len() < order.count && weighed < order.everybody() {
            weighed = order.everybody();
            tx.rewind().await?;
            continue;
        }
        match held {
            // Gives back whom it has before it waits, so that no two wait for each other.
            Some(agent) if claimed.candidates.len() < order.count && round < ROUNDS => {
                tx.rewind().await?;
                store::agent::wait(tx, agent).await?;
                tx.rewind().await?;
            }
            _ => return Ok(claimed),
        }
    }
    Err(Error::internal("rounds have no end"))
}

/// Takes a candidate whose lock is held, if it still may go.
async fn take(tx: &Tx<'_>, order: &Order<'_>, candidate: Candidate, claimed: &mut Ranking) -> Result<()> {
    let agent = store::agent::get(tx, candidate.agent.id)
        .await?
        .filter(|agent| agent.deleted.is_none());
    let weighed = match agent {
        Some(agent) => order.policy.weigh(agent, candidate.meters, order.task.id, order.now),
        None => Err(Skip::Taken),
    };
    match weighed {
        Ok(candidate) => claimed.candidates.push(candidate),
        Err(reason) => claimed.skipped.push(passed(&candidate, reason)),
    }
    Ok(())
}

fn passed(candidate: &Candidate, reason: Skip) -> Skipped {
    let Candidate { agent, meters, .. } = candidate;
    Skipped {
        near: Near {
            id: agent.id,
            code: agent.profile.code.clone(),
            meters: *meters,
            fix_time: agent.fix.map_or(agent.updated, |fix| fix.time),
            obstacle: None,
        },
        reason,
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
    let before = Before::of(task);
    let occupying = policy.exclusive || task.state().occupies();
    for candidate in crew {
        let agent = candidate.agent.id;
        store::task::assign(tx, task.id, agent, policy.exclusive, occupying, *now).await?;
        let step = Step {
            id: 0,
            action: Some(Action::Assign),
            from: Some(task.state()),
            to: task.state(),
            user: actor,
            agent: Some(agent),
            reason: reason.to_owned(),
            time: *now,
        };
        store::task::add_step(tx, task.id, &step).await?;
    }
    let task = store::task::save(tx, task, *now).await?;
    let mut facts = vec![Fact {
        kind: FactKind::TaskAssigned,
        time: *now,
        actor,
        subject: Subject::Task(Box::new(task.clone())),
        before,
    }];
    let crew = crew.iter().map(|candidate| candidate.agent.clone()).collect();
    facts.extend(tell_of(tx, crew, actor, *now).await?);
    Ok((task, facts))
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

//! Dispatch: who is sent to tasks of a kind, and how those who could go are ranked.

use jiff::{SignedDuration, Timestamp};

use super::{
    Revision, TaskId,
    agent::{Agent, Obstacle},
    task::Kind,
};

/// Who is sent to tasks of a kind. Lengths in metres.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Kind of task.
    pub kind: Kind,
    /// Greatest distance.
    pub radius_meters: Option<f64>,
    /// Oldest fix that still counts.
    pub max_fix_age: SignedDuration,
    /// Agents that a task is to have.
    pub agent_count: usize,
    /// Whether agents are claimed for as long as the task is open.
    pub exclusive: bool,
    /// Units asked for; empty: all.
    pub units: Vec<String>,
    /// Specialties asked for; empty: all.
    pub specialties: Vec<String>,
    /// Ranks asked for; empty: all.
    pub ranks: Vec<String>,
    /// Whether who does not fit is not sent at all.
    pub strict: bool,
    /// What each of units, specialties and ranks costs that does not fit.
    pub mismatch_meters: f64,
    /// What each open task costs that the agent is on.
    pub task_meters: f64,
    /// Least time since the agent was last at work.
    pub min_rest: SignedDuration,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// Why somebody is not sent; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// At work.
    Busy = 1,
    /// Not on duty.
    OffDuty = 2,
    /// On duty and not to be sent.
    Unavailable = 3,
    /// Nobody knows where it is by now.
    Stale = 4,
    /// Beyond the radius.
    TooFar = 5,
    /// Not of the units, specialties or ranks asked for.
    Mismatch = 6,
    /// Was at work until a moment ago.
    Resting = 7,
    /// On this task already.
    Assigned = 8,
    /// Somebody else is changing it now.
    Taken = 9,
}

impl From<Obstacle> for Skip {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Busy => Self::Busy,
            Obstacle::OffDuty => Self::OffDuty,
            Obstacle::Unavailable => Self::Unavailable,
            Obstacle::Stale => Self::Stale,
        }
    }
}

/// Somebody who may be sent, and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The agent.
    pub agent: Agent,
    /// Geodesic distance.
    pub meters: f64,
    /// Age of the fix.
    pub fix_age: SignedDuration,
    /// In one of the units asked for.
    pub unit_fits: bool,
    /// Trained for one of the specialties asked for.
    pub specialty_fits: bool,
    /// Of one of the ranks asked for.
    pub rank_fits: bool,
    /// For how long it has been free.
    pub rest: SignedDuration,
    /// What candidates are ranked by.
    pub cost_meters: f64,
}

impl Policy {
    /// Whether nothing but the distance counts among those that may go: the nearest is the best.
    pub fn is_by_distance(&self) -> bool {
        let anybody = self.units.is_empty() && self.specialties.is_empty() && self.ranks.is_empty();
        self.task_meters == 0.0 && self.min_rest.is_zero() && (anybody || (self.mismatch_meters == 0.0 && !self.strict))
    }

    /// What speaks for an agent that is so far away, or why it is not sent to the task.
    pub fn weigh(&self, agent: Agent, meters: f64, task: TaskId, now: Timestamp) -> Result<Candidate, Skip> {
        let fix = agent.fix.as_ref().ok_or(Skip::Stale)?;
        let fix_age = now.duration_since(fix.time).max(SignedDuration::ZERO);
        if agent.tasks.contains(&task) {
            return Err(Skip::Assigned);
        }
        if let Some(obstacle) = Obstacle::of(agent.availability(), fix_age <= self.max_fix_age) {
            return Err(obstacle.into());
        }
        let fits = |asked: &[String], has: &String| asked.is_empty() || asked.contains(has);
        let unit_fits = fits(&self.units, &agent.profile.unit);
        let specialty_fits = fits(&self.specialties, &agent.profile.specialty);
        let rank_fits = fits(&self.ranks, &agent.profile.rank);
        let misfits = [unit_fits, specialty_fits, rank_fits].iter().filter(|fits| !**fits).count();
        if self.strict && misfits > 0 {
            return Err(Skip::Mismatch);
        }
        let rest = now.duration_since(agent.availability_since).max(SignedDuration::ZERO);
        if rest < self.min_rest {
            return Err(Skip::Resting);
        }
        if self.radius_meters.is_some_and(|radius| meters > radius) {
            return Err(Skip::TooFar);
        }
        let cost = |count: usize, meters: f64| count as f64 * meters;
        Ok(Candidate {
            meters,
            fix_age,
            unit_fits,
            specialty_fits,
            rank_fits,
            rest,
            cost_meters: meters + cost(misfits, self.mismatch_meters) + cost(agent.tasks.len(), self.task_meters),
            agent,
        })
    }
}

/// Puts candidates in their order: the least cost first, of equal ones the nearest, then the first by number.
pub fn rank(candidates: &mut [Candidate]) {
    candidates.sort_by(|one, other| {
        one.cost_meters
            .total_cmp(&other.cost_meters)
            .then(one.meters.total_cmp(&other.meters))
            .then(one.agent.id.cmp(&other.agent.id))
    });
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        AgentId, UserId,
        agent::{Duty, Fix, Profile, Source},
        geo::Point,
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn policy() -> Policy {
        Policy {
            kind: Kind::Patrol,
            radius_meters: Some(1000.0),
            max_fix_age: SignedDuration::from_mins(15),
            agent_count: 1,
            exclusive: true,
            units: vec!["Norte".to_owned()],
            specialties: Vec::new(),
            ranks: Vec::new(),
            strict: false,
            mismatch_meters: 300.0,
            task_meters: 50.0,
            min_rest: SignedDuration::from_mins(10),
            updated: NOW,
            revision: Revision(1),
        }
    }

    fn agent(id: i64, unit: &str, tasks: &[i64]) -> Agent {
        Agent {
            id: AgentId(id),
            uid: Uuid::nil(),
            user: UserId(id),
            display_name: String::new(),
            profile: Profile {
                code: String::new(),
                rank: String::new(),
                unit: unit.to_owned(),
                specialty: String::new(),
            },
            duty: Duty::Available,
            occupied: false,
            availability_since: NOW - SignedDuration::from_hours(1),
            fix: Some(Fix {
                agent: AgentId(id),
                location: Point::new(4.65, -74.07).expect("on the globe"),
                time: NOW - SignedDuration::from_mins(1),
                accuracy_meters: None,
                speed_meters_per_second: None,
                heading_degrees: None,
                source: Source::Gps,
            }),
            zone: None,
            tasks: tasks.iter().map(|task| TaskId(*task)).collect(),
            created: NOW,
            updated: NOW,
            deleted: None,
            revision: Revision(1),
        }
    }

    fn skip(policy: &Policy, agent: Agent, meters: f64) -> Option<Skip> {
        policy.weigh(agent, meters, TaskId(1), NOW).err()
    }

    #[test]
    fn who_fits_goes_before_who_is_nearer() {
        let policy = policy();
        let weigh = |agent, meters| policy.weigh(agent, meters, TaskId(1), NOW).expect("a candidate");
        let mut ranked = [
            weigh(agent(1, "Sur", &[]), 100.0),
            weigh(agent(2, "Norte", &[7, 8]), 310.0),
            weigh(agent(3, "Norte", &[]), 405.0),
        ];
        rank(&mut ranked);
        assert_eq!(ranked.each_ref().map(|candidate| candidate.agent.id.0), [1, 3, 2]);
        assert_eq!(
            ranked.each_ref().map(|candidate| candidate.cost_meters),
            [400.0, 405.0, 410.0]
        );
    }

    #[test]
    fn each_reason_to_skip_somebody_has_its_name() {
        let policy = policy();
        let one = || agent(1, "Norte", &[]);
        assert_eq!(skip(&policy, one(), 1000.0), None);
        assert_eq!(skip(&policy, one(), 1000.1), Some(Skip::TooFar));
        assert_eq!(skip(&policy, agent(1, "Norte", &[1]), 0.0), Some(Skip::Assigned));
        assert_eq!(skip(&policy, Agent { occupied: true, ..one() }, 0.0), Some(Skip::Busy));
        let off = Agent {
            duty: Duty::OffDuty,
            ..one()
        };
        assert_eq!(skip(&policy, off, 0.0), Some(Skip::OffDuty));
        let resting = Agent {
            availability_since: NOW,
            ..one()
        };
        assert_eq!(skip(&policy, resting, 0.0), Some(Skip::Resting));
        assert_eq!(skip(&policy, Agent { fix: None, ..one() }, 0.0), Some(Skip::Stale));
        let strict = Policy { strict: true, ..policy };
        assert_eq!(skip(&strict, agent(1, "Sur", &[]), 0.0), Some(Skip::Mismatch));
    }
}

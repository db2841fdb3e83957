//! Geofences: who comes, who goes, who stays; and when a fix says so for sure.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AgentId, GeofenceId, Revision, UserId, ZoneId, access::Caller, agent::Fix, geo::Point};

/// Inaccuracy of a fix that does not say it, in metres.
const UNKNOWN_ACCURACY: f64 = 50.0;

/// Accuracy is the radius that holds 68 % of fixes; twice as much is three standard deviations across an edge.
pub const SURE: f64 = 2.0;

/// Faster nobody goes, in metres per second.
const FASTEST: f64 = 100.0;

/// How far fixes of one place may lie apart, in metres.
const JITTER: f64 = 100.0;

/// A fence, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Geofence {
    /// Number.
    pub id: GeofenceId,
    /// What people set of it.
    pub plan: Plan,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// What people set of a fence.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Name.
    pub display_name: String,
    /// The zone that it is drawn around.
    pub zone: ZoneId,
    /// Looks at everybody.
    pub everybody: bool,
    /// Agents that it looks at.
    pub agents: Vec<AgentId>,
    /// Units whose agents it looks at too.
    pub units: Vec<String>,
    /// When it tells what.
    pub rule: Rule,
}

/// When a fence tells what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Of who comes in.
    pub enter: bool,
    /// Of who goes out.
    pub exit: bool,
    /// Of who has been inside for so long.
    pub dwell: Option<SignedDuration>,
    /// How far inside or outside one must be.
    pub margin_meters: f64,
    /// Greatest inaccuracy of a fix that counts.
    pub max_accuracy_meters: f64,
    /// Fixes in a row that it takes to be elsewhere.
    pub confirmations: u16,
}

/// What happened; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Came in.
    Entered = 1,
    /// Went out.
    Left = 2,
    /// Has been inside for long.
    Dwelt = 3,
}

impl Kind {
    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::Entered, Self::Left, Self::Dwelt]
            .into_iter()
            .find(|kind| *kind as i32 == number)
    }
}

/// Something that happened at a fence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number.
    pub id: i64,
    /// The fence.
    pub geofence: GeofenceId,
    /// Its name.
    pub display_name: String,
    /// Its zone; none: it is gone.
    pub zone: Option<ZoneId>,
    /// The agent.
    pub agent: AgentId,
    /// The agent's user.
    pub user: UserId,
    /// What happened.
    pub kind: Kind,
    /// Time of the fix.
    pub fix_time: Timestamp,
    /// Place of the fix.
    pub location: Point,
    /// When it was noticed.
    pub time: Timestamp,
}

impl Event {
    /// Whether a caller may know of it: it is in their zone, or they did it themselves.
    pub fn is_visible_to(&self, caller: &Caller) -> bool {
        self.user == caller.user || caller.sees_zone(self.zone)
    }
}

/// Where an agent is to a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nobody knows.
    Unknown,
    /// Outside.
    Outside(Contrary),
    /// Inside.
    Inside {
        /// Since when.
        since: Timestamp,
        /// It was told that it stays, or need not be.
        dwelt: bool,
        /// What says otherwise.
        contrary: Contrary,
    },
}

/// Fixes in a row that say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contrary {
    /// How many.
    pub count: u16,
    /// Time of the first.
    pub since: Option<Timestamp>,
}

impl Contrary {
    fn and(self, time: Timestamp) -> Self {
        Self {
            count: self.count.saturating_add(1),
            since: self.since.or(Some(time)),
        }
    }
}

/// A fix, as a fence sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// When; not in the future.
    pub time: Timestamp,
    /// Whether it lies in the zone.
    pub inside: bool,
    /// How far from its edge.
    pub edge_meters: f64,
    /// Its accuracy.
    pub accuracy_meters: Option<f32>,
}

/// What is sure of a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Inside,
    Outside,
    Edge,
}

/// How far from an edge a fix may lie and still leave in doubt on which side it is, in metres; of one without an accuracy too.
pub fn doubt(accuracy_meters: Option<f32>) -> f64 {
    SURE * accuracy_meters.map_or(UNKNOWN_ACCURACY, f64::from)
}

/// Whether an agent can have come from one fix to the next.
pub fn is_possible(before: &Fix, fix: &Fix) -> bool {
    let seconds = fix.time.duration_since(before.time).as_secs_f64();
    let jitter = JITTER + doubt(before.accuracy_meters) + doubt(fix.accuracy_meters);
    before.location.haversine_meters(fix.location) <= jitter + FASTEST * seconds
}

impl Rule {
    fn verdict(&self, sight: &Sight) -> Verdict {
        let accuracy = sight.accuracy_meters.map_or(UNKNOWN_ACCURACY, f64::from);
        let doubt = self.margin_meters.max(doubt(sight.accuracy_meters));
        if accuracy > self.max_accuracy_meters || sight.edge_meters <= doubt {
            Verdict::Edge
        } else if sight.inside {
            Verdict::Inside
        } else {
            Verdict::Outside
        }
    }

    /// Where an agent is after a fix, and what is to be told of it. Of two fixes the earlier comes first.
    pub fn observe(&self, place: Place, sight: &Sight) -> (Place, Option<Kind>) {
        let (time, verdict) = (sight.time, self.verdict(sight));
        match (place, verdict) {
            (Place::Unknown, Verdict::Edge) => (Place::Unknown, None),
            (Place::Unknown, Verdict::Inside) => (inside(time, true), None),
            (Place::Unknown, Verdict::Outside) => (Place::Outside(Contrary::default()), None),
            (Place::Outside(_), Verdict::Edge) => (place, None),
            (Place::Outside(_), Verdict::Outside) => (Place::Outside(Contrary::default()), None),
            (Place::Outside(contrary), Verdict::Inside) => {
                let contrary = contrary.and(time);
                if contrary.count < self.confirmations {
                    return (Place::Outside(contrary), None);
                }
                let came = inside(contrary.since.unwrap_or(time), self.dwell.is_none());
                (came, self.enter.then_some(Kind::Entered))
            }
            (Place::Inside { since, dwelt, contrary }, Verdict::Outside) => {
                let contrary = contrary.and(time);
                if contrary.count < self.confirmations {
                    return (Place::Inside { since, dwelt, contrary }, None);
                }
                (Place::Outside(Contrary::default()), self.exit.then_some(Kind::Left))
            }
            (Place::Inside { .. }, Verdict::Edge) => (place, None),
            (Place::Inside { since, dwelt, .. }, Verdict::Inside) => self.stay(since, dwelt, time),
        }
    }

    fn stay(&self, since: Timestamp, dwelt: bool, time: Timestamp) -> (Place, Option<Kind>) {
        let over = self.dwell.is_some_and(|dwell| time.duration_since(since) >= dwell);
        let told = (!dwelt && over).then_some(Kind::Dwelt);
        (inside(since, dwelt || over), told)
    }
}

fn inside(since: Timestamp, dwelt: bool) -> Place {
    Place::Inside {
        since,
        dwelt,
        contrary: Contrary::default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(confirmations: u16) -> Rule {
        Rule {
            enter: true,
            exit: true,
            dwell: Some(SignedDuration::from_secs(600)),
            margin_meters: 25.0,
            max_accuracy_meters: 100.0,
            confirmations,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("valid")
    }

    /// A fix so far inside an edge, or outside if it is less than nothing.
    fn sight(seconds: i64, meters_inside: f64, accuracy: f32) -> Sight {
        Sight {
            time: at(seconds),
            inside: meters_inside > 0.0,
            edge_meters: meters_inside.abs(),
            accuracy_meters: Some(accuracy),
        }
    }

    /// What is told of a walk, by fixes some seconds apart.
    fn told(rule: &Rule, begin: Place, walk: &[(f64, f32)], seconds: i64) -> Vec<(usize, Kind)> {
        let mut place = begin;
        let mut all = Vec::new();
        for (at, (meters, accuracy)) in walk.iter().enumerate() {
            let time = seconds * i64::try_from(at).expect("few");
            let (next, kind) = rule.observe(place, &sight(time, *meters, *accuracy));
            place = next;
            all.extend(kind.map(|kind| (at, kind)));
        }
        all
    }

    const OUTSIDE: Place = Place::Outside(Contrary { count: 0, since: None });

    #[test]
    fn who_comes_stays_and_goes_is_told_of_once_each() {
        let walk = [-200.0, -60.0, 60.0, 90.0, 90.0, 90.0, 80.0, -10.0, -90.0, -95.0, -200.0].map(|meters| (meters, 10.0));
        let expected = [(3, Kind::Entered), (5, Kind::Dwelt), (9, Kind::Left)];
        assert_eq!(told(&rule(2), OUTSIDE, &walk, 200), expected);
        // One fix is enough where one is asked for.
        let expected = [(2, Kind::Entered), (5, Kind::Dwelt), (8, Kind::Left)];
        assert_eq!(told(&rule(1), OUTSIDE, &walk, 200), expected);
    }

    #[test]
    fn a_fence_around_somebody_tells_nothing_until_they_go() {
        let still = [(90.0, 10.0); 20];
        assert_eq!(told(&rule(2), Place::Unknown, &still, 200), []);
        let goes = [(90.0, 10.0), (90.0, 10.0), (-90.0, 10.0), (-90.0, 10.0)];
        assert_eq!(told(&rule(2), Place::Unknown, &goes, 200), [(3, Kind::Left)]);
        // Inaccurate at first: where they are is known only later, and was no event either.
        let late = [(-300.0, 500.0), (20.0, 30.0), (90.0, 10.0), (90.0, 10.0), (90.0, 10.0)];
        assert_eq!(told(&rule(1), Place::Unknown, &late, 200), []);
    }

    #[test]
    fn one_fix_far_off_is_no_event() {
        let walk = [(90.0, 10.0), (-5_000.0, 10.0), (90.0, 10.0), (-5_000.0, 10.0), (90.0, 10.0)];
        assert_eq!(told(&rule(2), inside(at(0), true), &walk, 10), []);
        // One that nobody can believe counts for nothing, however far off it is.
        let walk = [(-5_000.0, 500.0), (-5_000.0, 500.0), (-5_000.0, 500.0)];
        assert_eq!(told(&rule(1), inside(at(0), true), &walk, 10), []);
    }

    #[test]
    fn nobody_goes_a_kilometre_in_a_second() {
        let fix = |seconds, latitude| Fix {
            agent: AgentId(1),
            location: Point::new(latitude, 0.0).expect("valid"),
            time: at(seconds),
            accuracy_meters: None,
            speed_meters_per_second: None,
            heading_degrees: None,
            source: crate::domain::agent::Source::Gps,
        };
        assert!(!is_possible(&fix(0, 0.0), &fix(1, 0.01)));
        assert!(is_possible(&fix(0, 0.0), &fix(60, 0.01)));
        // Fixes of one place jump.
        assert!(is_possible(&fix(0, 0.0), &fix(0, 0.0005)));
    }

    proptest! {
        /// Whoever stands still is told of once at most, wherever that is to the edge and however much the fixes jump within
        /// what is sure.
        #[test]
        fn a_still_agent_makes_one_event_at_most(
            place in -300.0_f64..300.0,
            accuracy in 1.0_f32..150.0,
            noise in prop::collection::vec(-1.0_f64..1.0, 1..200),
            confirmations in 1_u16..5,
            begin in prop_oneof![Just(Place::Unknown), Just(OUTSIDE), Just(inside(at(0), true))],
        ) {
            let walk: Vec<(f64, f32)> = noise.iter().map(|noise| (place + noise * SURE * f64::from(accuracy), accuracy)).collect();
            let told = told(&rule(confirmations), begin, &walk, 10);
            // Who was taken to be outside and is inside comes, and then stays: that is told too.
            let crossings = told.iter().filter(|(_, kind)| *kind != Kind::Dwelt).count();
            prop_assert!(crossings <= 1 && told.len() <= crossings + 1, "{told:?}");
            if begin == Place::Unknown {
                prop_assert_eq!(told, []);
            }
        }

        /// Whoever walks comes and goes by turns; nobody goes who did not come, and nobody dwells outside.
        #[test]
        fn comings_and_goings_alternate(
            steps in prop::collection::vec((-80.0_f64..80.0, 1.0_f32..150.0), 1..300),
            begin in -200.0_f64..200.0,
            confirmations in 1_u16..4,
            known in any::<bool>(),
        ) {
            let mut meters = begin;
            let walk: Vec<(f64, f32)> = steps.iter().map(|(step, accuracy)| { meters += step; (meters, *accuracy) }).collect();
            let told = told(&rule(confirmations), if known { OUTSIDE } else { Place::Unknown }, &walk, 60);
            let mut inside = if known { Some(false) } else { None };
            let mut dwelt = false;
            for (at, kind) in told {
                let (meters, accuracy) = walk[at];
                prop_assert!(meters.abs() > 2.0 * f64::from(accuracy) && meters.abs() > 25.0 && accuracy <= 100.0);
                match kind {
                    Kind::Entered => { prop_assert!(inside != Some(true) && meters > 0.0); (inside, dwelt) = (Some(true), false); }
                    Kind::Left => { prop_assert!(inside != Some(false) && meters < 0.0); inside = Some(false); }
                    Kind::Dwelt => { prop_assert!(inside == Some(true) && !dwelt && meters > 0.0); dwelt = true; }
                }
            }
        }
    }
}

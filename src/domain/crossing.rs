//! Who comes into a geofence, who goes, who stays; and when a fix says so for sure.

use jiff::{SignedDuration, Timestamp};

use super::{
    agent::Fix,
    geofence::{Kind, Rule},
};

/// Inaccuracy of a fix that does not say it, in metres.
const UNKNOWN_ACCURACY: f64 = 50.0;

/// Accuracy is the radius that holds 68 % of fixes; twice as much is three standard deviations across an edge.
pub const SURE: f64 = 2.0;

/// Faster nobody goes, in metres per second.
const FASTEST: f64 = 100.0;

/// Longest that a last fix is believed to say where somebody still is.
const BELIEVED: SignedDuration = SignedDuration::from_mins(15);

/// How far fixes of one place may lie apart, in metres.
const JITTER: f64 = 100.0;

/// Where an agent is to a fence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// Nobody knows; perhaps it was seen at the edge.
    Unknown(Option<Coming>),
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
        /// It was seen at the edge, and it is not told as yet that it came.
        coming: Option<Coming>,
    },
}

/// What is known of an agent that was first seen at the edge: if it is deeper inside than it can have been then, it has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coming {
    /// How far inside it can have been, in metres.
    pub reach_meters: f64,
    /// Fixes in a row that are surely farther inside.
    pub count: u16,
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

impl Sight {
    fn accuracy(&self) -> f64 {
        self.accuracy_meters.map_or(UNKNOWN_ACCURACY, f64::from)
    }

    /// How far inside; outside it is less than nothing.
    fn depth(&self) -> f64 {
        if self.inside { self.edge_meters } else { -self.edge_meters }
    }
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
        let doubt = self.margin_meters.max(doubt(sight.accuracy_meters));
        if sight.accuracy() > self.max_accuracy_meters || sight.edge_meters <= doubt {
            Verdict::Edge
        } else if sight.inside {
            Verdict::Inside
        } else {
            Verdict::Outside
        }
    }

    /// What is known of an agent that came from nobody knows where, after one fix more.
    fn coming(&self, before: Option<Coming>, sight: &Sight, verdict: Verdict) -> Option<Coming> {
        let (depth, doubt) = (sight.depth(), doubt(sight.accuracy_meters));
        let trusted = sight.accuracy() <= self.max_accuracy_meters;
        match before {
            None if trusted && sight.edge_meters <= self.margin_meters => Some(Coming {
                reach_meters: depth + doubt,
                count: 0,
            }),
            None => None,
            Some(coming) if verdict == Verdict::Inside && depth - doubt > coming.reach_meters => Some(Coming {
                count: coming.count.saturating_add(1),
                ..coming
            }),
            Some(coming) if trusted => Some(Coming {
                reach_meters: coming.reach_meters.min(depth + doubt),
                count: 0,
            }),
            Some(coming) => Some(coming),
        }
    }

    /// Inside, of which it was not known that it was outside before: told only if it was at the edge.
    fn appear(&self, since: Timestamp, coming: Option<Coming>) -> (Place, Option<Kind>) {
        if coming.is_some_and(|coming| coming.count >= self.confirmations) {
            return (inside(since, self.dwell.is_none()), self.enter.then_some(Kind::Entered));
        }
        let place = Place::Inside {
            since,
            dwelt: true,
            contrary: Contrary::default(),
            coming,
        };
        (place, None)
    }

    /// When it is told of an agent that it stays, if nothing comes in between.
    pub fn due(&self, place: &Place) -> Option<Timestamp> {
        match *place {
            Place::Inside {
                since,
                dwelt: false,
                contrary: Contrary { count: 0, .. },
                coming: None,
            } => Some(since + self.dwell?),
            _ => None,
        }
    }

    /// Where an agent is after a fix, and what is to be told of it. Of two fixes the earlier comes first.
    pub fn observe(&self, place: Place, sight: &Sight) -> (Place, Option<Kind>) {
        let (time, verdict) = (sight.time, self.verdict(sight));
        match (place, verdict) {
            (Place::Unknown(coming), Verdict::Edge) => (Place::Unknown(self.coming(coming, sight, verdict)), None),
            (Place::Unknown(coming), Verdict::Inside) => self.appear(time, self.coming(coming, sight, verdict)),
            (Place::Unknown(_), Verdict::Outside) => (Place::Outside(Contrary::default()), None),
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
            (
                Place::Inside {
                    since,
                    dwelt,
                    contrary,
                    coming,
                },
                Verdict::Outside,
            ) => {
                let contrary = contrary.and(time);
                if contrary.count < self.confirmations {
                    let doubted = Place::Inside {
                        since,
                        dwelt,
                        contrary,
                        coming,
                    };
                    return (doubted, None);
                }
                (Place::Outside(Contrary::default()), self.exit.then_some(Kind::Left))
            }
            (Place::Inside { .. }, Verdict::Edge) => (place, None),
            (Place::Inside { since, coming, .. }, Verdict::Inside) if coming.is_some() => {
                self.appear(since, self.coming(coming, sight, verdict))
            }
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
        coming: None,
    }
}

/// Whether an agent is where its last fix was, at a time when nothing else was heard of it.
pub fn is_believed(fix: &Fix, at: Timestamp) -> bool {
    at.duration_since(fix.time) <= BELIEVED
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{AgentId, geo::Point};

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
        assert_eq!(told(&rule(2), Place::Unknown(None), &still, 200), []);
        let goes = [(90.0, 10.0), (90.0, 10.0), (-90.0, 10.0), (-90.0, 10.0)];
        assert_eq!(told(&rule(2), Place::Unknown(None), &goes, 200), [(3, Kind::Left)]);
        // Inaccurate at first: where they are is known only later, and was no event either.
        let late = [(-300.0, 500.0), (20.0, 30.0), (90.0, 10.0), (90.0, 10.0), (90.0, 10.0)];
        assert_eq!(told(&rule(1), Place::Unknown(None), &late, 200), []);
    }

    #[test]
    fn who_was_first_seen_at_the_edge_and_walks_in_is_told_of() {
        for (first, at) in [(-20.0, 3), (0.0, 4), (20.0, 5)] {
            let walk = [first, first + 1.0, 30.0, 45.0, 80.0, 90.0, 90.0].map(|meters| (meters, 10.0));
            assert_eq!(
                told(&rule(2), Place::Unknown(None), &walk, 10),
                [(at, Kind::Entered)],
                "{first}"
            );
        }
        // Who walks on is told of; who stays where it may have been all along is not; who goes away again, is as before.
        let stays = [20.0, 30.0, 45.0, 55.0, 55.0, 55.0].map(|meters| (meters, 10.0));
        assert_eq!(told(&rule(1), Place::Unknown(None), &stays, 10), []);
        let goes = [20.0, 45.0, 45.0, -45.0, -45.0, 90.0, 90.0].map(|meters| (meters, 10.0));
        let expected = [(4, Kind::Left), (6, Kind::Entered)];
        assert_eq!(told(&rule(2), Place::Unknown(None), &goes, 10), expected);
        // One fix far inside is none, where two are asked for.
        let leaps = [0.0, 90.0, 5.0, 0.0, 5.0].map(|meters| (meters, 10.0));
        assert_eq!(told(&rule(2), Place::Unknown(None), &leaps, 10), []);
        // Having come, it stays.
        let dwells = [0.0, 90.0, 90.0, 90.0, 90.0, 90.0, 90.0].map(|meters| (meters, 10.0));
        let expected = [(2, Kind::Entered), (4, Kind::Dwelt)];
        assert_eq!(told(&rule(2), Place::Unknown(None), &dwells, 200), expected);
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
            begin in prop_oneof![Just(Place::Unknown(None)), Just(OUTSIDE), Just(inside(at(0), true))],
        ) {
            let walk: Vec<(f64, f32)> = noise.iter().map(|noise| (place + noise * SURE * f64::from(accuracy), accuracy)).collect();
            let told = told(&rule(confirmations), begin, &walk, 10);
            // Who was taken to be outside and is inside comes, and then stays: that is told too.
            let crossings = told.iter().filter(|(_, kind)| *kind != Kind::Dwelt).count();
            prop_assert!(crossings <= 1 && told.len() <= crossings + 1, "{told:?}");
            if begin == Place::Unknown(None) {
                prop_assert_eq!(told, []);
            }
        }

        /// Whoever is first seen at an edge and walks in, past all doubt where it was, is told of once; however its fixes jump.
        #[test]
        fn who_walks_in_from_an_edge_is_told_of_once(
            place in -24.0_f64..24.0,
            accuracy in 0.5_f32..40.0,
            noise in prop::collection::vec(-0.999_f64..0.999, 20..100),
            steps in 0.5_f64..20.0,
            confirmations in 1_u16..5,
        ) {
            let doubt = SURE * f64::from(accuracy);
            let first = (place, accuracy);
            // It can have been twice the doubt deeper than it was seen; and is seen a doubt less deep than it is.
            let deep = 24.0 + 4.0 * doubt + 30.0;
            let walk = (1..).map(|step| place + f64::from(step) * steps).take_while(|depth| *depth < deep);
            let walk: Vec<f64> = walk.chain(std::iter::repeat_n(deep, 10)).collect();
            let seen = walk.iter().zip(noise.iter().cycle()).map(|(depth, noise)| (depth + noise * doubt, accuracy));
            let all: Vec<(f64, f32)> = std::iter::once(first).chain(seen).collect();
            let told = told(&Rule { dwell: None, ..rule(confirmations) }, Place::Unknown(None), &all, 1);
            let entered = told.iter().filter(|(_, kind)| *kind == Kind::Entered).count();
            prop_assert_eq!((entered, told.len()), (1, 1));
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
            let told = told(&rule(confirmations), if known { OUTSIDE } else { Place::Unknown(None) }, &walk, 60);
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

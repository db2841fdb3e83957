//! How exactly somebody sees where others are: themselves always, others on duty only and as exactly as their level does.

use super::{UserId, access::Caller, agent::Fix, geo::Point};

/// How somebody sees where agents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lens {
    /// Whose own place is shown as it is.
    own: Option<UserId>,
    /// How wide the cells are that others are seen in, in metres; 0: exactly.
    meters: u32,
}

impl Lens {
    /// Of a caller whose level sees others this exactly.
    pub fn of(caller: &Caller, meters: u32) -> Self {
        Self {
            own: Some(caller.user),
            meters,
        }
    }

    /// The same for a feed. Who sees everything may share a feed with others of the same level, and has nothing of their
    /// own in it.
    pub fn shared(caller: &Caller, meters: u32) -> Self {
        Self {
            own: (!caller.sees_all()).then_some(caller.user),
            meters,
        }
    }

    /// Whether this user's place is shown as it is, on duty or not.
    pub fn is_own(self, user: UserId) -> bool {
        self.own == Some(user)
    }

    /// A fix of a user as it is shown; none if it is hidden.
    pub fn fix(self, fix: &Fix, user: UserId, off_duty: bool) -> Option<Fix> {
        if self.is_own(user) {
            return Some(*fix);
        }
        (!off_duty).then(|| self.blurred(fix))
    }

    /// A fix of somebody else, whatever their duty.
    pub fn blurred(self, fix: &Fix) -> Fix {
        if self.meters == 0 {
            return *fix;
        }
        let meters = self.meters as f32;
        Fix {
            location: fix.location.blurred(self.meters),
            accuracy_meters: Some(fix.accuracy_meters.unwrap_or(meters).max(meters)),
            speed_meters_per_second: None,
            heading_degrees: None,
            ..*fix
        }
    }

    /// A place of a user on duty as it is shown.
    pub fn place(self, place: Point, user: UserId) -> Point {
        if self.is_own(user) {
            place
        } else {
            place.blurred(self.meters)
        }
    }

    /// How far a place may be from where it is shown, at most, in metres.
    pub fn reach(self) -> f64 {
        f64::from(self.meters)
    }

    /// A distance to somebody else as it is shown: rounded to what is seen of their place.
    pub fn distance(self, meters: f64) -> f64 {
        if self.meters == 0 {
            return meters;
        }
        let step = f64::from(self.meters);
        (meters / step).round() * step
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{AgentId, access::Level, agent::Source};

    fn caller(user: i64, level: Level) -> Caller {
        Caller {
            user: UserId(user),
            level,
            zones: [].into(),
        }
    }

    #[test]
    fn others_are_seen_on_duty_and_in_cells_and_oneself_always() {
        let fix = Fix {
            agent: AgentId(1),
            location: Point::new(4.651_234, -74.071_234).expect("valid"),
            time: Timestamp::UNIX_EPOCH,
            accuracy_meters: Some(4.0),
            speed_meters_per_second: Some(1.0),
            heading_degrees: Some(90.0),
            source: Source::Gps,
        };
        let exact = Lens::of(&caller(2, Level::Supervisor), 0);
        assert_eq!(exact.fix(&fix, UserId(1), false), Some(fix));
        assert_eq!(exact.fix(&fix, UserId(1), true), None);
        let coarse = Lens::of(&caller(2, Level::Supervisor), 250);
        let seen = coarse.fix(&fix, UserId(1), false).expect("on duty");
        assert_eq!(seen.location, fix.location.blurred(250));
        assert_eq!((seen.accuracy_meters, seen.speed_meters_per_second), (Some(250.0), None));
        assert_eq!(coarse.distance(1_130.0), 1_250.0);
        for off_duty in [false, true] {
            assert_eq!(coarse.fix(&fix, UserId(2), off_duty), Some(fix), "oneself");
        }
        // A feed that others of the level share shows nobody as oneself.
        assert_eq!(
            Lens::shared(&caller(2, Level::Supervisor), 0).fix(&fix, UserId(2), true),
            None
        );
        assert_eq!(
            Lens::shared(&caller(1, Level::Agent), 0).fix(&fix, UserId(1), true),
            Some(fix)
        );
    }
}

//! Facts as the outbox and Redis hold them: written by this and other versions of the program.

use gad::{
    domain::{
        UserId, ZoneId,
        access::{Caller, Level},
        fact::{Fact, Subject},
        geo::{Bounds, Point},
        interest::{Hearing, Interest, Noun, Wanted},
        lens::Lens,
    },
    rpc::wire,
};

/// A fact in JSON.
pub fn run(data: &[u8]) {
    let Ok(fact) = serde_json::from_slice::<Fact>(data) else {
        return;
    };
    let text = serde_json::to_string(&fact).expect("what was read can be written");
    let again: Fact = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(again, fact);
    for level in Level::ALL {
        let caller = Caller {
            user: UserId(7),
            level,
            zones: [ZoneId(3)].into(),
        };
        tell(&fact, &caller);
        let bounds = Bounds::new(place(-10.0, 170.0), place(10.0, -170.0));
        for wanted in [
            Wanted::default(),
            Wanted {
                nouns: vec![Noun::Task, Noun::Agent],
                bounds,
                ..Wanted::default()
            },
        ] {
            let interest = Interest {
                lens: Lens::of(&caller, 100),
                caller: caller.clone(),
                wanted,
            };
            let seen = match &fact.subject {
                Subject::Task(task) => task.is_visible_to(&caller),
                Subject::Emergency(emergency) => emergency.is_visible_to(&caller),
                Subject::Geofence(event) => caller.sees_zone(event.zone) || event.user == caller.user,
                Subject::Agent(_) | Subject::Fix { .. } => true,
            };
            if interest.hearing(&fact) == Hearing::Event {
                assert!(caller.sees_all() || seen, "somebody hears of what they may not see");
            }
        }
    }
}

fn place(latitude: f64, longitude: f64) -> Point {
    Point::new(latitude, longitude).expect("on the globe")
}

/// What a watcher would be told.
fn tell(fact: &Fact, caller: &Caller) {
    match &fact.subject {
        Subject::Task(task) => {
            let told = wire::task(task, caller, super::now());
            assert_eq!(told.agent_ids.len(), task.assignments.len());
            let worked = told.worked_duration.map(|worked| (worked.seconds, worked.nanos));
            assert!(worked.is_none_or(|worked| worked >= (0, 0)), "{worked:?}");
        }
        Subject::Agent(agent) => {
            wire::agent(agent, Lens::of(caller, 100));
        }
        Subject::Emergency(emergency) => {
            wire::emergency(emergency);
        }
        Subject::Geofence(event) => {
            gad::rpc::geofence::wire_event(event, Lens::of(caller, 100));
        }
        Subject::Fix { fix, .. } => {
            wire::position(fix);
        }
    }
}

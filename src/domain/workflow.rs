//! The state machine of tasks as data.

use jiff::Timestamp;

use super::task::{Action, Progress, State};

/// An arrow of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What is done.
    pub action: Action,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
}

/// All arrows of the state machine, as [`Progress::step`] has them.
pub fn transitions() -> Vec<Transition> {
    let at = Timestamp::UNIX_EPOCH;
    let after = |from: Progress, action| from.step(action, at).unwrap_or(from);
    let begun = after(Progress::Scheduled, Action::Start);
    let [paused, finished, cancelled] = [Action::Pause, Action::Finish, Action::Cancel].map(|action| after(begun, action));
    let states = [Progress::Scheduled, begun, paused, finished, cancelled];
    Action::STEPS
        .into_iter()
        .flat_map(|action| states.into_iter().map(move |from| (action, from)))
        .filter_map(|(action, from)| {
            let to = from.step(action, at).ok()?.state();
            Some(Transition {
                action,
                from: from.state(),
                to,
            })
        })
        .collect()
}

/// The action that leads from one state to another; if none does, one that would lead there from elsewhere.
pub fn action_towards(from: State, to: State) -> Action {
    let arrows = transitions();
    let straight = arrows.iter().find(|arrow| arrow.from == from && arrow.to == to);
    let arrow = straight.or_else(|| arrows.iter().find(|arrow| arrow.to == to));
    arrow.map_or(Action::Reopen, |arrow| arrow.action)
}

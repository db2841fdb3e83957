//! Consents: what somebody agreed to, and what follows when they do not any more.

/// What people are asked to agree to; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// That their data are kept and used for the work.
    DataProcessing = 1,
    /// That their place is known while they are on duty.
    Location = 2,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 2] = [Self::DataProcessing, Self::Location];

    /// The purpose of a number.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| *purpose as i32 == number)
    }

    /// What follows when somebody withdraws.
    pub fn effects(self) -> &'static [Effect] {
        match self {
            Self::DataProcessing => &[Effect::ErasureCanBeAsked],
            Self::Location => &[Effect::PositionsRefused, Effect::LastPlaceRemoved, Effect::HistoryKept],
        }
    }
}

/// What follows from a withdrawal; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// From now on no fix of the person is taken.
    PositionsRefused = 1,
    /// Where the person was last is forgotten.
    LastPlaceRemoved = 2,
    /// Where the person was before is kept as long as the policy of positions says.
    HistoryKept = 3,
    /// Nothing by itself; the person can ask to be erased.
    ErasureCanBeAsked = 4,
}

/// What somebody decided of a purpose, or has not decided yet; numbers as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody asked, or nobody answered.
    Undecided = 1,
    /// Agreed to the text in force.
    Granted = 2,
    /// Agreed to an older text: to be asked again.
    Outdated = 3,
    /// Does not agree, or not any more.
    Withdrawn = 4,
}

impl Standing {
    /// From the last decision, as version and whether it was a yes, and the version in force.
    pub fn of(decision: Option<(i32, bool)>, in_force: i32) -> Self {
        match decision {
            None => Self::Undecided,
            Some((_, false)) => Self::Withdrawn,
            Some((version, true)) if version < in_force => Self::Outdated,
            Some((_, true)) => Self::Granted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_to_an_older_text_is_outdated_and_a_no_stays_a_no() {
        assert_eq!(Standing::of(None, 1), Standing::Undecided);
        assert_eq!(Standing::of(Some((1, true)), 1), Standing::Granted);
        assert_eq!(Standing::of(Some((1, true)), 2), Standing::Outdated);
        assert_eq!(Standing::of(Some((1, false)), 2), Standing::Withdrawn);
    }
}

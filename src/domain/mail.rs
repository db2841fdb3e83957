//! What is mailed to people, and how long what it gives them is good.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// What a mail is for. Numbers as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Somebody was made a user and sets the first password.
    Invitation = 1,
    /// The address is to be proved.
    Verification = 2,
    /// The password is to be set anew.
    Reset = 3,
    /// The address was proved.
    Welcome = 4,
    /// Failed attempts locked the account.
    Locked = 5,
    /// The password was changed.
    PasswordChanged = 6,
    /// The second factor was switched off.
    SecondFactorOff = 7,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 7] = [
        Self::Invitation,
        Self::Verification,
        Self::Reset,
        Self::Welcome,
        Self::Locked,
        Self::PasswordChanged,
        Self::SecondFactorOff,
    ];

    /// The purpose of a number, as stored.
    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| *purpose as i32 == number)
    }

    /// How long the secret in its link is good; none: it has no link.
    pub fn lifetime(self) -> Option<SignedDuration> {
        match self {
            Self::Invitation => Some(SignedDuration::from_hours(7 * 24)),
            Self::Verification => Some(SignedDuration::from_hours(24)),
            Self::Reset => Some(SignedDuration::from_hours(1)),
            Self::Welcome | Self::Locked | Self::PasswordChanged | Self::SecondFactorOff => None,
        }
    }
}

/// A mail as it is written, before it goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Address.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

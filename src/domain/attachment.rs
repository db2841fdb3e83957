//! Attachments: files of a task, and what proves that its work was done.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Revision, TaskId, UserId, task};

/// Attachments that a task has at most.
pub const FILES: i64 = 200;

/// What an attachment is for; numbers as on the wire and as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File = 1,
    /// A picture that shows the work.
    Photo = 2,
    /// A picture of a signature.
    Signature = 3,
}

impl Kind {
    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        [Self::File, Self::Photo, Self::Signature]
            .into_iter()
            .find(|kind| *kind as i32 == number)
    }

    /// Whether a file of this content type can be that.
    pub fn admits(self, content_type: &str) -> bool {
        self == Self::File || content_type.starts_with("image/")
    }
}

/// A file of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Number.
    pub id: i64,
    /// Outside name, and name in the store of files.
    pub uid: Uuid,
    /// The task.
    pub task: TaskId,
    /// Who added it.
    pub user: UserId,
    /// What it is for.
    pub kind: Kind,
    /// Name that it came with.
    pub file_name: String,
    /// What kind of file it is, by its bytes.
    pub content_type: String,
    /// Its length in bytes.
    pub size: i64,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// What it shows, in words.
    pub note: String,
    /// When it was added.
    pub created: Timestamp,
}

/// What finishing a task of a kind takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofPolicy {
    /// Kind of task.
    pub kind: task::Kind,
    /// Photos at least.
    pub photos: i32,
    /// Signatures at least.
    pub signatures: i32,
    /// Every item of the checklist is done.
    pub whole_checklist: bool,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// How much there is of what finishing may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Photos.
    pub photos: i64,
    /// Signatures.
    pub signatures: i64,
    /// Items of the checklist that are not done.
    pub open_items: i64,
}

/// What is missing of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// So many photos.
    Photos(i64),
    /// So many signatures.
    Signatures(i64),
    /// So many items of the checklist are not done.
    Items(i64),
}

impl ProofPolicy {
    /// Whether finishing takes anything at all.
    pub fn asks(&self) -> bool {
        self.photos > 0 || self.signatures > 0 || self.whole_checklist
    }

    /// What is missing.
    pub fn lacks(&self, proof: Proof) -> Vec<Lack> {
        let missing = |wanted: i32, there: i64| (i64::from(wanted) - there).max(0);
        let items = if self.whole_checklist { proof.open_items } else { 0 };
        [
            Lack::Photos(missing(self.photos, proof.photos)),
            Lack::Signatures(missing(self.signatures, proof.signatures)),
            Lack::Items(items),
        ]
        .into_iter()
        .filter(|lack| lack.count() > 0)
        .collect()
    }
}

impl Lack {
    /// How many.
    pub fn count(self) -> i64 {
        match self {
            Self::Photos(count) | Self::Signatures(count) | Self::Items(count) => count,
        }
    }

    /// What, as clients read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Photos(_) => "PHOTO",
            Self::Signatures(_) => "SIGNATURE",
            Self::Items(_) => "CHECKLIST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_nothing_else() {
        let policy = ProofPolicy {
            kind: task::Kind::Patrol,
            photos: 2,
            signatures: 1,
            whole_checklist: true,
            updated: Timestamp::UNIX_EPOCH,
            revision: Revision(1),
        };
        let proof = Proof {
            photos: 1,
            signatures: 3,
            open_items: 4,
        };
        assert_eq!(policy.lacks(proof), [Lack::Photos(1), Lack::Items(4)]);
        let whole = Proof {
            photos: 5,
            signatures: 1,
            open_items: 0,
        };
        assert_eq!(policy.lacks(whole), []);
    }
}

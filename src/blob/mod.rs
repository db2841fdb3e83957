//! The bytes of attachments: a folder, or an S3-compatible store.

mod folder;
mod s3;
mod sweep;

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use uuid::Uuid;

use crate::{
    clock::Clock,
    config::FileSettings,
    error::{Error, Result},
};

pub use sweep::run;

/// A file as it comes.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Where the bytes are.
#[derive(Debug)]
pub enum Blobs {
    /// In a folder.
    Folder(folder::Folder),
    /// In a bucket.
    S3(Box<s3::S3>),
}

impl Blobs {
    /// As the settings have it. Nothing is looked at before it is needed.
    pub fn new(settings: &FileSettings, clock: Clock) -> Result<Self> {
        Ok(match &settings.s3_bucket {
            None => Self::Folder(folder::Folder::new(settings.files_dir.clone())),
            Some(bucket) => Self::S3(Box::new(s3::S3::new(bucket, settings, clock)?)),
        })
    }

    /// Begins a new file. Nobody finds it before [`Writer::finish`], and what is dropped before goes.
    pub async fn begin(&self, uid: Uuid) -> Result<Writer<'_>> {
        Ok(match self {
            Self::Folder(folder) => Writer::Folder(folder.begin(uid).await?),
            Self::S3(s3) => Writer::S3(s3.begin(uid)),
        })
    }

    /// The bytes of a file.
    pub async fn read(&self, uid: Uuid) -> Result<Pieces> {
        match self {
            Self::Folder(folder) => folder.read(uid).await,
            Self::S3(s3) => s3.read(uid).await,
        }
    }

    /// Removes a file; one that is not there is gone already.
    pub async fn remove(&self, uid: Uuid) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.remove(uid).await,
            Self::S3(s3) => s3.remove(uid).await,
        }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub enum Writer<'a> {
    /// In a folder.
    Folder(folder::Writer<'a>),
    /// In a bucket.
    S3(s3::Writer<'a>),
}

impl Writer<'_> {
    /// Adds bytes at the end.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        match self {
            Self::Folder(writer) => writer.write(bytes).await,
            Self::S3(writer) => writer.write(bytes).await,
        }
    }

    /// Makes it last.
    pub async fn finish(self) -> Result<()> {
        match self {
            Self::Folder(writer) => writer.finish().await,
            Self::S3(writer) => writer.finish().await,
        }
    }
}

/// The store of files does not do what it should.
fn down(cause: impl std::fmt::Display) -> Error {
    Error::Down(format!("files: {cause}"))
}

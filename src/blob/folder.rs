//! Files in a folder, spread over 256 folders in it.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt as _,
};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{Pieces, down};
use crate::error::Result;

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// The folder.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A folder, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// By the last letters of the name, which are random: the first are a time.
    fn path(&self, uid: Uuid) -> PathBuf {
        let name = uid.simple().to_string();
        self.0.join(&name[name.len() - 2..]).join(name)
    }

    /// Begins a file under another name.
    pub async fn begin(&self, uid: Uuid) -> Result<Writer<'_>> {
        let path = self.path(uid);
        let part = path.with_extension("part");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).await.map_err(down)?;
        }
        let file = File::create_new(&part).await.map_err(down)?;
        Ok(Writer {
            folder: &self.0,
            file,
            part: Part(Some(part)),
            path,
        })
    }

    /// The bytes of a file.
    pub async fn read(&self, uid: Uuid) -> Result<Pieces> {
        let file = File::open(self.path(uid)).await.map_err(down)?;
        Ok(Box::pin(ReaderStream::with_capacity(file, PIECE).map_err(down)))
    }

    /// Removes a file, and what was written of one that was not finished.
    pub async fn remove(&self, uid: Uuid) -> Result<()> {
        let path = self.path(uid);
        for path in [path.with_extension("part"), path] {
            match fs::remove_file(&path).await {
                Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(down(cause)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    folder: &'a Path,
    file: File,
    part: Part,
    path: PathBuf,
}

/// What goes unless it was finished.
#[derive(Debug)]
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Writer<'_> {
    /// Adds bytes at the end.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.file.write_all(&bytes).await.map_err(down)
    }

    /// Waits until it is on the disk, then gives it its name.
    pub async fn finish(mut self) -> Result<()> {
        self.file.flush().await.map_err(down)?;
        self.file.sync_all().await.map_err(down)?;
        let Some(part) = self.part.0.take() else {
            return Ok(());
        };
        if let Err(cause) = fs::rename(&part, &self.path).await {
            self.part.0 = Some(part);
            return Err(down(cause));
        }
        // The names too, of the file and of the folder that may be new.
        for folder in [self.path.parent().unwrap_or(self.folder), self.folder] {
            File::open(folder).await.map_err(down)?.sync_all().await.map_err(down)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_not_finished_leaves_nothing_and_what_is_can_be_read_and_removed() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(place.path().join("new"));
        let uid = Uuid::now_v7();
        let mut writer = folder.begin(uid).await.expect("begun");
        writer.write(Bytes::from_static(b"half")).await.expect("written");
        assert!(folder.read(uid).await.is_err());
        drop(writer);
        let mut writer = folder.begin(uid).await.expect("the name is free again");
        for piece in ["one ", "two"] {
            writer.write(Bytes::from(piece)).await.expect("written");
        }
        writer.finish().await.expect("finished");
        let pieces: Vec<Bytes> = folder.read(uid).await.expect("there").try_collect().await.expect("whole");
        assert_eq!(pieces.concat(), b"one two");
        folder.remove(uid).await.expect("removed");
        folder.remove(uid).await.expect("once more");
        assert!(folder.read(uid).await.is_err());
    }
}

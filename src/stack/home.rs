//! The folder of everything that an installation keeps: data, logs, sockets; one program at a time.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::geteuid;
use uuid::Uuid;

use super::process::Account;

/// Longest folder that PostgreSQL's socket name still fits in: 107 bytes for all of it.
const LONGEST_SOCKET_FOLDER: usize = 107 - "/.s.PGSQL.5432".len();

/// Where folders with short names go; a person's TMPDIR may be long.
const SHORT: &str = "/tmp";

/// Beginning of the names of temporary homes.
const TEMPORARY: &str = "gad-stores-";

/// A home that is ours alone until it is dropped.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    temporary: bool,
    lock: File,
}

impl Home {
    /// Opens a folder, or makes it.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = lock(&path)?;
        make_private(&path.join("log"))?;
        Ok(Self {
            path,
            temporary: false,
            lock,
        })
    }

    /// A new home that is removed in the end; removes those whose program was killed.
    pub fn temporary() -> Result<Self> {
        remove_abandoned();
        let path = Path::new(SHORT).join(format!("{TEMPORARY}{}", Uuid::new_v4().simple()));
        // Root's stores run as another account, which must get through.
        let mode = if is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .mode(mode)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        let mut home = Self::open(&path)?;
        home.temporary = true;
        Ok(home)
    }

    /// A file or folder of the home.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Folder of the logs.
    pub fn logs(&self) -> PathBuf {
        self.join("log")
    }

    /// The account that the stores run as: `postgres` or the data's owner if we are root, else ours.
    pub fn store_account(&self) -> Result<Option<Account>> {
        if !is_root() {
            return Ok(None);
        }
        let known = [self.join("pg"), self.far_folder()]
            .into_iter()
            .find(|data| data.join("PG_VERSION").exists());
        let owner = known.map(|data| Account::owner(&data)).transpose()?;
        match owner.filter(|account| account.uid != 0) {
            Some(owner) => Ok(Some(owner)),
            None => Account::named("postgres").map(Some),
        }
    }

    /// Folder of the database's data; outside the home if its account cannot get there.
    pub fn data_folder(&self, account: Option<Account>) -> Result<PathBuf> {
        let data = self.join("pg");
        let far = self.far_folder();
        let Some(account) = account else {
            return Ok(data);
        };
        if far.join("PG_VERSION").exists() || !reaches(account, &self.path) {
            if let Some(parent) = far.parent() {
                fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
            }
            return Ok(far);
        }
        Ok(data)
    }

    /// Where the data goes if the home cannot hold it: nobody but root can have put something there.
    fn far_folder(&self) -> PathBuf {
        let name = self.path.to_string_lossy().replace('_', "__").replace('/', "_");
        Path::new("/var/lib/gad").join(name)
    }

    /// Folder of the sockets: short enough, and closed to everybody but us and the stores' account.
    pub fn socket_folder(&self, account: Option<Account>) -> Result<PathBuf> {
        let note = self.join("sockets");
        if let Ok(old) = fs::read_to_string(&note) {
            let _ = fs::remove_dir_all(old);
            let _ = fs::remove_file(&note);
        }
        let near = self.join("run");
        let short = near.as_os_str().len() <= LONGEST_SOCKET_FOLDER;
        let folder = if short && account.is_none_or(|account| reaches(account, &self.path)) {
            near
        } else {
            let far = Path::new(SHORT).join(format!("gad-{}", Uuid::new_v4().simple()));
            fs::write(&note, far.as_os_str().as_encoded_bytes())?;
            far
        };
        // Nobody else is at home: what is left there is of a run that was killed.
        let _ = fs::remove_dir_all(&folder);
        make_private(&folder)?;
        if let Some(account) = account {
            account.own(&folder)?;
        }
        Ok(folder)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Ok(far) = fs::read_to_string(self.join("sockets")) {
            let _ = fs::remove_dir_all(far);
            let _ = fs::remove_file(self.join("sockets"));
        }
        if self.temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
        let _ = self.lock.unlock();
    }
}

/// Whether we are root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Makes a folder that only its owner may open.
fn make_private(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make {}", path.display()))
}

fn lock(home: &Path) -> Result<File> {
    let path = home.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot write {}: choose another folder with GAD_HOME", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            write!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "another gad (process {holder}) runs on {}: stop it, or choose another folder with GAD_HOME",
                home.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the home"),
    }
}

/// Whether an account gets to a folder: every folder above lets it through.
fn reaches(account: Account, folder: &Path) -> bool {
    folder.ancestors().all(|step| {
        let owner = Account::owner(step);
        let mode = fs::metadata(step).map_or(0, |data| data.permissions().mode());
        match owner {
            Ok(owner) if owner.uid == account.uid => mode & 0o100 != 0,
            Ok(owner) if owner.gid == account.gid => mode & 0o010 != 0,
            Ok(_) => mode & 0o001 != 0,
            Err(_) => false,
        }
    })
}

/// Removes temporary homes that nobody holds. Fresh ones may just not be locked yet.
fn remove_abandoned() {
    let Ok(entries) = fs::read_dir(SHORT) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ours = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(TEMPORARY));
        let old = fs::metadata(&path)
            .and_then(|data| data.modified())
            .is_ok_and(|time| SystemTime::elapsed(&time).is_ok_and(|age| age > Duration::from_secs(60)));
        let free = || File::open(path.join("lock")).is_ok_and(|file| file.try_lock().is_ok());
        if ours && old && free() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_program_at_a_time() {
        let home = Home::temporary().expect("a first home");
        let second = Home::open(&home.path).expect_err("the home is taken").to_string();
        assert!(second.contains(&format!("process {}", std::process::id())), "{second}");
        let path = home.path.clone();
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn sockets_of_a_deep_home_go_to_a_short_folder_that_is_removed() {
        let outer = Home::temporary().expect("a home");
        let deep = Home::open(&outer.path.join("x".repeat(80))).expect("a deep home");
        let sockets = deep.socket_folder(None).expect("a folder");
        assert!(sockets.as_os_str().len() <= LONGEST_SOCKET_FOLDER, "{}", sockets.display());
        let mode = fs::metadata(&sockets).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(deep);
        assert!(!sockets.exists());
    }
}

//! `gad with-stores`: a command with stores of its own.

use std::{
    io::{IsTerminal as _, stdin},
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, ExitStatus},
};

use anyhow::Result;

use super::{
    home::Home,
    postgres::Durability,
    process::Process,
    signals::{Wish, Wishes},
    stores::{self, Wanted},
    supervisor::Team,
};
use crate::config::WithStoresSettings;

/// Runs a command with DATABASE_URL and REDIS_URL of fresh stores; its exit code is the answer.
pub async fn with_stores(settings: WithStoresSettings) -> Result<ExitCode> {
    let WithStoresSettings {
        home,
        pg_bin,
        durable,
        command,
    } = settings;
    let mut wishes = Wishes::listen()?;
    let home = match home {
        Some(path) => Home::open(&path)?,
        None => Home::temporary()?,
    };
    let wanted = Wanted {
        postgres: true,
        redis: true,
        durability: if durable { Durability::Kept } else { Durability::Temporary },
        programs: pg_bin.as_deref(),
    };
    let mut team = Team::default();
    let started = tokio::select! {
        started = stores::start(&home, wanted, &mut team) => started.map(Some),
        _ = wishes.next() => Ok(None),
    };
    let done = match started {
        Ok(Some(urls)) => {
            let mut environment = vec![("GAD_TEST_STORES", "1".to_owned())];
            environment.extend(urls.database.map(|url| ("DATABASE_URL", url)));
            environment.extend(urls.redis.map(|url| ("REDIS_URL", url)));
            run(&command, &environment, &mut wishes).await
        }
        Ok(None) => Ok(ExitStatus::from_raw(2)),
        Err(error) => Err(error),
    };
    team.end_all().await;
    drop(home);
    done.map(code)
}

/// Runs the command to its end, which a signal may bring about.
async fn run(command: &[String], environment: &[(&'static str, String)], wishes: &mut Wishes) -> Result<ExitStatus> {
    let mut process = Process::foreground(command, environment)?;
    // Ctrl-C at a terminal reaches the command as well, without us.
    let told = stdin().is_terminal();
    loop {
        tokio::select! {
            status = process.ended() => return Ok(status),
            wish = wishes.next() => {
                if wish == Wish::Terminate || !told {
                    process.ask();
                }
            }
        }
    }
}

/// The exit code as a shell would give it.
fn code(status: ExitStatus) -> ExitCode {
    let signal = || status.signal().map_or(1, |signal| 128 + signal);
    ExitCode::from(u8::try_from(status.code().unwrap_or_else(signal)).unwrap_or(1))
}

//! Keeps programs running: starts them in order, starts again what dies, ends them in reverse order.

use std::{process::ExitStatus, time::Duration};

use anyhow::{Result, bail};
use futures::future::select_all;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    probe::Probe,
    process::{Process, Program},
    say,
};

/// Longest that a program may take until it answers; PostgreSQL may have a crash to recover from.
const START: Duration = Duration::from_secs(120);
/// Time between two questions.
const ASK_AGAIN: Duration = Duration::from_millis(25);
/// Deaths in a row that end the start of the team.
const DEATHS: u32 = 5;
/// First and longest wait before a dead program is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A program that has lived this long is well again.
const WELL: Duration = Duration::from_secs(60);

/// A program that is kept running.
#[derive(Debug)]
pub struct Member {
    program: Program,
    probe: Probe,
    grace: Duration,
    process: Option<Process>,
    started: Instant,
    deaths: u32,
}

impl Member {
    /// A program, how to ask whether it is ready, and how long it may take to end.
    pub fn new(program: Program, probe: Probe, grace: Duration) -> Self {
        Self {
            program,
            probe,
            grace,
            process: None,
            started: Instant::now(),
            deaths: 0,
        }
    }

    async fn begin(&mut self) -> Result<()> {
        self.started = Instant::now();
        self.process = Some(self.program.start().await?);
        Ok(())
    }

    /// Waits until the program answers or ends.
    async fn ready(&mut self) -> Result<Option<ExitStatus>> {
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        let probe = &self.probe;
        let answer = async {
            let last = Instant::now() + START;
            loop {
                match probe.ask().await {
                    Ok(()) => return Ok(()),
                    Err(error) if Instant::now() > last => return Err(error),
                    Err(_) => sleep(ASK_AGAIN).await,
                }
            }
        };
        tokio::select! {
            status = process.ended() => Ok(Some(status)),
            answer = answer => match answer {
                Ok(()) => Ok(None),
                Err(error) => bail!("{} does not answer: {error}\n{}", self.program.name, self.program.last_words()),
            },
        }
    }

    /// How long a dead program stays dead.
    fn backoff(&self) -> Duration {
        BACKOFF
            .0
            .saturating_mul(1 << self.deaths.saturating_sub(1).min(10))
            .min(BACKOFF.1)
    }

    /// Waits for the next turn in the program's life: its end, or the time to start it again.
    async fn turn(&mut self) -> Option<ExitStatus> {
        match &mut self.process {
            Some(process) => Some(process.ended().await),
            None => {
                sleep_until(self.started + self.backoff()).await;
                None
            }
        }
    }

    /// Notes the end, and says so.
    fn mourn(&mut self, status: ExitStatus) {
        self.deaths = if self.started.elapsed() > WELL { 1 } else { self.deaths + 1 };
        self.process = None;
        self.started = Instant::now();
        say(format!(
            "  {} ended unexpectedly ({status}); it starts again",
            self.program.name
        ));
    }

    async fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(self.grace).await;
        }
    }
}

/// Programs in the order of their start.
#[derive(Debug, Default)]
pub struct Team {
    members: Vec<Member>,
}

impl Team {
    /// Starts a program and returns when it answers; tells how long that took.
    pub async fn start(&mut self, member: Member) -> Result<()> {
        let begun = Instant::now();
        // A member of the team from now on: whatever happens next, it is ended with the others.
        self.members.push(member);
        let Some(member) = self.members.last_mut() else {
            return Ok(());
        };
        member.begin().await?;
        while let Some(status) = member.ready().await? {
            if member.deaths + 1 >= DEATHS {
                bail!(
                    "{} does not stay up ({status}):\n{}",
                    member.program.name,
                    member.program.last_words()
                );
            }
            member.mourn(status);
            member.turn().await;
            member.begin().await?;
        }
        member.deaths = 0;
        say(format!(
            "  {:<9} ready after {:.1} s",
            member.program.name,
            begun.elapsed().as_secs_f32()
        ));
        Ok(())
    }

    /// Waits until a program ends or is due again, and sees to it; may be dropped and called again.
    pub async fn step(&mut self) {
        let turns = self.members.iter_mut().map(|member| Box::pin(member.turn()));
        let (turn, index, _) = select_all(turns).await;
        let member = &mut self.members[index];
        match turn {
            Some(status) => member.mourn(status),
            None => {
                if let Err(error) = member.begin().await {
                    member.deaths += 1;
                    say(format!("  {} does not start: {error:#}", member.program.name));
                }
            }
        }
    }

    /// Keeps the logs within bounds.
    pub fn bound_logs(&self) {
        self.members.iter().for_each(|member| member.program.bound_log());
    }

    /// Process numbers by name.
    pub fn numbers(&self) -> Map<String, Value> {
        let number = |member: &Member| member.process.as_ref().and_then(Process::id);
        let entry = |member: &Member| Some((member.program.name.to_owned(), number(member)?.into()));
        self.members.iter().filter_map(entry).collect()
    }

    /// Ends one program, and takes it out of the team.
    pub async fn end(&mut self, name: &str) {
        if let Some(index) = self.members.iter().position(|member| member.program.name == name) {
            self.members.remove(index).end().await;
        }
    }

    /// Ends all programs, the last started first.
    pub async fn end_all(&mut self) {
        while let Some(mut member) = self.members.pop() {
            member.end().await;
        }
    }
}

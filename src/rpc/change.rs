//! The frame of every mutation: one transaction, once per request id, facts with the commit.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use prost::{Message, Name};
use tonic::{Response, metadata::MetadataValue};

use super::Call;
use crate::{
    app::App,
    audit::{Seat, Trail},
    dispatch,
    domain::{
        AgentId, TaskId, UserId, ZoneId,
        access::Caller,
        agent::{Agent, Fix},
        announcement::Announcement,
        audit::{Entry, Forgotten, OK},
        fact::{Before, Fact, FactKind, Subject},
        lens::Lens,
        task::Task,
        user::User,
    },
    error::{Error, Missing, Result},
    store::{self, Conn, Tx, position::Reporter, replay::Ticket},
};

/// Name of the response header and trailer that says an answer was kept from an earlier call.
pub const REPLAYED: &str = "idempotent-replayed";

/// What answers with secrets are sealed for.
const REPLAYS: &str = "replays";

/// What secrets in requests are hashed for.
const SECRETS: &str = "secrets in requests";

/// What stands for a secret in a request whose hash is kept: from there nobody can guess it.
pub fn keyed(app: &App, secret: &str) -> String {
    if secret.is_empty() {
        return String::new();
    }
    hex::encode(app.seal.hash(SECRETS, secret.as_bytes()))
}

/// What a mutation asks for, beside its own fields.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// RPC.
    pub method: &'static str,
    /// The caller's name for the request; empty: none.
    pub request_id: &'a str,
    /// Only check.
    pub validate_only: bool,
}

/// A mutation that is meant.
pub fn asked<'a>(method: &'static str, request_id: &'a str) -> Asked<'a> {
    tried(method, request_id, false)
}

/// A mutation that is perhaps only to be checked.
pub fn tried<'a>(method: &'static str, request_id: &'a str, validate_only: bool) -> Asked<'a> {
    Asked {
        method,
        request_id,
        validate_only,
    }
}

/// A mutation under way.
pub struct Change<'a> {
    app: &'a App,
    tx: Tx<'a>,
    asked: Asked<'a>,
    hash: Vec<u8>,
    facts: Vec<Fact>,
    /// Rows of the audit of its parts; none: it is one thing, and its row is made at the end.
    parts: Vec<Entry>,
    sealed: bool,
    forgotten: Option<Forgotten>,
    /// What is to be written down of it.
    pub trail: Trail,
    /// Who does it.
    pub caller: Caller,
    /// When.
    pub now: Timestamp,
}

impl<'a> Change<'a> {
    /// Opens the transaction.
    pub async fn begin(app: &'a App, call: &Call, conn: &'a mut Conn, asked: Asked<'a>, request: &impl Message) -> Result<Self> {
        let caller = call.caller()?;
        call.trail.idempotency_id(asked.request_id);
        Ok(Self {
            tx: conn.begin(call.left()).await?,
            hash: digest(&SHA256, &request.encode_to_vec()).as_ref().to_vec(),
            facts: Vec::new(),
            parts: Vec::new(),
            sealed: false,
            forgotten: None,
            trail: call.trail.clone(),
            now: app.clock.now(),
            app,
            asked,
            caller,
        })
    }

    /// Begins a part that may be refused without the rest; says how much was told before it.
    pub async fn begin_part(&self) -> Result<usize> {
        self.tx.mark();
        Ok(self.facts.len())
    }

    /// Keeps the part that was done to this thing.
    pub async fn keep_part<T: Message + Name>(&mut self, thing: &T) -> Result<()> {
        self.tx.release();
        self.trail.after(thing);
        self.parts.extend(self.trail.entry(self.now, OK));
        self.trail.clear();
        Ok(())
    }

    /// Undoes the part that began when so much was told. If it was refused something, that is written down.
    pub async fn undo_part(&mut self, told: usize, refusal: Option<&Error>) -> Result<()> {
        self.tx.rewind();
        self.tx.release();
        self.facts.truncate(told);
        if !self.asked.validate_only
            && let Some(refusal) = refusal
            && let Some(entry) = self.trail.entry(self.now, refusal.reason())
        {
            self.app.audit.refuse(entry);
        }
        self.trail.clear();
        Ok(())
    }

    /// Undoes all of it and answers all the same: nothing is kept of the request.
    pub fn forgo<T>(self, answer: T) -> Response<T> {
        self.trail.settle();
        Response::new(answer)
    }

    /// Keeps the answer sealed: there is a secret in it.
    pub fn sealed(self) -> Self {
        Self { sealed: true, ..self }
    }

    /// The transaction.
    pub fn tx(&self) -> &Tx<'a> {
        &self.tx
    }

    /// The answer that the same request got before. Comes after the locks, before everything else.
    pub async fn replay<T: Message + Default>(&self) -> Result<Option<Response<T>>> {
        if self.asked.request_id.is_empty() {
            return Ok(None);
        }
        let Some(bytes) = store::replay::claim(&self.tx, &self.ticket(), self.now).await? else {
            return Ok(None);
        };
        self.trail.settle();
        let bytes = if self.sealed {
            self.app.seal.open(REPLAYS, &self.seal_name(), &bytes)?
        } else {
            bytes
        };
        let mut response = Response::new(T::decode(bytes.as_slice()).map_err(Error::internal)?);
        response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
        Ok(Some(response))
    }

    fn ticket(&self) -> Ticket<'_> {
        Ticket {
            user: self.caller.user,
            request_id: self.asked.request_id,
            method: self.asked.method,
            hash: &self.hash,
        }
    }

    /// Under what an answer is sealed: it opens for the same request of the same user only.
    fn seal_name(&self) -> String {
        format!("{} {}", self.caller.user.0, self.asked.request_id)
    }

    /// The task as it is now, if it is there for the caller, and its etag is the one the caller saw (or none is given).
    pub async fn task(&self, id: TaskId, etag: &str) -> Result<Task> {
        let task = store::task::get(&self.tx, id).await?;
        self.known_task(id, task, etag)
    }

    /// The same of a task that was read under its lock.
    pub fn known_task(&self, id: TaskId, task: Option<Task>, etag: &str) -> Result<Task> {
        self.trail.resource("task", id.0);
        let task = task
            .filter(|task| task.is_there_for(&self.caller))
            .ok_or(Error::NotFound(Missing::Task))?;
        self.trail.before(&super::wire::task(&task, &self.caller, self.now));
        super::wire::check_etag(etag, task.revision)?;
        Ok(task)
    }

    /// The agent as it is now, likewise.
    pub async fn agent(&self, id: AgentId, etag: &str) -> Result<Agent> {
        self.trail.resource("agent", id.0);
        let agent = store::agent::get(&self.tx, id)
            .await?
            .filter(|agent| agent.is_visible_to(&self.caller))
            .ok_or(Error::NotFound(Missing::Agent))?;
        self.trail.subject(agent.user);
        self.trail.before(&super::wire::agent(&agent, self.lens()));
        super::wire::check_etag(etag, agent.revision)?;
        Ok(agent)
    }

    /// How the caller sees where others are.
    pub fn lens(&self) -> Lens {
        self.app.precision.lens(&self.caller)
    }

    /// Refuses to name somebody whom the caller may not know of: of others nobody learns by it whether they are there, nor
    /// meets them.
    pub async fn check_known(&self, user: UserId) -> Result<()> {
        let met = match self.caller.sight() {
            Some(sight) if user != self.caller.user => store::user_list::meets(&self.tx, &sight, user).await?,
            _ => true,
        };
        if met { Ok(()) } else { Err(Error::NotFound(Missing::User)) }
    }

    /// The user as it is now, and its etag is the one the caller saw (or none is given). For administrators and oneself.
    pub async fn user(&self, id: UserId, etag: &str) -> Result<User> {
        self.trail.resource("user", id.0);
        let user = store::user::get(&self.tx, id).await?.ok_or(Error::NotFound(Missing::User))?;
        self.trail.subject(id);
        self.trail.before(&super::wire::user(&user));
        super::wire::check_etag(etag, user.revision)?;
        Ok(user)
    }

    /// Tells what happened to a task.
    pub fn task_fact(&mut self, kind: FactKind, task: &Task, before: Before) {
        self.fact(kind, Subject::Task(Box::new(task.clone())), before);
    }

    /// Tells what happened to an agent.
    pub fn agent_fact(&mut self, kind: FactKind, agent: Agent) {
        self.fact(kind, Subject::Agent(Box::new(agent)), Before::default());
    }

    /// The same, with what it was before.
    pub fn agent_fact_after(&mut self, kind: FactKind, agent: Agent, before: Before) {
        self.fact(kind, Subject::Agent(Box::new(agent)), before);
    }

    /// Tells everybody who is connected.
    pub fn announce(&mut self, announcement: Announcement) {
        self.fact(
            FactKind::Announced,
            Subject::Announcement(Box::new(announcement)),
            Before::default(),
        );
    }

    /// Tells facts that were made elsewhere.
    pub fn tell(&mut self, facts: Vec<Fact>) {
        self.facts.extend(facts);
    }

    /// Tells that an agent is in another zone, where it was before.
    pub fn move_fact(&mut self, fix: Fix, reporter: Reporter, before: Option<ZoneId>) {
        let Reporter {
            user,
            tasks,
            fix: _,
            zone,
            service,
            refuses: _,
        } = reporter;
        let before = Before {
            audience: Vec::new(),
            agents: Vec::new(),
            zone: before,
            location: Some(fix.location),
        };
        let subject = Subject::Fix {
            fix,
            user,
            tasks,
            zone,
            off_duty: !service.duty.is_on(),
        };
        self.fact(FactKind::AgentMoved, subject, before);
    }

    /// The audit forgets, with the commit, what may tell of a person.
    pub fn forget(&mut self, forgotten: Forgotten) {
        self.forgotten = Some(forgotten);
    }

    /// Writes down what was told so far, so that it need not be held until the end.
    pub async fn pour(&mut self) -> Result<()> {
        store::outbox::add(&self.tx, &std::mem::take(&mut self.facts)).await
    }

    fn fact(&mut self, kind: FactKind, subject: Subject, before: Before) {
        self.facts.push(Fact {
            kind,
            time: self.now,
            actor: Some(self.caller.user),
            subject,
            before,
        });
    }

    /// Agents as they are before their tasks change; locked, so that [`Change::tell_of`] can compare.
    pub async fn agents(&self, ids: &[AgentId]) -> Result<Vec<Agent>> {
        store::agent::find(&self.tx, ids).await
    }

    /// Tells of those agents whose work or availability is not what it was before.
    pub async fn tell_of(&mut self, before: Vec<Agent>) -> Result<()> {
        let facts = dispatch::tell_of(&self.tx, before, Some(self.caller.user), self.now).await?;
        self.tell(facts);
        Ok(())
    }

    /// Makes it last, with its facts, its answer and its row of the audit; or forgets it, if it was only to be checked.
    pub async fn commit<T: Message + Name>(mut self, answer: T) -> Result<Response<T>> {
        if self.asked.validate_only {
            return Ok(self.forgo(answer));
        }
        let mut rows = std::mem::take(&mut self.parts);
        if rows.is_empty() {
            self.trail.after(&answer);
            rows.extend(self.trail.entry(self.now, OK));
        }
        let mut seat = match rows.first() {
            Some(_) => Some(self.app.audit.seat(&self.tx, self.now).await?),
            None => None,
        };
        let mut entries = match (&self.forgotten, &seat, rows.first()) {
            (Some(forgotten), Some(seat), Some(entry)) => {
                let audit = &self.app.audit;
                audit.forget(&self.tx, seat, forgotten, entry.request_id, self.now).await?
            }
            _ => Vec::new(),
        };
        entries.extend(rows);
        let told = async {
            match &mut seat {
                Some(seat) => self.app.audit.append(&self.tx, seat, entries, &self.facts).await,
                None => store::outbox::add(&self.tx, &self.facts).await,
            }
        };
        tokio::try_join!(told, self.keep(&answer))?;
        let Self { app, tx, trail, .. } = self;
        tx.commit().await?;
        seat.map(Seat::settle).transpose()?;
        trail.settle();
        app.wake.ring();
        Ok(Response::new(answer))
    }

    /// Keeps the answer for those who ask again.
    async fn keep(&self, answer: &impl Message) -> Result<()> {
        if self.asked.request_id.is_empty() {
            return Ok(());
        }
        let bytes = answer.encode_to_vec();
        let bytes = if self.sealed {
            self.app.seal.close(REPLAYS, &self.seal_name(), &bytes)?
        } else {
            bytes
        };
        store::replay::keep(&self.tx, &self.ticket(), &bytes).await
    }
}

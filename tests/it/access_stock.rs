//! Things of the access matrix: each cell has its own, so that calls are real and none is in another's way. They are numbered
//! here and made by the database, many at a time.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use gad::{
    config::DEMO_SECRET,
    domain::{UserId, access::Level, mail::Purpose},
    identity::{ApiTokenText, Factor, Seal, Secret, secret_hash},
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    matrix_rows::NOTHING,
    newcomer::{self, first_hash},
    stage::{collect, replaced},
};

/// What a thing is to whoever asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Theirs, or they themselves.
    Own,
    /// Somebody else's that they may see: in the zone, on their task.
    Seen,
    /// Neither theirs nor in their zone.
    Foreign,
    /// Would be seen, but was deleted or has ended.
    Gone,
    /// Not there.
    Absent,
}

impl Kind {
    /// As the table has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Seen => "seen",
            Self::Foreign => "foreign",
            Self::Gone => "gone",
            Self::Absent => "absent",
        }
    }
}

/// What the thing of a `$name` may be to a caller; nothing for names that stand for no thing of anybody's.
pub fn kinds(name: &str) -> &'static [Kind] {
    use Kind::{Absent, Foreign, Gone, Own, Seen};
    match name {
        "$task" | "$mine" | "$assigned" | "$running" | "$paused" | "$finished" | "$word" => &[Own, Seen, Foreign, Gone, Absent],
        "$waiting" | "$blocker" | "$comment" | "$attachment" | "$item" => &[Own, Seen, Foreign, Gone, Absent],
        "$template" => &[Own, Seen, Foreign, Absent],
        "$agent" | "$me" | "$unit" | "$busy" => &[Own, Seen, Foreign, Gone, Absent],
        "$user" | "$my_user" | "$telegram" | "$person" | "$holder" => &[Own, Seen, Foreign, Gone, Absent],
        "$deleted" | "$gone" => &[Own, Seen, Foreign, Absent],
        "$deleted_user" => &[Seen, Foreign, Absent],
        "$invited" | "$inactive" | "$locked" => &[Seen, Foreign, Gone, Absent],
        "$api_token" | "$session" => &[Own, Foreign, Gone, Absent],
        "$emergency" | "$my_emergency" => &[Own, Seen, Foreign, Absent],
        "$geofence" => &[Seen, Foreign, Gone, Absent],
        "$zone" => &[Seen, Absent],
        _ => &[],
    }
}

/// Somebody made for a cell.
#[derive(Debug, Clone)]
pub struct Live {
    /// Number of the user.
    pub user: i64,
    level: Level,
    agent: Option<i64>,
}

/// Tables in the order in which they can be filled.
const TABLES: &[&str] = &[
    "zones (id, code, display_name, boundary)",
    "users (id, uid, email, username, password_hash, display_name, level, telegram_id, email_verify_time, create_time, update_time)",
    "user_zones (user_id, zone_id)",
    "sessions (id, user_id, create_time, auth_time, last_use_time, expire_time, end_time, end_reason)",
    "refresh_tokens (hash, session_id, create_time)",
    "mailed_tokens (hash, user_id, purpose, email, create_time, expire_time)",
    "api_tokens (id, user_id, display_name, prefix, hash, scopes, create_time, end_time)",
    "agents (id, uid, user_id, code, unit, duty, availability_time, duty_time, create_time, update_time, delete_time)",
    "agent_locations (agent_id, location, zone_id, fix_time, source, receive_time)",
    "tasks (id, uid, code, title, kind, priority, state, planned_start_time, actual_start_time, actual_end_time,
            pause_start_time, location, delegate_user_id, creator_user_id, create_time, update_time, delete_time)",
    "assignments (task_id, agent_id, exclusive, occupying, create_time)",
    "emergencies (id, uid, task_id, reporter_user_id, source, state, stage, due_time, create_time, update_time)",
    "geofences (id, zone_id, display_name, on_enter, on_exit, everybody, margin_meters, max_accuracy_meters, confirmation_count,
                create_time, update_time, delete_time)",
    "comments (id, task_id, user_id, kind, text, create_time, update_time)",
    "blobs (uid, create_time)",
    "attachments (id, uid, task_id, user_id, kind, file_name, content_type, size_bytes, sha256, create_time)",
    "checklist_items (id, task_id, title, create_time)",
    "task_dependencies (task_id, depends_on_task_id, user_id, create_time)",
    "task_templates (id, uid, display_name, title, kind, priority, location, creator_user_id, create_time, update_time)",
];

/// A zone that limits a supervisor, and one that does not; points in them.
const PLACES: [&str; 2] = ["st_makepoint(-74.03, 4.68)", "st_makepoint(-74.11, 4.62)"];

/// What is made with the next flush.
pub struct Stock {
    next: i64,
    /// Numbers of the zones at [`PLACES`].
    zones: [i64; 2],
    /// Whose everything is that is nobody's in particular.
    stranger: i64,
    /// Where files of attachments are.
    files: PathBuf,
    seal: Seal,
    rows: [Vec<String>; TABLES.len()],
    changes: Vec<String>,
    given: HashMap<String, String>,
}

impl Stock {
    /// Nothing as yet.
    pub fn new(zones: [i64; 2], files: &Path) -> Self {
        let mut stock = Self {
            next: 1_000_000,
            zones,
            stranger: 0,
            files: files.to_owned(),
            seal: Seal::new(DEMO_SECRET.into()),
            rows: std::array::from_fn(|_| Vec::new()),
            changes: Vec::new(),
            given: HashMap::new(),
        };
        stock.stranger = stock.user(Level::Agent);
        stock
    }

    /// A name stands for something that is there already.
    pub fn given(&mut self, name: &str, thing: String) {
        self.given.insert(name.to_owned(), thing);
    }

    /// Makes everything that was asked for.
    pub async fn flush(&mut self, database: &tokio_postgres::Client) {
        let mut sql = String::new();
        for (table, rows) in TABLES.iter().zip(&mut self.rows) {
            if !rows.is_empty() {
                let rows = std::mem::take(rows).join(",");
                sql += &format!("insert into {table} overriding system value values {rows};");
            }
        }
        sql += &std::mem::take(&mut self.changes).join(";");
        database.batch_execute(&sql).await.unwrap();
    }

    fn add(&mut self, table: &str, row: String) {
        let at = TABLES.iter().position(|name| name.split_once(' ').unwrap().0 == table);
        self.rows[at.unwrap()].push(format!("({row})"));
    }

    fn id(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    fn change_user(&mut self, id: i64, set: &str) {
        self.changes.push(format!("update users set {set} where id = {id}"));
    }

    fn user(&mut self, level: Level) -> i64 {
        let id = self.id();
        let level = level as i32;
        self.add(
            "users",
            format!(
                "{id}, gen_random_uuid(), 'u{id}@gad.example', 'u{id}', '{}', 'Persona p{id}', {level}, 7000000000 + {id}, now(), now(), now()",
                first_hash()
            ),
        );
        id
    }

    /// Somebody of a level; `limited`: to the first zone.
    pub fn live(&mut self, level: Level, limited: bool) -> Live {
        let user = self.user(level);
        if limited {
            let zone = self.zones[0];
            self.add("user_zones", format!("{user}, {zone}"));
        }
        Live {
            user,
            level,
            agent: None,
        }
    }

    /// A session of somebody's.
    pub fn session(&mut self, user: i64, ended: bool) -> Uuid {
        let id = Uuid::now_v7();
        let end = if ended { "now(), 1" } else { "null, null" };
        let row = format!("'{id}', {user}, now(), now(), now(), now() + interval '7 days', {end}");
        self.add("sessions", row);
        id
    }

    /// An API token of somebody's: its number and its text.
    pub fn api_token(&mut self, user: i64, scope: &str, ended: bool) -> (i64, String) {
        let (id, made) = (self.id(), ApiTokenText::make().unwrap());
        let end = if ended { "now()" } else { "null" };
        let (prefix, hash) = (made.prefix, hex::encode(made.hash));
        let row = format!("{id}, {user}, 'Guion', '{prefix}', '\\x{hash}', array['{scope}'], now(), {end}");
        self.add("api_tokens", row);
        (id, made.text)
    }

    fn agent(&mut self, user: i64, place: usize, deleted: bool) -> i64 {
        let id = self.id();
        let end = if deleted { "now()" } else { "null" };
        let before = "now() - interval '1 hour'";
        let row =
            format!("{id}, gen_random_uuid(), {user}, 'A-{id}', 'U-{id}', 1, {before}, {before}, {before}, {before}, {end}");
        self.add("agents", row);
        let (point, zone) = (PLACES[place], self.zones[place]);
        let row = format!("{id}, {point}, {zone}, now() - interval '1 minute', 1, now()");
        self.add("agent_locations", row);
        id
    }

    /// The agent that somebody is.
    fn agent_of(&mut self, live: &mut Live) -> i64 {
        let agent = live.agent.unwrap_or_else(|| self.agent(live.user, 1, false));
        live.agent = Some(agent);
        agent
    }

    fn task(&mut self, creator: i64, place: Option<usize>, state: i32, deleted: bool) -> i64 {
        let (id, stranger) = (self.id(), self.stranger);
        let delegate = if creator == stranger { creator } else { stranger };
        let place = place.map_or("null", |place| PLACES[place]);
        let started = if state > 1 { "now()" } else { "null" };
        let ended = if state == 4 { "now()" } else { "null" };
        let paused = if state == 3 { "now()" } else { "null" };
        let end = if deleted { "now()" } else { "null" };
        let row = format!(
            "{id}, gen_random_uuid(), 'K-{id}', 'Tarea w{id}', 1, 2, {state}, now(), {started}, {ended}, {paused}, {place}, \
             {delegate}, {creator}, now(), now(), {end}"
        );
        self.add("tasks", row);
        id
    }

    fn assign(&mut self, task: i64, agent: i64, state: i32) {
        let occupying = state == 2 || state == 3;
        self.add("assignments", format!("{task}, {agent}, false, {occupying}, now()"));
    }

    /// Makes a task of some others theirs to see, if it is not in their zone: by being on it.
    fn join(&mut self, live: &mut Live, task: i64, state: i32) {
        if live.level == Level::Agent {
            let agent = self.agent_of(live);
            self.assign(task, agent, state);
        }
    }

    /// The request with each `$name` in it made; the thing of one name is this to the caller, those of the others theirs to
    /// use.
    pub fn fill(&mut self, request: &Value, varied: Option<(&str, Kind)>, live: &mut Live) -> Value {
        let mut names = Vec::new();
        collect(request, &mut names);
        let mut made = self.given.clone();
        for name in names {
            if made.contains_key(&name) {
                continue;
            }
            let kind = match varied {
                Some((varied, kind)) if varied == name => kind,
                _ if kinds(&name).contains(&Kind::Seen) => Kind::Seen,
                _ => Kind::Own,
            };
            let (thing, with) = self.make(&name, kind, live);
            made.insert(name, thing);
            made.extend(with.map(|(name, id)| (name.to_owned(), id.to_string())));
        }
        replaced(request, &made)
    }

    /// What a name stands for, and what comes with it: the agent on a task, or the task that it waits for.
    fn make(&mut self, name: &str, kind: Kind, live: &mut Live) -> (String, Option<(&'static str, i64)>) {
        let number = |id: i64| (id.to_string(), None);
        match name {
            "$task" | "$mine" | "$running" | "$paused" | "$finished" | "$deleted" | "$blocker" => {
                number(self.a_task(name, kind, live))
            }
            "$waiting" => {
                let (task, stranger) = (self.a_task(name, kind, live), self.stranger);
                let other = self.task(stranger, Some(0), 1, false);
                if kind != Kind::Absent {
                    self.add("task_dependencies", format!("{task}, {other}, {stranger}, now()"));
                }
                (task.to_string(), Some(("$its_blocker", other)))
            }
            "$comment" | "$attachment" | "$item" => number(self.a_detail(name, kind, live)),
            "$template" => number(self.a_template(kind, live)),
            "$assigned" => {
                let (task, user) = (self.a_task(name, kind, live), self.user(Level::Agent));
                let agent = self.agent(user, 0, false);
                if kind != Kind::Absent {
                    self.assign(task, agent, 1);
                }
                (task.to_string(), Some(("$its_agent", agent)))
            }
            "$word" => (format!("w{}", self.a_task(name, kind, live)), None),
            "$agent" | "$me" | "$gone" => number(self.an_agent(name, kind, live)),
            "$busy" => {
                // On a task that is to the caller what the agent is.
                let (task, agent) = (self.a_task(name, kind, live), self.an_agent("$agent", kind, live));
                if kind != Kind::Absent && !(kind == Kind::Seen && live.agent == Some(agent)) {
                    self.assign(task, agent, 1);
                }
                number(agent)
            }
            "$unit" => (format!("U-{}", self.an_agent(name, kind, live)), None),
            "$user" | "$my_user" | "$invited" | "$inactive" | "$locked" | "$deleted_user" => {
                number(self.a_user(name, kind, live))
            }
            "$holder" => {
                let user = self.a_user(name, kind, live);
                if kind != Kind::Absent {
                    self.api_token(user, "task.read", false);
                }
                number(user)
            }
            "$telegram" => number(7_000_000_000 + self.a_user(name, kind, live)),
            "$person" => (format!("p{}", self.a_user(name, kind, live)), None),
            "$api_token" => number(self.an_api_token(kind, live)),
            "$emergency" | "$my_emergency" => number(self.an_emergency(kind, live)),
            "$geofence" => number(self.a_geofence(kind)),
            "$zone" => number(self.a_zone(kind)),
            "$session" => {
                let user = if kind == Kind::Foreign { self.stranger } else { live.user };
                let made = match kind {
                    Kind::Absent => Uuid::now_v7(),
                    _ => self.session(user, kind == Kind::Gone),
                };
                (made.to_string(), None)
            }
            _ => (self.word(name, live), None),
        }
    }

    fn a_task(&mut self, name: &str, kind: Kind, live: &mut Live) -> i64 {
        let state = match name {
            "$running" => 2,
            "$paused" => 3,
            "$finished" => 4,
            _ => 1,
        };
        let (deleted, stranger) = (name == "$deleted" || kind == Kind::Gone, self.stranger);
        match kind {
            Kind::Own | Kind::Gone => self.task(live.user, None, state, deleted),
            Kind::Foreign => {
                let (task, user) = (self.task(stranger, Some(1), state, deleted), self.user(Level::Agent));
                let agent = self.agent(user, 1, false);
                self.assign(task, agent, state);
                task
            }
            Kind::Absent => NOTHING,
            Kind::Seen => {
                let task = self.task(stranger, Some(0), state, deleted);
                self.join(live, task, state);
                task
            }
        }
    }

    /// Something of a task that is this to the caller; their own if the task is.
    fn a_detail(&mut self, name: &str, kind: Kind, live: &mut Live) -> i64 {
        if kind == Kind::Absent {
            return NOTHING;
        }
        let user = if kind == Kind::Own { live.user } else { self.stranger };
        let (id, task) = (self.id(), self.a_task("$task", kind, live));
        match name {
            "$comment" => self.add("comments", format!("{id}, {task}, {user}, 1, 'Dicho', now(), now()")),
            "$item" => self.add("checklist_items", format!("{id}, {task}, 'Mirar', now()")),
            _ => {
                let uid = Uuid::now_v7();
                let file = uid.simple().to_string();
                let folder = self.files.join(&file[30..]);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(file), "x").unwrap();
                self.add("blobs", format!("'{uid}', now()"));
                let row = format!("{id}, '{uid}', {task}, {user}, 1, 'x.png', 'image/png', 1, sha256('x'), now()");
                self.add("attachments", row);
            }
        }
        id
    }

    fn a_template(&mut self, kind: Kind, live: &Live) -> i64 {
        let (creator, place) = match kind {
            Kind::Absent => return NOTHING,
            Kind::Own => (live.user, "null"),
            Kind::Foreign => (self.stranger, PLACES[1]),
            Kind::Seen | Kind::Gone => (self.stranger, PLACES[0]),
        };
        let id = self.id();
        let row = format!("{id}, gen_random_uuid(), 'Ronda', 'Ronda', 1, 2, {place}, {creator}, now(), now()");
        self.add("task_templates", row);
        id
    }

    /// One that nobody is called for before the test is over.
    fn an_emergency(&mut self, kind: Kind, live: &mut Live) -> i64 {
        if kind == Kind::Absent {
            return NOTHING;
        }
        let reporter = if kind == Kind::Own { live.user } else { self.stranger };
        let (id, task) = (self.id(), self.a_task("$task", kind, live));
        let due = "now() + interval '1 day'";
        let row = format!("{id}, gen_random_uuid(), {task}, {reporter}, 1, 1, 1, {due}, now(), now()");
        self.add("emergencies", row);
        id
    }

    fn an_agent(&mut self, name: &str, kind: Kind, live: &mut Live) -> i64 {
        let deleted = name == "$gone" || kind == Kind::Gone;
        let place = match kind {
            Kind::Absent => return NOTHING,
            Kind::Own if deleted => return self.agent(live.user, 1, true),
            Kind::Own => return self.agent_of(live),
            Kind::Seen | Kind::Gone => 0,
            Kind::Foreign => 1,
        };
        let user = self.user(Level::Agent);
        self.agent(user, place, deleted)
    }

    fn a_user(&mut self, name: &str, kind: Kind, live: &mut Live) -> i64 {
        let id = match kind {
            Kind::Absent => return NOTHING,
            Kind::Own => return live.user,
            Kind::Seen | Kind::Gone | Kind::Foreign => self.user(Level::Agent),
        };
        if kind != Kind::Foreign {
            // Over, so that it keeps nobody from being deleted.
            let task = self.task(id, Some(0), 4, false);
            self.join(live, task, 4);
        }
        match name {
            "$invited" => self.change_user(id, "password_hash = null"),
            "$inactive" => self.change_user(id, "active = false"),
            "$locked" => self.change_user(id, "lock_time = now(), lock_reason = 'x'"),
            "$deleted_user" => self.change_user(id, "delete_time = now()"),
            _ => {}
        }
        if kind == Kind::Gone {
            self.change_user(id, "delete_time = now()");
        }
        id
    }

    fn an_api_token(&mut self, kind: Kind, live: &Live) -> i64 {
        let user = if kind == Kind::Foreign { self.stranger } else { live.user };
        match kind {
            Kind::Absent => NOTHING,
            _ => self.api_token(user, "task.read", kind == Kind::Gone).0,
        }
    }

    fn a_geofence(&mut self, kind: Kind) -> i64 {
        if kind == Kind::Absent {
            return NOTHING;
        }
        let (id, zone) = (self.id(), self.zones[usize::from(kind == Kind::Foreign)]);
        let end = if kind == Kind::Gone { "now()" } else { "null" };
        let row = format!("{id}, {zone}, 'Cerca', true, true, true, 25, 100, 2, now(), now(), {end}");
        self.add("geofences", row);
        id
    }

    fn a_zone(&mut self, kind: Kind) -> i64 {
        if kind == Kind::Absent {
            return NOTHING;
        }
        let id = self.id();
        let ring = "'POLYGON((-65 -2, -64 -2, -64 -1, -65 -2))'";
        self.add("zones", format!("{id}, 'Z-{id}', 'Lejana', {ring}"));
        id
    }

    /// The caller has a second factor, which counts or does not yet.
    pub fn guard(&mut self, live: &Live, confirmed: bool) -> String {
        let factor = Factor::make().unwrap();
        let sealed = hex::encode(factor.close(&self.seal, UserId(live.user)).unwrap());
        let since = if confirmed { "now()" } else { "null" };
        self.change_user(
            live.user,
            &format!("totp_sealed = '\\x{sealed}', totp_confirm_time = {since}"),
        );
        factor.secret()
    }

    fn mailed(&mut self, purpose: Purpose) -> String {
        let (user, secret) = (self.user(Level::Agent), Secret::make().unwrap());
        let (hash, purpose) = (hex::encode(&secret.hash), purpose as i16);
        let row = format!("'\\x{hash}', {user}, {purpose}, 'u{user}@gad.example', now(), now() + interval '1 day'");
        self.add("mailed_tokens", row);
        secret.text
    }

    /// What is nobody's thing.
    fn word(&mut self, name: &str, live: &Live) -> String {
        match name {
            "$now" => Timestamp::now().to_string(),
            "$code" => format!("C-{}", self.id()),
            "$email" => format!("n{}@gad.example", self.id()),
            "$username" => format!("n{}", self.id()),
            "$number" => self.id().to_string(),
            "$dni" => format!("{:010}", 1_020_000_000 + self.id()),
            "$their_email" => format!("u{}@gad.example", self.user(Level::Agent)),
            "$unproved" => {
                let user = self.user(Level::Agent);
                self.change_user(user, "must_verify_email = true, email_verify_time = null");
                format!("u{user}@gad.example")
            }
            "$refresh" => {
                let (user, secret) = (self.user(Level::Agent), Secret::make().unwrap());
                let session = self.session(user, false);
                let hash = hex::encode(secret_hash(&secret.text));
                self.add("refresh_tokens", format!("'\\x{hash}', '{session}', now()"));
                secret.text
            }
            "$reset" => self.mailed(Purpose::Reset),
            "$verification" => self.mailed(Purpose::Verification),
            "$invitation" => self.mailed(Purpose::Invitation),
            "$code_of_app" => newcomer::code(&newcomer::app(&self.guard(live, false)), Timestamp::now()),
            other => panic!("nobody knows how to make {other}"),
        }
    }
}

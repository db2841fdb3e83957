//! A world behind one door, with things made on demand: the same things, with the same numbers, in each such world.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use gad::{
    clock::Clock,
    config::DEMO_BRIDGE_TOKEN,
    domain::mail::Purpose,
    identity::Secret,
    pb::{self, Availability},
};
use jiff::Timestamp;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};

use crate::{
    attachment,
    doors::{Answer, Door, Doorway},
    newcomer::{self, Newcomer},
    world::{Person, World, draft},
};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Somebody without a token.
    Nobody,
    /// The field agent of the demo city.
    Agent,
    /// The supervisor.
    Supervisor,
    /// The administrator.
    Administrator,
    /// A field agent made for this call.
    Newcomer,
    /// The same, with a second factor.
    Guarded,
    /// The bridge, for itself.
    Bridge,
}

/// The moment at which all worlds of a test stand still.
#[derive(Debug, Clone, Default)]
pub struct Moment(Arc<OnceLock<Timestamp>>);

impl Moment {
    /// The moment; the first who asks fixes it.
    pub fn get(&self) -> Timestamp {
        *self.0.get_or_init(|| Clock::system().now())
    }

    fn clock(&self) -> Clock {
        let moment = self.clone();
        Clock::of(move || moment.get())
    }
}

/// Somebody made for a call.
struct Arrived {
    newcomer: Newcomer,
    tokens: pb::LoginResponse,
    person: Person,
    guarded: bool,
}

/// A world behind one door.
pub struct Stage {
    world: World,
    /// The door.
    pub doorway: Doorway,
    database: tokio_postgres::Client,
    agent: Person,
    supervisor: Person,
    administrator: Person,
    moment: Moment,
    made: Mutex<HashMap<String, String>>,
    newcomer: tokio::sync::Mutex<Option<Arrived>>,
    count: Mutex<u32>,
}

impl Stage {
    /// Builds a world that stands still at a moment, and opens a door to it.
    pub async fn build(door: Door, moment: &Moment) -> Self {
        let world = World::with_clock(moment.clock(), |_| {}).await;
        Self {
            doorway: Doorway::open(door, &world.replica).await,
            database: world.database().await,
            agent: world.agent().await,
            supervisor: world.supervisor().await,
            administrator: world.administrator().await,
            moment: moment.clone(),
            made: Mutex::default(),
            newcomer: tokio::sync::Mutex::default(),
            count: Mutex::default(),
            world,
        }
    }

    /// Calls through the door.
    pub async fn call(&self, who: Who, method: &MethodDescriptor, request: &Value) -> Answer {
        let until = ["snapshot_end", "checkpoint", "end", "whole"];
        let token = self.token(who).await;
        self.doorway.call(method, request, token.as_deref(), &until).await
    }

    /// The world's database.
    pub fn database(&self) -> &tokio_postgres::Client {
        &self.database
    }

    /// Number of the user who calls; none for nobody and the bridge.
    pub async fn caller(&self, who: Who) -> Option<i64> {
        match who {
            Who::Nobody | Who::Bridge => None,
            Who::Agent => Some(self.agent.id),
            Who::Supervisor => Some(self.supervisor.id),
            Who::Administrator => Some(self.administrator.id),
            Who::Newcomer | Who::Guarded => Some(self.arrived(async |arrived| arrived.person.id).await),
        }
    }

    /// The token of whoever calls.
    pub async fn token(&self, who: Who) -> Option<String> {
        let person = match who {
            Who::Nobody => return None,
            Who::Bridge => return Some(DEMO_BRIDGE_TOKEN.to_owned()),
            Who::Agent => &self.agent,
            Who::Supervisor => &self.supervisor,
            Who::Administrator => &self.administrator,
            Who::Newcomer => return Some(self.arrived(async |arrived| arrived.person.token.clone()).await),
            Who::Guarded => {
                let guarded = async |arrived: &mut Arrived| {
                    self.guard(arrived).await;
                    arrived.person.token.clone()
                };
                return Some(self.arrived(guarded).await);
            }
        };
        Some(person.token.clone())
    }

    /// Whoever is made for this call.
    async fn arrived<T>(&self, then: impl AsyncFnOnce(&mut Arrived) -> T) -> T {
        let mut there = self.newcomer.lock().await;
        if there.is_none() {
            let newcomer = Newcomer::to(&self.world, &format!("new{}", self.next())).await;
            let tokens = newcomer.tokens().await;
            *there = Some(Arrived {
                person: Person::of(&tokens, self.world.replica.channel()),
                newcomer,
                tokens,
                guarded: false,
            });
        }
        then(there.as_mut().unwrap()).await
    }

    async fn guard(&self, arrived: &mut Arrived) {
        if !std::mem::replace(&mut arrived.guarded, true) {
            arrived.newcomer.enrol(&arrived.person, self.moment.get()).await;
        }
    }

    /// Something of whoever is made for this call.
    async fn theirs(&self, name: &str) -> String {
        self.arrived(async |arrived| {
            let Arrived {
                newcomer,
                tokens,
                person,
                ..
            } = arrived;
            let enrol = async || {
                let enrolled = person.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap().into_inner();
                newcomer::code(&newcomer::app(&enrolled.secret), self.moment.get())
            };
            match name {
                "$their_email" => newcomer.email.clone(),
                "$their_username" => newcomer.username.clone(),
                "$refresh" => tokens.refresh_token.clone(),
                "$session" => newcomer.tokens().await.session_id,
                "$code_of_app" => enrol().await,
                "$wrong_code" => {
                    let right: u32 = enrol().await.parse().unwrap();
                    format!("{:06}", (right + 1) % 1_000_000)
                }
                "$reset" => self.mailed(newcomer, Purpose::Reset).await,
                "$verification" => self.mailed(newcomer, Purpose::Verification).await,
                "$invitation" => self.mailed(newcomer, Purpose::Invitation).await,
                "$unproved" => {
                    newcomer.set("must_verify_email = true, email_verify_time = null").await;
                    newcomer.email.clone()
                }
                "$guarded" => {
                    self.guard(arrived).await;
                    arrived.newcomer.email.clone()
                }
                other => panic!("nobody knows how to make {other}"),
            }
        })
        .await
    }

    /// A secret as if it had been mailed.
    async fn mailed(&self, to: &Newcomer, purpose: Purpose) -> String {
        let secret = Secret::make().unwrap();
        let now = self.moment.get();
        let until = now + purpose.lifetime().unwrap();
        self.database
            .execute(
                "insert into mailed_tokens (hash, user_id, purpose, email, create_time, expire_time)
                 values ($1, $2, $3, $4, $5, $6)",
                &[&secret.hash, &to.id, &(purpose as i16), &to.email, &now, &until],
            )
            .await
            .unwrap();
        secret.text
    }

    /// Ends the world.
    pub async fn end(self) {
        self.world.replica.stop().await;
    }

    /// The request with each `$name` in it made real; the same name is the same thing within a request.
    pub async fn fill(&self, request: &Value) -> Value {
        let mut names = Vec::new();
        collect(request, &mut names);
        self.made.lock().unwrap().clear();
        *self.newcomer.lock().await = None;
        for name in names {
            if !self.made.lock().unwrap().contains_key(&name) {
                let made = self.make(&name).await;
                self.made.lock().unwrap().insert(name, made);
            }
        }
        replaced(request, &self.made.lock().unwrap())
    }

    async fn make(&self, name: &str) -> String {
        match name {
            "$now" => self.moment.get().to_string(),
            "$me" => self.agent.agent_id.unwrap().to_string(),
            "$my_user" => self.agent.id.to_string(),
            "$code" => format!("C-{}", self.next()),
            "$taken" => self.scheduled().await.code,
            "$taken_call_sign" => self.fresh_agent().await.code,
            "$their_email" | "$their_username" | "$refresh" | "$session" | "$code_of_app" | "$wrong_code" | "$reset"
            | "$verification" | "$invitation" | "$unproved" | "$guarded" => self.theirs(name).await,
            "$email" => format!("u{}@gad.example", self.next()),
            "$user" | "$invited" | "$inactive" | "$locked" | "$deleted_user" | "$delegate" | "$only_administrator" => {
                self.a_user(name).await.to_string()
            }
            "$dni" => self.national_id(),
            "$taken_dni" => self.taken_national_id().await,
            "$old_version" => self.old_version().await.to_string(),
            "$telegram" => self.identity("telegram_id").await,
            "$username" => self.identity("username").await,
            "$emergency" => self.an_emergency(&self.supervisor).await.id.to_string(),
            "$my_emergency" => self.an_emergency(&self.agent).await.id.to_string(),
            "$urgent" => self.an_emergency(&self.supervisor).await.task_id.to_string(),
            "$geofence" => self.a_geofence().await.to_string(),
            "$api_token" => self.an_api_token().await.to_string(),
            "$notification_rule" | "$webhook" | "$dead" | "$undelivered" => self.a_notice(name).await.to_string(),
            "$zone" | "$limiting_zone" => self.a_zone(name).await.to_string(),
            "$agent" | "$resting" | "$busy" | "$serving" | "$gone" | "$replaced" | "$orphan" => {
                self.an_agent(name).await.to_string()
            }
            "$comment" | "$attachment" | "$item" | "$closed_item" | "$template" => self.a_detail(name).await.to_string(),
            _ => self.a_task(name).await.to_string(),
        }
    }

    /// Something of a task that the demo city's agent is on; the supervisor made it.
    async fn a_detail(&self, name: &str) -> i64 {
        if name == "$template" {
            let template = pb::TaskTemplate {
                display_name: "Ronda".to_owned(),
                title: "Ronda de la noche".to_owned(),
                kind: pb::TaskKind::Patrol as i32,
                checklist: vec!["Revisar la puerta".to_owned()],
                ..Default::default()
            };
            let request = pb::CreateTemplateRequest {
                template: Some(template),
                ..Default::default()
            };
            return self
                .supervisor
                .templates()
                .create_template(request)
                .await
                .unwrap()
                .into_inner()
                .id;
        }
        let task_id = self.a_task("$mine").await;
        match name {
            "$comment" => {
                let request = pb::CreateCommentRequest {
                    task_id,
                    text: "Todo en orden".to_owned(),
                    ..Default::default()
                };
                self.supervisor
                    .comments()
                    .create_comment(request)
                    .await
                    .unwrap()
                    .into_inner()
                    .id
            }
            "$attachment" => {
                let request = attachment::piece(task_id, &attachment::png(300));
                let pieces = tokio_stream::iter([request]);
                let added = self.supervisor.attachments().upload_attachment(pieces).await.unwrap();
                added.into_inner().id
            }
            "$item" | "$closed_item" => {
                let request = pb::CreateChecklistItemRequest {
                    task_id,
                    title: "Revisar la puerta".to_owned(),
                    ..Default::default()
                };
                let made = self.supervisor.checklists().create_checklist_item(request).await;
                if name == "$closed_item" {
                    let cancel = pb::TaskStepRequest {
                        id: task_id,
                        reason: "Ya no".to_owned(),
                        ..Default::default()
                    };
                    self.supervisor.tasks().cancel_task(cancel).await.unwrap();
                }
                made.unwrap().into_inner().id
            }
            other => panic!("nobody knows how to make {other}"),
        }
    }

    /// A task waits for another, which is `$its_blocker`.
    async fn wait_for_another(&self, id: i64) {
        let other = self.scheduled().await.id;
        let request = pb::AddDependencyRequest {
            task_id: id,
            depends_on_task_id: other,
            ..Default::default()
        };
        self.supervisor.dependencies().add_dependency(request).await.unwrap();
        self.made.lock().unwrap().insert("$its_blocker".to_owned(), other.to_string());
    }

    /// A task gets as much as a task may have.
    async fn fill_up(&self, id: i64) {
        let sql = "
            with b as (insert into blobs (uid, create_time) select gen_random_uuid(), $2 from generate_series(1, 200) returning uid),
                 c as (insert into checklist_items (task_id, title, create_time)
                       select $1, 'x', $2 from generate_series(1, 200)),
                 t as (insert into tasks (uid, code, title, kind, priority, state, planned_start_time, delegate_user_id,
                                          creator_user_id, create_time, update_time)
                       select gen_random_uuid(), 'F-' || $1 || '-' || i, 'x', 1, 2, 1, $2, $3, $3, $2, $2
                       from generate_series(1, 50) i returning id),
                 d as (insert into attachments (uid, task_id, user_id, kind, file_name, content_type, size_bytes, sha256, create_time)
                       select uid, $1, $3, 1, 'x', 'image/png', 1, sha256('x'), $2 from b)
            select id from t";
        let others = self
            .database
            .query(sql, &[&id, &self.moment.get(), &self.supervisor.id])
            .await
            .unwrap();
        let others: Vec<i64> = others.iter().map(|row| row.get(0)).collect();
        let sql = "insert into task_dependencies (task_id, depends_on_task_id, user_id, create_time)
                   select $1, o, $3, $2 from unnest($4::bigint[]) o";
        self.database
            .execute(sql, &[&id, &self.moment.get(), &self.supervisor.id, &others])
            .await
            .unwrap();
    }

    /// A task whose kind takes a photo to be finished.
    async fn unproven(&self) -> i64 {
        let mut task = draft("Capacitar");
        task.kind = pb::TaskKind::Training as i32;
        let sql = "update proof_policies set photo_count = 1 where kind = $1";
        let kind = i16::try_from(task.kind).unwrap();
        self.database.execute(sql, &[&kind]).await.unwrap();
        let request = pb::CreateTaskRequest {
            task: Some(task),
            ..Default::default()
        };
        self.supervisor.tasks().create_task(request).await.unwrap().into_inner().id
    }

    async fn an_agent(&self, name: &str) -> i64 {
        let agent = self.fresh_agent().await;
        if name != "$resting" {
            self.call_on_duty(agent.id).await;
        }
        let delete = async || {
            let request = pb::DeleteAgentRequest {
                id: agent.id,
                ..Default::default()
            };
            self.administrator.agents().delete_agent(request).await.unwrap();
        };
        match name {
            "$agent" | "$resting" => {}
            "$busy" => self.assign(self.scheduled().await.id, agent.id, true).await,
            "$serving" => self.assign(self.scheduled().await.id, agent.id, false).await,
            "$gone" => delete().await,
            "$orphan" => {
                delete().await;
                self.change_user(agent.user_id, "active = false").await;
            }
            "$replaced" => {
                delete().await;
                self.agent_of(agent.user_id).await;
            }
            other => panic!("nobody knows how to make {other}"),
        }
        agent.id
    }

    async fn a_task(&self, name: &str) -> i64 {
        let id = match name {
            "$own" => self.agent.task("De la agente").await.id,
            "$nowhere" => self.nowhere().await,
            "$unproven" => self.unproven().await,
            _ => self.scheduled().await.id,
        };
        let step = || pb::TaskStepRequest {
            id,
            ..Default::default()
        };
        let mut tasks = self.supervisor.tasks();
        match name {
            "$task" | "$own" | "$nowhere" => {}
            "$reachable" => self.an_agent_at_hand().await,
            "$mine" => self.assign(id, self.agent.agent_id.unwrap(), false).await,
            "$assigned" => {
                let agent = self.fresh_agent().await.id;
                self.assign(id, agent, false).await;
                self.made.lock().unwrap().insert("$its_agent".to_owned(), agent.to_string());
            }
            "$watched" => {
                let agent = self.fresh_agent().await.id;
                self.assign(id, agent, false).await;
                tasks.start_task(step()).await.unwrap();
                self.made.lock().unwrap().insert("$its_agent".to_owned(), agent.to_string());
            }
            "$running" | "$unproven" => drop(tasks.start_task(step()).await.unwrap()),
            "$waiting" => self.wait_for_another(id).await,
            "$full" => self.fill_up(id).await,
            "$blocker" => {}
            "$paused" => {
                tasks.start_task(step()).await.unwrap();
                tasks.pause_task(step()).await.unwrap();
            }
            "$finished" => {
                tasks.start_task(step()).await.unwrap();
                tasks.finish_task(step()).await.unwrap();
            }
            "$deleted" => {
                let request = pb::DeleteTaskRequest {
                    id,
                    ..Default::default()
                };
                self.administrator.tasks().delete_task(request).await.unwrap();
            }
            other => panic!("nobody knows how to make {other}"),
        }
        id
    }

    fn next(&self) -> u32 {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        *count
    }

    async fn scheduled(&self) -> pb::Task {
        let request = pb::CreateTaskRequest {
            task: Some(draft("Patrullar el parque")),
            ..Default::default()
        };
        self.supervisor.tasks().create_task(request).await.unwrap().into_inner()
    }

    /// Somebody free, just where tasks are.
    async fn an_agent_at_hand(&self) {
        let agent = self.fresh_agent().await;
        self.call_on_duty(agent.id).await;
        let sql = "insert into agent_locations (agent_id, location, fix_time, source, receive_time)
                   values ($1, st_makepoint(-74.07, 4.65), $2, 1, $2)";
        self.database.execute(sql, &[&agent.id, &self.moment.get()]).await.unwrap();
    }

    /// Made by the database: what a rule asks for comes in its own time.
    async fn a_notice(&self, name: &str) -> i64 {
        let sql = match name {
            "$notification_rule" => {
                "insert into notification_rules (display_name, event_types, update_time) values ('Regla', '{7}', $1) returning id"
            }
            "$webhook" => {
                "insert into webhooks (uid, display_name, url, disabled, owner_user_id, sealed, create_time, update_time)
                 values (gen_random_uuid(), 'Sala', 'https://hooks.gad.example/', true, 1, 'x', $1, $1) returning id"
            }
            "$dead" => {
                "insert into deliveries (uid, channel, user_id, event_type, event_time, task_id, epoch, xid, seq, state, attempts,
                                         expire_time, failure, create_time, end_time)
                 values (gen_random_uuid(), 2, 3, 4, $1, 1, 0, 0, nextval('deliveries_id_seq'), 3, 9, $1, 'x', $1, $1) returning id"
            }
            _ => {
                "insert into deliveries (uid, channel, user_id, event_type, event_time, task_id, epoch, xid, seq, next_time,
                                         expire_time, create_time)
                 values (gen_random_uuid(), 2, 3, 4, $1, 1, 0, 0, nextval('deliveries_id_seq'), $1, $1::timestamptz + interval '1 day', $1)
                 returning id"
            }
        };
        self.database.query_one(sql, &[&self.moment.get()]).await.unwrap().get(0)
    }

    /// An open emergency of somebody; of a person it is one.
    async fn an_emergency(&self, reporter: &Person) -> pb::Emergency {
        let request = pb::RaiseEmergencyRequest {
            location: draft("").location,
            ..Default::default()
        };
        reporter.emergencies().raise_emergency(request).await.unwrap().into_inner()
    }

    /// A fence around a zone that nobody is in.
    async fn a_geofence(&self) -> i64 {
        let geofence = pb::Geofence {
            display_name: "Cerca".to_owned(),
            zone_id: self.a_zone("$zone").await,
            crossings: vec![pb::GeofenceEventKind::Entered as i32],
            ..Default::default()
        };
        let request = pb::CreateGeofenceRequest {
            geofence: Some(geofence),
            ..Default::default()
        };
        self.supervisor
            .geofences()
            .create_geofence(request)
            .await
            .unwrap()
            .into_inner()
            .id
    }

    /// A task without a place.
    async fn nowhere(&self) -> i64 {
        let mut task = draft("Redactar el informe");
        task.location = None;
        let request = pb::CreateTaskRequest {
            task: Some(task),
            ..Default::default()
        };
        self.supervisor.tasks().create_task(request).await.unwrap().into_inner().id
    }

    async fn assign(&self, id: i64, agent_id: i64, exclusive: bool) {
        let request = pb::AssignTaskRequest {
            id,
            agent_id,
            exclusive,
            ..Default::default()
        };
        self.supervisor.tasks().assign_task(request).await.unwrap();
    }

    async fn call_on_duty(&self, id: i64) {
        let request = pb::SetAvailabilityRequest {
            id,
            availability: Availability::Available as i32,
            ..Default::default()
        };
        self.supervisor.agents().set_availability(request).await.unwrap();
    }

    /// Made by the database: it is quicker, and rows need many.
    async fn user(&self) -> i64 {
        let sql =
            "insert into users (uid, email, password_hash, display_name, level, create_time, update_time, email_verify_time)
                   select gen_random_uuid(), $1, 'none', 'Rosa Peña', 1, $2, $2, $2 returning id";
        let (email, now) = (format!("u{}@gad.example", self.next()), self.moment.get());
        self.database.query_one(sql, &[&email, &now]).await.unwrap().get(0)
    }

    async fn change_user(&self, id: i64, set: &str) {
        let sql = format!("update users set {set} where id = $1");
        self.database.execute(&sql, &[&id]).await.unwrap();
    }

    async fn a_user(&self, name: &str) -> i64 {
        let id = self.user().await;
        match name {
            "$user" => {}
            "$invited" => self.change_user(id, "password_hash = null").await,
            "$inactive" => self.change_user(id, "active = false").await,
            "$locked" => self.change_user(id, "lock_time = create_time, lock_reason = 'x'").await,
            "$deleted_user" => self.change_user(id, "delete_time = create_time").await,
            "$delegate" => {
                let mut task = draft("Delegada");
                task.delegate_user_id = id;
                let request = pb::CreateTaskRequest {
                    task: Some(task),
                    ..Default::default()
                };
                self.supervisor.tasks().create_task(request).await.unwrap();
            }
            "$only_administrator" => {
                self.change_user(id, "level = 3").await;
                // Whoever calls keeps the level and the token, but could not sign in again.
                let others = "update users set password_hash = null where level = 3 and id <> $1";
                self.database.execute(others, &[&id]).await.unwrap();
            }
            other => panic!("nobody knows how to make {other}"),
        }
        id
    }

    /// Something by which somebody else is known.
    async fn identity(&self, column: &str) -> String {
        let id = self.user().await;
        let (set, value) = match column {
            "telegram_id" => ("telegram_id = 5000 + id".to_owned(), (5000 + id).to_string()),
            _ => (format!("username = 'rosa{id}'"), format!("Rosa{id}")),
        };
        self.change_user(id, &set).await;
        value
    }

    fn national_id(&self) -> String {
        format!("{:010}", 1_020_300_000 + self.next())
    }

    /// The national id of somebody.
    async fn taken_national_id(&self) -> String {
        let request = pb::SetNationalIdRequest {
            user_id: self.user().await,
            national_id: self.national_id(),
            ..Default::default()
        };
        self.administrator.privacy().set_national_id(request.clone()).await.unwrap();
        request.national_id
    }

    /// A version of the text on places that is not in force any more.
    async fn old_version(&self) -> i32 {
        let request = pb::PublishConsentTextRequest {
            purpose: pb::ConsentPurpose::Location as i32,
            texts: vec![pb::LocalizedConsentText {
                language: "es".to_owned(),
                title: "Ubicación".to_owned(),
                body: "Otro texto".to_owned(),
            }],
            ..Default::default()
        };
        let published = self.administrator.privacy().publish_consent_text(request).await.unwrap();
        published.into_inner().texts[0].version - 1
    }

    async fn an_api_token(&self) -> i64 {
        let request = pb::CreateApiTokenRequest {
            api_token: Some(pb::ApiToken {
                display_name: "Guion".to_owned(),
                scopes: vec!["task.read".to_owned()],
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = self.agent.api_tokens().create_api_token(request).await.unwrap();
        made.into_inner().api_token.unwrap().id
    }

    async fn a_zone(&self, name: &str) -> i64 {
        let point = |latitude, longitude| pb::LatLng { latitude, longitude };
        let zone = pb::Zone {
            code: format!("Z-{}", self.next()),
            display_name: "Lejana".to_owned(),
            boundary: vec![point(-2.0, -65.0), point(-2.0, -64.0), point(-1.0, -64.0), point(-2.0, -65.0)],
            ..Default::default()
        };
        let request = pb::CreateZoneRequest {
            zone: Some(zone),
            ..Default::default()
        };
        let zone = self.administrator.zones().create_zone(request).await.unwrap().into_inner();
        if name == "$limiting_zone" {
            let sql = "insert into user_zones (user_id, zone_id) values ($1, $2)";
            self.database.execute(sql, &[&self.user().await, &zone.id]).await.unwrap();
        }
        zone.id
    }

    async fn fresh_agent(&self) -> pb::Agent {
        self.agent_of(self.user().await).await
    }

    async fn agent_of(&self, user_id: i64) -> pb::Agent {
        let request = pb::CreateAgentRequest {
            agent: Some(pb::Agent {
                user_id,
                code: format!("A-{}", self.next()),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.administrator.agents().create_agent(request).await.unwrap().into_inner()
    }
}

/// Names in the order in which they stand; `$its_agent` and `$its_blocker` come with their task.
pub fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('$') && !text.starts_with("$its_") => names.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, names)),
        _ => {}
    }
}

/// The value with what was made for each name in it.
pub fn replaced(value: &Value, made: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => json!(made.get(text).unwrap_or(text)),
        Value::Array(items) => items.iter().map(|item| replaced(item, made)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), replaced(field, made)))
            .collect(),
        other => other.clone(),
    }
}

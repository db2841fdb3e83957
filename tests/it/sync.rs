//! Phones that were offline.

use std::collections::BTreeMap;

use gad::pb::{
    self, ErrorReason, MutationStatus, TaskAction as Action, TaskState, event::Resource as Told, snapshot_row::Resource as Row,
};
use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use tokio::sync::Mutex;

use crate::world::{Person, World, draft, until};

fn time(time: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    })
}

fn step(name: &str, id: i64, action: Action) -> pb::Mutation {
    pb::Mutation {
        request_id: name.to_owned(),
        task_step: Some(pb::TaskStepMutation {
            id,
            action: action as i32,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pushed(mutations: Vec<pb::Mutation>) -> pb::PushRequest {
    pb::PushRequest {
        mutations,
        ..Default::default()
    }
}

async fn push(person: &Person, mutations: Vec<pb::Mutation>) -> Vec<pb::MutationResult> {
    person.sync().push(pushed(mutations)).await.unwrap().into_inner().results
}

/// A phone: what it thinks there is, and what it did and could not say as yet.
#[derive(Default)]
struct Phone {
    name: usize,
    tasks: BTreeMap<i64, pb::Task>,
    cursor: String,
    pending: Vec<pb::Mutation>,
    done: usize,
}

impl Phone {
    /// Takes a step by its own copy, as people do who are offline.
    fn act(&mut self, pick: usize, action: Action, guarded: bool) {
        let Some(task) = self.tasks.values().nth(pick % self.tasks.len().max(1)) else {
            return;
        };
        self.done += 1;
        let mut mutation = step(&format!("p{}-{}", self.name, self.done), task.id, action);
        if guarded && let Some(step) = &mut mutation.task_step {
            step.etag = task.etag.clone();
        }
        self.pending.push(mutation);
    }

    /// Keeps the later of two copies.
    fn keep(&mut self, task: pb::Task) {
        let known = self.tasks.get(&task.id).map_or(0, |known| known.revision);
        if task.revision >= known {
            self.tasks.insert(task.id, task);
        }
    }

    fn learn(&mut self, pulled: pb::PullResponse) -> bool {
        if pulled.reset {
            self.tasks.clear();
        }
        for row in pulled.rows {
            if let Some(Row::Task(task)) = row.resource {
                self.keep(task);
            }
        }
        for event in pulled.events {
            match event.resource {
                Some(Told::Task(task)) => self.keep(task),
                Some(Told::Hidden(hidden)) => drop(self.tasks.remove(&hidden.task_id)),
                _ => {}
            }
        }
        self.cursor = pulled.next_cursor;
        pulled.has_more
    }

    /// One round trip: all that is pending, and a page of news. Of a lost answer the phone learns nothing.
    async fn meet(&mut self, person: &Person, lost: bool) -> bool {
        let request = pb::PushRequest {
            mutations: self.pending.clone(),
            pull: true,
            cursor: self.cursor.clone(),
            page_size: 7,
        };
        let answer = person.sync().push(request).await.unwrap().into_inner();
        if lost {
            return true;
        }
        assert_eq!(answer.results.len(), self.pending.len());
        for result in answer.results {
            assert_ne!(result.status(), MutationStatus::Later);
            assert_ne!(result.status(), MutationStatus::Unspecified);
            if let Some(task) = result.task {
                self.keep(task);
            }
        }
        self.pending.clear();
        self.learn(answer.pulled.unwrap())
    }

    /// Until there is nothing to say or hear.
    async fn settle(&mut self, person: &Person) {
        while self.meet(person, false).await {}
    }

    /// Its open tasks by revision and state.
    fn open(&self) -> BTreeMap<i64, (i64, i32)> {
        let open = self.tasks.values().filter(|task| task.state <= TaskState::Paused as i32);
        open.filter(|task| task.delete_time.is_none())
            .map(|task| (task.id, (task.revision, task.state)))
            .collect()
    }
}

/// What happens between phones and the city.
#[derive(Debug, Clone)]
enum Turn {
    /// A phone does something offline.
    Act(usize, usize, Action, bool),
    /// A phone meets the server; the answer may be lost.
    Meet(usize, bool),
    /// Somebody else takes a step meanwhile.
    Meanwhile(usize, Action),
    /// A supervisor gives the phones' owner a task, or takes one away.
    Give(bool, usize),
}

fn any_step() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![
        Action::Start,
        Action::Pause,
        Action::Resume,
        Action::Finish,
        Action::Cancel,
    ])
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        10 => (0..2_usize, 0..20_usize, any_step(), any::<bool>()).prop_map(|(phone, pick, action, guarded)| Turn::Act(phone, pick, action, guarded)),
        2 => (0..2_usize, any::<bool>()).prop_map(|(phone, lost)| Turn::Meet(phone, lost)),
        2 => (0..20_usize, any_step()).prop_map(|(pick, action)| Turn::Meanwhile(pick, action)),
        1 => (any::<bool>(), 0..20_usize).prop_map(|(give, pick)| Turn::Give(give, pick)),
    ]
}

async fn assign(supervisor: &Person, id: i64, agent_id: i64, on: bool) {
    let mut tasks = supervisor.tasks();
    let _ = if on {
        let request = pb::AssignTaskRequest {
            id,
            agent_id,
            ..Default::default()
        };
        tasks.assign_task(request).await
    } else {
        let request = pb::UnassignTaskRequest {
            id,
            agent_id,
            ..Default::default()
        };
        tasks.unassign_task(request).await
    };
}

async fn take(person: &Person, id: i64, action: Action) {
    let request = pb::TaskStepRequest {
        id,
        ..Default::default()
    };
    let mut tasks = person.tasks();
    let _ = match action {
        Action::Start => tasks.start_task(request).await,
        Action::Pause => tasks.pause_task(request).await,
        Action::Resume => tasks.resume_task(request).await,
        Action::Finish => tasks.finish_task(request).await,
        _ => tasks.cancel_task(request).await,
    };
}

#[tokio::test]
async fn two_phones_of_one_person_converge_with_the_database_whatever_was_lost() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..3 {
        let turns = prop::collection::vec(any_turn(), 120..200)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        converge(&turns).await;
    }
}

async fn converge(turns: &[Turn]) {
    let world = World::start().await;
    let (supervisor, owner) = (world.supervisor().await, world.agent().await);
    let agent = owner.agent_id.unwrap();
    let mut ids = Vec::new();
    for number in 0..20 {
        let id = supervisor.task(&format!("Ronda {number}")).await.id;
        if number % 4 != 3 {
            assign(&supervisor, id, agent, true).await;
        }
        ids.push(id);
    }
    let mut phones = [0, 1].map(|name| Phone {
        name,
        ..Phone::default()
    });
    for phone in &mut phones {
        phone.settle(&owner).await;
        assert_eq!(phone.open().len(), 15);
    }
    for turn in turns {
        match turn {
            Turn::Act(phone, pick, action, guarded) => phones[*phone].act(*pick, *action, *guarded),
            Turn::Meet(phone, lost) => drop(phones[*phone].meet(&owner, *lost).await),
            Turn::Meanwhile(pick, action) => take(&supervisor, ids[*pick], *action).await,
            Turn::Give(on, pick) => assign(&supervisor, ids[*pick], agent, *on).await,
        }
    }
    // Both speak at once, twice over.
    let [one, other] = &mut phones;
    tokio::join!(one.meet(&owner, true), other.meet(&owner, true));
    let database = world.database().await;
    let truth = async || -> BTreeMap<i64, (i64, i32)> {
        let sql = "select t.id, t.revision, t.state::int from tasks t join assignments s on s.task_id = t.id
                   where s.agent_id = $1 and t.state <= 3 and t.delete_time is null";
        let rows = database.query(sql, &[&agent]).await.unwrap();
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    };
    for phone in phones {
        let phone = Mutex::new(phone);
        until("a phone's copy is the database's", async || {
            let mut phone = phone.lock().await;
            phone.settle(&owner).await;
            phone.open() == truth().await
        })
        .await;
    }
    // Nothing happened twice: every step has a name of its own, and left one line.
    let sql = "select count(*), count(distinct request_id) from replays where method like '%Task' and request_id like 'p%'";
    let row = database.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1));
    let steps = "select count(*) from task_history where user_id = $1 and action between 1 and 5";
    let steps: i64 = database.query_one(steps, &[&owner.id]).await.unwrap().get(0);
    assert_eq!(steps, row.get::<_, i64>(0), "each step that was kept was taken once");
}

#[tokio::test]
async fn a_hundred_mutations_of_an_offline_day_are_done_once_however_often_they_are_pushed() {
    let world = World::start().await;
    let (supervisor, owner) = (world.supervisor().await, world.agent().await);
    let mut mutations = Vec::new();
    for number in 0..25 {
        let id = supervisor.task(&format!("Ronda {number}")).await.id;
        assign(&supervisor, id, owner.agent_id.unwrap(), true).await;
        for action in [Action::Start, Action::Pause, Action::Resume, Action::Finish] {
            mutations.push(step(&format!("m-{}", mutations.len()), id, action));
        }
    }
    let pushes = (0..3).map(|_| push(&owner, mutations.clone()));
    let answers = futures::future::join_all(pushes).await;
    for at in 0..mutations.len() {
        let statuses: Vec<MutationStatus> = answers.iter().map(|answer| answer[at].status()).collect();
        let applied = statuses.iter().filter(|status| **status == MutationStatus::Applied).count();
        assert_eq!(applied, 1, "{at}: {statuses:?}");
        let done = [MutationStatus::Applied, MutationStatus::Replayed];
        assert!(statuses.iter().all(|status| done.contains(status)), "{at}: {statuses:?}");
    }
    let database = world.database().await;
    let sql = "select count(*) from task_history where user_id = $1 and action between 1 and 5";
    assert_eq!(database.query_one(sql, &[&owner.id]).await.unwrap().get::<_, i64>(0), 100);
    let audited =
        "select count(*) from audit where method = 'gad.v1.SyncService/Push' and outcome = 'OK' and resource like 'task/%'";
    assert_eq!(database.query_one(audited, &[]).await.unwrap().get::<_, i64>(0), 100);
}

#[tokio::test]
async fn each_mutation_is_judged_for_itself_and_conflicts_bring_the_servers_copy() {
    let world = World::start().await;
    let (supervisor, owner) = (world.supervisor().await, world.agent().await);
    let mine = owner.task("Mía").await;
    let other = supervisor.task("De nadie").await;
    let mut stale = step("stale", mine.id, Action::Cancel);
    stale.task_step.as_mut().unwrap().etag = "r77".to_owned();
    let illegal = step("illegal", mine.id, Action::Resume);
    let hidden = step("hidden", other.id, Action::Start);
    let done = step("done", mine.id, Action::Cancel);
    let mut reused = step("done", mine.id, Action::Start);
    reused.client_time = None;
    let mut future = step("future", mine.id, Action::Cancel);
    future.client_time = time(Timestamp::now() + SignedDuration::from_hours(3));
    let results = push(&owner, vec![stale, illegal, hidden, done, reused, future]).await;
    let told: Vec<(MutationStatus, ErrorReason, bool)> = results
        .iter()
        .map(|result| {
            let reason = result.refusal.as_ref().map_or(ErrorReason::Unspecified, pb::Refusal::reason);
            (result.status(), reason, result.task.is_some())
        })
        .collect();
    use MutationStatus::{Applied, Conflict, Refused};
    let expected = [
        (Conflict, ErrorReason::StaleEtag, true),
        (Refused, ErrorReason::Forbidden, false),
        (Refused, ErrorReason::TaskNotFound, false),
        (Applied, ErrorReason::Unspecified, true),
        (Refused, ErrorReason::IdempotencyKeyReused, false),
        (Refused, ErrorReason::InvalidField, false),
    ];
    // A creator may cancel, and no more.
    assert_eq!(told, expected);
    let task = results[0].task.as_ref().unwrap();
    assert_eq!((task.id, &task.etag), (mine.id, &mine.etag));
}

#[tokio::test]
async fn when_it_happened_offline_is_kept_beside_when_it_was_told() {
    let world = World::start().await;
    let (supervisor, owner) = (world.supervisor().await, world.agent().await);
    let id = supervisor.task("Ronda").await.id;
    assign(&supervisor, id, owner.agent_id.unwrap(), true).await;
    let now = Timestamp::now();
    let hours = |hours| now - SignedDuration::from_hours(hours);
    let mut start = step("start", id, Action::Start);
    start.client_time = time(hours(2));
    let mut finish = step("finish", id, Action::Finish);
    // By a clock that went back: it does not order.
    finish.client_time = time(hours(5));
    let results = push(&owner, vec![start, finish]).await;
    assert!(results.iter().all(|result| result.status() == MutationStatus::Applied));
    let request = pb::ListTaskHistoryRequest {
        task_id: id,
        ..Default::default()
    };
    let history = owner.tasks().list_task_history(request).await.unwrap().into_inner().entries;
    let told: Vec<(Action, Option<i64>)> = history
        .iter()
        .map(|entry| (entry.action(), entry.reported_time.map(|time| time.seconds)))
        .collect();
    let seconds = |time: Timestamp| Some(time.as_second());
    assert_eq!(
        told,
        [
            (Action::Unspecified, None),
            (Action::Assign, None),
            (Action::Start, seconds(hours(2))),
            (Action::Finish, seconds(hours(5))),
        ]
    );
    let task = results[1].task.as_ref().unwrap();
    let started = task.actual_start_time.unwrap().seconds;
    assert!(started >= now.as_second() && task.actual_end_time.unwrap().seconds >= started);
}

#[tokio::test]
async fn fixes_and_calls_for_help_are_pushed_too_and_once() {
    let world = World::start().await;
    let owner = world.agent().await;
    let fix = pb::Position {
        agent_id: owner.agent_id.unwrap(),
        location: draft("").location,
        fix_time: time(Timestamp::now()),
        ..Default::default()
    };
    let fixes = pb::Mutation {
        request_id: "fixes".to_owned(),
        positions: Some(pb::ReportPositionsRequest { positions: vec![fix] }),
        ..Default::default()
    };
    let help = pb::Mutation {
        request_id: "help".to_owned(),
        emergency: Some(pb::RaiseEmergencyRequest {
            description: "Robo".to_owned(),
            location: draft("").location,
            ..Default::default()
        }),
        ..Default::default()
    };
    let first = push(&owner, vec![fixes.clone(), help.clone()]).await;
    assert!(
        first.iter().all(|result| result.status() == MutationStatus::Applied),
        "{first:?}"
    );
    let again = push(&owner, vec![fixes, help]).await;
    assert!(
        again.iter().all(|result| result.status() == MutationStatus::Replayed),
        "{again:?}"
    );
    let raised = |results: &[pb::MutationResult]| results[1].emergency.as_ref().unwrap().id;
    assert_eq!(raised(&first), raised(&again));
    assert_eq!(first[0].positions.as_ref().unwrap().accepted_count, 1);
}

#[tokio::test]
async fn a_cursor_that_the_feed_does_not_reach_back_to_begins_anew() {
    let world = World::start().await;
    let owner = world.agent().await;
    owner.task("Una").await;
    let mut phone = Phone::default();
    phone.settle(&owner).await;
    assert_eq!(phone.open().len(), 1);
    let other = owner.task("Otra").await;
    let database = world.database().await;
    database
        .batch_execute("update feed set floor_xid = pg_current_xact_id()::text::bigint, floor_seq = 0; delete from outbox")
        .await
        .unwrap();
    let request = pb::PullRequest {
        cursor: phone.cursor.clone(),
        ..Default::default()
    };
    let pulled = owner.sync().pull(request).await.unwrap().into_inner();
    assert!(pulled.reset);
    phone.learn(pulled);
    phone.settle(&owner).await;
    assert!(phone.open().contains_key(&other.id) && phone.open().len() == 2);
}

#[tokio::test]
async fn a_pulled_cursor_goes_on_in_a_watch() {
    let world = World::start().await;
    let owner = world.agent().await;
    let mut phone = Phone::default();
    phone.settle(&owner).await;
    let task = owner.task("Después").await;
    let request = pb::WatchRequest {
        cursor: phone.cursor.clone(),
        ..Default::default()
    };
    let mut watch = owner.events().watch(request).await.unwrap().into_inner();
    let told = loop {
        let message = watch.message().await.unwrap().unwrap();
        if let Some(pb::watch_response::Item::Event(event)) = message.item {
            break event;
        }
    };
    let Some(Told::Task(told)) = told.resource else {
        panic!("{told:?}")
    };
    assert_eq!(told.id, task.id);
}

#[tokio::test]
async fn what_others_do_is_pulled_only_where_it_may_be_seen() {
    let world = World::start().await;
    let (supervisor, owner) = (world.supervisor().await, world.agent().await);
    let phone = Mutex::new(Phone::default());
    phone.lock().await.settle(&owner).await;
    let has = async |id| {
        let mut phone = phone.lock().await;
        phone.settle(&owner).await;
        phone.tasks.contains_key(&id)
    };
    let id = supervisor.task("Ajena").await.id;
    let theirs = owner.task("Mía").await.id;
    until("the news come", async || has(theirs).await).await;
    assert!(!has(id).await);
    assign(&supervisor, id, owner.agent_id.unwrap(), true).await;
    until("it is given", async || has(id).await).await;
    assign(&supervisor, id, owner.agent_id.unwrap(), false).await;
    until("it is taken away", async || !has(id).await).await;
}

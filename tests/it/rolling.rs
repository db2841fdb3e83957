//! Replicas behind Envoy are restarted one after the other while calls go on.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use gad::pb::{self, event::Resource, watch_response::Item};

use crate::{
    children::Mortal,
    edge::Edge,
    live::Watcher,
    world::{Person, World, draft, until},
};

/// Calls under way at a time, per kind.
const CALLERS: usize = 4;

/// Shared by callers and watcher.
#[derive(Default)]
struct Tally {
    stop: Cell<bool>,
    calls: Cell<usize>,
    failures: RefCell<Vec<String>>,
    created: RefCell<Vec<i64>>,
}

impl Tally {
    fn count<T>(&self, answer: Result<T, String>) -> Option<T> {
        self.calls.set(self.calls.get() + 1);
        answer.map_err(|failure| self.failures.borrow_mut().push(failure)).ok()
    }
}

async fn call_grpc(tally: Rc<Tally>, person: Person) {
    while !tally.stop.get() {
        let request = pb::CreateTaskRequest {
            task: Some(draft("En marcha")),
            ..Default::default()
        };
        let answer = person
            .tasks()
            .create_task(request)
            .await
            .map_err(|status| format!("CreateTask: {status}"));
        if let Some(task) = tally.count(answer) {
            let id = task.into_inner().id;
            tally.created.borrow_mut().push(id);
            let answer = person.tasks().get_task(pb::GetTaskRequest { id }).await;
            tally.count(answer.map_err(|status| format!("GetTask: {status}")));
        }
    }
}

async fn call_rest(tally: Rc<Tally>, url: String, token: String) {
    let client = reqwest::Client::new();
    while !tally.stop.get() {
        let answer = client.get(&url).bearer_auth(&token).send().await;
        let answer = answer.map_err(|cause| format!("GET: {cause}"));
        tally.count(answer.and_then(|answer| match answer.status().as_u16() {
            200 => Ok(()),
            other => Err(format!("GET: {other}")),
        }));
    }
}

/// Watches through Envoy, resumes at every end, and counts how often each task's creation was heard.
async fn watch(tally: Rc<Tally>, person: Person, cursor: String, heard: Rc<RefCell<HashMap<i64, usize>>>) {
    let mut cursor = cursor;
    loop {
        let request = pb::WatchRequest {
            cursor: cursor.clone(),
            ..Default::default()
        };
        let Ok(stream) = person.events().watch(request).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut stream = stream.into_inner();
        while let Ok(Some(message)) = stream.message().await {
            cursor = message.cursor;
            if let Some(Item::Event(pb::Event {
                resource: Some(Resource::Task(task)),
                ..
            })) = message.item
            {
                *heard.borrow_mut().entry(task.id).or_default() += 1;
            }
        }
        if tally.stop.get() {
            tokio::task::yield_now().await;
        }
    }
}

async fn is_healthy(edge: &Edge, address: &str) -> bool {
    let page = reqwest::get(format!("http://{}/clusters", edge.admin)).await.unwrap();
    let page = page.text().await.unwrap();
    page.lines()
        .any(|line| line.contains(address) && line.ends_with("health_flags::healthy"))
}

#[tokio::test]
async fn replicas_are_restarted_one_after_the_other_and_no_call_fails() {
    tokio::task::LocalSet::new().run_until(restart()).await;
}

async fn restart() {
    let world = World::with(|settings| settings.lame_duck_seconds = 3.0).await;
    let replicas = [Mortal::serve(&world.settings), Mortal::serve(&world.settings)];
    for replica in &replicas {
        replica.ready().await;
    }
    let edge = Edge::start(&[replicas[0].address, replicas[1].address], &[]).await;
    let known = world.supervisor().await;
    let start = Watcher::live(&known).await.cursor;
    let url = edge.url("/v1/tasks?page_size=1");
    let tally = Rc::new(Tally::default());
    let heard = Rc::new(RefCell::new(HashMap::new()));
    let watching = tokio::task::spawn_local(watch(Rc::clone(&tally), known.over(edge.channel()), start, Rc::clone(&heard)));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let person = known.over(edge.channel());
        callers.push(tokio::task::spawn_local(call_grpc(Rc::clone(&tally), person)));
        callers.push(tokio::task::spawn_local(call_rest(
            Rc::clone(&tally),
            url.clone(),
            known.token.clone(),
        )));
    }
    for replica in &replicas {
        let before = tally.calls.get();
        until("calls are under way", async || tally.calls.get() > before + 50).await;
        replica.end().await;
        replica.revive();
        replica.ready().await;
        let address = replica.address.to_string();
        until("Envoy knows that it is back", async || is_healthy(&edge, &address).await).await;
    }
    tally.stop.set(true);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(
        *tally.failures.borrow(),
        Vec::<String>::new(),
        "of {} calls",
        tally.calls.get()
    );
    let created = tally.created.borrow().clone();
    until("everything is heard", async || {
        created.iter().all(|id| heard.borrow().contains_key(id))
    })
    .await;
    watching.abort();
    assert!(heard.borrow().values().all(|times| *times == 1), "nothing is heard twice");
}

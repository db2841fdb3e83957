//! Floods at the door: the connection between edge and server is everybody's, and one who is refused, or goes away, must not cut it.

use futures::StreamExt as _;
use gad::pb;
use reqwest::StatusCode;
use tonic::transport::Channel;

use crate::{
    edge::Edge,
    live::{Watcher, task_of},
    world::{World, channel, reason},
};

/// Calls of each flood: more than HTTP/2 forgives on one connection.
const FLOOD: usize = 3000;
/// Of them at a time.
const AT_ONCE: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_refusals_do_not_cut_the_streams_of_others() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await.over(edge.channel());
    let mut watcher = Watcher::live(&supervisor).await;
    let (http, stranger) = (reqwest::Client::new(), supervisor.by("junk", edge.channel()));
    // Refused without a look at what they say; by gRPC and by REST, each with a body.
    let calls = futures::stream::iter(0..FLOOD).map(|number| {
        let (http, stranger, url) = (&http, stranger.clone(), edge.url("/v1/tasks"));
        async move {
            if number % 2 == 0 {
                let request = pb::CreateTaskRequest {
                    request_id: "a".repeat(10_000),
                    ..Default::default()
                };
                let refused = stranger.tasks().create_task(request).await.unwrap_err();
                assert_eq!(reason(&refused), "SIGNED_OUT");
            } else {
                let answer = http
                    .post(url)
                    .json(&serde_json::json!({ "title": "a".repeat(10_000) }))
                    .send()
                    .await;
                assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
            }
        }
    });
    calls.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    let task = supervisor.task("Patrullar").await;
    assert_eq!(task_of(&watcher.event().await).id, task.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_who_go_away_at_once_do_not_cut_the_streams_of_others() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let supervisor = world.supervisor().await.over(edge.channel());
    let mut watcher = Watcher::live(&supervisor).await;
    let doors: Vec<Channel> = (0..10).map(|_| channel(edge.address)).collect();
    let calls = futures::stream::iter(0..FLOOD).map(|number| {
        let caller = supervisor.over(doors[number % doors.len()].clone());
        async move {
            let asked = tokio::time::Duration::from_millis(number as u64 % 5);
            let call = caller.tasks();
            let _ = tokio::time::timeout(asked, { call }.list_tasks(pb::ListTasksRequest::default())).await;
        }
    });
    calls.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    let task = supervisor.task("Patrullar").await;
    assert_eq!(task_of(&watcher.event().await).id, task.id);
}

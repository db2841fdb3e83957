//! Fixes through the front door.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use gad::{
    clock::Clock,
    pb::{self, FixRefusal, PositionSource, watch_response::Item},
    store::{self, Database},
};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio_postgres::Client;
use tonic::Code;

use secrecy::ExposeSecret as _;

use crate::world::{self, Person, World, fields, reason};

/// What the tests' clock says at first, in seconds since 1970: an evening in March 2030.
const NOW: i64 = 1_900_000_800;

/// A clock that stands still until a test moves it, at [`NOW`].
fn still() -> (Clock, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(NOW));
    let told = Arc::clone(&seconds);
    let clock = Clock::of(move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap());
    (clock, seconds)
}

async fn still_world() -> (World, Arc<AtomicI64>) {
    let (clock, seconds) = still();
    (World::with_clock(clock, |_| {}).await, seconds)
}

fn fix(agent_id: i64, seconds: i64, latitude: f64) -> pb::Position {
    pb::Position {
        agent_id,
        location: Some(pb::LatLng {
            latitude,
            longitude: -74.07,
        }),
        fix_time: Some(prost_types::Timestamp {
            seconds: NOW + seconds,
            nanos: 0,
        }),
        accuracy_meters: None,
        speed_meters_per_second: None,
        heading_degrees: None,
        source: PositionSource::Gps as i32,
    }
}

async fn report(person: &Person, positions: Vec<pb::Position>) -> pb::ReportPositionsResponse {
    let request = pb::ReportPositionsRequest { positions };
    person.agents().report_positions(request).await.unwrap().into_inner()
}

fn counts(answer: &pb::ReportPositionsResponse) -> (i32, i32, i32) {
    (answer.accepted_count, answer.repeated_count, answer.refused_count)
}

async fn latest(person: &Person, id: i64) -> Option<pb::Position> {
    let answer = person.agents().get_agent(pb::GetAgentRequest { id }).await;
    answer.unwrap().into_inner().position
}

async fn track(person: &Person, request: pb::GetTrackRequest) -> Vec<pb::Position> {
    let answer = person.agents().get_track(request).await;
    answer.unwrap().into_inner().positions
}

/// The whole track of an agent around [`NOW`].
async fn whole_track(person: &Person, agent_id: i64) -> Vec<pb::Position> {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let request = pb::GetTrackRequest {
        agent_id,
        start_time: time(NOW - 6 * 86_400),
        end_time: time(NOW + 86_400),
        page_size: 10_000,
        page_token: String::new(),
    };
    track(person, request).await
}

async fn forget(database: &Client) {
    database
        .batch_execute("truncate positions, agent_locations, outbox")
        .await
        .unwrap();
}

async fn moves(database: &Client) -> i64 {
    let row = database
        .query_one("select count(*) from outbox where fact->>'kind' = 'AgentMoved'", &[])
        .await
        .unwrap();
    row.get(0)
}

/// The next event of a feed, past its checkpoints.
pub async fn next_event(feed: &mut tonic::Streaming<pb::WatchResponse>) -> pb::Event {
    loop {
        match feed.message().await.unwrap().unwrap().item.unwrap() {
            Item::Event(event) => return event,
            Item::Checkpoint(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_latest_fix_is_where_the_agent_is() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    let mut newest = fix(id, 0, 4.7);
    newest.accuracy_meters = Some(4.5);
    newest.speed_meters_per_second = Some(1.25);
    newest.heading_degrees = Some(359.5);
    newest.fix_time.as_mut().unwrap().nanos = 123_456_000;
    let before = agent
        .agents()
        .get_agent(pb::GetAgentRequest { id })
        .await
        .unwrap()
        .into_inner();
    let answer = report(&agent, vec![newest, fix(id, -60, 4.6)]).await;
    assert_eq!(counts(&answer), (2, 0, 0));
    assert_eq!(latest(&agent, id).await, Some(newest));
    assert_eq!(whole_track(&agent, id).await, [fix(id, -60, 4.6), newest]);
    let after = agent
        .agents()
        .get_agent(pb::GetAgentRequest { id })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((after.etag, after.revision), (before.etag, before.revision));

    // Late: in the history, not on the map.
    assert_eq!(counts(&report(&agent, vec![fix(id, -30, 4.65)]).await), (1, 0, 0));
    assert_eq!(latest(&agent, id).await, Some(newest));
    assert_eq!(whole_track(&agent, id).await.len(), 3);
    // Repeated: nothing.
    assert_eq!(counts(&report(&agent, vec![newest, fix(id, -30, 4.65)]).await), (0, 2, 0));
    assert_eq!(whole_track(&agent, id).await.len(), 3);
    // Null island is a place.
    let mut null_island = fix(id, 5, 0.0);
    null_island.location = Some(pb::LatLng::default());
    assert_eq!(counts(&report(&agent, vec![null_island]).await), (1, 0, 0));
    assert_eq!(latest(&agent, id).await, Some(null_island));
}

#[tokio::test]
async fn one_bad_fix_does_not_spoil_the_batch() {
    let (world, _) = still_world().await;
    let (agent, other) = (world.agent().await, world.other_agent().await);
    let (own, foreign) = (agent.agent_id.unwrap(), other.agent_id.unwrap());
    forget(&world.database().await).await;
    let week = 7 * 86_400;
    let batch = vec![
        fix(own, 61, 4.0),
        fix(own, 60, 4.1),
        fix(foreign, 0, 4.2),
        fix(own, -week, 4.3),
        fix(own, -week - 1, 4.4),
        fix(1_000_000, 0, 4.5),
    ];
    let answer = report(&agent, batch.clone()).await;
    assert_eq!(counts(&answer), (2, 0, 4));
    let refused: Vec<(i32, FixRefusal)> = answer
        .refused
        .iter()
        .map(|refused| (refused.index, refused.reason()))
        .collect();
    let expected = [
        (0, FixRefusal::Future),
        (2, FixRefusal::AgentNotFound),
        (4, FixRefusal::TooOld),
        (5, FixRefusal::AgentNotFound),
    ];
    assert_eq!(refused, expected);
    assert_eq!(latest(&agent, own).await, Some(batch[1]));
    assert_eq!(latest(&other, foreign).await, None);

    // A supervisor reports for anybody.
    let supervisor = world.supervisor().await;
    assert_eq!(counts(&report(&supervisor, batch).await), (1, 2, 3));
    assert_eq!(latest(&other, foreign).await, Some(fix(foreign, 0, 4.2)));

    // Of a deleted agent nothing is taken.
    let request = pb::DeleteAgentRequest {
        id: foreign,
        ..Default::default()
    };
    world.administrator().await.agents().delete_agent(request).await.unwrap();
    assert_eq!(counts(&report(&supervisor, vec![fix(foreign, 1, 4.2)]).await), (0, 0, 1));
}

#[tokio::test]
async fn a_fix_that_is_none_fails_the_request() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    let good = fix(id, 0, 4.0);
    let nowhere = pb::Position { location: None, ..good };
    let never = pb::Position { fix_time: None, ..good };
    let mut off = good;
    off.location.as_mut().unwrap().latitude = f64::NAN;
    let cases = [
        (vec![good, nowhere], "positions[1].location"),
        (vec![never], "positions[0].fix_time"),
        (vec![good, good, off], "positions[2].location.latitude"),
        (Vec::new(), "positions"),
        (vec![good; 1001], "positions"),
    ];
    for (positions, field) in cases {
        let request = pb::ReportPositionsRequest { positions };
        let refused = agent.agents().report_positions(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), fields(&refused)),
            (Code::InvalidArgument, vec![field.to_owned()])
        );
    }
    let mut odd = good;
    odd.fix_time.as_mut().unwrap().nanos = -1;
    let request = pb::ReportPositionsRequest {
        positions: vec![good, odd],
    };
    let refused = agent.agents().report_positions(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(whole_track(&agent, id).await.is_empty());
}

#[tokio::test]
async fn a_thousand_fixes_are_kept_and_a_hundred_refusals_named() {
    let (world, _) = still_world().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    let batch: Vec<_> = (0..1000).map(|n| fix(id, -n * 400, 4.0)).collect();
    assert_eq!(counts(&report(&supervisor, batch).await), (1000, 0, 0));
    assert_eq!(whole_track(&agent, id).await.len(), 1000);
    let batch: Vec<_> = (0..1000).map(|n| fix(id, 100 + n, 4.0)).collect();
    let answer = report(&supervisor, batch).await;
    assert_eq!((counts(&answer), answer.refused.len()), ((0, 0, 1000), 100));
    assert!(answer.refused.iter().map(|refused| refused.index).eq(0..100));
}

#[tokio::test]
async fn a_stream_of_fixes_is_summed_up() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    let messages = [
        vec![fix(id, 0, 4.0), fix(id, 1, 4.0)],
        vec![fix(id, 1, 4.0), fix(id, 500, 4.0), fix(id, 2, 4.0)],
        vec![fix(9_999, 0, 4.0)],
    ];
    let messages = messages.map(|positions| pb::ReportPositionsRequest { positions });
    let answer = agent
        .agents()
        .stream_positions(tokio_stream::iter(messages))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(counts(&answer), (3, 1, 2));
    let refused: Vec<(i32, FixRefusal)> = answer
        .refused
        .iter()
        .map(|refused| (refused.index, refused.reason()))
        .collect();
    assert_eq!(refused, [(3, FixRefusal::Future), (5, FixRefusal::AgentNotFound)]);
    assert_eq!(whole_track(&agent, id).await.len(), 3);
}

#[tokio::test]
async fn a_broken_stream_keeps_what_was_committed() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    let empty = Vec::new();
    let messages = [vec![fix(id, 0, 4.0)], vec![fix(id, 1, 4.0)], empty, vec![fix(id, 2, 4.0)]];
    let messages = messages.map(|positions| pb::ReportPositionsRequest { positions });
    let broken = agent
        .agents()
        .stream_positions(tokio_stream::iter(messages))
        .await
        .unwrap_err();
    assert_eq!(
        (broken.code(), fields(&broken)),
        (Code::InvalidArgument, vec!["positions".to_owned()])
    );
    assert_eq!(whole_track(&agent, id).await, [fix(id, 0, 4.0), fix(id, 1, 4.0)]);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let (world, seconds) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let mut agents = agent.agents();
    let sent = tokio::spawn(async move {
        agents
            .stream_positions(tokio_stream::wrappers::ReceiverStream::new(receiver))
            .await
    });
    let message = |seconds| pb::ReportPositionsRequest {
        positions: vec![fix(id, seconds, 4.0)],
    };
    sender.send(message(0)).await.unwrap();
    let database = world.database().await;
    crate::world::until("the first message is kept", async || moves(&database).await == 1).await;
    seconds.fetch_add(31 * 60, Ordering::SeqCst);
    sender.send(message(1)).await.unwrap();
    let refused = sent.await.unwrap().unwrap_err();
    assert_eq!(reason(&refused), "SIGNED_OUT");
    let kept = database.query_one("select count(*) from positions", &[]).await.unwrap();
    assert_eq!(kept.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_track_pages_without_loss() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    // Across four days, so across partitions.
    let fixes: Vec<_> = (0..60).map(|n| fix(id, -n * 4_321, 4.0)).rev().collect();
    report(&agent, fixes.clone()).await;
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let first = pb::GetTrackRequest {
        agent_id: id,
        start_time: time(NOW - 6 * 86_400),
        end_time: time(NOW + 1),
        page_size: 7,
        page_token: String::new(),
    };
    let (mut seen, mut request) = (Vec::new(), first.clone());
    loop {
        let page = agent.agents().get_track(request.clone()).await.unwrap().into_inner();
        assert!(page.positions.len() <= 7);
        seen.extend(page.positions);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, fixes);

    let other = pb::GetTrackRequest {
        end_time: time(NOW),
        page_token: request.page_token.clone(),
        ..first.clone()
    };
    let refused = agent.agents().get_track(other).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_PAGE_TOKEN");
    let backwards = pb::GetTrackRequest {
        start_time: time(NOW + 2),
        ..first
    };
    let refused = agent.agents().get_track(backwards).await.unwrap_err();
    assert_eq!(fields(&refused), ["start_time"]);
}

#[tokio::test]
async fn a_track_without_times_is_the_last_day_and_stays_so_from_page_to_page() {
    let (world, seconds) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    let day = 86_400;
    let inside = [fix(id, -day, 4.0), fix(id, -day / 2, 4.0), fix(id, -1, 4.0)];
    report(
        &agent,
        vec![fix(id, -day - 1, 4.0), inside[0], inside[1], inside[2], fix(id, 0, 4.0)],
    )
    .await;
    let request = pb::GetTrackRequest {
        agent_id: id,
        page_size: 2,
        ..Default::default()
    };
    let page = agent.agents().get_track(request.clone()).await.unwrap().into_inner();
    assert_eq!(page.positions, inside[..2]);
    seconds.fetch_add(60, Ordering::SeqCst);
    report(&agent, vec![fix(id, 30, 4.0)]).await;
    let next = pb::GetTrackRequest {
        page_token: page.next_page_token,
        ..request
    };
    let page = agent.agents().get_track(next).await.unwrap().into_inner();
    assert_eq!((page.positions, page.next_page_token.as_str()), (inside[2..].to_vec(), ""));
}

#[tokio::test]
async fn an_agent_moves_once_per_message_and_only_forwards() {
    let (world, _) = still_world().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let (id, second) = (agent.agent_id.unwrap(), other.agent_id.unwrap());
    let database = world.database().await;
    forget(&database).await;
    let request = pb::WatchRequest {
        filter: Some(pb::WatchFilter {
            nouns: vec![pb::Noun::Position as i32],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut feed = supervisor.events().watch(request).await.unwrap().into_inner();
    assert!(matches!(
        feed.message().await.unwrap().unwrap().item,
        Some(Item::Checkpoint(_))
    ));
    report(
        &supervisor,
        vec![fix(second, 3, 4.0), fix(id, 1, 4.0), fix(id, 3, 4.1), fix(id, 2, 4.2)],
    )
    .await;
    report(&supervisor, vec![fix(id, 0, 4.3), fix(id, 3, 4.1)]).await;
    report(&supervisor, vec![fix(id, 4, 4.4), fix(second, 2, 4.0)]).await;
    let expected = [
        (supervisor.id, fix(id, 3, 4.1)),
        (supervisor.id, fix(second, 3, 4.0)),
        (supervisor.id, fix(id, 4, 4.4)),
    ];
    for (actor, position) in expected {
        let event = next_event(&mut feed).await;
        assert_eq!((event.r#type(), event.actor_user_id), (pb::EventType::AgentMoved, actor));
        assert_eq!(event.resource, Some(pb::event::Resource::Position(position)));
    }
    assert_eq!(moves(&database).await, 3);
}

#[tokio::test]
async fn a_watcher_of_a_task_hears_where_its_agents_are() {
    let (world, _) = still_world().await;
    let (supervisor, agent, other) = (world.supervisor().await, world.agent().await, world.other_agent().await);
    let (on_it, elsewhere) = (agent.agent_id.unwrap(), other.agent_id.unwrap());
    let task = supervisor.task("Patrullar").await;
    let assign = pb::AssignTaskRequest {
        id: task.id,
        agent_id: on_it,
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let request = pb::WatchRequest {
        filter: Some(pb::WatchFilter {
            nouns: vec![pb::Noun::Position as i32],
            task_ids: vec![task.id],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut feed = supervisor.events().watch(request).await.unwrap().into_inner();
    assert!(matches!(
        feed.message().await.unwrap().unwrap().item,
        Some(Item::Checkpoint(_))
    ));
    report(&supervisor, vec![fix(elsewhere, 0, 4.0), fix(on_it, 0, 4.1)]).await;
    report(&supervisor, vec![fix(elsewhere, 1, 4.0), fix(on_it, 1, 4.2)]).await;
    for position in [fix(on_it, 0, 4.1), fix(on_it, 1, 4.2)] {
        let event = next_event(&mut feed).await;
        assert_eq!(event.resource, Some(pb::event::Resource::Position(position)));
    }
}

#[tokio::test]
async fn an_agent_is_in_the_zone_that_holds_its_latest_fix() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    let database = world.database().await;
    let zones = agent
        .zones()
        .list_zones(pb::ListZonesRequest {})
        .await
        .unwrap()
        .into_inner()
        .zones;
    let zone = zones.first().unwrap();
    let corners = &zone.boundary[..zone.boundary.len() - 1];
    let mean = |of: fn(&pb::LatLng) -> f64| corners.iter().map(of).sum::<f64>() / corners.len() as f64;
    let mut inside = fix(id, 0, mean(|corner| corner.latitude));
    inside.location.as_mut().unwrap().longitude = mean(|corner| corner.longitude);
    let here = async || {
        let sql = "select zone_id from agent_locations where agent_id = $1";
        database.query_one(sql, &[&id]).await.unwrap().get::<_, Option<i64>>(0)
    };
    report(&agent, vec![inside]).await;
    assert_eq!(here().await, Some(zone.id));
    report(&agent, vec![fix(id, 1, -60.0)]).await;
    assert_eq!(here().await, None);
}

/// Fixes of two agents in few moments and places, so that many are of the same moment.
fn fixes(agents: [i64; 2]) -> impl Strategy<Value = Vec<pb::Position>> {
    let one = (
        prop::sample::select(agents.to_vec()),
        prop::sample::select(vec![-90_000_i64, -3, -2, -1, 0]),
        prop::sample::select(vec![-0.0_f64, 0.0, 4.0]),
        prop::option::of(prop::sample::select(vec![0.0_f32, 5.0])),
        0..=3_i32,
    );
    let one = one.prop_map(|(agent, seconds, latitude, accuracy_meters, source)| pb::Position {
        accuracy_meters,
        source,
        ..fix(agent, seconds, latitude)
    });
    prop::collection::vec(one, 1..25)
}

/// The same fixes in another order, some twice, in other messages.
fn reports(agents: [i64; 2]) -> impl Strategy<Value = (Vec<pb::Position>, Vec<pb::Position>, usize, usize)> {
    fixes(agents).prop_flat_map(|once| {
        let mut some_twice = once.clone();
        some_twice.extend(once.iter().step_by(3));
        (Just(once), Just(some_twice).prop_shuffle(), 1..8_usize, 1..8_usize)
    })
}

/// Everything that is kept, but when it was received.
async fn kept(database: &Client) -> Vec<String> {
    let sql = "select (agent_id, fix_time, st_astext(location), accuracy, speed, heading, source)::text from positions
               union all
               select 'latest' || (agent_id, fix_time, st_astext(location), accuracy, speed, heading, source)::text
               from agent_locations order by 1";
    let rows = database.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn late_and_repeated_fixes_converge() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (world, supervisor, agents, database) = runtime.block_on(async {
        let (world, _) = still_world().await;
        let agents = [world.agent().await, world.other_agent().await].map(|person| person.agent_id.unwrap());
        let (supervisor, database) = (world.supervisor().await, world.database().await);
        (world, supervisor, agents, database)
    });
    let mut runner = TestRunner::new(Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&reports(agents), |(once, shuffled, size, other_size)| {
        let run = async |fixes: &[pb::Position], size: usize| {
            forget(&database).await;
            let mut known = 0;
            for message in fixes.chunks(size) {
                let (accepted, repeated, refused) = counts(&report(&supervisor, message.to_vec()).await);
                assert_eq!((accepted + repeated, refused), (i32::try_from(message.len()).unwrap(), 0));
                known += accepted;
            }
            (known, kept(&database).await)
        };
        let (first, second) = runtime.block_on(async { (run(&once, size).await, run(&shuffled, other_size).await) });
        let names: BTreeSet<_> = once.iter().map(|fix| (fix.agent_id, fix.fix_time.unwrap().seconds)).collect();
        let newest: BTreeMap<_, _> = names.iter().copied().collect();
        prop_assert_eq!(&first.1, &second.1);
        prop_assert_eq!(first.1.len(), names.len() + newest.len());
        prop_assert!(first.0 >= i32::try_from(names.len()).unwrap());
        Ok(())
    });
    drop(world);
    outcome.unwrap();
}

#[tokio::test]
async fn concurrent_reports_of_the_same_fixes_keep_each_once() {
    let (world, _) = still_world().await;
    let supervisor = world.supervisor().await;
    let agents = [world.agent().await, world.other_agent().await].map(|person| person.agent_id.unwrap());
    let database = world.database().await;
    forget(&database).await;
    let fixes: Vec<_> = (0..200_i64)
        .map(|n| fix(agents[usize::try_from(n % 2).unwrap()], -n / 2 * 1_000, 4.0))
        .collect();
    let reporters = (0..8).map(|turn| {
        let (supervisor, mut fixes) = (supervisor.clone(), fixes.clone());
        fixes.rotate_left(turn * 25);
        if turn % 2 == 0 {
            fixes.reverse();
        }
        tokio::spawn(async move {
            let mut accepted = 0;
            for message in fixes.chunks(20) {
                accepted += report(&supervisor, message.to_vec()).await.accepted_count;
            }
            accepted
        })
    });
    let mut accepted = 0;
    for reporter in reporters.collect::<Vec<_>>() {
        accepted += reporter.await.unwrap();
    }
    assert_eq!(accepted, 200);
    for agent in agents {
        assert_eq!(whole_track(&supervisor, agent).await.len(), 100);
        assert_eq!(latest(&supervisor, agent).await.unwrap().fix_time.unwrap().seconds, NOW);
    }
    // In the feed each agent only moves forwards.
    let sql = "select count(*) from (
                   select (fact->'subject'->'Fix'->'fix'->>'time')::timestamptz as time,
                          lag((fact->'subject'->'Fix'->'fix'->>'time')::timestamptz)
                          over (partition by fact->'subject'->'Fix'->'fix'->'agent' order by xid, seq) as before
                   from outbox where fact->>'kind' = 'AgentMoved') moved where time <= before";
    let backwards: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!((backwards, moves(&database).await > 1), (0, true));
}

#[tokio::test]
async fn partitions_come_before_their_day_and_go_when_all_in_them_is_too_old() {
    // Without a server, whose relay would look after the partitions of today.
    let settings = world::settings(world::fresh_database().await);
    let database = Database::connect(&settings.database).await.unwrap();
    let client = world::connect(settings.database.database_url.expose_secret()).await;
    let days = async || -> Vec<String> {
        let sql = "select inhrelid::regclass::text from pg_inherits where inhparent = 'positions'::regclass order by 1";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    client
        .batch_execute("select drop_position_partitions('2999-01-01')")
        .await
        .unwrap();
    assert!(days().await.is_empty());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let conn = database.lease().await.unwrap();
    store::position::ensure_ahead(&*conn, at("2030-02-27T23:59:59Z"))
        .await
        .unwrap();
    let three = ["positions_20300227", "positions_20300228", "positions_20300301"];
    assert_eq!(days().await, three);
    store::position::ensure_ahead(&*conn, at("2030-02-27T23:59:59Z"))
        .await
        .unwrap();
    assert_eq!(days().await, three);

    // A day goes when all of it is over.
    let end = at("2030-02-28T00:00:00Z");
    let nearly = end - SignedDuration::from_secs(1);
    assert_eq!(store::position::count_before(&*conn, nearly).await.unwrap(), 0);
    assert_eq!(store::position::drop_before(&*conn, nearly).await.unwrap(), 0);
    assert_eq!(days().await, three);
    assert_eq!(store::position::count_before(&*conn, end).await.unwrap(), 1);
    assert_eq!(store::position::drop_before(&*conn, end).await.unwrap(), 1);
    assert_eq!(days().await, three[1..]);
}

#[tokio::test]
async fn places_off_the_globe_are_named_and_zero_and_leaps_are_kept_as_they_come() {
    let (world, _) = still_world().await;
    let agent = world.agent().await;
    let id = agent.agent_id.unwrap();
    forget(&world.database().await).await;
    let at = |seconds, latitude, longitude| pb::Position {
        location: Some(pb::LatLng { latitude, longitude }),
        ..fix(id, seconds, 0.0)
    };
    // A place whose numbers were swapped, where that is off the globe; where it is not, it is a place.
    for (latitude, longitude, field) in [
        (-100.31, 25.67, "positions[1].location.latitude"),
        (4.65, 285.93, "positions[1].location.longitude"),
        (f64::INFINITY, 0.0, "positions[1].location.latitude"),
    ] {
        let positions = vec![fix(id, 0, 4.65), at(1, latitude, longitude)];
        let refused = agent
            .agents()
            .report_positions(pb::ReportPositionsRequest { positions })
            .await;
        assert_eq!(fields(&refused.unwrap_err()), [field]);
    }
    // Nothing of a refused batch stays. (0, 0) is a place, and so are the poles and the date line, however quickly one gets there.
    let leaps = vec![at(-3, 0.0, 0.0), at(-2, 90.0, 0.0), at(-1, -90.0, 180.0), at(0, 4.65, -180.0)];
    assert_eq!(counts(&report(&agent, leaps.clone()).await), (4, 0, 0));
    assert_eq!(whole_track(&agent, id).await, leaps);
    assert_eq!(latest(&agent, id).await, leaps.last().copied());
}

#[tokio::test]
async fn a_hundred_thousand_fixes_are_too_many_for_a_message_and_not_for_a_stream() {
    let (world, _) = still_world().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let id = agent.agent_id.unwrap();
    let database = world.database().await;
    forget(&database).await;
    let all: Vec<pb::Position> = (0..100_000).map(|n| fix(id, n * 5 - 500_000, 4.65)).collect();
    let whole = pb::ReportPositionsRequest { positions: all.clone() };
    let refused = supervisor.agents().report_positions(whole).await.unwrap_err();
    assert_eq!(fields(&refused), ["positions"]);
    let parts: Vec<pb::ReportPositionsRequest> = all
        .chunks(1000)
        .map(|part| pb::ReportPositionsRequest {
            positions: part.to_vec(),
        })
        .collect();
    let mut taken = tonic::Request::new(tokio_stream::iter(parts));
    taken.set_timeout(std::time::Duration::from_secs(120));
    let answer = supervisor.agents().stream_positions(taken).await.unwrap().into_inner();
    assert_eq!(counts(&answer), (100_000, 0, 0));
    let kept: i64 = database
        .query_one("select count(*) from positions", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!((kept, moves(&database).await), (100_000, 100));
    assert_eq!(latest(&agent, id).await, all.last().copied());
}

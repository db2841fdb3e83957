//! Templates, and the tasks that the calendar makes of them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use gad::{
    clock::Clock,
    pb::{self, EventType, MissedOccurrences, TaskKind, UserLevel},
};
use jiff::Timestamp;

use crate::{
    live::{Watcher, task_of},
    world::{Person, World, fields, reason, until},
};

/// 2030-01-07, a Monday, at 12:00 in UTC: seven in the morning in Bogotá.
const MONDAY: i64 = 1_893_974_400 + 43_200;
const HOUR: i64 = 3_600;

/// A clock that stands still until it is put forward.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(seconds)))
    }

    fn put(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Clock::of(move || Timestamp::from_second(hands.load(Ordering::SeqCst)).unwrap())
    }
}

fn seconds(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn template(rule: &str, start: i64) -> pb::TaskTemplate {
    pb::TaskTemplate {
        display_name: "Ronda".to_owned(),
        title: "Ronda de la mañana".to_owned(),
        kind: TaskKind::Patrol as i32,
        checklist: vec!["Abrir".to_owned(), "Cerrar".to_owned()],
        planned_duration: Some(prost_types::Duration { seconds: 1800, nanos: 0 }),
        recurrence: Some(pb::Recurrence {
            rule: rule.to_owned(),
            start_time: seconds(start),
            time_zone: "America/Bogota".to_owned(),
            lead: None,
            missed: 0,
        }),
        ..Default::default()
    }
}

async fn create(person: &Person, template: pb::TaskTemplate) -> Result<pb::TaskTemplate, tonic::Status> {
    let request = pb::CreateTemplateRequest {
        template: Some(template),
        ..Default::default()
    };
    Ok(person.templates().create_template(request).await?.into_inner())
}

async fn starts(world: &World) -> Vec<i64> {
    let sql = "select extract(epoch from planned_start_time)::bigint from tasks order by planned_start_time";
    let rows = world.database().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn next(person: &Person, id: i64) -> Option<i64> {
    let found = person.templates().get_template(pb::GetTemplateRequest { id }).await.unwrap();
    found.into_inner().next_time.map(|time| time.seconds)
}

#[tokio::test]
async fn a_template_makes_a_task_by_hand() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut plain = template("", 0);
    plain.recurrence = None;
    let made = create(&supervisor, plain).await.unwrap();
    assert_eq!((made.next_time, made.creator_user_id), (None, supervisor.id));
    let request = pb::InstantiateTemplateRequest {
        id: made.id,
        planned_start_time: seconds(MONDAY),
        request_id: "once".to_owned(),
    };
    let task = supervisor
        .templates()
        .instantiate_template(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (task.title.as_str(), task.creator_user_id),
        ("Ronda de la mañana", supervisor.id)
    );
    assert_eq!(
        (task.planned_start_time, task.planned_end_time),
        (seconds(MONDAY), seconds(MONDAY + 1800))
    );
    let again = supervisor
        .templates()
        .instantiate_template(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, task);
    let request = pb::ListChecklistItemsRequest { task_id: task.id };
    let items = supervisor
        .checklists()
        .list_checklist_items(request)
        .await
        .unwrap()
        .into_inner()
        .items;
    assert_eq!(items.len(), 2);
}

#[tokio::test]
async fn of_each_occurrence_one_task_is_made_however_many_servers_there_are() {
    let hands = Hands::at(MONDAY - HOUR);
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let others = [
        world.another_replica_at(hands.clock()).await,
        world.another_replica_at(hands.clock()).await,
    ];
    let supervisor = world.supervisor().await;
    let mut watcher = Watcher::live(&supervisor).await;
    let made = create(&supervisor, template("FREQ=DAILY", MONDAY)).await.unwrap();
    assert_eq!(made.next_time, seconds(MONDAY));
    let day = 24 * HOUR;
    for count in 1..=5 {
        hands.put(MONDAY + (count - 1) * day);
        until("the day's task is there", async || {
            next(&supervisor, made.id).await == Some(MONDAY + count * day)
        })
        .await;
        let event = watcher.event().await;
        assert_eq!((event.r#type(), event.actor_user_id), (EventType::TaskCreated, 0));
        assert_eq!(task_of(&event).planned_start_time, seconds(MONDAY + (count - 1) * day));
    }
    let expected: Vec<i64> = (0..5).map(|count| MONDAY + count * day).collect();
    assert_eq!(starts(&world).await, expected);
    // A server that made it and died before it said when the next comes: it is not made again.
    let database = world.database().await;
    let back = "update task_templates set next_time = to_timestamp($1::bigint), due_time = to_timestamp($1::bigint)";
    database.execute(back, &[&MONDAY]).await.unwrap();
    until("the calendar goes on", async || {
        next(&supervisor, made.id).await == Some(MONDAY + 5 * day)
    })
    .await;
    assert_eq!(starts(&world).await, expected);
    for other in others {
        other.stop().await;
    }
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_as_the_template_says() {
    let hands = Hands::at(MONDAY - HOUR);
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let supervisor = world.supervisor().await;
    let mut ids = Vec::new();
    for (missed, title) in [
        (MissedOccurrences::Latest, "latest"),
        (MissedOccurrences::All, "all"),
        (MissedOccurrences::None, "none"),
    ] {
        let mut template = template("FREQ=DAILY", MONDAY);
        template.title = title.to_owned();
        template.recurrence.as_mut().unwrap().missed = missed as i32;
        ids.push(create(&supervisor, template).await.unwrap().id);
    }
    // Nobody was there for a hundred days, and two hours more.
    let day = 24 * HOUR;
    hands.put(MONDAY + 100 * day + 2 * HOUR);
    for id in ids {
        until("all was looked at", async || {
            next(&supervisor, id).await == Some(MONDAY + 101 * day)
        })
        .await;
    }
    let sql = "select count(*), max(extract(epoch from planned_start_time))::bigint from tasks where title = $1";
    let database = world.database().await;
    let of = async |title: &str| {
        let row = database.query_one(sql, &[&title]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, Option<i64>>(1))
    };
    assert_eq!(of("latest").await, (1, Some(MONDAY + 100 * day)));
    assert_eq!(of("all").await, (101, Some(MONDAY + 100 * day)));
    assert_eq!(of("none").await, (0, None));
}

#[tokio::test]
async fn a_template_that_rests_makes_nothing_and_one_that_changes_goes_on_from_now() {
    let hands = Hands::at(MONDAY - HOUR);
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let supervisor = world.supervisor().await;
    let mut made = create(&supervisor, template("FREQ=DAILY", MONDAY)).await.unwrap();
    let update = async |template: pb::TaskTemplate| {
        let request = pb::UpdateTemplateRequest {
            template: Some(template),
            ..Default::default()
        };
        supervisor.templates().update_template(request).await.unwrap().into_inner()
    };
    made.paused = true;
    let mut made = update(made).await;
    assert_eq!(made.next_time, None);
    let day = 24 * HOUR;
    hands.put(MONDAY + 3 * day + HOUR);
    made.paused = false;
    let mut made = update(made).await;
    assert_eq!(made.next_time, seconds(MONDAY + 4 * day));
    made.recurrence.as_mut().unwrap().lead = Some(prost_types::Duration {
        seconds: 22 * HOUR,
        nanos: 0,
    });
    let made = update(made).await;
    hands.put(MONDAY + 3 * day + 2 * HOUR);
    until("it is made ahead of its time", async || {
        starts(&world).await == [MONDAY + 4 * day]
    })
    .await;
    let delete = pb::DeleteTemplateRequest {
        id: made.id,
        ..Default::default()
    };
    supervisor.templates().delete_template(delete).await.unwrap();
    assert_eq!(starts(&world).await, [MONDAY + 4 * day]);
}

#[tokio::test]
async fn times_are_shown_before_they_are_kept_and_bad_rules_are_named() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let preview = async |rule: &str, zone: &str| {
        let recurrence = pb::Recurrence {
            rule: rule.to_owned(),
            start_time: seconds(MONDAY),
            time_zone: zone.to_owned(),
            ..Default::default()
        };
        let request = pb::PreviewRecurrenceRequest {
            recurrence: Some(recurrence),
            count: 3,
            after_time: seconds(MONDAY),
        };
        supervisor.templates().preview_recurrence(request).await
    };
    let times = preview("FREQ=WEEKLY;BYDAY=MO,WE", "America/Bogota")
        .await
        .unwrap()
        .into_inner()
        .times;
    let day = 24 * HOUR;
    let times: BTreeSet<i64> = times.iter().map(|time| time.seconds).collect();
    assert_eq!(times, [MONDAY + 2 * day, MONDAY + 7 * day, MONDAY + 9 * day].into());
    for (rule, zone, field) in [
        ("FREQ=NEVER", "America/Bogota", "recurrence.rule"),
        ("FREQ=MINUTELY", "America/Bogota", "recurrence.rule"),
        ("FREQ=DAILY", "America/Nowhere", "recurrence.time_zone"),
    ] {
        let refused = preview(rule, zone).await.unwrap_err();
        assert_eq!(fields(&refused), [field]);
    }
}

#[tokio::test]
async fn a_supervisor_of_a_zone_sees_templates_of_the_zone_and_their_own() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    let mut here = template("FREQ=DAILY", MONDAY);
    here.location = Some(pb::LatLng {
        latitude: 4.65,
        longitude: -74.07,
    });
    let here = create(&supervisor, here).await.unwrap();
    let nowhere = create(&supervisor, template("FREQ=DAILY", MONDAY)).await.unwrap();
    let zone = here.zone_id.expect("a zone of the city");
    let limited = world.newcomer("zona@gad.example", UserLevel::Supervisor, &[zone]).await;
    let own = create(&limited, template("FREQ=DAILY", MONDAY)).await.unwrap();
    let seen = limited
        .templates()
        .list_templates(pb::ListTemplatesRequest::default())
        .await
        .unwrap();
    let seen: Vec<i64> = seen.into_inner().templates.iter().map(|template| template.id).collect();
    assert_eq!(seen, [here.id, own.id]);
    let refused = limited
        .templates()
        .get_template(pb::GetTemplateRequest { id: nowhere.id })
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "TEMPLATE_NOT_FOUND");
}

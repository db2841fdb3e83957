//! What handlers make of requests that passed: values, or a refusal that is the caller's fault.

use std::collections::BTreeSet;

use gad::{
    domain::{
        UserId, ZoneId,
        access::{Caller, Level},
        agent::Profile,
        email,
        geo::Point,
        lens::Lens,
        task::{Kind, Plan, Priority},
    },
    error::Result,
    pb,
    rpc::{agent_mask, agent_read, event, nearby, position, task_mask, task_read, user_mask, user_read, zone_mask},
    store::{agent_list, conditions::Conditions, task_list, user_list},
};
use prost::Message;

/// Does with a request's bytes what its handler does first.
pub fn request(name: &str, bytes: &[u8]) {
    match name {
        "gad.v1.ListTasksRequest" => list_tasks(&read(bytes)),
        "gad.v1.ListAgentsRequest" => list_agents(&read(bytes)),
        "gad.v1.ListUsersRequest" => list_users(&read(bytes)),
        "gad.v1.CreateUserRequest" => create_user(&read(bytes)),
        "gad.v1.CreateZoneRequest" => create_zone(&read(bytes)),
        "gad.v1.ListNearbyRequest" => nearby(&read(bytes)),
        "gad.v1.ReportPositionsRequest" => report(read(bytes)),
        "gad.v1.WatchRequest" => watch(read(bytes)),
        "gad.v1.CreateTaskRequest" => create_task(read(bytes)),
        "gad.v1.UpdateTaskRequest" => update_task(read(bytes)),
        "gad.v1.CreateAgentRequest" => create_agent(read(bytes)),
        "gad.v1.UpdateAgentRequest" => update_agent(&read(bytes)),
        _ => {}
    }
}

fn read<T: Message + Default>(bytes: &[u8]) -> T {
    T::decode(bytes).expect("it passed")
}

/// The value, if it is one.
fn passed<T>(result: Result<T>) -> Option<T> {
    result.map_err(super::refusal).ok()
}

/// Every level, and a supervisor of two zones.
fn callers() -> [Caller; 4] {
    let caller = |level, zones: &[i64]| Caller {
        user: UserId(7),
        level,
        zones: zones.iter().copied().map(ZoneId).collect(),
    };
    [
        caller(Level::Agent, &[]),
        caller(Level::Supervisor, &[]),
        caller(Level::Supervisor, &[3, 4]),
        caller(Level::Administrator, &[]),
    ]
}

/// A page of tasks, down to its statement.
pub fn list_tasks(request: &pb::ListTasksRequest) {
    let order = task_read::order(&request.order_by).expect("its rule has made it one of ours");
    assert_eq!(
        order_by(order),
        if request.order_by.is_empty() {
            "create_time desc"
        } else {
            &request.order_by
        }
    );
    for caller in callers() {
        let Some(filter) = passed(task_read::filter(request.filter.clone().unwrap_or_default(), &caller)) else {
            continue;
        };
        assert_eq!(filter.sight, caller.sight());
        assert!(!filter.deleted_shown || caller.level == Level::Administrator);
        assert!(
            filter
                .words
                .iter()
                .all(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric))
        );
        let (sql, conditions) = task_list::statement(&filter, order, Some((i64::MAX, i64::MIN)), 51);
        numbered(&sql, &conditions);
        let mut other = filter.clone();
        other.words.fill("other".to_owned());
        assert_eq!(
            task_list::statement(&other, order, Some((1, 2)), 3).0,
            sql,
            "the text follows what callers write"
        );
    }
}

fn order_by(order: task_list::Order) -> String {
    let name = match order.key {
        task_list::Key::Create => "create_time",
        task_list::Key::Update => "update_time",
        task_list::Key::PlannedStart => "planned_start_time",
        task_list::Key::Priority => "priority",
    };
    format!("{name}{}", if order.descending { " desc" } else { "" })
}

fn list_agents(request: &pb::ListAgentsRequest) {
    for caller in callers() {
        let Some(filter) = passed(agent_read::filter(
            request.filter.clone().unwrap_or_default(),
            &caller,
            Lens::of(&caller, 0),
        )) else {
            continue;
        };
        assert_eq!(filter.sight, caller.sight());
        assert!(!filter.deleted_shown || caller.level == Level::Administrator);
        let (sql, conditions) = agent_list::statement(&filter, 7, 51);
        numbered(&sql, &conditions);
        let mut other = filter.clone();
        other.units.fill("other".to_owned());
        assert_eq!(
            agent_list::statement(&other, 8, 3).0,
            sql,
            "the text follows what callers write"
        );
    }
}

fn list_users(request: &pb::ListUsersRequest) {
    let order = user_read::order(&request.order_by).expect("its rule has made it one of ours");
    for caller in callers() {
        let wire = request.filter.clone().unwrap_or_default();
        let Some(filter) = passed(user_read::filter(wire, &caller, super::now())) else {
            continue;
        };
        let whole = caller.level == Level::Administrator;
        assert_eq!((&filter.sight, filter.by_address), (&caller.sight(), whole));
        assert!(whole || !filter.deleted_shown && filter.verified.is_none() && filter.locked.is_none());
        let (sql, conditions) = user_list::statement(&filter, order, Some(UserId(7)), 51);
        numbered(&sql, &conditions);
        let mut other = filter.clone();
        other.words.fill("other".to_owned());
        assert_eq!(
            user_list::statement(&other, order, Some(UserId(8)), 3).0,
            sql,
            "the text follows what callers write"
        );
    }
}

/// Every parameter has its number in the text, and every number its parameter.
fn numbered(sql: &str, conditions: &Conditions) {
    let numbers = sql.split('$').skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<usize>().expect("a number")
    });
    let numbers: BTreeSet<usize> = numbers.collect();
    assert!(numbers.into_iter().eq(1..=conditions.params().len()), "{sql}");
}

fn nearby(request: &pb::ListNearbyRequest) {
    for caller in callers() {
        let Some(wanted) = passed(nearby::wanted(request.clone(), &caller, super::now())) else {
            continue;
        };
        assert_eq!(wanted.sight, caller.sight());
        assert!((1..=100).contains(&wanted.count));
        assert!(wanted.fresh_since < super::now());
    }
}

fn report(request: pb::ReportPositionsRequest) {
    let count = request.positions.len();
    let Some(fixes) = passed(position::fixes(request)) else {
        return;
    };
    assert_eq!(fixes.len(), count);
    for fix in fixes {
        if fix.check_time(super::now()).is_ok() {
            let known = [fix.accuracy_meters, fix.speed_meters_per_second, fix.heading_degrees];
            assert!(known.into_iter().flatten().all(|number| number.is_finite() && number >= 0.0));
        }
    }
}

fn watch(request: pb::WatchRequest) {
    let Some(wanted) = passed(event::wanted(request.filter.unwrap_or_default())) else {
        return;
    };
    assert!(wanted.tasks.iter().all(|task| task.0 > 0));
}

fn create_task(request: pb::CreateTaskRequest) {
    let task = request.task.expect("its rule wants it");
    if let Some(plan) = passed(task_mask::plan(task, UserId(7), super::now())) {
        possible(&plan);
    }
}

fn update_task(request: pb::UpdateTaskRequest) {
    let mut plan = Plan {
        code: "T-1".to_owned(),
        title: "Patrullar".to_owned(),
        description: String::new(),
        kind: Kind::Patrol,
        priority: Priority::Medium,
        planned_start: super::now(),
        planned_end: None,
        location: Point::new(0.0, 0.0).ok(),
        location_description: String::new(),
        delegate: UserId(7),
    };
    let task = request.task.expect("its rule wants it");
    if passed(task_mask::apply(&mut plan, task, request.update_mask.as_ref())).is_some() {
        possible(&plan);
    }
}

/// What the table of tasks takes.
fn possible(plan: &Plan) {
    assert!(!plan.title.trim().is_empty() && plan.title.chars().count() <= 200);
    assert!(plan.code.chars().count() <= 50);
    assert!(plan.planned_end.is_none_or(|end| end > plan.planned_start));
    assert!(plan.delegate.0 > 0);
    for text in [&plan.code, &plan.title, &plan.description, &plan.location_description] {
        assert!(!text.contains('\0'), "PostgreSQL takes no such text");
    }
}

fn create_user(request: &pb::CreateUserRequest) {
    let user = request.user.as_ref().expect("its rule wants it");
    if let Some(email) = passed(user_mask::email(user)) {
        assert_eq!(email::email(&email), Some(email));
    }
    passed(user_mask::username(user));
    if let Some(name) = passed(user_mask::name(user)) {
        assert!(!name.display.trim().is_empty());
        for text in [&name.display, &name.given, &name.family] {
            assert!(
                text.chars().count() <= 401 && !text.contains('\0'),
                "PostgreSQL takes no such text"
            );
        }
    }
    assert!(["es", "en"].contains(&user_mask::language(user).as_str()));
}

fn create_zone(request: &pb::CreateZoneRequest) {
    let zone = request.zone.as_ref().expect("its rule wants it");
    passed(zone_mask::code(zone));
    passed(zone_mask::display_name(zone));
    if let Some(boundary) = passed(zone_mask::boundary(zone)) {
        assert_eq!(boundary.points().len(), zone.boundary.len());
    }
}

fn create_agent(request: pb::CreateAgentRequest) {
    let agent = request.agent.expect("its rule wants it");
    if let Some(profile) = passed(agent_mask::profile(agent)) {
        known(&profile);
    }
}

fn update_agent(request: &pb::UpdateAgentRequest) {
    let mut profile = Profile {
        code: "M-1".to_owned(),
        rank: String::new(),
        unit: String::new(),
        specialty: String::new(),
    };
    let agent = request.agent.as_ref().expect("its rule wants it");
    if passed(agent_mask::apply(&mut profile, agent, request.update_mask.as_ref())).is_some() {
        known(&profile);
    }
}

fn known(profile: &Profile) {
    let Profile {
        code,
        rank,
        unit,
        specialty,
    } = profile;
    assert!(!code.is_empty());
    for text in [code, rank, unit, specialty] {
        assert!(
            text.chars().count() <= 200 && !text.contains('\0'),
            "PostgreSQL takes no such text"
        );
    }
}

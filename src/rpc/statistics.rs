//! StatisticsService.

use std::sync::Arc;

use jiff::{SignedDuration, civil::Date, tz::TimeZone};
use tonic::{Request, Response, Status};

use super::{Call, page, wire};
use crate::{
    app::App,
    domain::{
        access::Caller,
        plan::{Kind, Priority},
        statistics::{Filter, Group, Measure, Open, Spread, middle},
        task::State,
    },
    error::{Error, Result},
    pb::{self, statistics_service_server::StatisticsService},
    store::{self, statistics::Line},
};

/// Units at most: they come in one page.
const UNITS: i64 = 1000;

/// The service.
#[derive(Debug, Clone)]
pub struct Statistics(pub Arc<App>);

#[tonic::async_trait]
impl StatisticsService for Statistics {
    async fn get_statistics(
        &self,
        request: Request<pb::GetStatisticsRequest>,
    ) -> Result<Response<pb::GetStatisticsResponse>, Status> {
        Ok(get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn get(app: &App, call: &Call, request: pb::GetStatisticsRequest) -> Result<Response<pb::GetStatisticsResponse>> {
    let caller = call.caller()?;
    let bound = pb::GetStatisticsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let query = page::Query::of("GetStatistics", &bound, caller.user.0);
    let after = query.open(&request.page_token)?.map(|[key]| key);
    let group = Group::of(request.group_by).unwrap_or(Group::All);
    let filter = filter(group, request.filter.unwrap_or_default(), &caller)?;
    let limit = match group {
        Group::Unit => UNITS + 1,
        _ => page::limit(request.page_size, 100),
    };
    let conn = app.database.lease().await?;
    let lines = store::statistics::lines(&*conn, group, &filter, after, app.clock.now(), limit).await?;
    let mut rows = rows(&lines);
    let next_page_token = query.cut(&mut rows, limit, |row| [row.key]);
    if group == Group::Day {
        // The number of a day is for the page token alone.
        rows.iter_mut().for_each(|row| row.key = 0);
    }
    Ok(Response::new(pb::GetStatisticsResponse {
        rows,
        next_page_token: if group == Group::Unit {
            String::new()
        } else {
            next_page_token
        },
    }))
}

fn filter(group: Group, filter: pb::StatisticsFilter, caller: &Caller) -> Result<Filter> {
    let pb::StatisticsFilter {
        start_time,
        end_time,
        user_ids,
        agent_ids,
        units,
        zone_ids,
        kinds,
        priorities,
    } = filter;
    let filter = Filter {
        since: start_time.map(|time| day("filter.start_time", time)).transpose()?,
        until: end_time.map(|time| day("filter.end_time", time)).transpose()?,
        users: user_ids,
        agents: agent_ids,
        units,
        zones: zone_ids,
        kinds: wire::enums("filter.kinds", &kinds, Kind::of)?,
        priorities: wire::enums("filter.priorities", &priorities, Priority::of)?,
        sight: caller.sight(),
    };
    let about_users = group == Group::User || !filter.users.is_empty();
    if about_users && filter.is_about_agents(group) {
        return Err(Error::invalid(
            "filter.user_ids",
            "no van junto con agentes y unidades",
            "do not go with agents and units",
        ));
    }
    Ok(filter)
}

fn day(field: &str, time: prost_types::Timestamp) -> Result<Date> {
    Ok(wire::time(field, time)?.to_zoned(TimeZone::UTC).date())
}

/// Lines by group, as a row each.
fn rows(lines: &[Line]) -> Vec<pb::StatisticsRow> {
    let mut rows: Vec<pb::StatisticsRow> = Vec::new();
    for line in lines {
        let known = rows.last().is_some_and(|row| row.key == line.key && row.name == line.name);
        if !known {
            rows.push(pb::StatisticsRow {
                key: line.key,
                name: line.name.clone(),
                ..empty()
            });
        }
        if let Some(row) = rows.last_mut() {
            add(row, line);
        }
    }
    rows
}

/// A row of nothing: all lengths of time are there, measured of none.
fn empty() -> pb::StatisticsRow {
    let none = || Some(pb::DurationStatistics::default());
    pb::StatisticsRow {
        worked: none(),
        planned: none(),
        assign: none(),
        acknowledge: none(),
        start: none(),
        finish: none(),
        ..pb::StatisticsRow::default()
    }
}

fn add(row: &mut pb::StatisticsRow, line: &Line) {
    let Spread { count, .. } = line.spread;
    match line.measure {
        Measure::State => match State::of(line.state.into()) {
            Some(State::Scheduled) => row.scheduled_count = count,
            Some(State::InProgress) => row.in_progress_count = count,
            Some(State::Paused) => row.paused_count = count,
            Some(State::Finished) => row.finished_count = count,
            Some(State::Cancelled) => row.cancelled_count = count,
            None => {}
        },
        Measure::Due => row.overdue_count = count,
        Measure::Late => row.late_count = count,
        Measure::Worked => row.worked = Some(durations(&line.spread)),
        Measure::Planned => row.planned = Some(durations(&line.spread)),
        Measure::Assign => row.assign = Some(durations(&line.spread)),
        Measure::Acknowledge => row.acknowledge = Some(durations(&line.spread)),
        Measure::Start => row.start = Some(durations(&line.spread)),
        Measure::Finish => row.finish = Some(durations(&line.spread)),
    }
}

fn durations(spread: &Spread) -> pb::DurationStatistics {
    let Spread { count, total, classes } = *spread;
    let [p25, p50, p75] = classes.map(|class| Some(wire::duration(middle(class))));
    let mean = SignedDuration::from_millis(total.checked_div(count).unwrap_or_default());
    pb::DurationStatistics {
        count,
        mean: Some(wire::duration(mean)),
        p25,
        p50,
        p75,
    }
}

/// How much is open, on the wire.
pub fn kpi(open: Open) -> pb::Kpi {
    let Open {
        states: [scheduled_count, in_progress_count, paused_count],
        overdue,
        emergencies,
        urgent,
    } = open;
    pb::Kpi {
        scheduled_count,
        in_progress_count,
        paused_count,
        overdue_count: overdue,
        emergency_count: emergencies,
        urgent_count: urgent,
    }
}

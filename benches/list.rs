//! A page of a list, in a database with many tasks and in one with few.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use gad::pb::{self, TaskState, task_service_client::TaskServiceClient};
use tonic::{Request, transport::Channel};

use crate::{
    Bench,
    table::{Row, Target, median, number},
    world::Server,
};

/// Tasks on a page.
const PAGE: i32 = 50;

/// A list.
struct Kind {
    name: &'static str,
    states: &'static [TaskState],
    words: &'static str,
    order: &'static str,
    /// Pages that are turned before the one that is timed.
    turned: usize,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "newest first",
        states: &[],
        words: "",
        order: "",
        turned: 0,
    },
    Kind {
        name: "newest first, page 20",
        states: &[],
        words: "",
        order: "",
        turned: 19,
    },
    Kind {
        name: "in progress, newest first",
        states: &[TaskState::InProgress],
        words: "",
        order: "",
        turned: 0,
    },
    Kind {
        name: "open, most urgent first",
        states: &[TaskState::Scheduled, TaskState::InProgress, TaskState::Paused],
        words: "",
        order: "priority desc",
        turned: 0,
    },
    Kind {
        name: "scheduled, next first",
        states: &[TaskState::Scheduled],
        words: "",
        order: "planned_start_time",
        turned: 0,
    },
    Kind {
        name: "with two words, newest first",
        states: &[],
        words: "patrullaje mercado",
        order: "",
        turned: 0,
    },
];

/// A caller of one server.
struct Caller {
    client: TaskServiceClient<Channel>,
    token: String,
}

impl Caller {
    async fn new(server: &Server, token: &str) -> Result<Self> {
        Ok(Self {
            client: TaskServiceClient::new(server.channel().await?).max_decoding_message_size(64 << 20),
            token: format!("Bearer {token}"),
        })
    }

    async fn page(&mut self, request: &pb::ListTasksRequest) -> Result<pb::ListTasksResponse> {
        let mut request = Request::new(request.clone());
        request.metadata_mut().insert("authorization", self.token.parse()?);
        Ok(self.client.list_tasks(request).await?.into_inner())
    }

    /// The request of the page that is timed.
    async fn turn(&mut self, kind: &Kind) -> Result<pb::ListTasksRequest> {
        let filter = pb::TaskFilter {
            states: kind.states.iter().map(|state| *state as i32).collect(),
            text: kind.words.to_owned(),
            ..Default::default()
        };
        let mut request = pb::ListTasksRequest {
            page_size: PAGE,
            page_token: String::new(),
            filter: Some(filter),
            order_by: kind.order.to_owned(),
        };
        for _ in 0..kind.turned {
            request.page_token = self.page(&request).await?.next_page_token;
        }
        Ok(request)
    }

    /// Milliseconds of the middle one of several calls.
    async fn time(&mut self, request: &pb::ListTasksRequest, calls: u32) -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..calls {
            let begun = Instant::now();
            let page = self.page(request).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            ensure!(page.tasks.len() == PAGE as usize, "a page of {} tasks", page.tasks.len());
        }
        Ok(median(&times))
    }
}

/// Rows of lists.
pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let Bench { sizes, small, great, .. } = bench;
    let mut few = Caller::new(small, &bench.small_token).await?;
    let mut many = Caller::new(great, &bench.great_token).await?;
    let calls = 25 * sizes.seconds;
    let mut rows = Vec::new();
    for kind in &KINDS {
        let (of_few, of_many) = (few.turn(kind).await?, many.turn(kind).await.context(kind.name)?);
        few.time(&of_few, 10).await?;
        many.time(&of_many, 10).await?;
        let (mut ours, mut limits) = (vec![], vec![]);
        for _ in 0..sizes.rounds {
            limits.push(few.time(&of_few, calls).await?);
            ours.push(many.time(&of_many, calls).await?);
        }
        let work = format!("page of {PAGE} at {} tasks: {}", number(sizes.rows.into()), kind.name);
        let limit = format!("at {}", number(sizes.small_rows.into()));
        rows.push(Row::new(work, "ms", ours).limit(limit, limits).target(Target::AtMost(1.3)));
    }
    Ok(rows)
}

//! Many unary gRPC calls over few connections, as cheaply as pgbench makes its transactions: what is measured is the
//! server, not the client. HTTP/2 by hand, with requests that are nearly the same and answers that are only counted.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::frames::{self, Frame, Frames};

/// Connections that the calls are spread over.
const CONNECTIONS: usize = 8;
/// Calls under way on a connection at most: servers end connections that exceed what they said.
const ROOM: usize = 4000;
/// Bytes read at a time.
const READ: usize = 32 * 1024;
/// Received bytes after which the server is told that it may send more.
const TOPPED_UP: usize = 1 << 28;

/// Makes the message of a request from a random number.
pub type Requests = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// What is called, and how.
#[derive(Debug, Clone)]
pub struct Call {
    /// Where.
    pub address: SocketAddr,
    /// Path of the method.
    pub path: &'static str,
    /// Access token.
    pub token: String,
    /// Deadline that the server is told of.
    pub deadline: Option<Duration>,
}

/// When the next call is made.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// When one of this many callers has its answer.
    Closed(usize),
    /// This many times a second, answer or not.
    Open(f64),
}

/// What came of the calls.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Seconds that it took.
    pub seconds: f64,
    /// Calls made.
    pub made: u64,
    /// Microseconds that each good answer took.
    pub good: Vec<u32>,
    /// Good answers after the deadline.
    pub late: u64,
    /// Other answers, by status.
    pub refused: BTreeMap<u8, u64>,
    /// Calls without an answer.
    pub unanswered: u64,
}

impl Outcome {
    /// Good answers per second.
    pub fn per_second(&self) -> f64 {
        self.good.len() as f64 / self.seconds
    }

    /// Milliseconds that this share of the good answers took at most.
    pub fn milliseconds(&self, share: f64) -> f64 {
        let mut sorted = self.good.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1) as f64;
        sorted
            .get((last * share) as usize)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }

    /// Fails unless every call had a good answer.
    pub fn all_good(self) -> Result<Self> {
        ensure!(self.refused.is_empty(), "calls were refused: {:?}", self.refused);
        ensure!(!self.good.is_empty(), "no call was answered");
        Ok(self)
    }

    fn add(&mut self, other: Self) {
        let Self {
            seconds,
            made,
            good,
            late,
            refused,
            unanswered,
        } = other;
        self.seconds = self.seconds.max(seconds);
        self.made += made;
        self.good.extend(good);
        self.late += late;
        for (code, count) in refused {
            *self.refused.entry(code).or_default() += count;
        }
        self.unanswered += unanswered;
    }
}

/// Calls by so many callers, each of which calls again when it has its answer.
pub async fn closed(call: &Call, callers: usize, time: Duration, requests: &Requests) -> Result<Outcome> {
    let connections = CONNECTIONS.min(callers);
    run(call, connections, Pace::Closed(callers / connections), time, requests).await
}

/// So many calls per second, whatever becomes of them.
pub async fn open(call: &Call, per_second: f64, time: Duration, requests: &Requests) -> Result<Outcome> {
    let pace = Pace::Open(per_second / CONNECTIONS as f64);
    run(call, CONNECTIONS, pace, time, requests).await
}

async fn run(call: &Call, connections: usize, pace: Pace, time: Duration, requests: &Requests) -> Result<Outcome> {
    let mut tasks = Vec::new();
    for number in 0..connections {
        let connection = Connection::open(call, Arc::clone(requests), number).await?;
        tasks.push(tokio::spawn(connection.run(pace, time)));
    }
    let mut sum = Outcome::default();
    for task in tasks {
        sum.add(task.await??);
    }
    Ok(sum)
}

/// A call under way.
struct Flight {
    begun: Instant,
    /// Bytes of the answer's message so far.
    bytes: usize,
}

/// One connection.
struct Connection {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    /// What is to be written.
    out: Vec<u8>,
    frames: Frames,
    /// Header block of all requests but the first.
    again: Vec<u8>,
    next_stream: u32,
    flying: HashMap<u32, Flight>,
    unread: usize,
    requests: Requests,
    seed: u64,
    deadline: Duration,
    outcome: Outcome,
}

impl Connection {
    async fn open(call: &Call, requests: Requests, number: usize) -> Result<Self> {
        let stream = TcpStream::connect(call.address).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let headers = frames::headers(call);
        let mut connection = Self {
            reader,
            writer,
            out: frames::greeting(),
            frames: Frames::default(),
            again: frames::known(headers.len()),
            next_stream: 1,
            flying: HashMap::new(),
            unread: 0,
            requests,
            seed: number as u64 + 1,
            deadline: call.deadline.unwrap_or(Duration::MAX),
            outcome: Outcome::default(),
        };
        // The first request teaches the server the headers; it is not counted.
        let first = frames::learnt(&headers);
        connection.request(&first);
        while !connection.flying.is_empty() {
            connection.turn(None).await?;
        }
        let refused = std::mem::take(&mut connection.outcome).refused;
        ensure!(
            refused.is_empty() || call.deadline.is_some(),
            "the first call was refused: {refused:?}"
        );
        Ok(connection)
    }

    async fn run(mut self, pace: Pace, time: Duration) -> Result<Outcome> {
        let begun = Instant::now();
        let end = begun + time;
        let mut tick = interval(Duration::from_millis(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while Instant::now() < end {
            match pace {
                Pace::Closed(callers) => {
                    while self.flying.len() < callers {
                        self.request_again();
                    }
                    self.turn(None).await?;
                }
                Pace::Open(per_second) => {
                    let due = (begun.elapsed().as_secs_f64() * per_second) as u64;
                    while self.outcome.made < due {
                        self.request_again();
                    }
                    self.turn(Some(&mut tick)).await?;
                }
            }
        }
        self.outcome.seconds = begun.elapsed().as_secs_f64();
        // What is late may still come, and is counted as late.
        let last = Instant::now() + Duration::from_secs(2);
        while !self.flying.is_empty() && Instant::now() < last {
            tokio::select! {
                turned = self.turn(None) => turned?,
                () = sleep_until(last) => {}
            }
        }
        let refused: u64 = self.outcome.refused.values().sum();
        let answered = self.outcome.good.len() as u64 + self.outcome.late + refused;
        self.outcome.unanswered = self.outcome.made - answered;
        Ok(self.outcome)
    }

    /// Makes another call; one that the connection has no room for counts as unanswered at once.
    fn request_again(&mut self) {
        if self.flying.len() < ROOM {
            let block = std::mem::take(&mut self.again);
            self.request(&block);
            self.again = block;
        } else {
            self.outcome.made += 1;
        }
    }

    fn request(&mut self, block: &[u8]) {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let message = (self.requests)(self.seed >> 16);
        frames::request(&mut self.out, self.next_stream, block, &message);
        let flight = Flight {
            begun: Instant::now(),
            bytes: 0,
        };
        self.flying.insert(self.next_stream, flight);
        self.next_stream += 2;
        self.outcome.made += 1;
    }

    /// Writes and reads what can be, or waits until something can be.
    async fn turn(&mut self, tick: Option<&mut tokio::time::Interval>) -> Result<()> {
        if let Ok(written) = self.writer.try_write(&self.out) {
            self.out.drain(..written);
        }
        self.frames.bytes.reserve(READ);
        let tick = async {
            match tick {
                Some(tick) => tick.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = self.reader.read_buf(&mut self.frames.bytes) => {
                ensure!(read? > 0, "the server closed a connection");
                self.take_all()?;
            }
            written = self.writer.write(&self.out), if !self.out.is_empty() => {
                self.out.drain(..written?);
            }
            _ = tick => {}
        }
        Ok(())
    }

    fn take_all(&mut self) -> Result<()> {
        let mut frames = std::mem::take(&mut self.frames);
        while let Some(frame) = frames.next()? {
            match frame {
                Frame::Data { stream, bytes, last } => {
                    self.unread += bytes;
                    if let Some(flight) = self.flying.get_mut(&stream) {
                        flight.bytes += bytes;
                    }
                    if last {
                        self.land(stream, None);
                    }
                }
                Frame::Headers { stream, status, last } if last => self.land(stream, status),
                Frame::Headers { .. } => {}
                Frame::Reset { stream } => self.land(stream, None),
                Frame::Answer(bytes) => self.out.extend(bytes),
            }
        }
        self.frames = frames;
        if self.unread > TOPPED_UP {
            frames::more(&mut self.out, self.unread);
            self.unread = 0;
        }
        Ok(())
    }

    /// A call is over.
    fn land(&mut self, stream: u32, status: Option<u8>) {
        let Some(Flight { begun, bytes }) = self.flying.remove(&stream) else {
            return;
        };
        let took = begun.elapsed();
        if status != Some(0) || bytes == 0 {
            *self.outcome.refused.entry(status.unwrap_or(u8::MAX)).or_default() += 1;
        } else if took > self.deadline {
            self.outcome.late += 1;
        } else {
            self.outcome.good.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
    }
}

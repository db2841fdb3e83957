//! `gad import-tasks`: one located inspection task of each road piece in a file.

use std::path::Path;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    config::ImportSettings,
    domain::{
        UserId,
        fact::{Before, Fact, FactKind, Subject},
        geo::Point,
        task::{Kind, Plan, Priority},
    },
    store::{
        self, Database,
        task::{Draft, Step},
    },
};

/// Longest file that is read, in bytes.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// A road piece as RecWay wrote it; other fields are not used here.
#[derive(Debug, Deserialize)]
pub struct Piece {
    id: u64,
    nombre: Option<Name>,
    latitud_origen: f64,
    longitud_origen: f64,
    latitud_destino: f64,
    longitud_destino: f64,
    geometria: Vec<Vertex>,
}

/// A street that has two names carries both.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Name {
    One(String),
    Many(Vec<String>),
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::One(name) => name.clone(),
            Self::Many(names) => names.join(" / "),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Vertex {
    latitud: f64,
    longitud: f64,
}

/// How many tasks were made and how many pieces had one already.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Tasks made.
    pub created: usize,
    /// Pieces that had a task.
    pub known: usize,
}

/// Reads the file and makes the tasks, all or none. A piece that has a task already is left alone.
pub async fn run(settings: &ImportSettings, now: Timestamp) -> anyhow::Result<Imported> {
    let pieces = read(&settings.file)?;
    let now = store::decode::stored(now);
    let database = Database::connect(&settings.database).await?;
    let mut conn = database.lease().await?;
    let creator = store::user::by_login(&*conn, &settings.creator.to_lowercase())
        .await?
        .filter(|(user, _)| user.may_sign_in())
        .with_context(|| format!("no active user has the e-mail {}", settings.creator))?
        .0
        .id;
    let tx = conn.begin(None).await?;
    let mut imported = Imported { created: 0, known: 0 };
    for piece in &pieces {
        let plan = plan(piece, creator, now).with_context(|| format!("road piece {}", piece.id))?;
        if store::task::has_code(&tx, &plan.code).await? {
            imported.known += 1;
            continue;
        }
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let uid = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
        let draft = Draft {
            uid,
            plan,
            creator,
            reopened_from: None,
            now,
        };
        let task = store::task::insert(&tx, &draft).await?;
        let step = Step {
            id: 0,
            action: None,
            from: None,
            to: task.state(),
            user: Some(creator),
            agent: None,
            reason: String::new(),
            time: now,
        };
        store::task::add_step(&tx, task.id, &step).await?;
        let fact = Fact {
            kind: FactKind::TaskCreated,
            time: now,
            actor: Some(creator),
            subject: Subject::Task(Box::new(task)),
            before: Before::default(),
        };
        store::outbox::add(&tx, &[fact]).await?;
        imported.created += 1;
    }
    tx.commit().await?;
    Ok(imported)
}

fn read(file: &Path) -> anyhow::Result<Vec<Piece>> {
    let size = std::fs::metadata(file)
        .with_context(|| format!("cannot read {}", file.display()))?
        .len();
    ensure!(size <= FILE_LIMIT, "{} is larger than {FILE_LIMIT} bytes", file.display());
    parse(&std::fs::read(file)?).with_context(|| format!("{} is not a list of road pieces", file.display()))
}

/// The road pieces of a file's bytes.
pub fn parse(bytes: &[u8]) -> serde_json::Result<Vec<Piece>> {
    serde_json::from_slice(bytes)
}

/// The task of a piece: at the middle of its line.
pub fn plan(piece: &Piece, creator: UserId, now: Timestamp) -> anyhow::Result<Plan> {
    let Piece {
        id,
        nombre,
        latitud_origen,
        longitud_origen,
        latitud_destino,
        longitud_destino,
        geometria,
    } = piece;
    let mut line = geometria
        .iter()
        .map(|vertex| Point::new(vertex.latitud, vertex.longitud))
        .collect::<Result<Vec<_>, _>>()?;
    if line.len() < 2 {
        line = vec![
            Point::new(*latitud_origen, *longitud_origen)?,
            Point::new(*latitud_destino, *longitud_destino)?,
        ];
    }
    let name = nombre.as_ref().map(Name::text).unwrap_or_default();
    let name = if name.trim().is_empty() {
        "Vía sin nombre"
    } else {
        name.trim()
    };
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(150).collect();
    Ok(Plan {
        code: format!("VIA-{id}"),
        title: format!("Inspeccionar {name}"),
        description: format!(
            "Tramo de {:.0} m entre ({latitud_origen}, {longitud_origen}) y ({latitud_destino}, {longitud_destino}).",
            length_meters(&line)
        ),
        kind: Kind::Inspection,
        priority: Priority::Medium,
        planned_start: now,
        planned_end: None,
        location: Some(middle(&line)?),
        location_description: name,
        delegate: creator,
    })
}

fn length_meters(line: &[Point]) -> f64 {
    line.windows(2).map(|ends| ends[0].haversine_meters(ends[1])).sum()
}

/// The point half the length along a line of at least two points.
fn middle(line: &[Point]) -> anyhow::Result<Point> {
    let mut left = length_meters(line) / 2.0;
    for ends in line.windows(2) {
        let length = ends[0].haversine_meters(ends[1]);
        if left <= length && length > 0.0 {
            let part = left / length;
            let between = |a: f64, b: f64| a + (b - a) * part;
            return Ok(Point::new(
                between(ends[0].latitude(), ends[1].latitude()),
                between(ends[0].longitude(), ends[1].longitude()),
            )?);
        }
        left -= length;
    }
    line.first().copied().context("a line without points")
}

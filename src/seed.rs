//! The demo city: synthetic, the same every time but for "now", around Bogotá.

use anyhow::{Context as _, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

use crate::{
    config::{DEMO_ACCOUNTS, DEMO_PASSWORD, Environment, SeedSettings},
    domain::{
        AgentId, TaskId, UserId,
        access::Level,
        agent::{Duty, Fix, Source},
        geo::Point,
        task::{Action, Kind, Plan, Priority},
        user::{Authority, Name},
        zone::Boundary,
    },
    identity,
    store::{
        self, Database, Tx,
        task::{Draft, Step},
    },
};

/// Centre of the city.
const CENTRE: (f64, f64) = (4.65, -74.07);
/// Half the city's width in degrees.
const REACH: f64 = 0.07;

/// How long the agents have been there.
const IN_SERVICE: SignedDuration = SignedDuration::from_hours(30 * 24);

const PEOPLE: [&str; 20] = [
    "Ana Rojas",
    "Luis Mora",
    "Carla Pinto",
    "Jorge Díaz",
    "Marta León",
    "Iván Castro",
    "Sofía Vega",
    "Pedro Ruiz",
    "Elena Cruz",
    "Raúl Peña",
    "Nadia Soto",
    "Óscar Gil",
    "Paula Nieto",
    "Hugo Lara",
    "Irene Paz",
    "Diego Ríos",
    "Laura Sanz",
    "Mario Vidal",
    "Rosa Campos",
    "Felipe Arias",
];
const UNITS: [&str; 4] = ["Norte", "Centro", "Sur", "Occidente"];
const RANKS: [&str; 3] = ["Patrullero", "Cabo", "Sargento"];
const SPECIALTIES: [&str; 4] = ["tránsito", "rescate", "vías", "comunidad"];
const WORK: [(Kind, &str); 8] = [
    (Kind::Patrol, "Patrullaje preventivo"),
    (Kind::Investigation, "Investigación de denuncia"),
    (Kind::Surveillance, "Vigilancia de espacio público"),
    (Kind::Intervention, "Intervención por ruido"),
    (Kind::Administrative, "Informe semanal"),
    (Kind::Training, "Entrenamiento de primeros auxilios"),
    (Kind::Inspection, "Inspección de calzada"),
    (Kind::Emergency, "Emergencia reportada"),
];
const PLACES: [&str; 8] = [
    "Parque central",
    "Avenida principal",
    "Mercado",
    "Terminal",
    "Colegio",
    "Puente",
    "Plaza de la fuente",
    "Hospital",
];

/// Fills an empty database; says whether it was empty.
pub async fn run(settings: &SeedSettings, now: Timestamp) -> anyhow::Result<bool> {
    ensure!(
        settings.environment != Environment::Production,
        "demo accounts are refused in production"
    );
    ensure!(settings.agents >= 1, "the demo city needs at least one agent");
    let database = Database::connect(&settings.database).await?;
    let mut conn = database.lease().await?;
    let tx = conn.begin(None).await?;
    store::user::lock_first(&tx).await?;
    if store::user::any(&tx).await? {
        return Ok(false);
    }
    let mut city = City {
        dice: StdRng::seed_from_u64(465),
        now,
    };
    city.zones(&tx).await?;
    let (supervisor, agents) = city.people(&tx, settings.agents).await?;
    for number in 0..settings.tasks {
        city.task(&tx, supervisor, &agents, number).await?;
    }
    tx.commit().await?;
    Ok(true)
}

struct City {
    dice: StdRng,
    now: Timestamp,
}

impl City {
    fn uid(&self) -> Uuid {
        let seconds = u64::try_from(self.now.as_second()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.dice.random_range(0..from.len())]
    }

    fn place(&mut self) -> anyhow::Result<Point> {
        let latitude = CENTRE.0 + self.dice.random_range(-REACH..REACH);
        let longitude = CENTRE.1 + self.dice.random_range(-REACH..REACH);
        Ok(Point::new(latitude, longitude)?)
    }

    /// Four quarters of the city.
    async fn zones(&mut self, tx: &Tx<'_>) -> anyhow::Result<()> {
        let (lat, lng, far) = (CENTRE.0, CENTRE.1, REACH + 0.01);
        let quarters = [
            ("Z-NE", "Nororiente", lat, lng, lat + far, lng + far),
            ("Z-NO", "Noroccidente", lat, lng - far, lat + far, lng),
            ("Z-SE", "Suroriente", lat - far, lng, lat, lng + far),
            ("Z-SO", "Suroccidente", lat - far, lng - far, lat, lng),
        ];
        for (code, name, south, west, north, east) in quarters {
            let ring = [(south, west), (south, east), (north, east), (north, west), (south, west)];
            let ring = ring
                .into_iter()
                .map(|(lat, lng)| Point::new(lat, lng))
                .collect::<Result<_, _>>()?;
            let Ok(boundary) = Boundary::new(ring) else {
                bail!("the demo city has an impossible quarter");
            };
            store::zone::insert(tx, code, name, &boundary, self.now).await?;
        }
        Ok(())
    }

    /// The three demo accounts and as many agents as asked; the first agent is the third account.
    async fn people(&mut self, tx: &Tx<'_>, count: u32) -> anyhow::Result<(UserId, Vec<AgentId>)> {
        let [administrator, overseer, first] = DEMO_ACCOUNTS;
        let hash = identity::hash_password(DEMO_PASSWORD)?;
        self.user(tx, administrator, &hash, "Administración", Level::Administrator)
            .await?;
        let supervisor = self.user(tx, overseer, &hash, "Sala de control", Level::Supervisor).await?;
        let mut agents = Vec::new();
        for number in 0..count {
            let email = if number == 0 {
                first.to_owned()
            } else {
                format!("agente{number}@gad.example")
            };
            let name = PEOPLE[number as usize % PEOPLE.len()];
            let user = self.user(tx, &email, &hash, name, Level::Agent).await?;
            agents.push(self.agent(tx, user, number).await?);
        }
        Ok((supervisor, agents))
    }

    async fn user(&mut self, tx: &Tx<'_>, email: &str, hash: &str, name: &str, level: Level) -> anyhow::Result<UserId> {
        let (given, family) = name.split_once(' ').unwrap_or((name, ""));
        let Ok(authority) = Authority::new(level, Vec::new()) else {
            bail!("a demo account has impossible authority");
        };
        let draft = store::user::Draft {
            uid: self.uid(),
            email,
            username: None,
            name: &Name {
                display: name.to_owned(),
                given: given.to_owned(),
                family: family.to_owned(),
            },
            phone: "",
            telegram_id: None,
            language: "es",
            country: Some("CO"),
            password_hash: Some(hash),
            email_verified: Some(self.now),
            must_verify_email: false,
            password_expired: false,
            authority: &authority,
            service: false,
            now: self.now,
        };
        Ok(store::user::insert(tx, &draft).await?)
    }

    /// One agent in eight is off duty, one in sixteen not to be sent; the first always is free. So it was for a while.
    async fn agent(&mut self, tx: &Tx<'_>, user: UserId, number: u32) -> anyhow::Result<AgentId> {
        let duty = match number {
            0 => Duty::Available,
            n if n % 8 == 7 => Duty::OffDuty,
            n if n % 16 == 5 => Duty::Unavailable,
            _ => Duty::Available,
        };
        let profile = crate::domain::agent::Profile {
            code: format!("AG-{:03}", number + 1),
            rank: self.pick(&RANKS).to_owned(),
            unit: self.pick(&UNITS).to_owned(),
            specialty: self.pick(&SPECIALTIES).to_owned(),
        };
        let began = self.now - IN_SERVICE;
        let draft = store::agent::Draft {
            uid: self.uid(),
            user,
            profile,
            now: began,
        };
        let mut created = store::agent::insert(tx, &draft).await?;
        created.duty = duty;
        let agent = store::agent::save(tx, &created, began).await?.id;
        let fix = Fix {
            agent,
            location: self.place()?,
            time: store::decode::stored(self.now - SignedDuration::from_secs(self.dice.random_range(0..60))),
            accuracy_meters: Some(self.dice.random_range(3.0..25.0)),
            speed_meters_per_second: Some(self.dice.random_range(0.0..12.0)),
            heading_degrees: Some(self.dice.random_range(0.0..359.0)),
            source: Source::Gps,
        };
        store::position::ensure(tx, &[fix]).await?;
        store::position::add(tx, &[fix], self.now).await?;
        store::position::settle(tx, &[&fix], self.now).await?;
        Ok(agent)
    }

    /// A task that went some of the ways a task can go.
    async fn task(&mut self, tx: &Tx<'_>, creator: UserId, agents: &[AgentId], number: u32) -> anyhow::Result<()> {
        let (kind, title) = self.pick(&WORK);
        let place = self.pick(&PLACES);
        let start = self.now + SignedDuration::from_mins(self.dice.random_range(-2880..2880));
        let priority = self.pick(&Priority::ALL);
        let plan = Plan {
            code: format!("DEMO-{:04}", number + 1),
            title: format!("{title}: {place}"),
            description: format!("{title} en {place}, solicitada por la ciudadanía."),
            kind,
            priority,
            planned_start: store::decode::stored(start),
            planned_end: Some(store::decode::stored(
                start + SignedDuration::from_hours(self.dice.random_range(1..8)),
            )),
            location: Some(self.place()?),
            location_description: place.to_owned(),
            delegate: creator,
        };
        let steps: &[Action] = match number % 10 {
            0..=3 => &[],
            4 | 5 => &[Action::Start],
            6 => &[Action::Start, Action::Pause],
            7 | 8 => &[Action::Start, Action::Finish],
            _ => &[Action::Cancel],
        };
        let created = self.now - SignedDuration::from_hours(self.dice.random_range(1..72));
        let draft = Draft {
            uid: self.uid(),
            plan,
            creator,
            reopened_from: None,
            now: created,
        };
        let task = store::task::insert(tx, &draft).await?;
        self.note(tx, task.id, creator, None, (None, task.state()), created).await?;
        // The first agent stays free for whoever tries the demo; the last ones too.
        if number % 10 >= 4 && agents.len() > 1 {
            let busy = &agents[1..(agents.len() * 2 / 3).max(2)];
            let agent = self.pick(busy);
            store::task::assign(tx, task.id, agent, false, false, created).await?;
        }
        self.steps(tx, task.id, creator, steps, created).await
    }

    async fn steps(&mut self, tx: &Tx<'_>, id: TaskId, user: UserId, steps: &[Action], mut at: Timestamp) -> anyhow::Result<()> {
        for action in steps {
            at = store::decode::stored(at + SignedDuration::from_mins(self.dice.random_range(5..20)));
            let mut task = store::task::get(tx, id).await?.context("a demo task is gone")?;
            let from = task.state();
            let Ok(progress) = task.progress.step(*action, at) else {
                bail!("the demo city takes an illegal step");
            };
            task.progress = progress;
            let task = store::task::save(tx, &task, at).await?;
            store::task::occupy(tx, &task).await?;
            self.note(tx, id, user, Some(*action), (Some(from), task.state()), at).await?;
        }
        Ok(())
    }

    async fn note(
        &mut self,
        tx: &Tx<'_>,
        task: TaskId,
        user: UserId,
        action: Option<Action>,
        (from, to): (Option<crate::domain::task::State>, crate::domain::task::State),
        time: Timestamp,
    ) -> anyhow::Result<()> {
        let step = Step {
            id: 0,
            action,
            from,
            to,
            user: Some(user),
            agent: None,
            reason: String::new(),
            time,
        };
        Ok(store::task::add_step(tx, task, &step).await?)
    }
}

//! The `gad` program: see `gad --help`.

use std::{io::Write as _, path::Path, process::ExitCode};

use gad::{
    admin,
    app::App,
    audit,
    clock::Clock,
    config::{self, AuditCommand, Cli, Command, DoctorSettings, EnvoySettings, ServeSettings},
    descriptor, doctor, import, keys, layer, seed,
    serve::Server,
    simulate, stack, store, telemetry,
};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let (cli, problems) = config::reading::read::<Cli>();
    let ended = match cli.command {
        Command::Serve(settings) => threads().and_then(|threads| threads.block_on(serve(*settings, problems))),
        command => startable(&problems).and_then(|()| thread()?.block_on(run(command))),
    };
    ended.unwrap_or_else(|cause| {
        eprintln!("gad: {cause:#}");
        ExitCode::FAILURE
    })
}

fn threads() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Children that are to die with this process die with the thread that started them: so there is one.
fn thread() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Refuses to start, with all reasons at once.
fn startable(problems: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(problems.is_empty(), "cannot start:\n  {}", problems.join("\n  "));
    Ok(())
}

async fn serve(settings: ServeSettings, mut problems: Vec<String>) -> anyhow::Result<ExitCode> {
    problems.extend(App::production_problems(&settings).await);
    startable(&problems)?;
    let _telemetry = telemetry::start("gad", &settings.logs())?;
    let stop = CancellationToken::new();
    let server = Server::bind(settings, Clock::system()).await?;
    let signal = stop.clone();
    tokio::spawn(async move {
        telemetry::asked_to_stop().await;
        signal.cancel();
    });
    server.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let now = Clock::system().now();
    match command {
        Command::Serve(settings) => return serve(*settings, Vec::new()).await,
        Command::Migrate(settings) => {
            let connector = store::connector::Connector::new(&settings)?;
            for migration in store::migrate::run(&connector).await? {
                println!("{migration}");
            }
        }
        Command::Seed(settings) => {
            let seeded = seed::run(&settings, now).await?;
            println!(
                "{}",
                if seeded {
                    "the demo city is there"
                } else {
                    "nothing done: there are users already"
                }
            );
        }
        Command::ImportTasks(settings) => {
            let import::Imported { created, known } = import::run(&settings, now).await?;
            println!("{created} tasks created, {known} were there already");
        }
        Command::Simulate(settings) => {
            let _telemetry = telemetry::start("gad-simulate", &settings.telemetry)?;
            simulate::run(settings, Clock::system()).await?;
        }
        Command::Admin(settings) => println!("{}", admin::run(&settings, now).await?),
        Command::Keys(settings) => println!("{}", keys::run(&settings, now).await?),
        Command::Doctor(settings) => return Ok(examine(&settings).await),
        Command::Audit(AuditCommand::Verify(settings)) => {
            let found = audit::verify::run(&settings, &mut |finding| println!("{finding}")).await?;
            println!("{} rows of {} days: {} findings", found.rows, found.days, found.findings);
            return Ok(if found.findings == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            });
        }
        Command::Descriptor { path } => write(&path, descriptor::SET)?,
        Command::Openapi { path } => write(&path, gad::openapi::document().as_bytes())?,
        Command::Envoy(settings) => print!("{}", envoy_yaml(&settings)),
        Command::Up(settings) => stack::up(*settings).await?,
        Command::WithStores(settings) => return stack::with_stores(settings).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Envoy's configuration, as the protos and the settings have it.
fn envoy_yaml(settings: &EnvoySettings) -> String {
    let pool = descriptor::pool();
    let (older, services): (Vec<String>, Vec<String>) = descriptor::services(&pool)
        .into_iter()
        .partition(|name| descriptor::is_legacy(name));
    let older = stack::OlderRest {
        services: older,
        listing_paths: layer::legacy::declared::listing_paths(&pool),
    };
    let streams = descriptor::streams(&pool);
    let routes = |asked_in_streams: bool| {
        let wanted = streams
            .iter()
            .filter(|method| method.is_client_streaming() == asked_in_streams);
        let routes = wanted.flat_map(|method| descriptor::routes(&pool, method));
        routes.map(|route| route.path).collect()
    };
    let streams = stack::Streams {
        routes: routes(false),
        uploads: routes(true),
        methods: streams.iter().map(descriptor::path).collect(),
    };
    stack::envoy_yaml(settings, &services, &older, &streams)
}

/// Says how the stores are set up; the exit code is the worst of it.
async fn examine(settings: &DoctorSettings) -> ExitCode {
    let findings = doctor::run(settings).await;
    findings.iter().for_each(|finding| println!("{finding}"));
    let worst = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    if worst(doctor::Verdict::Broken) {
        ExitCode::from(2)
    } else if worst(doctor::Verdict::Weak) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if path == Path::new("-") {
        std::io::stdout().write_all(bytes)?;
    } else {
        std::fs::write(path, bytes)?;
    }
    Ok(())
}

//! Nobody gets in where they do not belong: every RPC, as everybody, for everything, through every door.
//!
//! What comes out is the table in `snapshots/access.txt`. It must agree with what the rules of the protos demand, and whoever
//! may not know of a thing gets the very answer that there is for a thing that is not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use futures::StreamExt as _;
use gad::{
    descriptor::{self, Access, Rule},
    pb::{self, Service},
};
use prost_reflect::MethodDescriptor;
use serde_json::Value;

use crate::{
    access_cast::{Caller, Cast},
    access_older,
    access_rows::{Asked, Slot, requests},
    access_stock::{Kind, Live, Stock, kinds},
    contract::all_methods,
    doors::{Answer, Door, Doorway},
    world::World,
};

/// Calls under way at a time.
const AT_ONCE: usize = 24;

/// What nobody gets into here: its UUID is made by the database, and `legacy_geo` asks as oneself, as others and as a supervisor.
const ELSEWHERE: [&str; 1] = ["gad.legacy.v1.GeoService.SetLocation"];

/// What the table says before its rows.
const HEAD: &str = "\
# Who gets in where: every RPC, as everybody, for everything, alike through gRPC, gRPC-web and REST. Those of the older products
# (legacy) have no gRPC-web.
# Written by `access::everybody_gets_in_where_the_table_says_and_nowhere_else`; GAD_ACCEPT_SNAPSHOTS=1 accepts it anew.
#
# A row is an RPC, the field that names something, and what that is to the caller: their own; seen (another's, in their zone
# or on their task); foreign (neither theirs nor in their zone); gone (deleted or ended); absent (never there).
#
# Columns: 1, 2, 3: people of these levels. 2-zone: in one zone. 3-old: proved to be there an hour ago. 3-pass: must change
# the password first. t1, t2, t3: API tokens of these levels with the scope of the RPC; -other: with another scope; -ended:
# expired; -cut: revoked. 3-ended: an expired access token. 3-out: of a session that ended. 3-off: of a user who was
# deactivated. bridge: the token of the bridge.
#
# yes: let in. none: let in, and the answer does not show it. hidden: a NOT_FOUND. no: FORBIDDEN. out: SIGNED_OUT.
# scope: SCOPE_TOO_NARROW. prove: STEP_UP_REQUIRED. change: PASSWORD_EXPIRED. Anything else is the reason in full.
";

/// What a call is one of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    rpc: String,
    field: String,
    kind: Option<Kind>,
}

/// One call.
struct Cell {
    line: usize,
    caller: Caller,
    door: usize,
    request: Value,
    token: Option<String>,
}

/// What came of the calls of a line, by caller: the answers of all doors.
type Row = BTreeMap<Caller, Vec<Answer>>;

/// The lines of an RPC's request: for each thing that it names one of each kind.
fn lines(method: &MethodDescriptor, asked: &Asked) -> Vec<(Line, Option<(Slot, Kind)>)> {
    let about = if asked.about.is_empty() {
        String::new()
    } else {
        format!(" ({})", asked.about)
    };
    let older = if is_older(method) { "legacy." } else { "" };
    let rpc = format!("{older}{}.{}", method.parent_service().name(), method.name());
    let line = |field: &str, kind| Line {
        rpc: rpc.clone(),
        field: format!("{field}{about}"),
        kind,
    };
    let slots = asked.slots.clone();
    if slots.is_empty() {
        return vec![(line("-", None), None)];
    }
    let of_slot = |slot: Slot| kinds(&slot.name).iter().map(move |kind| (slot.clone(), *kind));
    let varied = slots.into_iter().flat_map(of_slot);
    varied
        .map(|(slot, kind)| (line(&slot.field, Some(kind)), Some((slot, kind))))
        .collect()
}

fn is_older(method: &MethodDescriptor) -> bool {
    descriptor::is_legacy(method.parent_service().full_name())
}

/// The doors that a caller takes at a line, the one that tells reasons first: all of them; where nobody looks at what is asked
/// for, or at who asks, one in turn once all were tried.
fn ways(method: &MethodDescriptor, rule: &Rule, line: usize, caller: Caller) -> Vec<usize> {
    let is_open = |at: &usize| !is_older(method) || Door::ALL[*at] != Door::GrpcWeb;
    let all: Vec<usize> = (0..Door::ALL.len()).filter(is_open).collect();
    let whole = match rule.access {
        Access::Public => caller == Caller::Nobody,
        _ => line == 0 || caller.demanded(rule).is_none(),
    };
    let turn = if is_older(method) {
        0
    } else {
        (line + caller as usize) % all.len()
    };
    if whole { all } else { vec![all[turn]] }
}

/// Calls a method with a request in all ways that there are. Each call that is let in has a caller and things of its own.
async fn play(stage: &mut Stage, method: &MethodDescriptor, rule: &Rule, asked: &Asked) -> Vec<(Line, Row)> {
    let lines = lines(method, asked);
    let mut cells = Vec::new();
    let Stage { cast, stock, .. } = stage;
    let mut refused: BTreeMap<Caller, (Live, Option<String>)> = Caller::ALL
        .into_iter()
        .filter(|(caller, _)| caller.demanded(rule).is_some())
        .map(|(caller, _)| (caller, cast.enter(caller, rule, stock)))
        .collect();
    for (at, (_, varied)) in lines.iter().enumerate() {
        let varied = varied.as_ref().map(|(slot, kind)| (slot.name.as_str(), *kind));
        for (caller, _) in Caller::ALL {
            for door in ways(method, rule, at, caller) {
                let mut fresh = None;
                let (live, token) = match refused.get_mut(&caller) {
                    Some(known) => known,
                    None => fresh.insert(cast.enter(caller, rule, stock)),
                };
                if asked.guarded {
                    stock.guard(live, true);
                }
                cells.push(Cell {
                    line: at,
                    caller,
                    door,
                    request: stock.fill(&asked.request, varied, live),
                    token: token.clone(),
                });
            }
        }
    }
    stage.stock.flush(&stage.database).await;
    let until = ["snapshot_end", "checkpoint", "end", "whole"];
    let calls = cells.into_iter().map(async |cell: Cell| {
        let (door, token) = (&stage.doors[cell.door], cell.token.as_deref());
        let answer = match Door::ALL[cell.door] {
            Door::Rest if is_older(method) => access_older::call(door, method, &cell.request, token).await,
            _ => door.call(method, &cell.request, token, &until).await,
        };
        (cell.line, cell.caller, answer)
    });
    let answers: Vec<(usize, Caller, Answer)> = futures::stream::iter(calls).buffered(AT_ONCE).collect().await;
    let mut rows: Vec<(Line, Row)> = lines.into_iter().map(|(line, _)| (line, Row::new())).collect();
    for (line, caller, answer) in answers {
        rows[line].1.entry(caller).or_default().push(answer);
    }
    rows
}

/// What an answer says, in a word.
fn verdict(answer: &Answer, shows: &str) -> String {
    if let Ok(value) = &answer.outcome {
        let shown = match value.pointer(shows) {
            None | Some(Value::Null) => false,
            Some(Value::Array(items)) => !items.is_empty() || shows.is_empty(),
            Some(_) => true,
        };
        return if shown { "yes" } else { "none" }.to_owned();
    }
    let word = match answer.reason() {
        "FORBIDDEN" => "no",
        "SIGNED_OUT" => "out",
        "SCOPE_TOO_NARROW" => "scope",
        "STEP_UP_REQUIRED" => "prove",
        "PASSWORD_EXPIRED" => "change",
        reason if reason.ends_with("_NOT_FOUND") => "hidden",
        reason => reason,
    };
    word.to_owned()
}

/// What the rule demands and did not happen, or did happen.
fn against_the_rule(line: &Line, rule: &Rule, caller: Caller, answer: &Answer, verdict: &str) -> Option<String> {
    let reason = answer.reason();
    let wrong = match caller.demanded(rule) {
        Some(demanded) => reason != demanded,
        None => {
            let outside = ["SIGNED_OUT", "SCOPE_TOO_NARROW", "STEP_UP_REQUIRED", "PASSWORD_EXPIRED"];
            let unseen = match line.kind {
                Some(Kind::Absent) => true,
                // A zone is nobody's; all other things are hidden from whoever has nothing to do with them.
                Some(Kind::Foreign) => caller.is_limited(),
                _ => false,
            };
            // The older products' paths do what several RPCs do: some of it asks for more than the rule of the path.
            let more = line.rpc.starts_with("legacy.") && ["STEP_UP_REQUIRED", "SCOPE_TOO_NARROW"].contains(&reason);
            (outside.contains(&reason) && !more) || (unseen && verdict == "yes")
        }
    };
    wrong.then(|| format!("{line:?} {caller:?}: {verdict}; the rule demands {:?}", caller.demanded(rule)))
}

/// Where something that a caller may not know of is answered for otherwise than something that is not there.
fn leaks(rows: &[(Line, Row)], rule: &Rule, shows: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (line, row) in rows {
        let absent = |other: &&(Line, Row)| other.0.field == line.field && other.0.kind == Some(Kind::Absent);
        let Some((_, nothing)) = rows.iter().find(absent) else {
            continue;
        };
        for (caller, answers) in row.iter().filter(|(caller, _)| caller.demanded(rule).is_none()) {
            for (at, answer) in answers.iter().enumerate() {
                let there = &nothing[caller][at];
                let word = verdict(answer, shows);
                let unknown = match line.kind {
                    Some(Kind::Foreign) => caller.is_limited(),
                    // Who cannot see it does not learn that it was there.
                    _ => word == "hidden",
                };
                if unknown && said(answer) != said(there) {
                    wrong.push(format!(
                        "{line:?} {caller:?} at door {at}: {:?}\nabsent: {:?}",
                        said(answer),
                        said(there)
                    ));
                }
            }
        }
    }
    wrong
}

/// All that a caller hears, but for the numbers that were asked for.
fn said(answer: &Answer) -> (Option<u16>, &BTreeMap<String, String>, String) {
    let text = match &answer.outcome {
        Ok(value) | Err(value) => value.to_string(),
    };
    (answer.http, &answer.headers, text)
}

/// A world with all its doors, and whoever comes.
struct Stage {
    doors: Vec<Doorway>,
    cast: Cast,
    stock: Stock,
    database: tokio_postgres::Client,
}

#[tokio::test]
async fn everybody_gets_in_where_the_table_says_and_nowhere_else() {
    let world = World::with(|settings| settings.database.database_pool_size = 20).await;
    let mut doors = Vec::new();
    for door in Door::ALL {
        doors.push(Doorway::open(door, &world.replica).await);
    }
    let zones = [world.zone("Z-NE").await, world.zone("Z-SO").await];
    let mut stage = Stage {
        doors,
        cast: Cast::of(&world, zones[0]).await,
        stock: Stock::new(zones, &world.settings.files.files_dir),
        database: world.database().await,
    };
    stage.stock.given("$taken_dni", national_id(&world).await);
    let pool = descriptor::pool();
    let mut methods = all_methods(&pool);
    // A snapshot reads all there is: it comes while there is little.
    methods.sort_by_key(|method| (method.name() != "Watch", method.full_name().to_owned()));
    let (mut table, mut wrong) = (Vec::new(), Vec::new());
    for method in methods {
        let rule = descriptor::rule(&pool, &method).expect("a rule");
        let all = requests(&method);
        if all.is_empty() {
            wrong.push(format!("{} has no request in access_rows", method.full_name()));
        }
        for asked in all {
            let rows = play(&mut stage, &method, &rule, &asked).await;
            wrong.extend(leaks(&rows, &rule, asked.shows));
            let mut admitted = false;
            for (line, row) in rows {
                let mut words = Vec::new();
                for (caller, answers) in row {
                    let word = verdict(&answers[0], asked.shows);
                    // The older products' REST knows no reasons.
                    let alike = |answer: &Answer| match is_older(&method) {
                        true => answer.outcome.is_ok() == answers[0].outcome.is_ok(),
                        false => verdict(answer, asked.shows) == word,
                    };
                    if !answers.iter().all(alike) {
                        wrong.push(format!("{line:?} {caller:?}: the doors differ: {answers:?}"));
                    }
                    wrong.extend(against_the_rule(&line, &rule, caller, &answers[0], &word));
                    // Whoever is not on the task cannot be taken off it, nor what is not kept be forgotten.
                    admitted |= ["yes", "NOT_ASSIGNED", "NOT_CACHED"].contains(&word.as_str());
                    words.push(word);
                }
                table.push((line, words));
            }
            // The bot is none of the callers: whoever else comes is refused (`legacy_telegram` comes as the bot).
            let bot = matches!(rule.access, Access::Service(Service::TelegramBot));
            if !admitted && !bot && !ELSEWHERE.contains(&method.full_name()) {
                wrong.push(format!("{}: nobody is let in with {}", method.full_name(), asked.request));
            }
        }
    }
    world.replica.stop().await;
    table.sort();
    compare(&table, &mut wrong);
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// The national id of somebody.
async fn national_id(world: &World) -> String {
    let request = pb::SetNationalIdRequest {
        user_id: world.agent().await.id,
        national_id: "1020304050".to_owned(),
        ..Default::default()
    };
    let set = world.administrator().await.privacy().set_national_id(request.clone()).await;
    set.unwrap();
    request.national_id
}

/// The table as text.
fn text(table: &[(Line, Vec<String>)]) -> String {
    let mut text = HEAD.to_owned();
    let mut write = |rpc: &str, field: &str, kind: &str, words: &mut dyn Iterator<Item = &str>| {
        let words: String = words.fold(String::new(), |mut all, word| {
            write!(all, " {word:<8}").unwrap();
            all
        });
        writeln!(text, "{}", format!("{rpc:<42} {field:<28} {kind:<7}{words}").trim_end()).unwrap();
    };
    write("", "", "", &mut Caller::ALL.iter().map(|(_, name)| *name));
    for (line, words) in table {
        let kind = line.kind.map_or("-", Kind::name);
        write(&line.rpc, &line.field, kind, &mut words.iter().map(String::as_str));
    }
    text
}

fn compare(table: &[(Line, Vec<String>)], wrong: &mut Vec<String>) {
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/access.txt");
    let now = text(table);
    if std::env::var_os("GAD_ACCEPT_SNAPSHOTS").is_some() {
        fs::write(&snapshot, &now).unwrap();
    }
    let before = fs::read_to_string(&snapshot).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, now) = (lines(&before), lines(&now));
    wrong.extend(before.difference(&now).map(|line| format!("- {line}")));
    wrong.extend(now.difference(&before).map(|line| format!("+ {line}")));
}

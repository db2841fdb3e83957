//! Erasing a person, in one transaction: the rows as the data map says, then what others wrote of them.

use jiff::Timestamp;
use postgres_types::Type;

use super::{Query, Tx, decode::Column};
use crate::{
    domain::{
        AgentId, EmergencyId, TaskId, UserId,
        data_map::{self, Gone, Rows, Table, Whose},
        erasure::{Traces, pseudonym},
    },
    error::Result,
};

/// Agents that a user is or was.
pub async fn agents(on: &impl Query, user: UserId) -> Result<Vec<AgentId>> {
    let rows = on
        .rows("select id from agents where user_id = $1 order by id", &[&user.0])
        .await?;
    rows.iter().map(|row| Ok(AgentId(row.read("id")?))).collect()
}

/// How many rows of a table went, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// The table.
    pub table: &'static str,
    /// How many rows.
    pub rows: i64,
    /// Whether they were deleted.
    pub deleted: bool,
}

/// Clears all rows of a user as the data map says.
pub async fn by_map(tx: &Tx<'_>, user: UserId) -> Result<Vec<Cleared>> {
    let mut cleared = Vec::new();
    for table in data_map::tables() {
        let Some(sql) = statement(table) else { continue };
        let rows = tx.typed(&sql, &[(&user.0, Type::INT8)]).await?;
        let rows = rows.first().map(|row| row.read("n")).transpose()?.unwrap_or(0);
        cleared.push(Cleared {
            table: table.name,
            rows,
            deleted: table.rows == Rows::Deleted,
        });
    }
    Ok(cleared)
}

/// The statement that clears a table of the user `$1`; none if nothing in it goes.
fn statement(table: &Table) -> Option<String> {
    let (name, whose) = (table.name, belongs(table.whose));
    let change = match table.rows {
        Rows::Nobodys => return None,
        Rows::Deleted => format!("delete from {name} t where {whose}"),
        Rows::Kept(_) => {
            let sets = table.personal.iter().filter_map(|personal| {
                let value = match personal.gone {
                    Gone::WithRow | Gone::Stays(_) => return None,
                    Gone::Default => "default",
                    Gone::Pseudonym => "'USUARIO_ELIMINADO_' || $1::bigint",
                    Gone::Address => "'eliminado-' || $1::bigint || '@invalid'",
                    Gone::Code => "'ELIMINADO-' || t.id",
                };
                Some(format!("{} = {value}", personal.column))
            });
            let sets: Vec<String> = sets.collect();
            if sets.is_empty() {
                return None;
            }
            format!("update {name} t set {} where {whose}", sets.join(", "))
        }
    };
    Some(format!("with gone as ({change} returning 1) select count(*) as n from gone"))
}

/// That a row `t` belongs to the user `$1`.
pub(super) fn belongs(whose: &[Whose]) -> String {
    let any = whose.iter().map(|whose| match whose {
        Whose::User(column) => format!("t.{column} = $1"),
        // As an array, which each partition looks up in its index.
        Whose::Agent(column) => format!("t.{column} = any(array(select a.id from agents a where a.user_id = $1))"),
        Whose::Session(column) => format!("t.{column} in (select s.id from sessions s where s.user_id = $1)"),
        Whose::Work(column) => {
            format!("t.{column} in (select w.task_id from assignments w join agents a on a.id = w.agent_id where a.user_id = $1)")
        }
    });
    format!("({})", any.collect::<Vec<_>>().join(" or "))
}

/// What is left of a user and their agents: numbers without authority. Gives the least version of tokens that is good.
pub async fn bury(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<i32> {
    tx.run(
        "update agents set duty = 3, duty_time = $2, availability_time = $2, delete_time = coalesce(delete_time, $2),
                update_time = $2, revision = revision + 1
         where user_id = $1",
        &[&user.0, &now],
    )
    .await?;
    tx.one(
        "update users set active = false, delete_time = coalesce(delete_time, $2), erase_time = $2, update_time = $2,
                token_version = token_version + 1, revision = revision + 1
         where id = $1 returning token_version",
        &[&user.0, &now],
    )
    .await?
    .read("token_version")
}

/// Tasks whose texts name the person, ascending. Of places' descriptions only those of the person's own tasks are looked at.
pub async fn tasks_naming(on: &impl Query, user: UserId, traces: &Traces) -> Result<Vec<TaskId>> {
    let Some(pattern) = traces.pattern() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for value in &traces.telling {
        let rows = on
            .rows(
                "select id from tasks where words @@ phraseto_tsquery('simple', fold($1)) and (title ~* $2 or description ~* $2)",
                &[value, &pattern],
            )
            .await?;
        found.extend(rows.iter().map(|row| row.read("id")).collect::<Result<Vec<i64>>>()?);
    }
    let rows = on
        .rows(
            "select t.id from tasks t where t.location_description ~* $2 and (t.creator_user_id = $1 or t.delegate_user_id = $1
                    or t.id in (select w.task_id from assignments w join agents a on a.id = w.agent_id where a.user_id = $1))",
            &[&user.0, &pattern],
        )
        .await?;
    found.extend(rows.iter().map(|row| row.read("id")).collect::<Result<Vec<i64>>>()?);
    found.sort_unstable();
    found.dedup();
    Ok(found.into_iter().map(TaskId).collect())
}

/// Emergencies whose texts may name the person: those of these tasks, and those that somebody said it of.
pub async fn emergencies_naming(on: &impl Query, tasks: &[TaskId], traces: &Traces) -> Result<Vec<EmergencyId>> {
    let Some(pattern) = traces.pattern() else {
        return Ok(Vec::new());
    };
    let tasks: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let rows = on
        .rows(
            "select id from emergencies where task_id = any($1)
             union select emergency_id from emergency_steps where note ~* $2 order by id",
            &[&tasks, &pattern],
        )
        .await?;
    rows.iter().map(|row| Ok(EmergencyId(row.read("id")?))).collect()
}

/// What tasks have beside themselves, templates, and messages to groups, whose texts name the person: as the audit names them.
pub async fn details_naming(on: &impl Query, traces: &Traces) -> Result<Vec<String>> {
    let Some(pattern) = traces.pattern() else {
        return Ok(Vec::new());
    };
    let rows = on
        .rows(
            "select 'comment/' || id as name from comments where text ~* $1
             union all
             select 'attachment/' || id from attachments where file_name ~* $1 or note ~* $1
             union all
             select 'message/' || id from messages where text ~* $1
             union all
             select 'checklist_item/' || id from checklist_items where title ~* $1
             union all
             select 'task_template/' || id from task_templates
             where display_name ~* $1 or title ~* $1 or description ~* $1 or location_description ~* $1
                or array_to_string(checklist, chr(10)) ~* $1",
            &[&pattern],
        )
        .await?;
    rows.iter().map(|row| row.read("name")).collect()
}

/// Puts the pseudonym where others wrote of the person: in these tasks, and wherever else the map says that they may have.
pub async fn unname(tx: &Tx<'_>, user: UserId, tasks: &[TaskId], traces: &Traces, now: Timestamp) -> Result<()> {
    let name = pseudonym(user);
    if let Some(pattern) = traces.pattern() {
        let tasks: Vec<i64> = tasks.iter().map(|task| task.0).collect();
        tx.run(
            "update tasks set title = left(regexp_replace(title, $2, $3, 'gi'), 200),
                    description = regexp_replace(description, $2, $3, 'gi'),
                    location_description = regexp_replace(location_description, $2, $3, 'gi'),
                    update_time = $4, revision = revision + 1
             where id = any($1)",
            &[&tasks, &pattern, &name, &now],
        )
        .await?;
        for value in &traces.telling {
            tx.run(
                "update task_history set reason = regexp_replace(reason, $2, $3, 'gi')
                 where reason <> '' and to_tsvector('simple', fold(reason)) @@ phraseto_tsquery('simple', fold($1))
                   and reason ~* $2",
                &[value, &pattern, &name],
            )
            .await?;
        }
        tx.run(
            "update emergencies set description = regexp_replace(description, $2, $3, 'gi'), update_time = $4,
                    revision = revision + 1
             where task_id = any($1) and description ~* $2",
            &[&tasks, &pattern, &name, &now],
        )
        .await?;
        tx.run(
            "update emergency_steps set note = regexp_replace(note, $1, $2, 'gi') where note ~* $1",
            &[&pattern, &name],
        )
        .await?;
        unname_details(tx, &pattern, &name).await?;
        tx.run(
            "update location_reveals set reason = regexp_replace(reason, $2, $3, 'gi')
             where user_id = $1 and reason ~* $2",
            &[&user.0, &pattern, &name],
        )
        .await?;
    }
    // Facts of tasks are text within JSON: there a value stands as JSON writes it.
    if let Some(pattern) = traces.json_pattern() {
        tx.run(
            "update outbox set fact = regexp_replace(fact::text, $1, $2, 'gi')::jsonb where user_id is null and fact::text ~* $1",
            &[&pattern, &name],
        )
        .await?;
    }
    forget_answers(tx, &traces.all).await
}

/// The same in what tasks have beside themselves, in templates, and in messages to groups.
async fn unname_details(tx: &Tx<'_>, pattern: &str, name: &str) -> Result<()> {
    for sql in [
        "update comments set text = regexp_replace(text, $1, $2, 'gi'), revision = revision + 1 where text ~* $1",
        "update attachments
         set file_name = left(regexp_replace(file_name, $1, $2, 'gi'), 200), note = regexp_replace(note, $1, $2, 'gi')
         where file_name ~* $1 or note ~* $1",
        "update messages set text = regexp_replace(text, $1, $2, 'gi') where text ~* $1",
        "update checklist_items set title = left(regexp_replace(title, $1, $2, 'gi'), 200), revision = revision + 1
         where title ~* $1",
        "update task_templates
         set display_name = left(regexp_replace(display_name, $1, $2, 'gi'), 100),
             title = left(regexp_replace(title, $1, $2, 'gi'), 200),
             description = regexp_replace(description, $1, $2, 'gi'),
             location_description = left(regexp_replace(location_description, $1, $2, 'gi'), 200),
             checklist = array(select left(regexp_replace(l.line, $1, $2, 'gi'), 200)
                               from unnest(checklist) with ordinality l (line, place) order by l.place),
             revision = revision + 1
         where display_name ~* $1 or title ~* $1 or description ~* $1 or location_description ~* $1
            or array_to_string(checklist, chr(10)) ~* $1",
    ] {
        tx.run(sql, &[&pattern, &name]).await?;
    }
    Ok(())
}

/// A text with the pseudonym for what names the person.
pub async fn unnamed(on: &impl Query, user: UserId, traces: &Traces, text: &str) -> Result<String> {
    let Some(pattern) = traces.pattern() else {
        return Ok(text.to_owned());
    };
    let row = on
        .one(
            "select regexp_replace($1, $2, $3, 'gi') as text",
            &[&text, &pattern, &pseudonym(user)],
        )
        .await?;
    row.read("text")
}

/// Empties answers that were kept for others and may tell of the person: the request still does not take effect again.
async fn forget_answers(tx: &Tx<'_>, values: &[String]) -> Result<()> {
    tx.run(
        "update replays set response = ''
         where exists (select from unnest($1::text[]) v where position(convert_to(v, 'UTF8') in response) > 0)",
        &[&values],
    )
    .await?;
    Ok(())
}

/// Says that facts were taken out of the feed, so that copies of it are to be forgotten; gives the number to wait for.
pub async fn tell_feed(tx: &Tx<'_>) -> Result<i64> {
    tx.one("update feed set erasures = erasures + 1 returning erasures", &[])
        .await?
        .read("erasures")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_place_where_others_may_have_written_of_somebody_is_looked_at() {
        let mapped: BTreeSet<(&str, &str)> = data_map::tables()
            .flat_map(|table| table.mentions.iter().map(|column| (table.name, *column)))
            .collect();
        let handled = [
            ("attachments", "file_name"),
            ("attachments", "note"),
            ("checklist_items", "title"),
            ("comments", "text"),
            ("emergencies", "description"),
            ("emergency_steps", "note"),
            ("location_reveals", "reason"),
            ("messages", "text"),
            ("outbox", "fact"),
            ("replays", "response"),
            ("task_history", "reason"),
            ("task_templates", "checklist"),
            ("task_templates", "description"),
            ("task_templates", "display_name"),
            ("task_templates", "location_description"),
            ("task_templates", "title"),
            ("tasks", "description"),
            ("tasks", "location_description"),
            ("tasks", "title"),
        ];
        assert_eq!(mapped, handled.into());
    }
}

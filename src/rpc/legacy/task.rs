//! `/api/v1/tasks` of GRUPO_GAD.

use std::{collections::BTreeSet, sync::Arc};

use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::{checked, in_keys, may, user::LIMIT, words};
use crate::{
    app::App,
    domain::{AgentId, TaskId, task::State},
    error::{Error, Missing, Result},
    pb::{
        self as canonical, TaskAction,
        legacy::{self as pb, task_service_server::TaskService},
    },
    rpc::{Call, task, task_read, task_whole, user_stats},
};

/// Most rows of a page of the canonical lists.
const PAGE: usize = 1000;
/// Keys of GRUPO_GAD that are not those of `gad.v1`.
const KEYS: [(&str, &str); 8] = [
    ("code", "codigo"),
    ("title", "titulo"),
    ("description", "descripcion"),
    ("kind", "tipo"),
    ("priority", "prioridad"),
    ("planned_start_time", "inicio_programado"),
    ("planned_end_time", "fin_programado"),
    ("delegate_user_id", "delegado_usuario_id"),
];

/// The service.
#[derive(Debug, Clone)]
pub struct Tasks(pub Arc<App>);

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn list_tasks(&self, request: Request<pb::ListTasksRequest>) -> Result<Response<pb::ListTasksResponse>, Status> {
        let call = Call::of(&request)?;
        let pb::ListTasksRequest { skip, limit } = request.into_inner();
        let part = (skip, limit.unwrap_or(LIMIT));
        let tasks = newest(&self.0, &call, canonical::TaskFilter::default(), part).await?;
        Ok(Response::new(pb::ListTasksResponse {
            tareas: tasks.into_iter().map(tarea).collect(),
        }))
    }

    async fn create_task(&self, request: Request<pb::CreateTaskRequest>) -> Result<Response<pb::Tarea>, Status> {
        let created = create(&self.0, &Call::of(&request)?, request.into_inner()).await;
        user_stats::note_change(&self.0).await;
        Ok(created.map_err(|error| in_keys(error, &KEYS))?.map(tarea))
    }

    async fn get_task(&self, request: Request<pb::GetTaskRequest>) -> Result<Response<pb::Tarea>, Status> {
        let call = Call::of(&request)?;
        let pb::GetTaskRequest { id } = request.into_inner();
        Ok(present(&self.0, &call, id).await?.map(tarea))
    }

    async fn update_task(&self, request: Request<pb::UpdateTaskRequest>) -> Result<Response<pb::Tarea>, Status> {
        let updated = update(&self.0, &Call::of(&request)?, request.into_inner()).await;
        user_stats::note_change(&self.0).await;
        Ok(updated.map_err(|error| in_keys(error, &KEYS))?.map(tarea))
    }

    async fn delete_task(&self, request: Request<pb::DeleteTaskRequest>) -> Result<Response<pb::Tarea>, Status> {
        let call = Call::of(&request)?;
        let pb::DeleteTaskRequest { id } = request.into_inner();
        let request = canonical::DeleteTaskRequest {
            id,
            ..canonical::DeleteTaskRequest::default()
        };
        let deleted = task::delete(&self.0, &call, request).await;
        user_stats::note_change(&self.0).await;
        Ok(deleted?.map(tarea))
    }

    async fn get_task_history(
        &self,
        request: Request<pb::GetTaskHistoryRequest>,
    ) -> Result<Response<pb::GetTaskHistoryResponse>, Status> {
        let call = Call::of(&request)?;
        let pb::GetTaskHistoryRequest { id } = request.into_inner();
        Ok(history(&self.0, &call, id).await?)
    }

    async fn get_task_status(&self, request: Request<pb::GetTaskStatusRequest>) -> Result<Response<pb::EstadoTarea>, Status> {
        let call = Call::of(&request)?;
        let pb::GetTaskStatusRequest { id } = request.into_inner();
        Ok(present(&self.0, &call, id).await?.map(status))
    }

    async fn raise_emergency(
        &self,
        request: Request<pb::RaiseEmergencyRequest>,
    ) -> Result<Response<pb::EmergencyAnswer>, Status> {
        Ok(super::emergency::raise(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// A task with GRUPO_GAD's keys.
pub fn tarea(task: canonical::Task) -> pb::Tarea {
    pb::Tarea {
        id: task.id,
        uuid: task.uid,
        codigo: task.code,
        titulo: task.title,
        estado: words::state_word(task.state),
        tipo: words::kind_word(task.kind),
        prioridad: task.priority,
        delegado_usuario_id: task.delegate_user_id,
        creado_por_usuario_id: task.creator_user_id,
        inicio_programado: task.planned_start_time,
        descripcion: Some(task.description).filter(|text| !text.is_empty()),
        fin_programado: task.planned_end_time,
    }
}

/// Tasks newest first: those after `skip`, up to `limit`.
pub async fn newest(
    app: &App,
    call: &Call,
    filter: canonical::TaskFilter,
    (skip, limit): (i32, i32),
) -> Result<Vec<canonical::Task>> {
    let size = |number: i32| usize::try_from(number).unwrap_or_default();
    let (skip, limit) = (size(skip), size(limit));
    let wanted = skip.saturating_add(limit);
    let (mut tasks, mut passed, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let request = canonical::ListTasksRequest {
            page_size: i32::try_from((wanted - passed).min(PAGE)).unwrap_or_default(),
            page_token,
            filter: Some(filter.clone()),
            order_by: "create_time desc".to_owned(),
        };
        let page = task_read::list(app, call, request).await?.into_inner();
        let count = page.tasks.len();
        tasks.extend(page.tasks.into_iter().skip(skip.saturating_sub(passed)));
        passed += count;
        if page.next_page_token.is_empty() || passed >= wanted {
            return Ok(tasks);
        }
        page_token = page.next_page_token;
    }
}

/// A task that is there for the caller, and was not deleted.
async fn present(app: &App, call: &Call, id: i64) -> Result<Response<canonical::Task>> {
    let task = task_read::get(app, call, canonical::GetTaskRequest { id }).await?;
    let gone = task.get_ref().delete_time.is_some();
    if gone { Err(Error::NotFound(Missing::Task)) } else { Ok(task) }
}

async fn create(app: &App, call: &Call, request: pb::CreateTaskRequest) -> Result<Response<canonical::Task>> {
    let pb::CreateTaskRequest { body: _, tarea } = request;
    let pb::NewTarea {
        codigo,
        titulo,
        tipo,
        inicio_programado,
        delegado_usuario_id,
        creado_por_usuario_id: _,
        descripcion,
        prioridad,
        fin_programado,
        efectivos_asignados,
    } = tarea.unwrap_or_default();
    let task = canonical::Task {
        code: codigo,
        title: titulo,
        kind: words::kind(&tipo),
        planned_start_time: inicio_programado,
        delegate_user_id: delegado_usuario_id.unwrap_or_default(),
        description: descripcion.unwrap_or_default(),
        priority: prioridad.unwrap_or_default(),
        planned_end_time: fin_programado,
        ..canonical::Task::default()
    };
    if !efectivos_asignados.is_empty() {
        may(app, call, "TaskService/AssignTask")?;
    }
    let request = canonical::CreateTaskRequest {
        task: Some(task),
        ..canonical::CreateTaskRequest::default()
    };
    task_whole::create(app, call, checked(request)?, &crew(efectivos_asignados)).await
}

fn crew(ids: Vec<i64>) -> BTreeSet<AgentId> {
    ids.into_iter().map(AgentId).collect()
}

/// A task as somebody wants it, and which of its fields are said.
struct Said {
    task: canonical::Task,
    paths: Vec<&'static str>,
    state: Option<State>,
    crew: Option<BTreeSet<AgentId>>,
}

impl Said {
    fn of(id: i64, change: pb::TareaChange) -> Self {
        let pb::TareaChange {
            codigo,
            titulo,
            descripcion,
            estado,
            tipo,
            prioridad,
            inicio_programado,
            fin_programado,
            delegado_usuario_id,
            efectivos_asignados,
        } = change;
        let mut said = Self {
            task: canonical::Task {
                id,
                ..canonical::Task::default()
            },
            paths: Vec::new(),
            state: estado.and_then(|word| State::of(words::state(&word))),
            crew: efectivos_asignados.map(|agents| {
                let pb::Efectivos { ids } = agents;
                crew(ids)
            }),
        };
        said.set("code", codigo, |task| &mut task.code);
        said.set("title", titulo, |task| &mut task.title);
        said.set("description", descripcion, |task| &mut task.description);
        said.set("kind", tipo.map(|word| words::kind(&word)), |task| &mut task.kind);
        said.set("priority", prioridad, |task| &mut task.priority);
        said.set("planned_start_time", inicio_programado.map(Some), |task| {
            &mut task.planned_start_time
        });
        said.set("planned_end_time", fin_programado.map(Some), |task| {
            &mut task.planned_end_time
        });
        said.set("delegate_user_id", delegado_usuario_id, |task| &mut task.delegate_user_id);
        said
    }

    fn set<T>(&mut self, path: &'static str, value: Option<T>, field: impl FnOnce(&mut canonical::Task) -> &mut T) {
        if let Some(value) = value {
            *field(&mut self.task) = value;
            self.paths.push(path);
        }
    }

    /// Forgets what is so already: the older forms send all of a task back.
    fn but_for(&mut self, there: &canonical::Task) {
        let wanted = &self.task;
        self.paths.retain(|path| match *path {
            "code" => wanted.code != there.code,
            "title" => wanted.title != there.title,
            "description" => wanted.description != there.description,
            "kind" => wanted.kind != there.kind,
            "priority" => wanted.priority != there.priority,
            "planned_start_time" => wanted.planned_start_time != there.planned_start_time,
            "planned_end_time" => wanted.planned_end_time != there.planned_end_time,
            _ => wanted.delegate_user_id != there.delegate_user_id,
        });
        self.state = self.state.filter(|state| *state as i32 != there.state);
        self.crew = self.crew.take().filter(|crew| *crew != self::crew(there.agent_ids.clone()));
    }

    /// Refuses a caller who may not do all of it to any task.
    fn admit(&self, app: &App, call: &Call) -> Result<()> {
        let step = match self.state {
            Some(State::Cancelled) => "TaskService/CancelTask",
            _ => "TaskService/FinishTask",
        };
        for (method, wanted) in [
            ("TaskService/UpdateTask", !self.paths.is_empty()),
            ("TaskService/AssignTask", self.crew.is_some()),
            (step, self.state.is_some()),
        ] {
            if wanted {
                may(app, call, method)?;
            }
        }
        Ok(())
    }
}

async fn update(app: &App, call: &Call, request: pb::UpdateTaskRequest) -> Result<Response<canonical::Task>> {
    let pb::UpdateTaskRequest { id, body: _, tarea } = request;
    let mut said = Said::of(id, tarea.unwrap_or_default());
    let before = present(app, call, id).await?;
    said.but_for(before.get_ref());
    said.admit(app, call)?;
    let Said {
        task,
        paths,
        state,
        crew,
    } = said;
    if paths.is_empty() && state.is_none() && crew.is_none() {
        return Ok(before);
    }
    let fields = canonical::UpdateTaskRequest {
        task: Some(task),
        update_mask: Some(FieldMask {
            paths: paths.into_iter().map(str::to_owned).collect(),
        }),
        ..canonical::UpdateTaskRequest::default()
    };
    let wanted = task_whole::Wanted {
        fields: checked(fields)?,
        crew,
        state,
    };
    task_whole::revise(app, call, TaskId(id), wanted).await
}

/// The changes of state; what else a task's history tells, its older clients do not know.
async fn history(app: &App, call: &Call, id: i64) -> Result<Response<pb::GetTaskHistoryResponse>> {
    present(app, call, id).await?;
    let (mut cambios, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = canonical::ListTaskHistoryRequest {
            task_id: id,
            page_size: i32::try_from(PAGE).unwrap_or_default(),
            page_token,
        };
        let page = task_read::history(app, call, request).await?.into_inner();
        let moved = page.entries.into_iter().filter(moves);
        cambios.extend(moved.map(cambio));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(Response::new(pb::GetTaskHistoryResponse { cambios }));
        }
    }
}

/// Whether a step led from one state to another.
fn moves(entry: &canonical::TaskHistoryEntry) -> bool {
    entry.action() != TaskAction::Unspecified && entry.from != 0 && entry.from != entry.to
}

fn cambio(entry: canonical::TaskHistoryEntry) -> pb::CambioEstado {
    pb::CambioEstado {
        estado_anterior: words::state_word(entry.from),
        estado_nuevo: words::state_word(entry.to),
        usuario_id: Some(entry.user_id).filter(|user| *user != 0),
        motivo: Some(entry.reason).filter(|reason| !reason.is_empty()),
        created_at: entry.create_time,
    }
}

fn status(task: canonical::Task) -> pb::EstadoTarea {
    let seconds = |length: prost_types::Duration| length.seconds as f64 + f64::from(length.nanos) / 1e9;
    pb::EstadoTarea {
        estado: words::state_word(task.state),
        inicio_real: task.actual_start_time,
        fin_real: task.actual_end_time,
        pausado_en: task.pause_start_time,
        tiempo_pausado: task.paused_duration.map_or(0.0, seconds),
        duracion_real_horas: task.worked_duration.map(|length| seconds(length) / 3600.0),
    }
}

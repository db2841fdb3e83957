//! `POST /api/v1/tasks/emergency` of GRUPO_GAD: RaiseEmergency, with its answer.

use tonic::Response;

use super::{checked, may, there};
use crate::{
    app::App,
    domain::EmergencyId,
    error::{Error, Result},
    pb::{self as canonical, legacy as pb},
    rpc::{Call, auth, emergency, user_read, user_stats},
    store,
};

/// Reports an emergency. If nobody can be sent it stands all the same, and the caller is told that nobody comes yet.
pub async fn raise(app: &App, call: &Call, request: pb::RaiseEmergencyRequest) -> Result<Response<pb::EmergencyAnswer>> {
    let pb::RaiseEmergencyRequest { body: _, emergencia } = request;
    let pb::NewEmergencia {
        telegram_id,
        lat,
        lng,
        descripcion,
    } = emergencia.unwrap_or_default();
    let (reporter_user_id, reporter_mark) = reporter(app, call, telegram_id.unwrap_or_default()).await?;
    let request = canonical::RaiseEmergencyRequest {
        location: Some(canonical::LatLng {
            latitude: lat.unwrap_or_default(),
            longitude: lng.unwrap_or_default(),
        }),
        description: descripcion.unwrap_or_default(),
        source: 0,
        reporter_user_id,
        request_id: String::new(),
        reporter_mark,
    };
    let raised = emergency::raise(app, call, checked(request)?).await;
    user_stats::note_change(app).await;
    let raised = raised?.into_inner();
    let conn = app.database.lease().await?;
    let sent = store::emergency::first_sent(&*conn, EmergencyId(raised.id)).await?;
    let (agent, meters) = sent.ok_or(Error::NoAgentAvailable)?;
    Ok(Response::new(pb::EmergencyAnswer {
        assigned_efectivo_id: agent.0,
        distance_m: meters,
        received_at: raised.create_time,
        status: "assigned".to_owned(),
        task_id: raised.task_id,
    }))
}

/// For whom it is: the user with this number at Telegram, if the caller may report for others; else the caller, told apart by
/// the number. An emergency is not refused for a number that nobody has.
async fn reporter(app: &App, call: &Call, telegram_id: i64) -> Result<(i64, String)> {
    let own = auth::get_me(app, call).await?.get_ref().telegram_id;
    if telegram_id == 0 || own == Some(telegram_id) {
        return Ok((0, String::new()));
    }
    let mark = || (0, format!("telegram:{telegram_id}"));
    if may(app, call, "UserService/GetUserByTelegramId").is_err() {
        return Ok(mark());
    }
    let request = canonical::GetUserByTelegramIdRequest { telegram_id };
    match user_read::by_telegram_id(app, call, request).await.and_then(there) {
        Ok(user) => Ok((user.get_ref().id, String::new())),
        Err(Error::NotFound(_)) => Ok(mark()),
        Err(cause) => Err(cause),
    }
}

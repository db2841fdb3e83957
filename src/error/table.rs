//! Every error's code, reason and words. The only such table.

use tonic::Code;

use super::{Error, Missing};
use crate::pb::ErrorReason;

impl Error {
    /// gRPC code, reason, and what people read in Spanish and English.
    #[expect(clippy::too_many_lines, reason = "one table, one place")]
    pub(super) fn row(&self) -> (Code, ErrorReason, &'static str, &'static str) {
        use ErrorReason as R;
        match self {
            Self::Invalid(_) => (
                Code::InvalidArgument,
                R::InvalidField,
                "Hay datos que no son válidos.",
                "Some fields are not valid.",
            ),
            Self::PageToken => (
                Code::InvalidArgument,
                R::InvalidPageToken,
                "La página pedida no corresponde a esta consulta.",
                "The page token does not belong to this query.",
            ),
            Self::Cursor => (
                Code::InvalidArgument,
                R::InvalidCursor,
                "El cursor no es válido.",
                "The cursor is not valid.",
            ),
            Self::CursorExpired => (
                Code::OutOfRange,
                R::CursorExpired,
                "El cursor ya venció; vuelva a leer todo.",
                "The cursor has expired; read a snapshot.",
            ),
            Self::SignedOut => (Code::Unauthenticated, R::SignedOut, "Inicie sesión.", "Sign in."),
            Self::WrongCredentials => (
                Code::Unauthenticated,
                R::WrongCredentials,
                "Correo o contraseña incorrectos.",
                "Wrong e-mail or password.",
            ),
            Self::SecondFactorRequired => (
                Code::Unauthenticated,
                R::SecondFactorRequired,
                "Falta el código del segundo factor.",
                "A code of the second factor is needed.",
            ),
            Self::PasswordExpired => (
                Code::PermissionDenied,
                R::PasswordExpired,
                "Cambie su contraseña antes de continuar.",
                "Change your password first.",
            ),
            Self::EmailNotVerified => (
                Code::PermissionDenied,
                R::EmailNotVerified,
                "Confirme su correo antes de entrar.",
                "Confirm your e-mail address first.",
            ),
            Self::AccountInactive => (
                Code::PermissionDenied,
                R::AccountInactive,
                "La cuenta está desactivada.",
                "The account is deactivated.",
            ),
            Self::SessionEnded => (
                Code::Unauthenticated,
                R::SessionEnded,
                "La sesión terminó; inicie sesión.",
                "The session has ended; sign in.",
            ),
            Self::WrongProof => (
                Code::InvalidArgument,
                R::WrongProof,
                "La contraseña o el código no es correcto.",
                "The password or the code is wrong.",
            ),
            Self::MailedToken => (
                Code::InvalidArgument,
                R::MailedTokenInvalid,
                "El enlace ya se usó o venció; pida otro.",
                "The link was used or has expired; ask for another.",
            ),
            Self::RegistrationClosed => (
                Code::PermissionDenied,
                R::RegistrationClosed,
                "El registro está cerrado; pida una cuenta a un administrador.",
                "Registration is closed; ask an administrator for an account.",
            ),
            Self::SecondFactorState => (
                Code::FailedPrecondition,
                R::SecondFactorState,
                "El segundo factor no está en ese estado.",
                "The second factor is not in that state.",
            ),
            Self::Forbidden => (
                Code::PermissionDenied,
                R::Forbidden,
                "No tiene permiso para esto.",
                "You may not do this.",
            ),
            Self::ScopeTooNarrow => (
                Code::PermissionDenied,
                R::ScopeTooNarrow,
                "El token no alcanza para esto.",
                "The token's scopes do not reach this far.",
            ),
            Self::StepUpRequired => (
                Code::PermissionDenied,
                R::StepUpRequired,
                "Confirme que es usted y repita.",
                "Prove that it is you, then repeat the call.",
            ),
            Self::NotFound(Missing::Task) => (
                Code::NotFound,
                R::TaskNotFound,
                "No existe esa tarea.",
                "There is no such task.",
            ),
            Self::NotFound(Missing::Agent) => (
                Code::NotFound,
                R::AgentNotFound,
                "No existe ese agente.",
                "There is no such agent.",
            ),
            Self::NotFound(Missing::User) => (
                Code::NotFound,
                R::UserNotFound,
                "No existe ese usuario.",
                "There is no such user.",
            ),
            Self::NotFound(Missing::Zone) => (
                Code::NotFound,
                R::ZoneNotFound,
                "No existe esa zona.",
                "There is no such zone.",
            ),
            Self::NotFound(Missing::ConsentText) => (
                Code::NotFound,
                R::ConsentTextNotFound,
                "No existe ese texto de consentimiento.",
                "There is no such consent text.",
            ),
            Self::NotFound(Missing::ApiToken) => (
                Code::NotFound,
                R::ApiTokenNotFound,
                "No existe ese token.",
                "There is no such token.",
            ),
            Self::NotFound(Missing::Session) => (
                Code::NotFound,
                R::SessionNotFound,
                "No existe esa sesión.",
                "There is no such session.",
            ),
            Self::NotFound(Missing::Emergency) => (
                Code::NotFound,
                R::EmergencyNotFound,
                "No existe esa emergencia.",
                "There is no such emergency.",
            ),
            Self::NotFound(Missing::Geofence) => (
                Code::NotFound,
                R::GeofenceNotFound,
                "No existe esa geocerca.",
                "There is no such geofence.",
            ),
            Self::NotFound(Missing::Comment) => (
                Code::NotFound,
                R::CommentNotFound,
                "No existe ese comentario.",
                "There is no such comment.",
            ),
            Self::NotFound(Missing::Attachment) => (
                Code::NotFound,
                R::AttachmentNotFound,
                "No existe ese adjunto.",
                "There is no such attachment.",
            ),
            Self::NotFound(Missing::ChecklistItem) => (
                Code::NotFound,
                R::ChecklistItemNotFound,
                "No existe ese punto de la lista.",
                "There is no such item of a checklist.",
            ),
            Self::NotFound(Missing::Dependency) => (
                Code::NotFound,
                R::DependencyNotFound,
                "La tarea no depende de esa otra.",
                "The task does not depend on that one.",
            ),
            Self::NotFound(Missing::Template) => (
                Code::NotFound,
                R::TemplateNotFound,
                "No existe esa plantilla.",
                "There is no such template.",
            ),
            Self::FileTooLarge => (
                Code::InvalidArgument,
                R::FileTooLarge,
                "El archivo es demasiado grande.",
                "The file is too large.",
            ),
            Self::FileType => (
                Code::InvalidArgument,
                R::FileType,
                "No se admite ese tipo de archivo.",
                "Files of this type are not taken.",
            ),
            Self::ProofRequired(_) => (
                Code::FailedPrecondition,
                R::ProofRequired,
                "Faltan pruebas del trabajo para finalizar la tarea.",
                "Proof of the work is missing to finish the task.",
            ),
            Self::TaskFull => (
                Code::FailedPrecondition,
                R::TaskFull,
                "La tarea no admite más.",
                "The task has as many as it may have.",
            ),
            Self::DependencyCycle => (
                Code::FailedPrecondition,
                R::DependencyCycle,
                "La otra tarea ya depende de esta.",
                "The other task depends on this one.",
            ),
            Self::DependencyUnfinished => (
                Code::FailedPrecondition,
                R::DependencyUnfinished,
                "Falta finalizar otra tarea de la que esta depende.",
                "A task that this one depends on is not finished.",
            ),
            Self::NotFound(Missing::CachedAnswer) => (
                Code::NotFound,
                R::NotCached,
                "Esa clave no está en caché.",
                "No answer is kept under this key.",
            ),
            Self::IllegalStep { .. } => (
                Code::FailedPrecondition,
                R::IllegalStep,
                "La tarea no admite ese paso en su estado actual.",
                "The task cannot take this step from its present state.",
            ),
            Self::TaskNowhere => (
                Code::FailedPrecondition,
                R::TaskNowhere,
                "La tarea no tiene lugar.",
                "The task has no place.",
            ),
            Self::NoAgentAvailable => (
                Code::FailedPrecondition,
                R::NoAgentAvailable,
                "No hay ningún agente disponible.",
                "No agent is available.",
            ),
            Self::NotDeleted => (
                Code::FailedPrecondition,
                R::IllegalStep,
                "No está eliminado.",
                "It is not deleted.",
            ),
            Self::NotInvited => (
                Code::FailedPrecondition,
                R::IllegalStep,
                "No espera ninguna invitación.",
                "It waits for no invitation.",
            ),
            Self::AgentBusy => (
                Code::FailedPrecondition,
                R::AgentBusy,
                "El agente está en otra tarea.",
                "The agent is at work on another task.",
            ),
            Self::AgentOffDuty => (
                Code::FailedPrecondition,
                R::AgentOffDuty,
                "El agente no está en servicio.",
                "The agent is not on duty.",
            ),
            Self::NotAssigned => (
                Code::FailedPrecondition,
                R::NotAssigned,
                "El agente no está en la tarea.",
                "The agent is not on the task.",
            ),
            Self::AlreadyAssigned => (
                Code::AlreadyExists,
                R::AlreadyAssigned,
                "El agente ya está en la tarea.",
                "The agent already is on the task.",
            ),
            Self::CodeTaken => (
                Code::AlreadyExists,
                R::CodeTaken,
                "Ese código ya existe.",
                "This code is taken.",
            ),
            Self::EmailTaken => (
                Code::AlreadyExists,
                R::EmailTaken,
                "Ya existe un usuario con ese correo.",
                "There already is a user with this e-mail.",
            ),
            Self::Csrf => (
                Code::PermissionDenied,
                R::Csrf,
                "Falta la prueba de que esto lo pidió una página nuestra (x-csrf-token).",
                "There is no proof that a page of ours asked for this (x-csrf-token).",
            ),
            Self::IdentityTaken => (
                Code::AlreadyExists,
                R::IdentityTaken,
                "Ya existe un usuario con ese nombre de usuario, Telegram o documento.",
                "There already is a user with this username, Telegram number or national id.",
            ),
            Self::UserTaken => (
                Code::AlreadyExists,
                R::UserTaken,
                "Ese usuario ya es agente.",
                "This user already has an agent.",
            ),
            Self::StillInUse { .. } => (
                Code::FailedPrecondition,
                R::StillInUse,
                "Todavía se necesita: tiene tareas abiertas o personas a su cargo.",
                "It is still needed: there are open tasks or people who depend on it.",
            ),
            Self::LastAdministrator => (
                Code::FailedPrecondition,
                R::LastAdministrator,
                "No quedaría ningún administrador.",
                "No administrator would remain.",
            ),
            Self::RequestIdReused => (
                Code::AlreadyExists,
                R::IdempotencyKeyReused,
                "El identificador de la petición ya se usó para otra.",
                "The request id was used for another request.",
            ),
            Self::Stale => (
                Code::Aborted,
                R::StaleEtag,
                "Alguien lo cambió antes; vuelva a leerlo.",
                "Somebody changed it first; read it again.",
            ),
            Self::RateLimited { .. } => (
                Code::ResourceExhausted,
                R::RateLimited,
                "Demasiadas peticiones; espere un momento.",
                "Too many calls; wait a moment.",
            ),
            Self::Overloaded => (
                Code::Unavailable,
                R::Overloaded,
                "El servidor está lleno; espere un momento.",
                "The server is full; wait a moment.",
            ),
            Self::Down(_) => (
                Code::Unavailable,
                R::DependencyDown,
                "El servicio no está disponible; espere un momento.",
                "The service is not available; wait a moment.",
            ),
            Self::Deadline => (
                Code::DeadlineExceeded,
                R::Deadline,
                "Se acabó el tiempo.",
                "The deadline passed.",
            ),
            Self::UnknownMethod => (
                Code::Unimplemented,
                R::UnknownMethod,
                "No existe esa operación.",
                "There is no such method.",
            ),
            Self::Internal(_) => (Code::Internal, R::Internal, "Error interno.", "Internal error."),
        }
    }
}

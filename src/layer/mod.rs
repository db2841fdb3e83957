//! What every gRPC call passes before its handler, in this order: name, is there room, measure, deadline, who, may they.

pub mod access;
pub mod address;
pub mod audit;
pub mod deadline;
pub mod door;
pub mod heard;
pub mod legacy;
pub mod limit;
pub mod name;
pub mod observe;
pub mod whole;

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::{
    address::Proxies,
    app::App,
    audit::Trail,
    descriptor::{Rule, Rules},
    error::{Error, LANGUAGE, Language},
    live::limits::Counted,
    rpc::Door,
};

/// Seconds that the server took until it began to answer; for callers of REST.
const PROCESS_TIME: HeaderName = HeaderName::from_static("x-process-time");

/// Puts a [`Gate`] before the services.
#[derive(Debug, Clone)]
pub struct GateLayer {
    app: Arc<App>,
    rules: Rules,
    seats: Arc<limit::Seats>,
    proxies: Arc<Proxies>,
    calls: observe::Calls,
}

impl GateLayer {
    /// A gate with these rules.
    pub fn new(app: Arc<App>, rules: Rules) -> Self {
        Self {
            seats: Arc::new(limit::Seats::new(&app.settings)),
            proxies: Arc::new(Proxies::new(&app.settings.trusted_proxy_hosts)),
            calls: observe::Calls::of(rules.keys()),
            app,
            rules,
        }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            gate: self.clone(),
        }
    }
}

/// What every gRPC call passes.
#[derive(Debug, Clone)]
pub struct Gate<S> {
    inner: S,
    gate: GateLayer,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let name = name::Name::of(&request);
        let language = request
            .headers()
            .get(http::header::ACCEPT_LANGUAGE)
            .and_then(|header| header.to_str().ok())
            .map(Language::of)
            .unwrap_or_default();
        let admission = self.gate.room(&name);
        if let Err(error @ Error::Overloaded) = admission {
            // Refusals come in thousands: they must cost next to nothing, or there is no time left for the others.
            let refused = LANGUAGE.sync_scope(language, || Status::from(error).into_http());
            return Box::pin(std::future::ready(Ok(self.gate.calls.refuse(&name, name.sign(refused)))));
        }
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        let gate = self.gate.clone();
        let span = name.span();
        let rest = matches!(door::of(&request), Door::Rest | Door::Legacy);
        let pass = async move {
            let begun = Instant::now();
            let watch = gate.calls.begin(&name);
            let passed = match admission {
                Ok(room) => gate.pass(&name, request, inner, room).await,
                Err(error) => Err(error),
            };
            let mut response = passed.unwrap_or_else(|error| Status::from(error).into_http());
            if rest {
                let seconds = HeaderValue::try_from(format!("{:.6}", begun.elapsed().as_secs_f64()));
                response.headers_mut().extend(seconds.map(|seconds| (PROCESS_TIME, seconds)));
            }
            let followed = watch.follow(name.sign(response));
            let streaming = gate.rules.get(name.method()).is_some_and(|rule| rule.streaming);
            Ok(if rest && streaming {
                whole::or_reset(followed)
            } else {
                followed
            })
        };
        Box::pin(LANGUAGE.scope(language, pass).instrument(span))
    }
}

impl GateLayer {
    /// Room for a call.
    fn room(&self, name: &name::Name) -> Result<limit::Room, Error> {
        let rule = self.rules.get(name.method()).ok_or(Error::UnknownMethod)?;
        self.seats.room(rule)
    }

    /// Lets a call through to its handler, or says why not.
    async fn pass<S>(
        &self,
        name: &name::Name,
        request: Request<Body>,
        inner: S,
        room: limit::Room,
    ) -> Result<Response<Body>, Error>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let rule = self.rules.get(name.method()).ok_or(Error::UnknownMethod)?;
        let address = address::of(&request, &self.proxies);
        let trail = audit::trail(&self.app, name, rule, &request, address);
        let answer = self.answer(name, rule, &trail, address, request, inner).await;
        Ok(room.kept_by(audit::close(&self.app, &trail, answer).await?))
    }

    async fn answer<S>(
        &self,
        name: &name::Name,
        rule: &Rule,
        trail: &Trail,
        address: Option<IpAddr>,
        request: Request<Body>,
        inner: S,
    ) -> Result<Response<Body>, Error>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let deadline = deadline::of(request.headers(), rule, &self.app.settings)?;
        let signed_in = deadline::within(deadline, access::identify(&self.app, rule, request.headers())).await??;
        if let Some(signed_in) = &signed_in {
            trail.actor(audit::actor(signed_in));
            crate::rpc::rule::admit(&self.app, rule, signed_in)?;
        }
        let counting = limit::count(&self.app.limits, rule, signed_in.as_ref(), address);
        let Counted { standing, verdict } = deadline::within(deadline, counting).await?;
        let call = crate::rpc::Call {
            signed_in,
            deadline,
            request_id: name.request_id(),
            address,
            door: door::of(&request),
            user_agent: name::user_agent(request.headers()),
            trail: trail.clone(),
            standing: standing.map(OnceLock::from).unwrap_or_default().into(),
        };
        let standing = Arc::clone(&call.standing);
        let answer = match verdict {
            Ok(()) => handled(rule, call, request, inner).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = answer.unwrap_or_else(|error| Status::from(error).into_http());
        if let Some(standing) = standing.get() {
            limit::tell(standing, response.headers_mut());
        }
        Ok(response)
    }
}

/// What the handler answers before the deadline.
async fn handled<S>(rule: &Rule, call: crate::rpc::Call, mut request: Request<Body>, inner: S) -> Result<Response<Body>, Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let deadline = call.deadline;
    request.extensions_mut().insert(call);
    let answer = deadline::within_unless_streaming(rule, deadline, panic_safe(inner, request)).await?;
    Ok(explained(answer?))
}

/// A message that the transport could not read or did not want is refused in its words; this gives it a reason.
fn explained(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(Status::GRPC_STATUS) || headers.contains_key("grpc-status-details-bin") {
        return response;
    }
    let Some(status) = Status::from_header_map(headers) else {
        return response;
    };
    let error = match status.code() {
        Code::Unimplemented => Error::UnknownMethod,
        // Too long, cut short, or no message at all: tonic calls some of it our fault.
        Code::OutOfRange | Code::ResourceExhausted | Code::Internal | Code::InvalidArgument => {
            Error::unreadable(status.message())
        }
        _ => return response,
    };
    Status::from(error).into_http()
}

/// A handler that panics is our fault, not the end of the connection.
async fn panic_safe<S>(mut inner: S, request: Request<Body>) -> Result<Response<Body>, Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    use futures::FutureExt as _;
    let call = std::panic::AssertUnwindSafe(async move { inner.call(request).await });
    match call.catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(never)) => match never {},
        Err(panic) => {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("unknown");
            Err(Error::Internal(format!("panic: {what}")))
        }
    }
}

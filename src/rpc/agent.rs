//! stub
use crate::app::App;
use crate::pb;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};
/// stub
#[derive(Debug, Clone)]
pub struct Agents(pub Arc<App>);
#[tonic::async_trait]
impl pb::agent_service_server::AgentService for Agents {
    async fn create_agent(&self, _r: Request<pb::CreateAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_agent(&self, _r: Request<pb::GetAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_agents(&self, _r: Request<pb::ListAgentsRequest>) -> Result<Response<pb::ListAgentsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn update_agent(&self, _r: Request<pb::UpdateAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn delete_agent(&self, _r: Request<pb::DeleteAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn undelete_agent(&self, _r: Request<pb::UndeleteAgentRequest>) -> Result<Response<pb::Agent>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn set_availability(&self, _r: Request<pb::SetAvailabilityRequest>) -> Result<Response<pb::Agent>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn report_positions(
        &self,
        _r: Request<pb::ReportPositionsRequest>,
    ) -> Result<Response<pb::ReportPositionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn stream_positions(
        &self,
        _r: Request<Streaming<pb::ReportPositionsRequest>>,
    ) -> Result<Response<pb::ReportPositionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_nearby(&self, _r: Request<pb::ListNearbyRequest>) -> Result<Response<pb::ListNearbyResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_track(&self, _r: Request<pb::GetTrackRequest>) -> Result<Response<pb::GetTrackResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

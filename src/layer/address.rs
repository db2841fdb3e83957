//! Where a call comes from, for limits, sessions and the audit trail.

use std::net::IpAddr;

use http::Request;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

use crate::address::Proxies;

/// The caller's address, if that is known.
pub fn of<B>(request: &Request<B>, proxies: &Proxies) -> Option<IpAddr> {
    let extensions = request.extensions();
    let plain = || extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    let secure = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
    let secure = secure.and_then(|info| info.get_ref().remote_addr());
    let peer = secure.or_else(plain)?.ip();
    Some(proxies.caller(peer, request.headers()))
}

//! The way to Redis.

use redis::{Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo as _, TlsCertificates};
use secrecy::ExposeSecret as _;

use crate::{
    config::RedisSettings,
    error::{Error, Result},
};

/// A client of the Redis that is set, which need not be there yet; none if none is set.
pub fn client(settings: &RedisSettings) -> Result<Option<Client>> {
    let Some(url) = &settings.redis_url else {
        return Ok(None);
    };
    let wrong = |cause: &dyn std::fmt::Display| Error::Down(format!("REDIS_URL: {cause}"));
    let url = url.expose_secret();
    let Some(path) = &settings.redis_tls_ca else {
        return Client::open(url).map(Some).map_err(|cause| wrong(&cause));
    };
    let authorities = std::fs::read(path).map_err(|cause| Error::Down(format!("REDIS_TLS_CA: {}: {cause}", path.display())))?;
    let certificates = TlsCertificates {
        client_tls: None::<ClientTlsConfig>,
        root_cert: Some(authorities),
    };
    Client::build_with_tls(url, certificates)
        .map(Some)
        .map_err(|cause| wrong(&cause))
}

/// All reasons why a program may not start with this Redis in production.
pub fn production_problems(settings: &RedisSettings) -> Vec<String> {
    let Some(url) = &settings.redis_url else {
        return Vec::new();
    };
    let info = match url.expose_secret().into_connection_info() {
        Ok(info) => info,
        Err(cause) => return vec![format!("REDIS_URL: {cause}")],
    };
    let plain = match info.addr() {
        ConnectionAddr::Tcp(host, _) => {
            host != "localhost" && !host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        _ => false,
    };
    let problem = "REDIS_URL asks for no TLS to another machine: use rediss://, or, if the network between is safe, set \
                   REDIS_ALLOW_PLAINTEXT=true";
    (plain && !settings.redis_allow_plaintext)
        .then(|| problem.to_owned())
        .into_iter()
        .collect()
}

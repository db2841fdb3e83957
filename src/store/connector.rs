//! How a database is reached: its address, its certificate, and what a connection is told first.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;
use tokio_postgres::{Client, Config, config::Host, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Conn;
use crate::{
    config::{DatabaseSettings, secret::password_weakness},
    error::{Error, Result},
};

/// How to open a connection.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// Reads the URL; forces TLS to every host that is not this machine, unless it is allowed to go without.
    pub fn new(settings: &DatabaseSettings) -> Result<Self> {
        let mut config = parsed(settings)?;
        if is_remote(&config) && !settings.database_allow_plaintext {
            if config.get_ssl_mode() == SslMode::Disable {
                return Err(Error::Down(PLAINTEXT.to_owned()));
            }
            config.ssl_mode(SslMode::Require);
        }
        config.application_name("gad").connect_timeout(Duration::from_secs(5));
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(authorities(settings)?)
            .with_no_client_auth();
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(tls),
        })
    }

    /// A connection of its own, for locks and notifications that must not share.
    pub async fn connect(
        &self,
    ) -> std::result::Result<
        (
            Client,
            tokio_postgres::Connection<
                tokio_postgres::Socket,
                <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream,
            >,
        ),
        tokio_postgres::Error,
    > {
        self.config.connect(self.tls.clone()).await
    }

    /// A connection with the usual settings, outside of any pool.
    pub async fn open(&self, statement_timeout_ms: u64) -> std::result::Result<Conn, tokio_postgres::Error> {
        let (client, connection) = self.connect().await?;
        tokio::spawn(async move {
            if let Err(cause) = connection.await {
                tracing::warn!(%cause, "database connection ended");
            }
        });
        client
            .batch_execute(&format!(
                "set statement_timeout = {statement_timeout_ms}; set lock_timeout = '10s';
                 set idle_in_transaction_session_timeout = '30s'; set jit = off"
            ))
            .await?;
        Ok(Conn::new(client, self.tls.clone()))
    }
}

/// Why a database is not spoken to.
const PLAINTEXT: &str =
    "DATABASE_URL asks for no TLS to another machine: if the network between is safe, set DATABASE_ALLOW_PLAINTEXT=true";

/// All reasons why a program may not start with this database in production.
pub fn production_problems(settings: &DatabaseSettings) -> Vec<String> {
    let config = match parsed(settings) {
        Ok(config) => config,
        Err(cause) => return vec![cause.to_string()],
    };
    let mut problems = Vec::new();
    if is_remote(&config) && !settings.database_allow_plaintext && config.get_ssl_mode() == SslMode::Disable {
        problems.push(PLAINTEXT.to_owned());
    }
    let by_socket = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default());
    // Who comes by a socket is known to the kernel, and needs no password.
    if !(by_socket && password.is_empty()) {
        let why = password_weakness(&password);
        problems.extend(why.map(|why| format!("the password in DATABASE_URL (or POSTGRES_PASSWORD) {why}")));
    }
    problems
}

fn parsed(settings: &DatabaseSettings) -> Result<Config> {
    let url = settings.database_url.expose_secret();
    url.parse().map_err(|cause| Error::Down(format!("DATABASE_URL: {cause}")))
}

/// Whether any of the hosts is not this machine.
fn is_remote(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    };
    !config.get_hosts().iter().all(local) || !config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// The authorities that a database's certificate may be from.
fn authorities(settings: &DatabaseSettings) -> Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    let Some(path) = &settings.database_tls_ca else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let wrong = |cause: &dyn std::fmt::Display| Error::Down(format!("DATABASE_TLS_CA: {}: {cause}", path.display()));
    for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| wrong(&cause))? {
        let certificate = certificate.map_err(|cause| wrong(&cause))?;
        roots.add(certificate).map_err(|cause| wrong(&cause))?;
    }
    Ok(roots)
}

//! Envoy's configuration, from the template `envoy/envoy.yaml`.

use std::net::SocketAddr;

use crate::config::EnvoySettings;

const TEMPLATE: &str = include_str!("../../envoy/envoy.yaml");

/// What the configuration says of the older products' REST.
#[derive(Debug)]
pub struct OlderRest {
    /// Full names of their services.
    pub services: Vec<String>,
    /// Expression for the paths that tell fields that are wrong as a bare list.
    pub listing_paths: String,
}

/// Envoy's configuration as YAML; `services` are the full names of the gRPC services that have REST routes.
pub fn envoy_yaml(settings: &EnvoySettings, services: &[String], older: &OlderRest) -> String {
    let EnvoySettings {
        public_listen,
        admin,
        upstreams,
        bridges,
        descriptor,
        access_log,
        ..
    } = settings;
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let values = [
        ("@public_host@", text(&public_listen.ip().to_string())),
        ("@public_port@", public_listen.port().to_string()),
        ("@admin_host@", text(&admin.ip().to_string())),
        ("@admin_port@", admin.port().to_string()),
        ("@upstreams@", endpoints(upstreams)),
        ("@bridges@", endpoints(bridges)),
        ("@descriptor@", text(&descriptor.to_string_lossy())),
        ("@access_log@", text(&access_log.to_string_lossy())),
        ("@services@", serde_json::Value::from(services).to_string()),
        (
            "@older_services@",
            serde_json::Value::from(older.services.as_slice()).to_string(),
        ),
        ("@listing_paths@", text(&older.listing_paths)),
    ];
    values
        .iter()
        .fold(TEMPLATE.to_owned(), |yaml, (name, value)| yaml.replace(name, value))
}

/// A list of `lb_endpoints`; JSON is YAML.
fn endpoints(addresses: &[SocketAddr]) -> String {
    let endpoint = |address: &SocketAddr| {
        let socket = serde_json::json!({ "address": address.ip().to_string(), "port_value": address.port() });
        serde_json::json!({ "endpoint": { "address": { "socket_address": socket } } })
    };
    serde_json::Value::from_iter(addresses.iter().map(endpoint)).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Cli, Command};

    fn filled(flags: &[&str]) -> String {
        let cli = Cli::parse_from([&["gad", "envoy"], flags].concat());
        let Command::Envoy(settings) = cli.command else {
            panic!("another command");
        };
        let older = OlderRest {
            services: vec!["gad.legacy.v1.AuthService".to_owned()],
            listing_paths: "/api/v1/auth/me".to_owned(),
        };
        envoy_yaml(&settings, &["gad.v1.TaskService".to_owned()], &older)
    }

    #[test]
    fn every_placeholder_of_the_template_is_filled() {
        let yaml = filled(&[
            "--public-listen=0.0.0.0:80",
            "--upstreams=10.0.0.1:1,10.0.0.2:2",
            "--bridges=10.0.0.3:3",
            "--descriptor=a \"quoted\" name.bin",
        ]);
        let open: Vec<&str> = yaml
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .filter(|line| line.contains(": @"))
            .collect();
        assert_eq!(open, Vec::<&str>::new());
        assert!(yaml.contains(r#"proto_descriptor: "a \"quoted\" name.bin""#));
        assert!(yaml.contains(r#"services: ["gad.v1.TaskService"]"#));
        assert!(yaml.contains(r#"{"address":"10.0.0.2","port_value":2}"#));
    }
}

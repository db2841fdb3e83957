//! Envoy's configuration, from the template `envoy/envoy.yaml`.

use std::{net::SocketAddr, path::Path};

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::config::{EnvoySettings, UpstreamTls};

const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const TEMPLATE: &str = include_str!("../../envoy/envoy.yaml");

/// What the configuration says of the older products' REST.
#[derive(Debug)]
pub struct OlderRest {
    /// Full names of their services.
    pub services: Vec<String>,
    /// Expression for the paths that tell fields that are wrong as a bare list.
    pub listing_paths: String,
}

/// What the configuration says of streams, which end only when somebody ends them or nothing comes for long.
#[derive(Debug)]
pub struct Streams {
    /// Paths of their methods, such as `/gad.v1.EventService/Watch`.
    pub methods: Vec<String>,
    /// Templates of the REST routes of those that answer in streams, such as `/v1/events:watch`.
    pub routes: Vec<String>,
    /// Templates of the REST routes of those that are asked in streams: their bodies are as long as the server lets them be.
    pub uploads: Vec<String>,
}

/// An expression for paths, with `{names}` in them or not.
fn any_of(paths: &[String]) -> String {
    let expression = |path: &String| -> String {
        let parts = path.split(['{', '}']).enumerate();
        let parts = parts.map(|(place, part)| match place % 2 {
            0 => part.replace('.', "\\."),
            _ => "[^/]+".to_owned(),
        });
        parts.collect()
    };
    format!("({})", paths.iter().map(expression).collect::<Vec<_>>().join("|"))
}

/// Envoy's configuration as YAML; `services` are the full names of the gRPC services that have REST routes.
pub fn envoy_yaml(settings: &EnvoySettings, services: &[String], older: &OlderRest, streams: &Streams) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let file = |path: &Path| text(&path.to_string_lossy());
    let in_front = &settings.trusted_proxy_hosts;
    let values = [
        ("@public_host@", text(&settings.public_listen.ip().to_string())),
        ("@public_port@", settings.public_listen.port().to_string()),
        ("@public_tls@", public_tls(settings).to_string()),
        ("@redirect_listener@", redirect_listener(settings)),
        ("@https_only@", https_only(settings)),
        ("@hsts@", hsts(settings)),
        ("@allowed_hosts@", Value::from(settings.allowed_hosts.as_slice()).to_string()),
        ("@other_hosts@", other_hosts(settings)),
        ("@peer_is_client@", in_front.is_empty().to_string()),
        ("@believed_proxies@", believed_proxies(in_front).to_string()),
        ("@max_connections@", settings.max_connections.to_string()),
        ("@header_seconds@", settings.header_seconds.to_string()),
        ("@call_seconds@", settings.call_seconds.to_string()),
        (
            "@whole_seconds@",
            settings
                .call_seconds
                .saturating_add(settings.call_seconds.div_ceil(6))
                .to_string(),
        ),
        ("@max_body@", settings.max_request_body_size.to_string()),
        ("@admin_host@", text(&settings.admin.ip().to_string())),
        ("@admin_port@", settings.admin.port().to_string()),
        ("@upstreams@", endpoints(&settings.upstreams)),
        ("@upstream_tls@", upstream_tls(&settings.upstream_tls).to_string()),
        ("@bridges@", endpoints(&settings.bridges)),
        ("@descriptor@", file(&settings.descriptor)),
        ("@access_log@", file(&settings.access_log)),
        ("@services@", Value::from(services).to_string()),
        ("@older_services@", Value::from(older.services.as_slice()).to_string()),
        ("@listing_paths@", text(&older.listing_paths)),
        ("@stream_methods@", text(&any_of(&streams.methods))),
        ("@stream_routes@", text(&any_of(&streams.routes))),
        ("@upload_routes@", text(&any_of(&streams.uploads))),
    ];
    values
        .iter()
        .fold(TEMPLATE.to_owned(), |yaml, (name, value)| yaml.replace(name, value))
}

/// TLS of the public address, if it has a certificate.
fn public_tls(settings: &EnvoySettings) -> Value {
    let (Some(certificate), Some(key)) = (&settings.public_tls_cert, &settings.public_tls_key) else {
        return Value::Null;
    };
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{ "certificate_chain": { "filename": certificate }, "private_key": { "filename": key } }],
            },
        },
    })
}

/// TLS on the way to the servers, if they have it.
fn upstream_tls(tls: &UpstreamTls) -> Value {
    let UpstreamTls {
        upstream_ca,
        upstream_name,
        upstream_cert,
        upstream_key,
    } = tls;
    let Some(authorities) = upstream_ca else {
        return Value::Null;
    };
    let own: Vec<Value> = upstream_cert
        .iter()
        .zip(upstream_key)
        .map(|(certificate, key)| json!({ "certificate_chain": { "filename": certificate }, "private_key": { "filename": key } }))
        .collect();
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": upstream_name,
            "common_tls_context": {
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
                "alpn_protocols": ["h2"],
                "tls_certificates": own,
                "validation_context": {
                    "trusted_ca": { "filename": authorities },
                    "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": upstream_name } }],
                },
            },
        },
    })
}

/// Proxies before Envoy that are believed about whose request it is.
fn believed_proxies(networks: &[IpNet]) -> Value {
    if networks.is_empty() {
        return json!([]);
    }
    let networks: Vec<Value> = networks
        .iter()
        .map(|network| json!({ "address_prefix": network.addr(), "prefix_len": network.prefix_len() }))
        .collect();
    json!([{
        "name": "envoy.http.original_ip_detection.xff",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
            "xff_trusted_cidrs": { "cidrs": networks },
        },
    }])
}

/// An item of a list, as JSON, which is YAML; or a comment in its place.
fn item(value: Option<Value>) -> String {
    value.map_or_else(|| "# none".to_owned(), |value| format!("- {value}"))
}

/// A virtual host that refuses whoever names a host which is not ours.
fn other_hosts(settings: &EnvoySettings) -> String {
    let everybody = settings.allowed_hosts.iter().any(|host| host == "*");
    item((!everybody).then(|| {
        json!({
            "name": "others",
            "domains": ["*"],
            "routes": [{
                "match": { "prefix": "/" },
                "direct_response": { "status": 400, "body": { "inline_string": "Invalid host header" } },
            }],
        })
    }))
}

/// The route that sends whoever came by http to https, under the path that they asked for: the transcoder must not have
/// made another of it before.
fn https_only(settings: &EnvoySettings) -> String {
    let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
    item(settings.force_https.then(|| {
        json!({
            "match": {
                "prefix": "/",
                "headers": [{ "name": "x-forwarded-proto", "string_match": { "exact": "https" }, "invert_match": true }],
            },
            "redirect": { "https_redirect": true, "response_code": "PERMANENT_REDIRECT" },
            "typed_per_filter_config": { "envoy.filters.http.grpc_json_transcoder": off },
        })
    }))
}

/// The filter that tells browsers to come by https only: said over https, where everything is.
fn hsts(settings: &EnvoySettings) -> String {
    let secure = settings.public_tls_cert.is_some() || settings.force_https;
    item((secure && settings.hsts_max_age > 0).then(|| {
        let header = json!({
            "key": "strict-transport-security",
            "value": format!("max-age={}; includeSubDomains", settings.hsts_max_age),
        });
        let append = json!({ "header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" });
        json!({
            "name": "envoy.filters.http.header_mutation.hsts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": { "response_mutations": [{ "append": append }] },
            },
        })
    }))
}

/// The listener that sends everybody to https.
fn redirect_listener(settings: &EnvoySettings) -> String {
    item(settings.redirect_listen.map(|address| {
        let port = settings.public_listen.port();
        let mut redirect = json!({ "https_redirect": true, "response_code": "PERMANENT_REDIRECT" });
        if port != 443 {
            redirect["port_redirect"] = port.into();
        }
        let manager = json!({
            "@type": MANAGER,
            "stat_prefix": "redirect",
            "request_headers_timeout": format!("{}s", settings.header_seconds),
            "common_http_protocol_options": { "idle_timeout": "30s" },
            "server_header_transformation": "OVERWRITE",
            "server_name": "gad",
            "route_config": { "virtual_hosts": [{
                "name": "redirect",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "redirect": redirect }],
            }] },
            "http_filters": [{ "name": "envoy.filters.http.router", "typed_config": { "@type": ROUTER } }],
        });
        json!({
            "name": "redirect",
            "address": { "socket_address": { "address": address.ip(), "port_value": address.port() } },
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }] }],
        })
    }))
}

/// A list of `lb_endpoints`; JSON is YAML.
fn endpoints(addresses: &[SocketAddr]) -> String {
    let endpoint = |address: &SocketAddr| {
        let socket = json!({ "address": address.ip().to_string(), "port_value": address.port() });
        json!({ "endpoint": { "address": { "socket_address": socket } } })
    };
    Value::from_iter(addresses.iter().map(endpoint)).to_string()
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
        let streams = Streams {
            methods: vec!["/gad.v1.EventService/Watch".to_owned()],
            routes: vec!["/v1/events:watch".to_owned()],
            uploads: vec!["/v1/tasks/{task_id}/attachments".to_owned()],
        };
        envoy_yaml(&settings, &["gad.v1.TaskService".to_owned()], &older, &streams)
    }

    #[test]
    fn streams_are_known_by_method_and_route() {
        let paths = ["/v1/a.b:watch", "/v1/users/{user_id}:exportData"].map(str::to_owned);
        assert_eq!(any_of(&paths), "(/v1/a\\.b:watch|/v1/users/[^/]+:exportData)");
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

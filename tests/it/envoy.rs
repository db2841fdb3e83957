//! The public door's configuration, as Envoy itself sees it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gad::descriptor;
use regex::Regex;
use serde_json::Value;

use crate::{
    certificates::{Authority, text},
    contract::methods,
    edge::Edge,
};

/// Envoy as installed for the project, else where GAD_TOOLS says, else wherever PATH finds it.
pub fn envoy_program() -> PathBuf {
    tool("envoy")
}

/// A program as installed for the project, else where GAD_TOOLS says, else wherever PATH finds it.
pub fn tool(name: &str) -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin");
    let folders = [Some(installed), env::var_os("GAD_TOOLS").map(PathBuf::from)];
    let mut programs = folders.into_iter().flatten().map(|folder| folder.join(name));
    programs.find(|program| program.exists()).unwrap_or_else(|| name.into())
}

/// Runs `gad` to its end.
pub fn gad(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_gad"))
        .args(arguments)
        .output()
        .expect("gad starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "gad {arguments:?}: {errors}");
    output
}

/// Writes the descriptor set and the configuration into a folder; the path of the latter.
pub fn configure(folder: &Path, arguments: &[&str]) -> PathBuf {
    let descriptor = folder.join("gad.bin");
    let descriptor = descriptor.to_str().expect("a plain path");
    gad(&["descriptor", descriptor]);
    let yaml = gad(&[&["envoy", "--descriptor", descriptor], arguments].concat()).stdout;
    let configuration = folder.join("envoy.yaml");
    fs::write(&configuration, yaml).expect("the configuration is written");
    configuration
}

fn validate(configuration: &Path) -> Output {
    Command::new(envoy_program())
        .args(["--mode", "validate", "--log-level", "error", "-c"])
        .arg(configuration)
        .output()
        .expect("Envoy starts: scripts/install.sh run")
}

#[test]
fn envoy_accepts_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &[][..],
        &[
            "--upstreams",
            "10.0.0.1:50051,10.0.0.2:50051",
            "--bridges",
            "[::1]:8090",
            "--public-listen",
            "[::]:80",
        ],
    ] {
        let output = validate(&configure(folder.path(), arguments));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
    }
}

#[test]
fn envoy_accepts_the_configuration_with_all_that_can_be_turned_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let (public, own) = (authority.certify(&["gad.example.org"]), authority.certify(&["edge"]));
    let ca = authority.file();
    let tls = [
        "--public-tls-cert",
        text(&public.certificate),
        "--public-tls-key",
        text(&public.key),
    ];
    let upstream = ["--upstream-ca", text(&ca), "--upstream-name", "gad"];
    let mutual = ["--upstream-cert", text(&own.certificate), "--upstream-key", text(&own.key)];
    let redirect = [
        "--redirect-listen",
        "[::]:80",
        "--public-listen",
        "[::]:443",
        "--force-https",
        "true",
    ];
    let hosts = [
        "--allowed-hosts",
        "gad.example.org,*.city.example",
        "--hsts-max-age",
        "63072000",
    ];
    let proxies = ["--trusted-proxy-hosts", "10.0.0.0/8,2001:db8::/32,192.0.2.1"];
    let hasty = [
        "--header-seconds",
        "1",
        "--call-seconds",
        "1",
        "--max-connections",
        "1",
        "--max-request-body-size",
        "1024",
    ];
    for parts in [
        &[&tls[..]][..],
        &[&tls, &redirect],
        &[&upstream],
        &[&upstream, &mutual],
        &[&proxies, &["--force-https", "true"]],
        &[&tls, &redirect, &upstream, &mutual, &hosts, &proxies, &hasty],
    ] {
        let arguments = parts.concat();
        let configuration = configure(folder.path(), &arguments);
        let output = validate(&configuration);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
    }
    // The certificates are really looked at.
    let stranger = Authority::new().certify(&["gad.example.org"]);
    let mixed = [
        "--public-tls-cert",
        text(&public.certificate),
        "--public-tls-key",
        text(&stranger.key),
    ];
    assert!(!validate(&configure(folder.path(), &mixed)).status.success());
}

#[test]
fn envoy_refuses_a_service_that_the_descriptors_do_not_have() {
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = configure(folder.path(), &[]);
    let yaml = fs::read_to_string(&configuration).expect("the configuration is there");
    fs::write(&configuration, yaml.replace("gad.v1.TaskService\"", "gad.v1.NoSuchService\"")).expect("it is changed");
    assert!(!validate(&configuration).status.success());
}

/// Whether Envoy takes this route for a request.
fn takes(route: &Value, verb: &str, path: &str) -> bool {
    let wanted = route["match"].as_object().unwrap();
    wanted.iter().all(|(kind, wanted)| match kind.as_str() {
        "path" => wanted == path,
        "prefix" => path.starts_with(wanted.as_str().unwrap()),
        "path_separated_prefix" => path
            .strip_prefix(wanted.as_str().unwrap())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        "safe_regex" => Regex::new(&format!("^(?:{})$", wanted["regex"].as_str().unwrap()))
            .unwrap()
            .is_match(path),
        "headers" => wanted.as_array().unwrap().iter().all(|header| {
            assert_eq!(header["name"], ":method");
            (header["string_match"]["exact"] == verb) != header["invert_match"].as_bool().unwrap_or_default()
        }),
        other => panic!("nobody knows what {other} takes"),
    })
}

#[tokio::test]
async fn streams_and_they_alone_have_no_time_in_which_they_must_end() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let edge = Edge::before(&[([127, 0, 0, 1], 1).into()]).await;
    let dump = reqwest::get(format!("http://{}/config_dump", edge.admin)).await.unwrap();
    let dump: Value = dump.json().await.unwrap();
    let configs = dump["configs"].as_array().unwrap().iter();
    let mut hosts = configs.flat_map(|config| config["static_route_configs"].as_array().cloned().unwrap_or_default());
    let public = hosts.find(|config| config["route_config"]["name"] == "public").unwrap();
    let hosts = public["route_config"]["virtual_hosts"].as_array().unwrap().iter();
    let routes: Vec<&Value> = hosts.flat_map(|host| host["routes"].as_array().unwrap()).collect();
    let pool = descriptor::pool();
    let mut streams = 0;
    let name = Regex::new("[{][^}]+[}]").unwrap();
    for method in methods(&pool) {
        let declared = descriptor::routes(&pool, &method).into_iter();
        let rest = declared.map(|route| (route.verb, name.replace_all(&route.path, "7").into_owned()));
        for (verb, path) in rest.chain([("POST".to_owned(), descriptor::path(&method))]) {
            let route = routes.iter().find(|route| takes(route, &verb, &path)).unwrap();
            if path.starts_with("/gad.v1.EdgeService/") {
                assert_eq!(route["direct_response"]["status"], 404, "{path}");
                continue;
            }
            let action = &route["route"];
            let bounds = (
                action["timeout"].as_str().unwrap(),
                action["max_stream_duration"].is_object(),
                action["idle_timeout"].as_str(),
            );
            if method.is_client_streaming() || method.is_server_streaming() {
                streams += 1;
                // Who uploads by REST and says nothing is gone sooner.
                let upload = method.is_client_streaming() && path.starts_with("/v1/");
                let idle = if upload { "60s" } else { "3600s" };
                assert_eq!(bounds, ("0s", false, Some(idle)), "{verb} {path}");
            } else {
                assert_eq!(bounds, ("65s", true, None), "{verb} {path}");
            }
        }
    }
    assert!(streams >= 7, "{streams} ways to streams");
}

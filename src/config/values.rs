//! Values as people write them in variables.

use ipnet::IpNet;
use secrecy::SecretString;

/// A list: JSON, such as `["a", "b"]`, or separated by commas.
pub fn list(text: &str) -> Result<Vec<String>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|cause| format!("is no JSON list of texts: {cause}"));
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(parts.map(str::to_owned).collect())
}

/// A list of addresses and networks, such as `127.0.0.1, 10.0.0.0/8`.
pub fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    list(text)?.iter().map(|part| network(part)).collect()
}

/// A list of ports, such as `443, 8443`.
pub fn ports(text: &str) -> Result<Vec<u16>, String> {
    let port = |part: &String| part.parse().map_err(|_| format!("{part} is no port"));
    list(text)?.iter().map(port).collect()
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    network
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text} is no IP address and no network such as 10.0.0.0/8"))
}

/// A severity as any of the older products called it, or a tracing filter.
pub fn log_level(text: &str) -> Result<String, std::convert::Infallible> {
    let level = text.to_lowercase();
    Ok(match level.as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ => level,
    })
}

/// A database URL as the driver reads it: what drivers of Python add to the scheme is left out, and their words for TLS
/// are translated. Certificates are always verified, so all words for "with TLS" mean the same.
pub fn database_url(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(driver_url(text).into())
}

fn driver_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let scheme = scheme.split('+').next().unwrap_or(scheme);
    let Some((place, query)) = rest.rsplit_once('?') else {
        return format!("{scheme}://{rest}");
    };
    let parameters: Vec<String> = query.split('&').map(parameter).collect();
    format!("{scheme}://{place}?{}", parameters.join("&"))
}

fn parameter(parameter: &str) -> String {
    let Some((name @ ("ssl" | "sslmode"), value)) = parameter.split_once('=') else {
        return parameter.to_owned();
    };
    let mode = match value.to_ascii_lowercase().as_str() {
        "require" | "verify-ca" | "verify-full" | "true" | "1" => "require",
        "prefer" | "allow" => "prefer",
        "disable" | "false" | "0" => "disable",
        _ => return format!("{name}={value}"),
    };
    format!("sslmode={mode}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json_or_separated_by_commas() {
        for text in ["a,b", " a , b, ", "[\"a\", \"b\"]"] {
            assert_eq!(list(text), Ok(vec!["a".to_owned(), "b".to_owned()]), "{text}");
        }
        assert_eq!(list(""), Ok(Vec::new()));
        assert!(list("[1]").is_err());
    }

    #[test]
    fn networks_may_be_single_addresses() {
        let expected: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
            .map(|text| text.parse().expect("a network"))
            .into();
        assert_eq!(networks("127.0.0.1,10.1.2.3/8,::1"), Ok(expected));
        assert!(networks("localhost").is_err());
        assert!(networks("10.0.0.0/33").is_err());
    }

    #[test]
    fn database_urls_of_other_drivers_are_understood() {
        for (theirs, ours) in [
            (
                "postgresql+asyncpg://u:p@h:1/d?ssl=require",
                "postgresql://u:p@h:1/d?sslmode=require",
            ),
            ("postgresql+psycopg2://u@h/d", "postgresql://u@h/d"),
            (
                "postgres://u:a?b@h/d?sslmode=verify-full&connect_timeout=3",
                "postgres://u:a?b@h/d?sslmode=require&connect_timeout=3",
            ),
            ("postgres://u@h/d?ssl=false", "postgres://u@h/d?sslmode=disable"),
            ("postgres://u@h/d?sslmode=perhaps", "postgres://u@h/d?sslmode=perhaps"),
            ("host=h user=u", "host=h user=u"),
        ] {
            assert_eq!(driver_url(theirs), ours);
        }
    }
}

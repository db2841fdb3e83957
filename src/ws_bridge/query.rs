//! The parameters of `/events`.

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    frame::{Problem, Wish},
    json::Json,
};

/// Reads the parameters: the wish, and the token if there is one.
pub fn read(query: &str, headers: &HeaderMap, json: &Json) -> Result<(Box<Wish>, Option<String>), Problem> {
    let mut filter = Map::new();
    let (mut cursor, mut snapshot, mut token) = (None, None, None);
    for (name, text) in parameters(query)? {
        let twice = match name.as_str() {
            "cursor" => cursor.replace(text).is_some(),
            "access_token" => token.replace(text).is_some(),
            "include_snapshot" | "includeSnapshot" => {
                let flag = text.parse::<bool>();
                let flag = flag.map_err(|_| Problem::invalid(&name, "must be true or false".to_owned()))?;
                snapshot.replace(flag).is_some()
            }
            _ => {
                let known = name.strip_prefix("filter.");
                let known = known.ok_or_else(|| Problem::invalid(&name, "is not a known parameter".to_owned()))?;
                json.put(&mut filter, known, &text)?;
                false
            }
        };
        if twice {
            return Err(Problem::invalid(&name, "is given twice".to_owned()));
        }
    }
    let filter = json.filter(Value::Object(filter))?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    // Whoever comes back goes on where they were, whatever the address says.
    let wish = match last.filter(|last| !last.is_empty()) {
        Some(last) => Wish::new(filter, last, false)?,
        None => Wish::new(filter, cursor.as_deref().unwrap_or_default(), snapshot.unwrap_or_default())?,
    };
    Ok((Box::new(wish), token))
}

/// Names and values of a query string.
pub fn parameters(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode(&spaced);
        decoded.ok_or_else(|| Problem::invalid("query", "is not percent-encoded UTF-8".to_owned()))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(text)?))
        })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::{super::frame::Start, *};

    fn parse(query: &str, last: Option<&'static str>) -> Result<(Box<Wish>, Option<String>), Problem> {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert("last-event-id", HeaderValue::from_static(last));
        }
        read(query, &headers, &Json::load().expect("the descriptors are whole"))
    }

    #[test]
    fn the_parameters_make_a_wish() {
        let (wish, token) = parse(
            "filter.agent_ids=5&filter.agent_ids=6&filter.nouns=NOUN_TASK&access_token=a%2Eb",
            None,
        )
        .expect("it is good");
        assert_eq!(wish.filter.agent_ids, [5, 6]);
        assert_eq!(wish.start, Start::Now);
        assert_eq!(token.as_deref(), Some("a.b"));
    }

    #[test]
    fn who_comes_back_goes_on_where_they_were() {
        let starts = |query, last| parse(query, last).expect("it is good").0.start;
        assert_eq!(
            starts("cursor=old&include_snapshot=false", Some("new")),
            Start::Cursor("new".into())
        );
        assert_eq!(starts("include_snapshot=true", Some("new")), Start::Cursor("new".into()));
        assert_eq!(starts("include_snapshot=true", Some("")), Start::Snapshot);
        assert_eq!(starts("cursor=old", None), Start::Cursor("old".into()));
    }

    #[test]
    fn a_wrong_parameter_is_refused_by_name() {
        for (query, field) in [
            ("colour=red", "colour"),
            ("filter.colour=red", "filter.colour"),
            ("filter.agent_ids=x", "filter"),
            ("filter.agent_ids=0", "filter.agent_ids[0]"),
            ("include_snapshot=maybe", "include_snapshot"),
            ("cursor=a&cursor=b", "cursor"),
            ("cursor=a&include_snapshot=true", "include_snapshot"),
            ("filter.nouns=%zz", "query"),
            ("filter.nouns=%ff", "query"),
        ] {
            let problem = parse(query, None).expect_err(query);
            assert_eq!(problem.field.as_deref(), Some(field), "{query}");
        }
    }
}

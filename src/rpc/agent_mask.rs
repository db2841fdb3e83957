//! What people may set of an agent: from the wire, whole or by mask.

use prost_types::FieldMask;

use crate::{
    domain::agent::Profile,
    error::{Error, Result},
    pb,
};

/// The profile of a new agent.
pub fn profile(wire: pb::Agent) -> Result<Profile> {
    let pb::Agent {
        code,
        rank,
        unit,
        specialty,
        ..
    } = wire;
    if code.is_empty() {
        return Err(Error::required("agent.code"));
    }
    Ok(Profile {
        code,
        rank,
        unit,
        specialty,
    })
}

/// Fields that a mask may name.
const PATHS: [&str; 4] = ["code", "rank", "unit", "specialty"];

/// Puts the fields that the mask names into the profile; without a mask, those that are filled in.
pub fn apply(profile: &mut Profile, wire: &pb::Agent, mask: Option<&FieldMask>) -> Result<()> {
    let named: Vec<&str> = match mask {
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().map(String::as_str).collect(),
        _ => PATHS.into_iter().filter(|path| is_filled(wire, path)).collect(),
    };
    let paths = if named == ["*"] { PATHS.to_vec() } else { named };
    for path in paths {
        set(profile, wire, path)?;
    }
    Ok(())
}

fn is_filled(wire: &pb::Agent, path: &str) -> bool {
    match path {
        "code" => !wire.code.is_empty(),
        "rank" => !wire.rank.is_empty(),
        "unit" => !wire.unit.is_empty(),
        "specialty" => !wire.specialty.is_empty(),
        _ => false,
    }
}

fn set(profile: &mut Profile, wire: &pb::Agent, path: &str) -> Result<()> {
    match path {
        "code" if wire.code.is_empty() => return Err(Error::required("agent.code")),
        "code" => profile.code.clone_from(&wire.code),
        "rank" => profile.rank.clone_from(&wire.rank),
        "unit" => profile.unit.clone_from(&wire.unit),
        "specialty" => profile.specialty.clone_from(&wire.specialty),
        _ => return Err(Error::fixed(path)),
    }
    Ok(())
}

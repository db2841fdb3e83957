//! What people may set of a zone: from the wire, whole or by mask.

use prost_types::FieldMask;

use super::wire;
use crate::{
    domain::zone::{Boundary, Flaw, Zone},
    error::{Error, Result},
    pb,
};

/// Fields that a mask may name.
const PATHS: [&str; 3] = ["code", "display_name", "boundary"];

/// The code, which must be there.
pub fn code(wire: &pb::Zone) -> Result<&str> {
    filled("zone.code", &wire.code)
}

/// The name, which must be there.
pub fn display_name(wire: &pb::Zone) -> Result<&str> {
    filled("zone.display_name", wire.display_name.trim())
}

/// The boundary, if it is one.
pub fn boundary(wire: &pb::Zone) -> Result<Boundary> {
    let point = |(at, point): (usize, &pb::LatLng)| wire::point(&format!("zone.boundary[{at}]"), *point);
    let ring = wire.boundary.iter().enumerate().map(point).collect::<Result<_>>()?;
    Boundary::new(ring).map_err(|flaw| {
        let (es, en) = match flaw {
            Flaw::Count => ("necesita de 4 a 1000 puntos", "needs 4 to 1000 points"),
            Flaw::Open => ("debe terminar donde empieza", "must end where it begins"),
            Flaw::DateLine => ("cruza el meridiano 180", "crosses the 180th meridian"),
            Flaw::Extent => ("mide más de 10 grados", "is more than 10 degrees high or wide"),
            Flaw::Crossing => ("se cruza o se toca a sí mismo", "crosses or touches itself"),
        };
        Error::invalid("zone.boundary", es, en)
    })
}

/// Puts the fields that the mask names into the zone; without a mask, those that are filled in.
pub fn apply(zone: &mut Zone, wire: &pb::Zone, mask: Option<&FieldMask>) -> Result<()> {
    let named: Vec<&str> = match mask {
        Some(mask) if !mask.paths.is_empty() => mask.paths.iter().map(String::as_str).collect(),
        _ => PATHS.into_iter().filter(|path| is_filled(wire, path)).collect(),
    };
    let paths = if named == ["*"] { PATHS.to_vec() } else { named };
    for path in paths {
        match path {
            "code" => code(wire)?.clone_into(&mut zone.code),
            "display_name" => display_name(wire)?.clone_into(&mut zone.display_name),
            "boundary" => zone.boundary = boundary(wire)?,
            _ => return Err(Error::fixed(path)),
        }
    }
    Ok(())
}

fn is_filled(wire: &pb::Zone, path: &str) -> bool {
    match path {
        "code" => !wire.code.is_empty(),
        "display_name" => !wire.display_name.is_empty(),
        "boundary" => !wire.boundary.is_empty(),
        _ => false,
    }
}

fn filled<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    if text.is_empty() {
        return Err(Error::required(field));
    }
    Ok(text)
}

//! Rows into values: nothing in the database is trusted to be possible.

use jiff::{SignedDuration, Timestamp};
use postgis::ewkb;
use postgres_types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::Row;

use crate::{
    domain::geo,
    error::{Error, Result},
};

type BoxError = Box<dyn std::error::Error + Sync + Send>;

/// A row that is read by column name.
pub trait Column {
    /// The value of a column.
    fn read<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T>;

    /// The value of a column with a number that must be one of an enum's.
    fn read_enum<T>(&self, name: &str, of: impl Fn(i32) -> Option<T>) -> Result<T> {
        let number: i16 = self.read(name)?;
        of(i32::from(number)).ok_or_else(|| Error::internal(format!("column {name} holds {number}")))
    }
}

impl Column for Row {
    fn read<'a, T: FromSql<'a>>(&'a self, name: &str) -> Result<T> {
        self.try_get(name).map_err(Error::internal)
    }
}

/// Milliseconds as stored.
pub fn milliseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A time cut to the microseconds that Postgres keeps, so that what was written is what is read.
pub fn stored(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// Number of points in EWKB.
const POINT: u32 = 1;
/// Number of polygons in EWKB.
const POLYGON: u32 = 3;

/// What geometry EWKB holds. The readers of `postgis` must be told: those of one type do not look at it, and the one of
/// all types follows collections within collections until the stack ends.
fn geometry(ewkb: &[u8]) -> Option<u32> {
    let (order, rest) = ewkb.split_first()?;
    let number = *rest.first_chunk()?;
    let number = if *order == 0 {
        u32::from_be_bytes(number)
    } else {
        u32::from_le_bytes(number)
    };
    // The upper bytes say whether there are heights, measures and an SRID.
    Some(number & 0xff)
}

/// A place as `geography(Point, 4326)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place(pub geo::Point);

impl<'a> FromSql<'a> for Place {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, BoxError> {
        if geometry(raw) != Some(POINT) {
            return Err("not a point".into());
        }
        let point = ewkb::Point::from_sql(ty, raw)?;
        if point.srid != Some(4326) {
            return Err("not in EPSG:4326".into());
        }
        Ok(Self(geo::Point::new(point.y, point.x)?))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.name(), "geography" | "geometry")
    }
}

impl ToSql for Place {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> std::result::Result<IsNull, BoxError> {
        ewkb::Point::new(self.0.longitude(), self.0.latitude(), Some(4326)).to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.name(), "geography" | "geometry")
    }

    to_sql_checked!();
}

/// A ring of places as `geography(Polygon, 4326)`: the outer one; holes are not used.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring(pub Vec<geo::Point>);

impl<'a> FromSql<'a> for Ring {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, BoxError> {
        if geometry(raw) != Some(POLYGON) {
            return Err("not a polygon".into());
        }
        let polygon = ewkb::Polygon::from_sql(ty, raw)?;
        if polygon.srid != Some(4326) {
            return Err("not in EPSG:4326".into());
        }
        let ring = polygon.rings.first().ok_or("an empty polygon")?;
        let points = ring.points.iter().map(|p| geo::Point::new(p.y, p.x));
        Ok(Self(points.collect::<std::result::Result<_, _>>()?))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.name(), "geography" | "geometry")
    }
}

impl ToSql for Ring {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> std::result::Result<IsNull, BoxError> {
        let points = self
            .0
            .iter()
            .map(|p| ewkb::Point::new(p.longitude(), p.latitude(), Some(4326)))
            .collect();
        let ring = ewkb::LineString {
            points,
            srid: Some(4326),
        };
        ewkb::Polygon {
            rings: vec![ring],
            srid: Some(4326),
        }
        .to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.name(), "geography" | "geometry")
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use postgres_types::Kind;

    use super::*;

    #[test]
    fn collections_within_collections_do_not_end_the_stack() {
        let geography = Type::new("geography".to_owned(), 90_000, Kind::Simple, "public".to_owned());
        // Little endian, a collection, of one.
        let nested = [1, 7, 0, 0, 0, 1, 0, 0, 0].repeat(400_000);
        assert!(Place::from_sql(&geography, &nested).is_err());
        assert!(Ring::from_sql(&geography, &nested).is_err());
    }
}

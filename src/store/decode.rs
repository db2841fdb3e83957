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

/// A place as `geography(Point, 4326)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place(pub geo::Point);

impl<'a> FromSql<'a> for Place {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, BoxError> {
        // The typed readers of `postgis` do not look at the geometry's type; this one does.
        match ewkb::Geometry::from_sql(ty, raw)? {
            ewkb::GeometryT::Point(point) if point.srid == Some(4326) => Ok(Self(geo::Point::new(point.y, point.x)?)),
            _ => Err("not a point in EPSG:4326".into()),
        }
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
        match ewkb::Geometry::from_sql(ty, raw)? {
            ewkb::GeometryT::Polygon(polygon) => polygon
                .rings
                .first()
                .map(|ring| {
                    ring.points
                        .iter()
                        .map(|p| geo::Point::new(p.y, p.x))
                        .collect::<std::result::Result<_, _>>()
                })
                .transpose()?
                .map(Self)
                .ok_or_else(|| "an empty polygon".into()),
            _ => Err("not a polygon".into()),
        }
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

//! EWKB as rows of the database hold it: places and rings.

use bytes::BytesMut;
use gad::store::decode::{Place, Ring};
use postgres_types::{FromSql, Kind, ToSql, Type};

/// The bytes of a value.
pub fn run(data: &[u8]) {
    let geography = Type::new("geography".to_owned(), 90_000, Kind::Simple, "public".to_owned());
    if let Ok(place) = Place::from_sql(&geography, data) {
        assert!(place.0.latitude().abs() <= 90.0 && place.0.longitude().abs() <= 180.0);
        assert_eq!(
            Place::from_sql(&geography, &written(&place, &geography)).expect("our own"),
            place
        );
    }
    if let Ok(ring) = Ring::from_sql(&geography, data) {
        assert!(ring.0.len() <= data.len() / 16, "more points than there were bytes for");
        assert_eq!(
            Ring::from_sql(&geography, &written(&ring, &geography)).expect("our own"),
            ring
        );
    }
}

fn written(value: &impl ToSql, ty: &Type) -> BytesMut {
    let mut bytes = BytesMut::new();
    value.to_sql(ty, &mut bytes).expect("what was read can be written");
    bytes
}

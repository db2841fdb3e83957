//! Places: WGS 84 degrees that are valid by their type.

use serde::{Deserialize, Serialize};

/// Mean radius of the earth in metres (IUGG, R1), for haversine distances.
const EARTH_RADIUS_METERS: f64 = 6_371_008.8;

/// A place on the earth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "(f64, f64)", into = "(f64, f64)")]
pub struct Point {
    latitude: f64,
    longitude: f64,
}

/// Degrees that are no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("latitude must be within -90..90 and longitude within -180..180 degrees")]
pub struct OffTheGlobe;

impl Point {
    /// A place from degrees north and degrees east. (0, 0) is a place; NaN and infinities are not.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, OffTheGlobe> {
        if (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude) {
            Ok(Self { latitude, longitude })
        } else {
            Err(OffTheGlobe)
        }
    }

    /// Degrees north.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// Great-circle distance in metres on a sphere (haversine formula; at most 0.56 % off the ellipsoid).
    pub fn haversine_meters(self, other: Self) -> f64 {
        let (lat1, lat2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_lat = (lat2 - lat1) / 2.0;
        let half_lng = (other.longitude - self.longitude).to_radians() / 2.0;
        let a = half_lat.sin().powi(2) + lat1.cos() * lat2.cos() * half_lng.sin().powi(2);
        2.0 * EARTH_RADIUS_METERS * a.sqrt().min(1.0).asin()
    }

    /// The middle of the cell that holds it, in a grid of cells at least this many metres wide and high; 0: the place
    /// itself. All places of a cell have the same middle, so that asking again tells nothing more.
    #[must_use]
    pub fn blurred(self, meters: u32) -> Self {
        if meters == 0 {
            return self;
        }
        let height = f64::from(meters) / METERS_PER_DEGREE;
        let latitude = middle(self.latitude, height, 90.0);
        // Of a row all cells are equally wide, and there is a whole number of them: the grid closes around the globe.
        let around = 360.0 * latitude.to_radians().cos().max(0.0) / height;
        let width = 360.0 / around.floor().max(1.0);
        let longitude = middle(self.longitude, width, 180.0);
        Self { latitude, longitude }
    }
}

/// Length of a degree of latitude on the sphere, in metres.
const METERS_PER_DEGREE: f64 = EARTH_RADIUS_METERS * std::f64::consts::PI / 180.0;

/// The middle of the step that holds a value, within the limit on both sides.
fn middle(value: f64, step: f64, limit: f64) -> f64 {
    (((value / step).floor() + 0.5) * step).clamp(-limit, limit)
}

impl TryFrom<(f64, f64)> for Point {
    type Error = OffTheGlobe;

    fn try_from((latitude, longitude): (f64, f64)) -> Result<Self, OffTheGlobe> {
        Self::new(latitude, longitude)
    }
}

impl From<Point> for (f64, f64) {
    fn from(point: Point) -> Self {
        (point.latitude, point.longitude)
    }
}

/// A rectangle of the map; `west` greater than `east` crosses the 180th meridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    southwest: Point,
    northeast: Point,
}

impl Bounds {
    /// A rectangle from its corners; the south edge must not lie above the north edge.
    pub fn new(southwest: Point, northeast: Point) -> Option<Self> {
        (southwest.latitude <= northeast.latitude).then_some(Self { southwest, northeast })
    }

    /// South-west and north-east corner.
    pub fn corners(self) -> (Point, Point) {
        (self.southwest, self.northeast)
    }

    /// The same with this many metres more on each side; next to the poles, everything around them.
    #[must_use]
    pub fn widened(self, meters: f64) -> Self {
        if meters <= 0.0 {
            return self;
        }
        let high = meters / METERS_PER_DEGREE;
        let south = (self.southwest.latitude - high).max(-90.0);
        let north = (self.northeast.latitude + high).min(90.0);
        let wide = high / south.abs().max(north.abs()).to_radians().cos().max(1e-9);
        let width = (self.northeast.longitude - self.southwest.longitude).rem_euclid(360.0);
        let (west, east) = if width + 2.0 * wide >= 360.0 {
            (-180.0, 180.0)
        } else {
            let around = |longitude: f64| (longitude + 540.0).rem_euclid(360.0) - 180.0;
            (
                around(self.southwest.longitude - wide),
                around(self.northeast.longitude + wide),
            )
        };
        let corner = |latitude, longitude| Point { latitude, longitude };
        Self {
            southwest: corner(south, west),
            northeast: corner(north, east),
        }
    }

    /// Centre and radius in metres of a circle that holds it; none if it is wider or higher than a quarter of the globe,
    /// where its corners need not be what is furthest from its centre.
    pub fn circle(self) -> Option<(Point, f64)> {
        let height = self.northeast.latitude - self.southwest.latitude;
        let width = (self.northeast.longitude - self.southwest.longitude).rem_euclid(360.0);
        if height > 90.0 || width > 90.0 {
            return None;
        }
        let longitude = self.southwest.longitude + width / 2.0;
        let center = Point {
            latitude: self.southwest.latitude + height / 2.0,
            longitude: if longitude > 180.0 { longitude - 360.0 } else { longitude },
        };
        let radius = center
            .haversine_meters(self.southwest)
            .max(center.haversine_meters(self.northeast));
        // A little more, for what rounding takes.
        Some((center, radius * 1.001 + 1.0))
    }

    /// Whether a place lies in it, edges included.
    pub fn contains(self, point: Point) -> bool {
        let (west, east) = (self.southwest.longitude, self.northeast.longitude);
        let across = if west <= east {
            (west..=east).contains(&point.longitude)
        } else {
            point.longitude >= west || point.longitude <= east
        };
        across && (self.southwest.latitude..=self.northeast.latitude).contains(&point.latitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_island_is_a_place_and_nan_is_not() {
        assert!(Point::new(0.0, 0.0).is_ok());
        assert_eq!(Point::new(f64::NAN, 0.0), Err(OffTheGlobe));
        assert_eq!(Point::new(0.0, f64::INFINITY), Err(OffTheGlobe));
        assert_eq!(Point::new(90.1, 0.0), Err(OffTheGlobe));
    }

    #[test]
    fn a_box_may_cross_the_date_line() {
        let point = |lat, lng| Point::new(lat, lng).expect("valid");
        let bounds = Bounds::new(point(-10.0, 170.0), point(10.0, -170.0)).expect("valid");
        assert!(bounds.contains(point(0.0, 180.0)));
        assert!(bounds.contains(point(0.0, -175.0)));
        assert!(!bounds.contains(point(0.0, 0.0)));
        assert!(Bounds::new(point(10.0, 0.0), point(-10.0, 1.0)).is_none());
    }

    #[test]
    fn a_widened_box_holds_whoever_may_be_shown_in_the_box() {
        let point = |lat, lng| Point::new(lat, lng).expect("valid");
        let boxes = [
            (-10.0, 170.0, 10.0, -170.0),
            (4.6, -74.1, 4.7, -74.0),
            (80.0, -180.0, 90.0, 180.0),
        ];
        for (south, west, north, east) in boxes {
            let bounds = Bounds::new(point(south, west), point(north, east)).expect("valid");
            assert_eq!(bounds.widened(0.0), bounds);
            for step in 0..2000 {
                let spread = |salt: f64| (f64::from(step) * salt).fract();
                let near = point(
                    (south - 0.1 + spread(0.754_877) * (north - south + 0.2)).clamp(-90.0, 90.0),
                    (west - 0.1 + spread(0.569_84) * ((east - west).rem_euclid(360.0) + 0.2) + 540.0).rem_euclid(360.0) - 180.0,
                );
                if bounds.contains(near.blurred(5_000)) {
                    assert!(bounds.widened(5_000.0).contains(near), "{near:?}");
                }
            }
        }
    }

    #[test]
    fn a_box_lies_within_its_circle() {
        let point = |lat, lng| Point::new(lat, lng).expect("valid");
        for (south, west, north, east) in [
            (-10.0, 170.0, 10.0, -170.0),
            (40.0, -5.0, 90.0, 80.0),
            (4.0, -75.0, 5.0, -74.0),
        ] {
            let bounds = Bounds::new(point(south, west), point(north, east)).expect("valid");
            let (center, radius) = bounds.circle().expect("small");
            assert!(bounds.contains(center));
            let width = (east - west + 360.0) % 360.0;
            for step in 0..=20 {
                let part = f64::from(step) / 20.0;
                let longitude = (west + width * part + 540.0) % 360.0 - 180.0;
                let latitude = south + (north - south) * part;
                let edge = [
                    point(south, longitude),
                    point(north, longitude),
                    point(latitude, west),
                    point(latitude, east),
                ];
                assert!(edge.into_iter().all(|place| center.haversine_meters(place) <= radius));
            }
        }
        assert!(
            Bounds::new(point(-60.0, 0.0), point(60.0, 1.0))
                .expect("valid")
                .circle()
                .is_none()
        );
    }

    #[test]
    fn a_blurred_place_is_near_and_the_same_for_its_neighbours() {
        let point = |lat, lng| Point::new(lat, lng).expect("valid");
        for latitude in [-90.0, -89.9999, -45.3, -0.001, 0.0, 4.6512, 60.0, 89.999, 90.0] {
            for longitude in [-180.0, -179.9999, -74.071, 0.0, 12.3, 179.9999, 180.0] {
                let place = point(latitude, longitude);
                assert_eq!(place.blurred(0), place);
                for meters in [1, 100, 5_000, 100_000] {
                    let blurred = place.blurred(meters);
                    let off = place.haversine_meters(blurred);
                    // Half the diagonal; next to the poles a row has few cells, and they are wide.
                    let most = f64::from(meters) * if latitude.abs() > 80.0 { 2.0 } else { 0.8 };
                    assert!(off <= most, "{place:?} {meters} {off}");
                    assert!(Point::new(blurred.latitude, blurred.longitude).is_ok());
                }
            }
        }
        let (here, near) = (point(4.650_01, -74.070_01), point(4.650_02, -74.070_02));
        assert_eq!(here.blurred(500), near.blurred(500));
        assert_ne!(here.blurred(500), point(4.66, -74.07).blurred(500));
    }

    #[test]
    fn a_degree_of_latitude_is_about_111_kilometres() {
        let point = |lat, lng| Point::new(lat, lng).expect("valid");
        let meters = point(4.0, -74.0).haversine_meters(point(5.0, -74.0));
        assert!((meters - 111_195.0).abs() < 1.0, "{meters}");
    }
}

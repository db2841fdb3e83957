//! Zones: named areas, and what shapes they may have.

use jiff::Timestamp;

use super::{Revision, ZoneId, geo::Point};

/// Points of a boundary at most.
pub const POINTS: usize = 1000;
/// Greatest height and width in degrees: within it straight lines on the map and shortest ways on the earth differ little.
pub const EXTENT: f64 = 10.0;

/// A named area, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Number.
    pub id: ZoneId,
    /// Short code.
    pub code: String,
    /// Name.
    pub display_name: String,
    /// Outer ring.
    pub boundary: Boundary,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Version.
    pub revision: Revision,
}

/// The outer ring of an area: closed, and without edges that touch each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Boundary(Vec<Point>);

/// What is wrong with a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Fewer than four points, or too many.
    Count,
    /// The last point is not the first.
    Open,
    /// An edge crosses the 180th meridian.
    DateLine,
    /// It is too high or too wide.
    Extent,
    /// Edges cross or touch each other, or it encloses nothing.
    Crossing,
}

impl Boundary {
    /// A boundary from its ring.
    pub fn new(ring: Vec<Point>) -> Result<Self, Flaw> {
        if !(4..=POINTS).contains(&ring.len()) {
            return Err(Flaw::Count);
        }
        if ring.first() != ring.last() {
            return Err(Flaw::Open);
        }
        if ring
            .windows(2)
            .any(|ends| (ends[0].longitude() - ends[1].longitude()).abs() > 180.0)
        {
            return Err(Flaw::DateLine);
        }
        if extent(&ring, Point::latitude) > EXTENT || extent(&ring, Point::longitude) > EXTENT {
            return Err(Flaw::Extent);
        }
        let nodes: Vec<Node> = ring.iter().map(Node::of).collect();
        let edges: Vec<Edge> = nodes.windows(2).map(|ends| [ends[0], ends[1]]).collect();
        if crosses_itself(&edges) {
            return Err(Flaw::Crossing);
        }
        Ok(Self(ring))
    }

    /// A ring that was checked before it was stored.
    pub fn stored(ring: Vec<Point>) -> Self {
        Self(ring)
    }

    /// The points; the last equals the first.
    pub fn points(&self) -> &[Point] {
        &self.0
    }
}

/// A place in whole numbers, so that nothing is lost in what is reckoned with it, however small it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    latitude: i128,
    longitude: i128,
}

/// Parts of a degree: as fine as a longitude near 180 can be. What lies nearer together is one place.
const PARTS: f64 = (1_u64 << 45) as f64;

impl Node {
    fn of(point: &Point) -> Self {
        Self {
            latitude: (point.latitude() * PARTS).round() as i128,
            longitude: (point.longitude() * PARTS).round() as i128,
        }
    }
}

type Edge = [Node; 2];

fn extent(ring: &[Point], of: impl Fn(Point) -> f64) -> f64 {
    let values = || ring.iter().copied().map(&of);
    values().fold(f64::MIN, f64::max) - values().fold(f64::MAX, f64::min)
}

/// 1: a place lies to the left of an edge; -1: to the right; 0: in line with it.
fn turn([from, to]: Edge, node: Node) -> i128 {
    let left = (to.longitude - from.longitude) * (node.latitude - from.latitude);
    let right = (to.latitude - from.latitude) * (node.longitude - from.longitude);
    (left - right).signum()
}

/// Whether a place in line with an edge lies on it.
fn is_between([from, to]: Edge, node: Node) -> bool {
    let within = |one: i128, other: i128, value: i128| (one.min(other)..=one.max(other)).contains(&value);
    within(from.latitude, to.latitude, node.latitude) && within(from.longitude, to.longitude, node.longitude)
}

/// Whether two edges have a point in common.
fn meet(one: Edge, other: Edge) -> bool {
    let (a, b) = (turn(one, other[0]), turn(one, other[1]));
    let (c, d) = (turn(other, one[0]), turn(other, one[1]));
    if a * b < 0 && c * d < 0 {
        return true;
    }
    let on = |side: i128, edge: Edge, node: Node| side == 0 && is_between(edge, node);
    on(a, one, other[0]) || on(b, one, other[1]) || on(c, other, one[0]) || on(d, other, one[1])
}

/// Whether any two edges meet that are no neighbours, or an edge goes back on the one before.
fn crosses_itself(edges: &[Edge]) -> bool {
    let last = edges.len() - 1;
    edges.iter().enumerate().any(|(at, edge)| {
        edges.iter().enumerate().skip(at + 1).any(|(later, other)| {
            if later == at + 1 {
                is_back(edge[0], edge[1], other[1])
            } else if at == 0 && later == last {
                is_back(other[0], other[1], edge[1])
            } else {
                meet(*edge, *other)
            }
        })
    })
}

/// Whether the way from one point over the next to a third goes back on itself.
fn is_back(from: Node, over: Node, to: Node) -> bool {
    turn([from, over], to) == 0 && (is_between([from, over], to) || is_between([over, to], from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(points: &[(f64, f64)]) -> Vec<Point> {
        let point = |(lat, lng): &(f64, f64)| Point::new(*lat, *lng).expect("on the globe");
        points.iter().map(point).collect()
    }

    #[test]
    fn a_boundary_is_closed_small_and_crosses_nothing() {
        let square = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)];
        assert!(Boundary::new(ring(&square)).is_ok());
        assert!(Boundary::new(ring(&[(0.0, 0.0), (0.0, 2.0), (0.0, 4.0), (2.0, 2.0), (0.0, 0.0)])).is_ok());
        let flaws: [(&[(f64, f64)], Flaw); 10] = [
            (&square[..3], Flaw::Count),
            (&square[..4], Flaw::Open),
            (&[(0.0, 179.0), (0.0, -179.0), (1.0, -179.0), (0.0, 179.0)], Flaw::DateLine),
            (&[(0.0, 0.0), (0.0, 11.0), (1.0, 0.0), (0.0, 0.0)], Flaw::Extent),
            (&[(0.0, 0.0), (11.0, 0.0), (1.0, 1.0), (0.0, 0.0)], Flaw::Extent),
            // A bow tie; a point twice; nothing enclosed; a thorn; an edge that touches another; a loop within a loop.
            (&[(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)], Flaw::Crossing),
            (&[(0.0, 0.0), (0.0, 1.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)], Flaw::Crossing),
            (&[(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (0.0, 0.0)], Flaw::Crossing),
            (&[(0.0, 0.0), (0.0, 2.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)], Flaw::Crossing),
            (
                &[(0.0, 0.0), (0.0, 2.0), (2.0, 2.0), (0.0, 1.0), (2.0, 0.0), (0.0, 0.0)],
                Flaw::Crossing,
            ),
        ];
        for (points, flaw) in flaws {
            assert_eq!(Boundary::new(ring(points)), Err(flaw), "{points:?}");
        }
        // What is too small to be told apart encloses nothing.
        let dot = square.map(|(lat, lng)| (lat * 1e-271, lng * 1e-271));
        assert_eq!(Boundary::new(ring(&dot)), Err(Flaw::Crossing));
        // Told apart by one small step only, on a ring that is otherwise large: to one side it is fine, in line it is not.
        let step = 2f64.powi(-45);
        let bent = |step: f64| [(0.0, 0.0), (0.0, 2.0), (step, 1.0), (0.0, 0.0)];
        assert!(Boundary::new(ring(&bent(step))).is_ok());
        assert_eq!(Boundary::new(ring(&bent(f64::MIN_POSITIVE))), Err(Flaw::Crossing));
        let many: Vec<(f64, f64)> = (0..1001).map(|n| (f64::from(n) / 1000.0, f64::from(n * n) / 1.0e6)).collect();
        assert_eq!(Boundary::new(ring(&many)), Err(Flaw::Count));
    }

    proptest! {
        /// Points around a centre, in the order of their bearing, never cross.
        #[test]
        fn a_star_is_a_boundary(radii in prop::collection::vec(0.5_f64..2.0, 4..40)) {
            let around = |n: usize| {
                let bearing = std::f64::consts::TAU * n as f64 / radii.len() as f64;
                (4.0 + radii[n] * bearing.sin(), -74.0 + radii[n] * bearing.cos())
            };
            let mut star: Vec<(f64, f64)> = (0..radii.len()).map(around).collect();
            star.push(star[0]);
            prop_assert!(Boundary::new(ring(&star)).is_ok());
        }
    }
}

//! Boundaries of zones: rings that must not cross themselves.

use arbitrary::{Result, Unstructured};
use gad::domain::{
    geo::Point,
    zone::{Boundary, Flaw, POINTS},
};

/// A place on a grid.
type Node = (i128, i128);

/// Choices: how fine the grid is, then its points.
pub fn run(data: &[u8]) {
    let mut choices = Unstructured::new(data);
    let Ok((nodes, step)) = ring(&mut choices) else {
        return;
    };
    let place = |(north, east): &Node| Point::new(*north as f64 * step, *east as f64 * step);
    let Ok(points) = nodes.iter().map(place).collect::<std::result::Result<Vec<_>, _>>() else {
        return;
    };
    let found = Boundary::new(points.clone()).map(|boundary| assert_eq!(boundary.points(), points));
    let mut backwards = points.clone();
    backwards.reverse();
    assert_eq!(Boundary::new(backwards).map(drop), found, "{points:?} backwards");
    if points.len() > 2 && points.first() == points.last() {
        let mut turned = points[1..].to_vec();
        turned.push(points[1]);
        assert_eq!(Boundary::new(turned).map(drop), found, "{points:?} begun elsewhere");
    }
    let is_dot = step < 2f64.powi(-45);
    match found {
        Ok(()) => {
            assert!((4..=POINTS).contains(&points.len()) && points.first() == points.last());
            assert!(!crosses(&nodes) && !is_dot, "{points:?} crosses itself");
        }
        Err(Flaw::Crossing) => assert!(crosses(&nodes) || is_dot, "{points:?} does not cross itself"),
        Err(_) => {}
    }
}

/// A ring on a grid, closed as a rule, and the width of the grid: powers of two, so that nothing is rounded, or all of it to
/// one place.
fn ring(choices: &mut Unstructured<'_>) -> Result<(Vec<Node>, f64)> {
    let step = *choices.choose(&[1.0, 0.5, 0.125, 2f64.powi(-20), 2f64.powi(-300), 2f64.powi(-900)])?;
    let closed = choices.ratio(7, 8)?;
    let mut nodes = Vec::new();
    while !choices.is_empty() && nodes.len() < 40 {
        nodes.push((choices.int_in_range(-8..=8)?, choices.int_in_range(-8..=8)?));
    }
    if closed && let Some(first) = nodes.first().copied() {
        nodes.push(first);
    }
    Ok((nodes, step))
}

/// Whether two edges have more in common than the corner between neighbours; in whole numbers.
fn crosses(nodes: &[Node]) -> bool {
    let edges: Vec<[Node; 2]> = nodes.windows(2).map(|ends| [ends[0], ends[1]]).collect();
    let last = edges.len() - 1;
    let none = edges.iter().any(|[from, to]| from == to);
    none || (0..edges.len()).any(|one| {
        (one + 1..edges.len()).any(|other| {
            let (a, b) = (edges[one], edges[other]);
            if other == one + 1 {
                is_on(a, b[1]) || is_on(b, a[0])
            } else if one == 0 && other == last {
                is_on(b, a[1]) || is_on(a, b[0])
            } else {
                meet(a, b)
            }
        })
    })
}

fn turn([from, to]: [Node; 2], node: Node) -> i128 {
    ((to.1 - from.1) * (node.0 - from.0) - (to.0 - from.0) * (node.1 - from.1)).signum()
}

fn is_on(edge: [Node; 2], node: Node) -> bool {
    let [from, to] = edge;
    let within = |one: i128, other: i128, value: i128| (one.min(other)..=one.max(other)).contains(&value);
    turn(edge, node) == 0 && within(from.0, to.0, node.0) && within(from.1, to.1, node.1)
}

fn meet(one: [Node; 2], other: [Node; 2]) -> bool {
    let proper = turn(one, other[0]) * turn(one, other[1]) < 0 && turn(other, one[0]) * turn(other, one[1]) < 0;
    proper || is_on(one, other[0]) || is_on(one, other[1]) || is_on(other, one[0]) || is_on(other, one[1])
}

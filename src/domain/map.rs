//! The map: grids in which what is near to each other is counted together, and tiles.

use std::f64::consts::PI;

use super::geo::{Bounds, Point};

/// Furthest north that the map shows: there it is square.
pub const NORTH: f64 = 85.051_128_779_806_6;

/// Finest grid, as powers of two around the globe: cells of some centimetres.
const FINEST: u32 = 26;

/// Cells of 64 pixels in a tile of 256, as a power of two.
const IN_TILE: u32 = 2;

/// Squares of the Mercator map, a power of two of them around the globe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid(u32);

/// How far down the map a latitude is: 0 in the north, 1 in the south.
fn down(latitude: f64) -> f64 {
    let latitude = latitude.clamp(-NORTH, NORTH).to_radians();
    (1.0 - latitude.tan().asinh() / PI) / 2.0
}

/// The latitude that is so far down the map.
fn latitude(down: f64) -> f64 {
    ((1.0 - 2.0 * down) * PI).sinh().atan().to_degrees()
}

impl Grid {
    /// A grid for a map of this zoom; coarser if otherwise there were more than `across` cells in a row or column of the
    /// rectangle, a power of two. Without a zoom, the finest of which there are not.
    pub fn of(bounds: Bounds, zoom: Option<u32>, across: u32) -> Self {
        let (southwest, northeast) = bounds.corners();
        let (west, east) = (southwest.longitude(), northeast.longitude());
        let width = if west <= east { east - west } else { east - west + 360.0 } / 360.0;
        let height = down(southwest.latitude()) - down(northeast.latitude());
        let most = f64::from(across) / width.max(height).max(f64::MIN_POSITIVE);
        let wanted = zoom.map_or(FINEST, |zoom| zoom + IN_TILE).min(FINEST);
        let fits = (0..=wanted).rev().find(|power| f64::from(1_u32 << power) <= most);
        Self(fits.unwrap_or_default())
    }

    /// Cells around the globe.
    pub fn around(self) -> f64 {
        f64::from(1_u32 << self.0)
    }

    /// Width of a cell in degrees.
    pub fn degrees(self) -> f64 {
        360.0 / self.around()
    }

    /// The rectangle of a cell by column from the west and row from the north; its edges are those of the cells beside it.
    pub fn cell(self, column: f64, row: f64) -> [f64; 4] {
        let west = column * self.degrees() - 180.0;
        let edge = |row: f64| latitude(row / self.around());
        [edge(row + 1.0), west, edge(row), (west + self.degrees()).min(180.0)]
    }
}

/// A tile of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    zoom: u32,
    column: u32,
    row: u32,
}

/// Cells in a row of a tile, as a power of two.
const TILE: u32 = 5;

impl Tile {
    /// A tile, if the map has it.
    pub fn new(zoom: u32, column: u32, row: u32) -> Option<Self> {
        let count = 1_u32.checked_shl(zoom)?;
        (zoom <= 22 && column < count && row < count).then_some(Self { zoom, column, row })
    }

    /// Zoom, column and row.
    pub fn address(self) -> (u32, u32, u32) {
        (self.zoom, self.column, self.row)
    }

    /// The rectangle that it shows.
    pub fn bounds(self) -> Option<Bounds> {
        let [south, west, north, east] = Grid(self.zoom).cell(f64::from(self.column), f64::from(self.row));
        Bounds::new(Point::new(south, west).ok()?, Point::new(north, east).ok()?)
    }

    /// The grid in which it counts: 32 cells in a row.
    pub fn grid(self) -> Grid {
        Grid(self.zoom + TILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(south: f64, west: f64, north: f64, east: f64) -> Bounds {
        let point = |lat, lng| Point::new(lat, lng).expect("valid");
        Bounds::new(point(south, west), point(north, east)).expect("valid")
    }

    #[test]
    fn a_grid_is_as_fine_as_the_zoom_and_no_finer_than_the_rectangle_bears() {
        let city = bounds(4.5, -74.2, 4.8, -74.0);
        assert_eq!(Grid::of(city, Some(10), 32).around(), 4096.0);
        // 0.3 degrees high: 32 cells of 0.0055 degrees are too few for it.
        assert_eq!(Grid::of(city, Some(22), 32), Grid::of(city, None, 32));
        assert_eq!(Grid::of(city, None, 32).around(), 32_768.0);
        assert_eq!(Grid::of(bounds(-90.0, -180.0, 90.0, 180.0), None, 32).around(), 32.0);
        // Over the date line it is narrow.
        assert_eq!(Grid::of(bounds(0.0, 179.9, 0.1, -179.9), None, 32).around(), 32_768.0);
        assert_eq!(
            Grid::of(bounds(1.0, 1.0, 1.0, 1.0), None, 32).around(),
            f64::from(1 << FINEST)
        );
    }

    #[test]
    fn cells_and_tiles_are_where_the_map_has_them() {
        let world = Tile::new(0, 0, 0).and_then(Tile::bounds).expect("valid");
        let (southwest, northeast) = world.corners();
        assert!((southwest.latitude() + NORTH).abs() < 1e-9 && (northeast.latitude() - NORTH).abs() < 1e-9);
        assert_eq!((southwest.longitude(), northeast.longitude()), (-180.0, 180.0));
        let quarter = Tile::new(1, 1, 1).and_then(Tile::bounds).expect("valid").corners();
        assert!(quarter.1.latitude().abs() < 1e-9 && quarter.0.longitude().abs() < 1e-9);
        assert_eq!(Tile::new(1, 2, 0), None);
        assert_eq!(Tile::new(23, 0, 0), None);
        assert_eq!(Tile::new(40, 0, 0), None);
        let last = Tile::new(22, (1 << 22) - 1, (1 << 22) - 1).expect("valid");
        assert!(last.bounds().is_some());
    }

    #[test]
    fn a_place_lies_in_its_own_cell() {
        let grid = Grid(12);
        for (lat, lng) in [(4.65, -74.07), (-85.0, 179.999), (0.0, 0.0), (84.9, -180.0)] {
            let column = ((lng + 180.0) / 360.0 * grid.around()).floor();
            let row = (down(lat) * grid.around()).floor();
            let [south, west, north, east] = grid.cell(column, row);
            assert!(south <= lat && lat <= north + 1e-12, "{lat}");
            assert!(west <= lng && lng <= east, "{lng}");
        }
    }
}

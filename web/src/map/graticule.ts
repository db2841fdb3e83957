import L from 'leaflet';

const STEPS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45];
/** Pixels between two lines, at least: a label fits in between. */
const SPACING = 90;

/** Draws meridians and parallels, so that a map without tiles shows scale and movement. */
export function graticule(map: L.Map): void {
  const lines = L.layerGroup().addTo(map);
  const draw = () => {
    lines.clearLayers();
    const bounds = map.getBounds();
    const span = bounds.getNorth() - bounds.getSouth();
    const degreesPerPixel = (bounds.getEast() - bounds.getWest()) / Math.max(1, map.getSize().x);
    const step = STEPS.find((candidate) => candidate >= SPACING * degreesPerPixel) ?? 45;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    for (const latitude of multiples(Math.max(bounds.getSouth(), -85), Math.min(bounds.getNorth(), 85), step)) {
      line(lines, [[latitude, bounds.getWest() - span], [latitude, bounds.getEast() + span]]);
      mark(lines, [latitude, bounds.getWest()], 'west', `${latitude.toFixed(digits)}°`);
    }
    for (const longitude of multiples(bounds.getWest(), bounds.getEast(), step)) {
      line(lines, [[Math.max(bounds.getSouth() - span, -85), longitude], [Math.min(bounds.getNorth() + span, 85), longitude]]);
      mark(lines, [bounds.getSouth(), longitude], 'south', `${longitude.toFixed(digits)}°`);
    }
  };
  map.on('moveend', draw);
  map.whenReady(draw);
}

function multiples(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step);
  const count = Math.max(0, Math.floor(to / step) - first + 1);
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

function line(layer: L.LayerGroup, ends: L.LatLngTuple[]): void {
  L.polyline(ends, { className: 'graticule', interactive: false }).addTo(layer);
}

function mark(layer: L.LayerGroup, at: L.LatLngTuple, edge: 'west' | 'south', text: string): void {
  const label = document.createElement('span');
  label.textContent = text;
  const icon = L.divIcon({ className: `degree degree-${edge}`, html: label, iconSize: [0, 0] });
  L.marker(at, { icon, interactive: false, keyboard: false, zIndexOffset: -1000 }).addTo(layer);
}

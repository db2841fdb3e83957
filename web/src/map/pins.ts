import L from 'leaflet';

/** A marker as it should be. */
export interface Pin {
  /** Unique on the map, such as `agent-12`. */
  readonly key: string;
  readonly at: L.LatLngTuple;
  /** Class names. */
  readonly look: string;
  /** A drawing (`path`) or a few letters (`text`) inside it. */
  readonly path?: string;
  readonly text?: string;
  /** Short name beside it. */
  readonly label: string;
  /** What a screen reader says. */
  readonly title: string;
  readonly zIndex: number;
}

interface Entry {
  pin: Pin;
  readonly marker: L.Marker;
}

/** Keeps the markers of a map like a list of pins: makes, moves, repaints and removes only what differs. */
export class Pins {
  readonly #layer: L.LayerGroup;
  readonly #entries = new Map<string, Entry>();

  constructor(
    map: L.Map,
    private readonly onChoose: (key: string) => void,
  ) {
    this.#layer = L.layerGroup().addTo(map);
  }

  show(pins: readonly Pin[]): void {
    const wanted = new Set(pins.map(({ key }) => key));
    for (const [key, { marker }] of this.#entries) {
      if (wanted.has(key)) continue;
      this.#layer.removeLayer(marker);
      this.#entries.delete(key);
    }
    for (const pin of pins) {
      const entry = this.#entries.get(pin.key);
      if (entry) change(entry, pin);
      else this.#add(pin);
    }
  }

  #add(pin: Pin): void {
    const marker = L.marker(pin.at, { icon: icon(pin), zIndexOffset: pin.zIndex, riseOnHover: true });
    marker.on('click', () => this.onChoose(pin.key));
    marker.on('keypress', ({ originalEvent }: L.LeafletKeyboardEvent) => {
      if (originalEvent.key === 'Enter') this.onChoose(pin.key);
    });
    marker.on('add', () => describe(marker, pin));
    marker.addTo(this.#layer);
    this.#entries.set(pin.key, { pin, marker });
  }
}

function change(entry: Entry, pin: Pin): void {
  const { pin: before, marker } = entry;
  const isMoved = before.at[0] !== pin.at[0] || before.at[1] !== pin.at[1];
  const isRepainted = (['look', 'label', 'text', 'path'] as const).some((part) => before[part] !== pin[part]);
  if (!isMoved && !isRepainted && before.title === pin.title) return;
  entry.pin = pin;
  if (isMoved) marker.setLatLng(pin.at);
  if (isRepainted) {
    const hadFocus = document.activeElement === marker.getElement();
    marker.setIcon(icon(pin)).setZIndexOffset(pin.zIndex);
    if (hadFocus) marker.getElement()?.focus();
  }
  describe(marker, pin);
}

function describe(marker: L.Marker, pin: Pin): void {
  const element = marker.getElement();
  if (!element) return;
  element.dataset.pin = pin.key;
  element.dataset.at = pin.at.join(',');
  element.setAttribute('aria-label', pin.title);
}

/** In the size of letters, so that pins grow with the screen as words do. */
const SIZE_REM = 1.85;

function icon(pin: Pin): L.DivIcon {
  const size = Math.round(SIZE_REM * parseFloat(getComputedStyle(document.documentElement).fontSize));
  const root = document.createElement('span');
  root.className = 'pin-body';
  root.append(pin.path ? drawing(pin.path) : (pin.text ?? ''));
  const label = document.createElement('span');
  label.className = 'pin-label';
  label.textContent = pin.label;
  root.append(label);
  return L.divIcon({ html: root, className: `pin ${pin.look}`, iconSize: [size, size] });
}

function drawing(data: string): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', data);
  svg.append(path);
  return svg;
}

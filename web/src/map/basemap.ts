import L from 'leaflet';
import 'leaflet/dist/leaflet.css';
import type { Zone } from '../gen/gad/v1/zone_pb';
import { graticule } from './graticule';

/** Where the eye was, kept while one walks between pages. */
let lastView: { center: L.LatLng; zoom: number } | null = null;

/** Farther out the names of markers would cover each other. */
const NAMES_FROM_ZOOM = 13;
/** And those of zones. */
const ZONE_NAMES_FROM_ZOOM = 10.5;

interface Options {
  tileUrl: string | null;
  zoomInTitle: string;
  zoomOutTitle: string;
}

/** A map that asks nobody for anything, unless `tileUrl` names who. */
export function createBasemap(element: HTMLElement, { tileUrl, zoomInTitle, zoomOutTitle }: Options): L.Map {
  const map = L.map(element, { zoomControl: false, attributionControl: false, minZoom: 2, maxZoom: 19, zoomSnap: 0.5 });
  L.control.zoom({ zoomInTitle, zoomOutTitle }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (tileUrl) L.tileLayer(tileUrl, { maxZoom: 19 }).addTo(map);
  else graticule(map);
  map.setView(lastView?.center ?? [0, 0], lastView?.zoom ?? 2);
  map.on('moveend', () => {
    lastView = { center: map.getCenter(), zoom: map.getZoom() };
  });
  const nameOrNot = () => {
    element.toggleAttribute('data-far', map.getZoom() < NAMES_FROM_ZOOM);
    element.toggleAttribute('data-farther', map.getZoom() < ZONE_NAMES_FROM_ZOOM);
  };
  map.on('zoomend', nameOrNot);
  nameOrNot();
  const resized = new ResizeObserver(() => map.invalidateSize({ animate: false }));
  resized.observe(element);
  map.on('unload', () => resized.disconnect());
  return map;
}

/** Whether the map has been moved to a place in this visit. */
export function hasView(): boolean {
  return lastView !== null && lastView.zoom > 2;
}

export function drawZones(map: L.Map, zones: readonly Zone[]): L.LayerGroup {
  const layer = L.layerGroup().addTo(map);
  for (const zone of zones) {
    const ring = zone.boundary.map(({ latitude, longitude }) => L.latLng(latitude, longitude));
    L.polygon(ring, { className: 'zone', interactive: false })
      .bindTooltip(zone.displayName || zone.code, { permanent: true, direction: 'center', className: 'zone-name' })
      .addTo(layer);
  }
  return layer;
}

export function zoneBounds(zones: readonly Zone[]): L.LatLngBounds {
  return L.latLngBounds(zones.flatMap((zone) => zone.boundary.map((point) => L.latLng(point.latitude, point.longitude))));
}

/** Shows all of `bounds`, or stays if it is empty. */
export function fit(map: L.Map, bounds: L.LatLngBounds): void {
  if (bounds.isValid()) map.fitBounds(bounds, { padding: [40, 40], maxZoom: 15, animate: false });
}

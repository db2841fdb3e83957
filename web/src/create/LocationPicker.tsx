import L from 'leaflet';
import { useEffect, useMemo, useRef } from 'react';
import { useWords } from '../i18n';
import { drawZones, fit, hasView, zoneBounds } from '../map/basemap';
import { useMap } from '../map/useMap';
import { useZones } from '../map/useZones';
import '../map/map.css';

interface Props {
  /** Latitude and longitude. */
  value: L.LatLngTuple | null;
  onPick: (place: L.LatLngTuple) => void;
}

export function LocationPicker({ value, onPick }: Props) {
  const { t } = useWords();
  const { element, map } = useMap();
  const zones = useZones();
  const pick = useRef(onPick);
  pick.current = onPick;

  useEffect(() => {
    if (!map) return;
    const layer = drawZones(map, zones);
    if (!hasView()) fit(map, zoneBounds(zones));
    return () => void layer.remove();
  }, [map, zones]);

  useEffect(() => {
    const picked = ({ latlng }: L.LeafletMouseEvent) => pick.current(rounded(latlng));
    map?.on('click', picked);
    return () => void map?.off('click', picked);
  }, [map]);

  useMarkerAt(map, value, pick);
  return <div className="map map-picker" ref={element} role="region" aria-label={t.create.picker} />;
}

function useMarkerAt(map: L.Map | null, value: L.LatLngTuple | null, pick: { current: Props['onPick'] }): void {
  const marker = useMemo(() => {
    const icon = L.divIcon({ className: 'picked', iconSize: [28, 28] });
    const made = L.marker([0, 0], { icon, draggable: true, keyboard: false });
    made.on('dragend', () => pick.current(rounded(made.getLatLng())));
    return made;
  }, [pick]);
  const [latitude, longitude] = value ?? [];
  useEffect(() => {
    if (!map || latitude === undefined || longitude === undefined) return void marker.remove();
    marker.setLatLng([latitude, longitude]).addTo(map);
    if (!map.getBounds().contains([latitude, longitude])) map.setView([latitude, longitude], Math.max(map.getZoom(), 13));
  }, [map, marker, latitude, longitude]);
}

/** A tenth of a metre is more than a finger knows. */
function rounded({ lat, lng }: L.LatLng): L.LatLngTuple {
  return [Number(lat.toFixed(6)), Number(lng.toFixed(6))];
}

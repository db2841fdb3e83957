import type L from 'leaflet';
import { type RefObject, useEffect, useRef, useState } from 'react';
import { useConfig } from '../config';
import { useWords } from '../i18n';
import { createBasemap } from './basemap';

/** A Leaflet map in the element of the reference, for as long as the component lives. */
export function useMap(): { element: RefObject<HTMLDivElement | null>; map: L.Map | null } {
  const element = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<L.Map | null>(null);
  const { tileUrl } = useConfig();
  const { t } = useWords();
  const { zoomIn, zoomOut } = t.map;

  useEffect(() => {
    if (!element.current) return;
    const made = createBasemap(element.current, { tileUrl, zoomInTitle: zoomIn, zoomOutTitle: zoomOut });
    setMap(made);
    return () => {
      setMap(null);
      made.remove();
    };
  }, [tileUrl, zoomIn, zoomOut]);

  return { element, map };
}

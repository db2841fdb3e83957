import L from 'leaflet';
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';

interface Props {
  map: L.Map;
  at: L.LatLngTuple;
  onClose: () => void;
  children: ReactNode;
}

/** A popup with living content that follows its place. */
export function MapPopup({ map, at, onClose, children }: Props) {
  const [content] = useState(() => document.createElement('div'));
  const [popup] = useState(() => L.popup({ offset: [0, -10], minWidth: 200, maxWidth: 300 }).setContent(content));
  const close = useRef(onClose);
  close.current = onClose;

  useEffect(() => {
    const closed = () => close.current();
    popup.openOn(map).on('remove', closed);
    // Into view once; a moving agent must not drag the map along.
    popup.options.autoPan = false;
    return () => {
      popup.off('remove', closed).remove();
    };
  }, [map, popup]);

  const [latitude, longitude] = at;
  useLayoutEffect(() => {
    popup.setLatLng([latitude, longitude]);
  }, [popup, latitude, longitude]);

  return createPortal(children, content);
}

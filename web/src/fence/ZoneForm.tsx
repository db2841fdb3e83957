import { useQueryClient } from '@tanstack/react-query';
import L from 'leaflet';
import { useEffect, useRef, useState } from 'react';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { drawZones, fit, zoneBounds } from '../map/basemap';
import { useMap } from '../map/useMap';
import { useZones } from '../map/useZones';
import { CALL, newRequestId, zones as service } from '../rpc/clients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { numberOf } from '../ui/lines';
import { toast } from '../ui/toast';
import { words } from './words';
import '../map/map.css';
import './fence.css';

/** A ring of fewer corners holds nothing. */
const LEAST_CORNERS = 3;

/** Draws a new zone, corner by corner. */
export function ZoneForm({ onDrawn, onClose }: { onDrawn: (zoneId: bigint) => void; onClose: () => void }) {
  const { t } = useWords();
  const w = usePart(words);
  const queries = useQueryClient();
  const [code, setCode] = useState('');
  const [displayName, setName] = useState('');
  const [corners, setCorners] = useState<readonly L.LatLngTuple[]>([]);
  const [missing, setMissing] = useState(false);
  const save = useCall(
    () => {
      const boundary = [...corners, ...corners.slice(0, 1)].map(([latitude, longitude]) => ({ latitude, longitude }));
      const zone = { code: code.trim(), displayName: displayName.trim(), boundary };
      return service.createZone({ zone, requestId: newRequestId() }, CALL);
    },
    async (zone) => {
      await queries.invalidateQueries({ queryKey: ['zones'] });
      toast(w.drawn(zone.displayName));
      onDrawn(zone.id);
    },
  );
  const isOpen = corners.length < LEAST_CORNERS;
  const submit = () => {
    setMissing(isOpen);
    if (!isOpen) save.run(undefined);
  };
  return (
    <Form failure={save.failure} onSubmit={submit} label={w.draw} className="assign">
      <p>{w.drawText}</p>
      <DrawMap corners={corners} onCorner={(corner) => setCorners((before) => [...before, corner])} />
      <Typed onCorner={(corner) => setCorners([...corners, corner])} />
      <Corners count={corners.length} onUndo={() => setCorners(corners.slice(0, -1))} />
      {((missing && isOpen) || save.fields.has('boundary')) && (
        <p className="field-error" role="alert">
          {save.fields.get('boundary') ?? w.tooFew}
        </p>
      )}
      <div className="pair">
        <Field
          label={w.zoneName}
          maxLength={100}
          value={displayName}
          error={save.fields.get('display_name')}
          onChange={({ target }) => setName(target.value)}
        />
        <Field
          label={w.zoneCode}
          maxLength={50}
          autoCapitalize="characters"
          value={code}
          error={save.fields.get('code')}
          onChange={({ target }) => setCode(target.value)}
        />
      </div>
      <div className="form-end">
        <Button look="quiet" onClick={onClose}>
          {t.app.cancel}
        </Button>
        <Button look="primary" type="submit" busy={save.busy}>
          {w.saveZone}
        </Button>
      </div>
    </Form>
  );
}

/** A corner for whoever does not point at maps. */
function Typed({ onCorner }: { onCorner: (corner: L.LatLngTuple) => void }) {
  const w = usePart(words);
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const add = () => {
    const [latitude = null, longitude = null, ...more] = text.trim().split(/[\s;]+|,\s+|,(?=-?\d+\.)/).map(numberOf);
    const isPlace = latitude !== null && longitude !== null && more.length === 0;
    setWrong(!isPlace);
    if (!isPlace) return;
    setText('');
    onCorner([latitude, longitude]);
  };
  return (
    <div className="fence-typed">
      <Field
        label={w.corner}
        placeholder="4.65 -74.07"
        autoComplete="off"
        value={text}
        error={wrong ? w.cornerWrong : undefined}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          add();
        }}
      />
      <Button onClick={add}>{w.addCorner}</Button>
    </div>
  );
}

function Corners({ count, onUndo }: { count: number; onUndo: () => void }) {
  const w = usePart(words);
  return (
    <div className="line">
      <span className="grow" role="status">
        {w.corners(count)}
      </span>
      <Button small look="quiet" onClick={onUndo}>
        {w.undo}
      </Button>
    </div>
  );
}

function DrawMap({ corners, onCorner }: { corners: readonly L.LatLngTuple[]; onCorner: (corner: L.LatLngTuple) => void }) {
  const w = usePart(words);
  const { element, map } = useMap();
  const zones = useZones();
  const put = useRef(onCorner);
  put.current = onCorner;

  useEffect(() => {
    if (!map) return;
    const layer = drawZones(map, zones);
    fit(map, zoneBounds(zones));
    return () => void layer.remove();
  }, [map, zones]);

  useEffect(() => {
    const picked = ({ latlng }: L.LeafletMouseEvent) => put.current([Number(latlng.lat.toFixed(6)), Number(latlng.lng.toFixed(6))]);
    map?.on('click', picked);
    return () => void map?.off('click', picked);
  }, [map]);

  useEffect(() => {
    if (!map) return;
    const layer = L.layerGroup().addTo(map);
    L.polygon([...corners], { className: 'zone zone-chosen', interactive: false }).addTo(layer);
    for (const corner of corners) L.circleMarker(corner, { radius: 5, className: 'zone-corner', interactive: false }).addTo(layer);
    return () => void layer.remove();
  }, [map, corners]);

  return <div className="map fence-map fence-draw" ref={element} role="region" aria-label={w.drawMap} />;
}

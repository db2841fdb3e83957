import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { useState } from 'react';
import { useCell } from '../cell';
import { type Geofence, GeofenceEventKind, GeofenceSchema } from '../gen/gad/v1/geofence_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents } from '../live/LiveProvider';
import { useZones } from '../map/useZones';
import { CALL, newRequestId } from '../rpc/clients';
import { geofences } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { durationMillis } from '../time';
import { Button } from '../ui/Button';
import { Choices } from '../ui/Choices';
import { EditDrawer } from '../ui/EditDrawer';
import { Field, TextArea } from '../ui/Field';
import { linesOf, numberOf } from '../ui/lines';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import { words } from './words';
import { ZoneMap } from './ZoneMap';
import { ZoneForm } from './ZoneForm';

const CROSSINGS = [GeofenceEventKind.ENTERED, GeofenceEventKind.LEFT] as const;
/** All that a fence is made of: what is emptied is changed too. */
const FIELDS = [
  'display_name',
  'zone_id',
  'crossings',
  'dwell_time',
  'agent_ids',
  'units',
  'margin_meters',
  'max_accuracy_meters',
  'confirmation_count',
];

interface Props {
  fence: Geofence | undefined;
  onClose: () => void;
  onDone: () => unknown;
}

interface Draft {
  readonly displayName: string;
  readonly zoneId: bigint;
  readonly crossings: readonly GeofenceEventKind[];
  /** Minutes. */
  readonly dwell: string;
  /** One a line. */
  readonly units: string;
  readonly agentIds: readonly bigint[];
  readonly margin: string;
  readonly accuracy: string;
  readonly confirmations: string;
}

export function FencePanel({ fence, onClose, onDone }: Props) {
  const { t } = useWords();
  const w = usePart(words);
  const [draft, setDraft] = useState<Draft>(() => draftOf(fence));
  const save = useCall(
    () => {
      const sent = { geofence: fenceOf(draft, fence), requestId: newRequestId() };
      return fence ? geofences.updateGeofence({ ...sent, updateMask: { paths: FIELDS } }, CALL) : geofences.createGeofence(sent, CALL);
    },
    () => {
      toast(t.app.saved);
      return onDone();
    },
  );
  const remove = useCall(
    () => geofences.deleteGeofence({ id: fence?.id ?? 0n, etag: fence?.etag ?? '', requestId: newRequestId() }, CALL),
    onDone,
  );
  return (
    <EditDrawer
      thing={fence}
      words={w}
      save={save}
      remove={remove}
      onClose={onClose}
      above={<Where draft={draft} error={save.fields.get('zone_id')} onChange={setDraft} />}
    >
      <Field
        label={w.name}
        maxLength={100}
        value={draft.displayName}
        error={save.fields.get('display_name')}
        onChange={({ target }) => setDraft({ ...draft, displayName: target.value })}
      />
      <FenceFields draft={draft} errors={save.fields} onChange={setDraft} />
    </EditDrawer>
  );
}

/** The zone that it is drawn around: chosen by name or on the map, or drawn anew. */
function Where({ draft, error, onChange }: { draft: Draft; error: string | undefined; onChange: (draft: Draft) => void }) {
  const w = usePart(words);
  const zones = useZones();
  const mine = useCell(session);
  const [drawing, setDrawing] = useState(false);
  const mayDraw = mine.token !== null && mine.user.level === UserLevel.ADMINISTRATOR;
  const choose = (zoneId: bigint) => onChange({ ...draft, zoneId });
  if (drawing) {
    return (
      <ZoneForm
        onClose={() => setDrawing(false)}
        onDrawn={(zoneId) => {
          setDrawing(false);
          choose(zoneId);
        }}
      />
    );
  }
  return (
    <div className="form">
      <Select<number>
        label={w.zone}
        hint={w.zoneHint}
        value={Number(draft.zoneId)}
        options={[[0, w.chooseZone], ...zones.map(({ id, displayName, code }) => [Number(id), displayName || code] as const)]}
        error={error}
        onChange={(id) => choose(BigInt(id))}
      />
      <ZoneMap zones={zones} chosen={draft.zoneId} onChoose={choose} />
      {mayDraw && (
        <div className="line">
          <Button small onClick={() => setDrawing(true)}>
            {w.draw}
          </Button>
        </div>
      )}
    </div>
  );
}

interface FieldsProps {
  draft: Draft;
  errors: ReadonlyMap<string, string>;
  onChange: (draft: Draft) => void;
}

function FenceFields({ draft, errors, onChange }: FieldsProps) {
  const w = usePart(words);
  const agents = [...useAgents().values()].sort((a, b) => a.code.localeCompare(b.code));
  return (
    <>
      <Choices<GeofenceEventKind>
        label={w.tells}
        options={CROSSINGS.map((kind) => [kind, w.kinds[kind]] as const)}
        chosen={draft.crossings}
        error={errors.get('crossings')}
        onChange={(crossings) => onChange({ ...draft, crossings })}
      />
      <Field
        label={w.dwell}
        hint={w.dwellHint}
        inputMode="numeric"
        value={draft.dwell}
        error={errors.get('dwell_time')}
        onChange={({ target }) => onChange({ ...draft, dwell: target.value })}
      />
      <TextArea
        label={w.units}
        hint={w.unitsHint}
        rows={2}
        value={draft.units}
        error={errors.get('units')}
        onChange={({ target }) => onChange({ ...draft, units: target.value })}
      />
      <details className="fence-more">
        <summary>{w.agents(draft.agentIds.length)}</summary>
        <Choices<bigint>
          label={w.agentIds}
          options={agents.map(({ id, code, displayName }) => [id, `${code} · ${displayName}`] as const)}
          chosen={draft.agentIds}
          error={errors.get('agent_ids')}
          onChange={(agentIds) => onChange({ ...draft, agentIds })}
        />
      </details>
      <Gates draft={draft} errors={errors} onChange={onChange} />
    </>
  );
}

/** Which fixes count. */
function Gates({ draft, errors, onChange }: FieldsProps) {
  const w = usePart(words);
  return (
    <div className="pair">
      <Field
        label={w.margin}
        placeholder="25"
        inputMode="decimal"
        value={draft.margin}
        error={errors.get('margin_meters')}
        onChange={({ target }) => onChange({ ...draft, margin: target.value })}
      />
      <Field
        label={w.accuracy}
        placeholder="100"
        inputMode="decimal"
        value={draft.accuracy}
        error={errors.get('max_accuracy_meters')}
        onChange={({ target }) => onChange({ ...draft, accuracy: target.value })}
      />
      <Field
        label={w.confirmations}
        placeholder="2"
        inputMode="numeric"
        value={draft.confirmations}
        error={errors.get('confirmation_count')}
        onChange={({ target }) => onChange({ ...draft, confirmations: target.value })}
      />
    </div>
  );
}

function draftOf(fence: Geofence | undefined): Draft {
  return {
    displayName: fence?.displayName ?? '',
    zoneId: fence?.zoneId ?? 0n,
    crossings: fence?.crossings ?? CROSSINGS,
    dwell: fence?.dwellTime ? String(durationMillis(fence.dwellTime) / 60_000) : '',
    units: fence?.units.join('\n') ?? '',
    agentIds: fence?.agentIds ?? [],
    margin: String(fence?.marginMeters ?? ''),
    accuracy: String(fence?.maxAccuracyMeters ?? ''),
    confirmations: String(fence?.confirmationCount ?? ''),
  };
}

function fenceOf(draft: Draft, before: Geofence | undefined): Geofence {
  const [dwell, margin, accuracy, confirmations] = [draft.dwell, draft.margin, draft.accuracy, draft.confirmations].map(numberOf);
  return create(GeofenceSchema, {
    id: before?.id ?? 0n,
    etag: before?.etag ?? '',
    displayName: draft.displayName.trim(),
    zoneId: draft.zoneId,
    crossings: [...draft.crossings],
    agentIds: [...draft.agentIds],
    units: linesOf(draft.units),
    ...(dwell && { dwellTime: create(DurationSchema, { seconds: BigInt(Math.round(dwell * 60)) }) }),
    ...(typeof margin === 'number' && { marginMeters: margin }),
    ...(typeof accuracy === 'number' && { maxAccuracyMeters: accuracy }),
    ...(typeof confirmations === 'number' && { confirmationCount: Math.round(confirmations) }),
  });
}

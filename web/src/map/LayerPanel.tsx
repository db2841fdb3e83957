import { Cell, useCell } from '../cell';
import { Availability } from '../gen/gad/v1/agent_pb';
import { words as emergencyWords } from '../emergency/words';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { availabilityTone } from '../task/AvailabilityDot';
import { STATES, StateIcon } from '../task/looks';
import { Check } from '../ui/Check';
import { useNarrow } from '../ui/useMedia';
import type { Layers } from './rows';
import { words } from './words';

export const mapLayers = new Cell<Layers>({ agents: true, openTasks: true, closedTasks: false, zones: true, heat: false });

const NAMES = ['agents', 'openTasks', 'closedTasks', 'zones'] as const;
const ON_DUTY = [
  Availability.AVAILABLE,
  Availability.ON_TASK,
  Availability.UNAVAILABLE,
  Availability.OFF_DUTY,
] as const;

export function LayerPanel() {
  const { t } = useWords();
  const emergencies = usePart(emergencyWords);
  const w = usePart(words);
  const layers = useCell(mapLayers);
  const narrow = useNarrow();
  return (
    <details className="map-panel" open={!narrow}>
      <summary>{t.map.layers}</summary>
      <fieldset>
        <legend className="only-heard">{t.map.layers}</legend>
        {NAMES.map((name) => (
          <label className="check" key={name}>
            <input
              type="checkbox"
              checked={layers[name]}
              onChange={(event) => mapLayers.set({ ...layers, [name]: event.target.checked })}
            />
            <span>{t.map[name]}</span>
          </label>
        ))}
        <Check label={w.heat} hint={w.heatHint} checked={layers.heat} onChange={(heat) => mapLayers.set({ ...layers, heat })} />
      </fieldset>
      <h2>{t.map.legend}</h2>
      <ul className="legend">
        {ON_DUTY.map((availability) => (
          <li key={availability}>
            <span className={`dot tone-${availabilityTone[availability]}`} />
            {t.availabilities[availability]}
          </li>
        ))}
        <li>
          <span className="dot dot-stale" />
          {t.map.stale}
        </li>
        <li>
          <span className="emergency-mark">!</span>
          {emergencies.title}
        </li>
        {STATES.map((state) => (
          <li key={state}>
            <StateIcon state={state} />
            {t.states[state]}
          </li>
        ))}
      </ul>
    </details>
  );
}

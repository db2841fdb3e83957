import { UserLevel } from '../gen/gad/v1/rule_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useZones } from '../map/useZones';
import { Check } from '../ui/Check';
import { Select } from '../ui/Select';
import { words } from './words';

const LEVELS = [UserLevel.AGENT, UserLevel.SUPERVISOR, UserLevel.ADMINISTRATOR] as const;

export interface Authority {
  readonly level: UserLevel;
  /** Zones that a supervisor's authority ends at. */
  readonly zoneIds: readonly bigint[];
}

interface Props<T extends Authority> {
  draft: T;
  errors: ReadonlyMap<string, string>;
  onChange: (draft: T) => void;
}

export function LevelFields<T extends Authority>({ draft, errors, onChange }: Props<T>) {
  const { t } = useWords();
  const { invite, user: w } = usePart(words);
  const zones = useZones();
  const put = (id: bigint, isIn: boolean) =>
    onChange({ ...draft, zoneIds: isIn ? [...draft.zoneIds, id] : draft.zoneIds.filter((other) => other !== id) });
  return (
    <>
      <Select<UserLevel>
        label={invite.level}
        value={draft.level}
        options={LEVELS.map((level) => [level, t.levels[level]] as const)}
        error={errors.get('level')}
        onChange={(level) => onChange({ ...draft, level, zoneIds: level === UserLevel.SUPERVISOR ? draft.zoneIds : [] })}
      />
      {draft.level === UserLevel.SUPERVISOR && (
        <fieldset>
          <legend className="field-label">{w.zones}</legend>
          <p className="field-hint">{w.zonesHint}</p>
          <div className="zone-checks">
            {zones.map(({ id, displayName }) => (
              <Check key={String(id)} label={displayName} checked={draft.zoneIds.includes(id)} onChange={(isIn) => put(id, isIn)} />
            ))}
          </div>
          {errors.has('zone_ids') && (
            <p className="field-error" role="alert">
              {errors.get('zone_ids')}
            </p>
          )}
        </fieldset>
      )}
    </>
  );
}

import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useId } from 'react';
import { MissedOccurrences } from '../gen/gad/v1/template_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { explain } from '../rpc/failure';
import { templates } from '../rpc/lateClients';
import { millis } from '../time';
import { Check } from '../ui/Check';
import { Field, FieldFrame } from '../ui/Field';
import { numberOf } from '../ui/lines';
import { Select } from '../ui/Select';
import { recurrenceOf } from './draft';
import { DAYS, type Every, ruleOf } from './recurrence';
import type { FieldsProps } from './TemplatePanel';
import { words } from './words';

const EVERIES: readonly Every[] = ['none', 'hours', 'days', 'weeks', 'months', 'rule'];
const MISSED = [MissedOccurrences.LATEST, MissedOccurrences.ALL, MissedOccurrences.NONE] as const;

/** When tasks are made, and which times these would be. */
export function RecurrenceFields({ draft, errors, onChange }: FieldsProps) {
  const w = usePart(words);
  const { rhythm } = draft;
  return (
    <fieldset className="plan-rhythm">
      <legend className="field-label">{w.every}</legend>
      <div className="pair">
        <FieldFrame label={w.repeats} error={errors.get('recurrence')}>
          {(ids) => (
            <select
              className="input"
              value={rhythm.every}
              onChange={({ target }) => onChange({ ...draft, rhythm: changed(draft.rhythm, target.value as Every) })}
              {...ids}
            >
              {EVERIES.map((every) => (
                <option key={every} value={every}>
                  {w.everies[every]}
                </option>
              ))}
            </select>
          )}
        </FieldFrame>
        {rhythm.every !== 'none' && rhythm.every !== 'rule' && <Counts draft={draft} errors={errors} onChange={onChange} />}
      </div>
      {rhythm.every === 'rule' && (
        <Field
          label={w.rule}
          hint={w.ruleHint}
          maxLength={500}
          autoCapitalize="characters"
          spellCheck={false}
          value={rhythm.rule}
          onChange={({ target }) => onChange({ ...draft, rhythm: { ...rhythm, rule: target.value } })}
        />
      )}
      {rhythm.every === 'weeks' && <Weekdays draft={draft} errors={errors} onChange={onChange} />}
      {rhythm.every !== 'none' && (
        <>
          <Times draft={draft} errors={errors} onChange={onChange} />
          <Next draft={draft} />
        </>
      )}
    </fieldset>
  );
}

/** Whoever goes on to write the rule begins with what the form says. */
function changed(rhythm: FieldsProps['draft']['rhythm'], every: Every): FieldsProps['draft']['rhythm'] {
  return { ...rhythm, every, rule: every === 'rule' ? ruleOf(rhythm) : rhythm.rule };
}

function Counts({ draft, onChange }: FieldsProps) {
  const w = usePart(words);
  const { rhythm } = draft;
  const whole = (text: string) => Math.max(0, Math.floor(numberOf(text) ?? 0));
  return (
    <>
      <Field
        label={w.interval}
        type="number"
        min={1}
        max={1000}
        value={rhythm.interval || ''}
        onChange={({ target }) => onChange({ ...draft, rhythm: { ...rhythm, interval: whole(target.value) } })}
      />
      <Field
        label={w.count}
        hint={w.countHint}
        type="number"
        min={0}
        max={10_000}
        value={rhythm.count || ''}
        onChange={({ target }) => onChange({ ...draft, rhythm: { ...rhythm, count: whole(target.value) } })}
      />
    </>
  );
}

function Weekdays({ draft, onChange }: FieldsProps) {
  const w = usePart(words);
  const { rhythm } = draft;
  const put = (day: string, isIn: boolean) =>
    onChange({ ...draft, rhythm: { ...rhythm, days: isIn ? [...rhythm.days, day] : rhythm.days.filter((other) => other !== day) } });
  return (
    <fieldset>
      <legend className="field-label">{w.weekdays}</legend>
      <div className="plan-days">
        {DAYS.map((day) => (
          <Check key={day} label={w.days[day]} checked={rhythm.days.includes(day)} onChange={(isIn) => put(day, isIn)} />
        ))}
      </div>
    </fieldset>
  );
}

function Times({ draft, onChange }: FieldsProps) {
  const w = usePart(words);
  const zones = useId();
  return (
    <>
      <div className="pair pair-wide">
        <Field
          label={w.start}
          type="datetime-local"
          value={draft.start}
          onChange={({ target }) => onChange({ ...draft, start: target.value })}
        />
        <Field
          label={w.zone}
          list={zones}
          maxLength={64}
          value={draft.zone}
          onChange={({ target }) => onChange({ ...draft, zone: target.value })}
        />
        <Field
          label={w.lead}
          hint={w.leadHint}
          inputMode="numeric"
          value={draft.lead}
          onChange={({ target }) => onChange({ ...draft, lead: target.value })}
        />
        <Select<MissedOccurrences>
          label={w.missed}
          value={draft.missed}
          options={MISSED.map((one) => [one, w.misseds[one]] as const)}
          onChange={(missed) => onChange({ ...draft, missed })}
        />
      </div>
      <datalist id={zones}>
        {Intl.supportedValuesOf('timeZone').map((zone) => (
          <option key={zone}>{zone}</option>
        ))}
      </datalist>
      <Check
        label={w.paused}
        hint={w.pausedHint}
        checked={draft.paused}
        onChange={(paused) => onChange({ ...draft, paused })}
      />
    </>
  );
}

const SHOWN = 5;
const AS_TIMES = { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;

/** The next times, as the server reckons them. */
function Next({ draft }: { draft: FieldsProps['draft'] }) {
  const { t, lang } = useWords();
  const w = usePart(words);
  const asked = useDeferredValue(draft);
  const { rhythm, start, zone } = asked;
  const { data, error } = useQuery({
    queryKey: ['recurrence', ruleOf(rhythm), start, zone],
    retry: false,
    queryFn: async ({ signal }) => {
      const recurrence = recurrenceOf(asked);
      if (!recurrence) return null;
      return templates.previewRecurrence({ recurrence, count: SHOWN }, { ...CALL, signal });
    },
  });
  const failure = error && explain(error, t);
  const at = (moment: number) =>
    new Intl.DateTimeFormat(lang, { ...AS_TIMES, timeZone: zone }).format(moment);
  return (
    <div className="plan-next" role="status">
      <h4>{w.nextTimes}</h4>
      {failure && <p className="field-error">{[...failure.fields.values()][0] ?? failure.text}</p>}
      {!failure && data === null && <p className="field-error">{w.noStart}</p>}
      {!failure && data?.times.length === 0 && <p className="muted">{w.over}</p>}
      {!failure && data && (
        <ol>
          {data.times.map((time) => (
            <li key={String(time.seconds)}>{at(millis(time))}</li>
          ))}
        </ol>
      )}
    </div>
  );
}

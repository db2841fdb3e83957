import { Check } from './Check';

interface Props<Value> {
  label: string;
  hint?: string | undefined;
  options: readonly (readonly [Value, string])[];
  chosen: readonly Value[];
  error?: string | undefined;
  onChange: (chosen: Value[]) => void;
}

/** Any of several things. */
export function Choices<Value extends number | bigint>({ label, hint, options, chosen, error, onChange }: Props<Value>) {
  const put = (value: Value, isIn: boolean) => onChange(isIn ? [...chosen, value] : chosen.filter((other) => other !== value));
  return (
    <fieldset className={error ? 'choices field-wrong' : 'choices'}>
      <legend className="field-label">{label}</legend>
      {hint && <p className="field-hint">{hint}</p>}
      <div className="choices-list">
        {options.map(([value, text]) => (
          <Check key={String(value)} label={text} checked={chosen.includes(value)} onChange={(isIn) => put(value, isIn)} />
        ))}
      </div>
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </fieldset>
  );
}

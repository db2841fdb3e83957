import { FieldFrame } from './Field';

interface Props<Value extends number> {
  label: string;
  value: Value;
  options: readonly (readonly [Value, string])[];
  onChange: (value: Value) => void;
  hint?: string | undefined;
  error?: string | undefined;
}

/** A choice among the values of an enum. */
export function Select<Value extends number>({ label, value, options, onChange, hint, error }: Props<Value>) {
  const choose = (text: string) => {
    const chosen = options.find(([option]) => String(option) === text);
    if (chosen) onChange(chosen[0]);
  };
  return (
    <FieldFrame label={label} hint={hint} error={error}>
      {(ids) => (
        <select className="input" value={value} onChange={(event) => choose(event.target.value)} {...ids}>
          {options.map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )}
    </FieldFrame>
  );
}

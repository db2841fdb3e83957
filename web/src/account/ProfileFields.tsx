import type { User } from '../gen/gad/v1/user_pb';
import { usePart } from '../i18n/part';
import { Field, FieldFrame } from '../ui/Field';
import { words } from './words';

/** What people say of themselves. */
export interface Profile {
  readonly displayName: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly username: string;
  readonly phone: string;
  readonly language: string;
}

/** Its fields, as masks name them. */
export const PROFILE_PATHS = ['display_name', 'given_name', 'family_name', 'username', 'phone', 'language'] as const;

export function profileOf({ displayName, givenName, familyName, username = '', phone, language }: User): Profile {
  return { displayName, givenName, familyName, username, phone, language: language || 'es' };
}

interface Props<T extends Profile> {
  draft: T;
  errors: ReadonlyMap<string, string>;
  onChange: (draft: T) => void;
}

export function ProfileFields<T extends Profile>({ draft, errors, onChange }: Props<T>) {
  const { profile: w } = usePart(words);
  const field = (name: keyof Profile, wire: (typeof PROFILE_PATHS)[number]) => ({
    value: draft[name],
    error: errors.get(wire),
    onChange: (event: { target: { value: string } }) => onChange({ ...draft, [name]: event.target.value }),
  });
  return (
    <>
      <Field label={w.displayName} maxLength={200} {...field('displayName', 'display_name')} />
      <div className="pair">
        <Field label={w.givenName} maxLength={100} {...field('givenName', 'given_name')} />
        <Field label={w.familyName} maxLength={100} {...field('familyName', 'family_name')} />
      </div>
      <Field
        label={w.username}
        hint={w.usernameHint}
        autoCapitalize="none"
        spellCheck={false}
        maxLength={50}
        {...field('username', 'username')}
      />
      <div className="pair">
        <Field label={w.phone} type="tel" maxLength={40} {...field('phone', 'phone')} />
        <FieldFrame label={w.language} error={errors.get('language')}>
          {(ids) => (
            <select
              className="input"
              value={draft.language}
              onChange={(event) => onChange({ ...draft, language: event.target.value })}
              {...ids}
            >
              {Object.entries(w.languages).map(([code, name]) => (
                <option key={code} value={code}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </FieldFrame>
      </div>
    </>
  );
}

import { type InputHTMLAttributes, useState } from 'react';
import { useWords } from '../i18n';
import { FieldFrame } from './Field';
import { Icon } from './Icon';

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
}

/** A password that its owner may look at while typing. */
export function PasswordField({ label, hint, error, ...input }: Props) {
  const { t } = useWords();
  const [shown, setShown] = useState(false);
  const word = shown ? t.app.hidePassword : t.app.showPassword;
  return (
    <FieldFrame label={label} hint={hint} error={error}>
      {(ids) => (
        <span className="password">
          <input
            className="input"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
            maxLength={1000}
            {...input}
            {...ids}
            type={shown ? 'text' : 'password'}
          />
          <button
            type="button"
            className="icon-button"
            aria-label={word}
            title={word}
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
          >
            <Icon name={shown ? 'eyeClosed' : 'eye'} />
          </button>
        </span>
      )}
    </FieldFrame>
  );
}

import { useCell } from '../cell';
import { useWords } from '../i18n';
import { type Language, speak } from '../i18n/language';
import { Icon, type IconName } from '../ui/Icon';
import { nextTheme, type Theme, theme } from './theme';

const names: readonly (readonly [Language, string])[] = [
  ['es', 'Español'],
  ['en', 'English'],
];

export function LanguageSwitch() {
  const { t, lang } = useWords();
  return (
    <div className="languages" role="group" aria-label={t.app.language}>
      {names.map(([code, name]) => (
        <button
          type="button"
          key={code}
          lang={code}
          className="language"
          aria-pressed={code === lang}
          aria-label={name}
          title={name}
          onClick={() => speak(code)}
        >
          {code.toUpperCase()}
        </button>
      ))}
    </div>
  );
}

const icons: Readonly<Record<Theme, IconName>> = { system: 'contrast', light: 'sun', dark: 'moon' };

export function ThemeSwitch() {
  const { t } = useWords();
  const shown = useCell(theme);
  const label = `${t.app.theme}: ${t.app.themes[shown]}`;
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={nextTheme}>
      <Icon name={icons[shown]} />
    </button>
  );
}

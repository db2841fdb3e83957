import { useConfig } from '../config';
import { useWords } from '../i18n';

export function Brand() {
  const { t } = useWords();
  const { environment } = useConfig();
  return (
    <div className="brand">
      <img className="brand-mark" src="/icon.svg" alt="" width="32" height="32" />
      <span className="brand-name">{t.app.name}</span>
      {environment && environment !== 'production' && <span className="brand-env">{environment}</span>}
    </div>
  );
}

import { Link } from 'wouter';
import { useWords } from '../i18n';

export function NotFoundPage() {
  const { t } = useWords();
  return (
    <div className="page page-message">
      <p>{t.app.notFound}</p>
      <Link className="button button-primary" href="/">
        {t.app.toBoard}
      </Link>
    </div>
  );
}
